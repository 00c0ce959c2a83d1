// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

/* Checks of what the user says about where the service is and who asks. Pure
 * functions, usable on any thread. */
namespace sis {

enum class Mode { Continue, Sentence, Short };

/* A place that is asked: {scheme}://host[:port][/prefix]. */
struct Endpoint
{
  bool secure = true;
  std::string host;       /* without the brackets of an IPv6 address */
  std::uint16_t port = 0; /* 0: the scheme's own */
  std::string prefix;     /* "" or "/path" without a slash at the end */

  bool operator== (const Endpoint &) const = default;

  /* 127.0.0.0/8, ::1 or "localhost": audio and credentials stay here. */
  bool is_loopback () const noexcept;

  /* In plain text credentials go nowhere else. */
  bool may_carry_secrets () const noexcept { return secure || is_loopback (); }

  /* As in the header Host: the port only if it is not the scheme's own. */
  std::string authority () const;

  /* One mode's stream: {prefix}/v1/{project_id}/rasr/{mode}-stream, and its
   * URL, ws or wss. */
  std::string stream_path (std::string_view project_id, Mode mode) const;
  std::string stream_url (std::string_view project_id, Mode mode) const;

  /* Where IAM issues tokens, http or https. */
  std::string token_url () const;
};

enum class EndpointKind {
  Service, /* property `endpoint`: wss, ws */
  Iam,     /* property `iam-endpoint`: https, http */
};

/* An endpoint, or a sentence for the user that says what is wrong with it. */
std::variant<Endpoint, std::string> parse_endpoint (const std::string &text,
                                                    EndpointKind kind
                                                    = EndpointKind::Service);

/* Huawei Cloud's own endpoints of a region. */
Endpoint endpoint_of_region (std::string_view region,
                             EndpointKind kind = EndpointKind::Service);

/* A name or an address, without the brackets of an IPv6 one. */
bool is_valid_host (const std::string &host) noexcept;

bool is_valid_region (std::string_view region) noexcept;
bool is_valid_project_id (std::string_view project_id) noexcept;

} // namespace sis
