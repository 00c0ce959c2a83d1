// SPDX-License-Identifier: LGPL-2.1-or-later
#include "endpointer.h"

#include <algorithm>
#include <cmath>

namespace sistest {

bool
Endpointer::take (std::span<const std::int16_t> frame)
{
  constexpr double margin = 12.0, quietest_speech = 38.0, rise = 0.01;

  double energy = 1.0;
  for (const double sample : frame)
    energy += sample * sample / static_cast<double> (frame.size ());
  const double level = 10.0 * std::log10 (energy);
  floor_ += level < floor_ ? 0.3 * (level - floor_) : rise;

  const bool loud = level > std::max (floor_ + margin, quietest_speech);
  silent_ = loud ? 0 : silent_ + 1;
  loud_
      = loud ? std::min (loud_ + 1, frames_to_begin) : std::max (loud_ - 1, 0);
  return loud_ == frames_to_begin;
}

} // namespace sistest
