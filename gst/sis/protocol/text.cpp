// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/text.h"

#include <algorithm>
#include <glib.h>

namespace sis {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

/* What nobody sees: it would hide text, or turn the order of a line around, on
 * a terminal and in a subtitle. The joiners U+200C and U+200D are none of that,
 * as Persian, the scripts of India and emoji are spelled with them; nor are the
 * first variation selectors, which choose the look of a letter. */
constexpr struct
{
  gunichar first, last;
} unseen[] = {
  { 0x00AD, 0x00AD },   /* soft hyphen */
  { 0x034F, 0x034F },   /* grapheme joiner */
  { 0x061C, 0x061C },   /* direction */
  { 0x115F, 0x1160 },   /* fillers */
  { 0x17B4, 0x17B5 },   /* vowels without a sign */
  { 0x180E, 0x180E },   /* a separator without a width */
  { 0x200B, 0x200B },   /* a space without a width */
  { 0x200E, 0x200F },   /* direction */
  { 0x2028, 0x202E },   /* line breaks, direction */
  { 0x2060, 0x206F },   /* no width, direction */
  { 0x3164, 0x3164 },   /* filler */
  { 0xFDD0, 0xFDEF },   /* noncharacters */
  { 0xFEFF, 0xFEFF },   /* byte order */
  { 0xFFA0, 0xFFA0 },   /* filler */
  { 0xFFF0, 0xFFFB },   /* annotations */
  { 0x1BCA0, 0x1BCA3 }, /* shorthand */
  { 0x1D173, 0x1D17A }, /* beams and slurs */
  { 0xE0000, 0xE0FFF }, /* tags, further variation selectors */
};

bool
is_unseen (gunichar c)
{
  for (const auto &range : unseen)
    if (c <= range.last)
      return c >= range.first;
  return false;
}

bool
is_noncharacter_of_plane (gunichar c)
{
  return (c & 0xFFFE) == 0xFFFE;
}

bool
is_shown (gunichar c)
{
  if (c < 0xA0)
    return c >= 0x20 && c < 0x7F;
  return !is_noncharacter_of_plane (c) && !is_unseen (c);
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
