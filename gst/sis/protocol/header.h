// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/secret.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/* Headers of a request: what may stand in them. Pure functions, usable on any
 * thread. */
namespace sis {

/* The value counts as a secret, whatever it is. */
struct Header
{
  std::string name;
  Secret value;

  bool operator== (const Header &) const = default;
};
using Headers = std::vector<Header>;

/* What may stand in a header: blanks and control characters are taken off at
 * both ends (a token read from a file ends in a newline); nullopt if one is
 * left inside, or a byte that is not ASCII. */
std::optional<std::string_view>
trim_header_value (std::string_view value) noexcept;

/* A token of RFC 9110, 5.6.2. */
bool is_valid_header_name (std::string_view name) noexcept;

/* Has a property of its own, is made by the WebSocket or the HTTP library, or
 * would carry credentials past the checks of where they may go. */
bool is_reserved_header (std::string_view name) noexcept;

} // namespace sis
