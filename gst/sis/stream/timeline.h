// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace sis {

using Nanoseconds = std::chrono::nanoseconds;

/* A sample of the sink's stream, counted at the service rate over all sessions
 * of a run; it never falls and is never given twice. */
using Position = std::int64_t;

/* Rounded to the nearest nanosecond; exact for any length of stream. */
Nanoseconds samples_to_time (Position samples, int rate) noexcept;

/* The last sample that is not after `time`. */
Position time_to_samples (Nanoseconds time, int rate) noexcept;

/* A time that there is not, such as the stream time of a segment without. */
constexpr Nanoseconds no_time = Nanoseconds::min ();

/* One sample in the pipeline's three times. */
struct Times
{
  Nanoseconds timestamp{}, stream_time{}, running_time{};

  bool operator== (const Times &) const = default;
};

/* From here on, time is known to be so. */
struct Anchor
{
  Position position = 0;
  Times times;
  double running_slope = 1.0; /* running time per time of audio */
  double stream_slope = 1.0;  /* stream time per time of audio */
};

/* The piecewise map from samples to times: each buffer of the pipeline anchors
 * it with its own timestamp. Pure; the owner locks. */
class Timeline
{
public:
  explicit Timeline (int rate) : rate_ (rate) {}

  /* Positions must not fall. An anchor that says what is known already (within
   * a fraction of a sample) is not stored; deviations never add up. */
  void add (const Anchor &anchor);

  /* Extrapolates on both sides; zero times as long as there is no anchor. */
  Times at (Position position) const noexcept;

  /* Gives up what lies before; add () does so at 8192 anchors. */
  void forget_before (Position position);

  void clear () { anchors_.clear (); }
  std::size_t size () const noexcept { return anchors_.size (); }

private:
  Times extrapolate (const Anchor &anchor, Position position) const noexcept;

  int rate_;
  std::deque<Anchor> anchors_;
};

} // namespace sis
