// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/header.h"

#include <algorithm>
#include <glib.h>

namespace sis {
namespace {

constexpr std::string_view reserved[] = {
  "authorization", "connection", "content-length", "enterprise-project-id",
  "host",          "te",         "trailer",        "transfer-encoding",
  "upgrade",       "user-agent", "x-auth-token",   "x-security-token",
};
constexpr std::string_view reserved_starts[]
    = { "proxy-", "sec-websocket-", "x-sdk-" };

} // namespace

std::optional<std::string_view>
trim_header_value (std::string_view value) noexcept
{
  const auto is_blank
      = [] (char c) { return g_ascii_isspace (c) || g_ascii_iscntrl (c); };
  while (!value.empty () && is_blank (value.front ()))
    value.remove_prefix (1);
  while (!value.empty () && is_blank (value.back ()))
    value.remove_suffix (1);
  const bool is_clean = std::ranges::all_of (
      value, [] (char c) { return g_ascii_isprint (c); });
  return is_clean ? std::optional (value) : std::nullopt;
}

bool
is_valid_header_name (std::string_view name) noexcept
{
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !name.empty () && std::ranges::all_of (name, [&] (char c) {
    return g_ascii_isalnum (c) || marks.find (c) != std::string_view::npos;
  });
}

bool
is_reserved_header (std::string_view name) noexcept
{
  std::string lower (name);
  std::ranges::transform (lower, lower.begin (),
                          [] (char c) { return g_ascii_tolower (c); });
  return std::ranges::find (reserved, lower) != std::end (reserved)
         || std::ranges::any_of (reserved_starts, [&] (std::string_view start) {
              return lower.starts_with (start);
            });
}

} // namespace sis
