// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstdlib>

namespace sischeck {

/* How often something is done: less often where everything is slower, under
 * valgrind or ThreadSanitizer, by the one factor 1/SIS_CHECK_SCALE. */
template <typename Number>
Number
scaled (Number count)
{
  const char *text = std::getenv ("SIS_CHECK_SCALE");
  const auto divisor
      = Number (std::clamp (text != nullptr ? std::atoi (text) : 1, 1, 20));
  return std::max (count / divisor, Number (1));
}

} // namespace sischeck
