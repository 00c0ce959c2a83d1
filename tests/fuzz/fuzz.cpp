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

bool
is_clean (std::string_view text, std::size_t limit)
{
  if (text.size () > limit
      || !g_utf8_validate_len (text.data (), text.size (), nullptr))
    return false;
  const char *const end = text.data () + text.size ();
  for (const char *p = text.data (); p < end; p = g_utf8_next_char (p)) {
    const gunichar c = g_utf8_get_char (p);
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
      return false;
  }
  return true;
}

} // namespace sisfuzz
