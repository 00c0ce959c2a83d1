// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstdlib>

namespace sischeck {

/* Of all that could be tried in turn, each so many-th is: SIS_CHECK_SCALE. */
inline int
stride ()
{
  const char *text = std::getenv ("SIS_CHECK_SCALE");
  return std::clamp (text != nullptr ? std::atoi (text) : 1, 1, 20);
}

/* How often something is done: less often where everything is slower, under
 * valgrind or ThreadSanitizer, by the one factor 1/SIS_CHECK_SCALE. */
template <typename Number>
Number
scaled (Number count)
{
  return std::max (count / Number (stride ()), Number (1));
}

} // namespace sischeck
