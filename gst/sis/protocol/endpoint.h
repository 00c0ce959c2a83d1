// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

/* Checks of what the user says about where the service is and who asks. Pure
 * functions, usable on any thread. */
namespace sis {

enum class Mode { Continue, Sentence, Short };

/* A place that speaks the protocol: ws[s]://host[:port][/prefix]. */
struct Endpoint
{
  bool secure = true;
  std::string host;       /* without the brackets of an IPv6 address */
  std::uint16_t port = 0; /* 0: the scheme's own */
  std::string prefix;     /* "" or "/path" without a slash at the end */

  /* 127.0.0.0/8, ::1 or "localhost": audio and credentials stay here. */
  bool is_loopback () const noexcept;

  /* Over plain ws:// credentials go nowhere else. */
  bool may_carry_secrets () const noexcept { return secure || is_loopback (); }

  /* The URL of one mode's stream: …/v1/{project_id}/rasr/{mode}-stream */
  std::string url (std::string_view project_id, Mode mode) const;
};

/* An endpoint, or a sentence for the user that says what is wrong with it. */
std::variant<Endpoint, std::string> parse_endpoint (const std::string &text);

/* The service's own endpoint of a region. */
Endpoint endpoint_of_region (std::string_view region);

bool is_valid_region (std::string_view region) noexcept;
bool is_valid_project_id (std::string_view project_id) noexcept;

/* What may stand in a header: blanks and control characters are taken off at
 * both ends (a token read from a file ends in a newline); nullopt if one is
 * left inside, or a byte that is not ASCII. */
std::optional<std::string_view>
trim_header_value (std::string_view value) noexcept;

} // namespace sis
