// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/text.h"

#include <algorithm>
#include <glib.h>

namespace sis {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr gunichar line_separator = 0x2028, paragraph_separator = 0x2029;

bool
is_shown (gunichar c)
{
  return c >= 0xA0 ? c != line_separator && c != paragraph_separator
                   : c >= 0x20 && c < 0x7F;
}

/* The character at the front and its length in bytes; for a byte that starts
 * none, U+FFFD and 1. */
gunichar
character_at (std::string_view text, std::size_t &length)
{
  const auto first = static_cast<unsigned char> (text.front ());
  length = 1;
  if (first < 0x80)
    return first;
  const gunichar c = g_utf8_get_char_validated (
      text.data (),
      static_cast<gssize> (std::min<std::size_t> (text.size (), 4)));
  if (c > 0x10FFFF)
    return 0xFFFD;
  length = static_cast<std::size_t> (g_unichar_to_utf8 (c, nullptr));
  return c;
}

} // namespace

std::string
clean_text (std::string_view text, std::size_t limit) noexcept
{
  std::string out;
  out.reserve (std::min (text.size (), limit));
  while (!text.empty ()) {
    std::size_t length;
    const gunichar c = character_at (text, length);
    const auto bytes = c == 0xFFFD ? replacement : text.substr (0, length);
    if (is_shown (c)) {
      if (out.size () + bytes.size () > limit)
        break;
      out.append (bytes);
    }
    text.remove_prefix (length);
  }
  return out;
}

} // namespace sis
