// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/stream/sessionmap.h"

#include <algorithm>

namespace sis {
namespace {

/* A minute and more of audio that is dropped every second message. */
constexpr std::size_t max_pieces = 512;

} // namespace

void
SessionMap::sent (Position first, Position end)
{
  if (sent_ == 0)
    pieces_.front () = { first, 0 };
  else if (first != this->end ())
    pieces_.push_back ({ first, sent_ });
  if (pieces_.size () > max_pieces)
    pieces_.erase (pieces_.begin () + 1);
  sent_ += end - first;
}

Position
SessionMap::end () const noexcept
{
  return pieces_.back ().position + sent_ - pieces_.back ().sample;
}

Position
SessionMap::place (Position sample, bool is_end) const noexcept
{
  sample = std::clamp<Position> (sample, 0, sent_);
  auto next = std::partition_point (
      pieces_.begin () + 1, pieces_.end (), [&] (const Piece &piece) {
        return is_end ? piece.sample < sample : piece.sample <= sample;
      });
  const Piece &piece = *std::prev (next);
  return piece.position + sample - piece.sample;
}

Position
SessionMap::at (std::chrono::milliseconds time) const noexcept
{
  return place (time_to_samples (time, rate_), false);
}

Position
SessionMap::end_at (std::chrono::milliseconds time) const noexcept
{
  return place (time_to_samples (time, rate_), true);
}

bool
SessionMap::contains (std::chrono::milliseconds time) const noexcept
{
  const Position sample = time_to_samples (time, rate_);
  return sample >= 0 && sample <= sent_;
}

} // namespace sis
