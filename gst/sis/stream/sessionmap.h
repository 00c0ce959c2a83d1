// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/stream/timeline.h"

#include <deque>

namespace sis {

/* What one session of the service was given: maps its milliseconds to the
 * stream's samples, piecewise, as audio may have been dropped in between.
 * Pure. */
class SessionMap
{
public:
  SessionMap () = default;
  /* The session's millisecond 0 is `first`, unless sent () tells otherwise. */
  SessionMap (int rate, Position first) : rate_ (rate), pieces_{ { first, 0 } }
  {
  }

  /* Samples `first` to `end` were handed to the socket. */
  void sent (Position first, Position end);

  int rate () const noexcept { return rate_; }
  Position first () const noexcept { return pieces_.front ().position; }
  Position end () const noexcept;
  Position length () const noexcept { return sent_; } /* in samples */
  Nanoseconds duration () const noexcept
  {
    return samples_to_time (sent_, rate_);
  }

  /* Clamped to what was sent. Where audio was dropped, the one is the sample
   * after the hole and the other the end of the one before. */
  Position at (std::chrono::milliseconds time) const noexcept;
  Position end_at (std::chrono::milliseconds time) const noexcept;
  bool contains (std::chrono::milliseconds time) const noexcept;

private:
  struct Piece
  {
    Position position, sample;
  };

  Position place (Position sample, bool is_end) const noexcept;

  int rate_ = 16000;
  Position sent_ = 0;
  std::deque<Piece> pieces_{ Piece{} };
};

} // namespace sis
