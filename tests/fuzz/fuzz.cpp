// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fuzz.h"

#include <cstdio>
#include <cstdlib>
#include <glib.h>

namespace sisfuzz {

void
fail (const char *file, int line, const std::string &what)
{
  std::fprintf (stderr, "%s:%d: not so: %s\n", file, line, what.c_str ());
  std::abort ();
}

namespace {

/* Of Unicode's format characters (Cf), those that are seen, or that words are
 * spelled with: joiners, the signs that stand over or under a number, and the
 * places of hieroglyphs. */
bool
is_spelling (gunichar c)
{
  return c == 0x200c || c == 0x200d || (c >= 0x600 && c <= 0x605) || c == 0x6dd
         || c == 0x70f || c == 0x890 || c == 0x891 || c == 0x8e2 || c == 0x110bd
         || c == 0x110cd || (c >= 0x13430 && c <= 0x1343f);
}

/* Not seen although Unicode counts them among letters and marks, or has not
 * given them out yet; and what is no character. */
bool
is_nothing (gunichar c)
{
  static constexpr gunichar fillers[]
      = { 0x34f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2065, 0x3164, 0xffa0 };
  return std::ranges::find (fillers, c) != std::end (fillers)
         || (c >= 0xfff0 && c <= 0xfff8) || (c >= 0xe0000 && c <= 0xe0fff)
         || (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xffff) >= 0xfffe;
}

bool
is_seen (gunichar c)
{
  switch (g_unichar_type (c)) {
  case G_UNICODE_CONTROL:
  case G_UNICODE_LINE_SEPARATOR:
  case G_UNICODE_PARAGRAPH_SEPARATOR:
  case G_UNICODE_SURROGATE:
    return false;
  case G_UNICODE_FORMAT:
    return is_spelling (c);
  default:
    return !is_nothing (c);
  }
}

} // namespace

bool
is_clean (std::string_view text, std::size_t limit)
{
  if (text.size () > limit
      || !g_utf8_validate_len (text.data (), text.size (), nullptr))
    return false;
  const char *const end = text.data () + text.size ();
  for (const char *p = text.data (); p < end; p = g_utf8_next_char (p))
    if (!is_seen (g_utf8_get_char (p)))
      return false;
  return true;
}

} // namespace sisfuzz
