// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/stream/timeline.h"

#include <algorithm>
#include <cmath>

namespace sis {
namespace {

/* A sixth of a sample at 16 kHz. */
constexpr Nanoseconds tolerance{ 10'000 };

constexpr std::size_t max_anchors = 8192;

/* A time further on; far beyond what is in use it stands still. */
Nanoseconds
advance (Nanoseconds time, Nanoseconds length) noexcept
{
  const bool is_far
      = length > Nanoseconds::zero () && time > Nanoseconds::max () - length;
  return time == no_time || is_far ? time : time + length;
}

Nanoseconds
scale (Nanoseconds time, double slope) noexcept
{
  if (slope == 1.0)
    return time;
  return Nanoseconds (std::llround (double (time.count ()) * slope));
}

bool
is_near (Nanoseconds a, Nanoseconds b) noexcept
{
  if (a == no_time || b == no_time)
    return a == b;
  return a - b <= tolerance && b - a <= tolerance;
}

} // namespace

Nanoseconds
samples_to_time (Position samples, int rate) noexcept
{
  /* Whole seconds apart, so that nothing overflows or is rounded twice. */
  const Position seconds = samples / rate;
  const Position rest = samples % rate;
  const Position sign = rest < 0 ? -1 : 1;
  return std::chrono::seconds (seconds)
         + Nanoseconds ((rest * 1'000'000'000 + sign * rate / 2) / rate);
}

Position
time_to_samples (Nanoseconds time, int rate) noexcept
{
  const auto seconds = std::chrono::floor<std::chrono::seconds> (time);
  return seconds.count () * rate
         + (time - seconds).count () * rate / 1'000'000'000;
}

Times
Timeline::extrapolate (const Anchor &anchor, Position position) const noexcept
{
  const Nanoseconds length
      = samples_to_time (position - anchor.position, rate_);
  return Times{
    advance (anchor.times.timestamp, length),
    advance (anchor.times.stream_time, scale (length, anchor.stream_slope)),
    advance (anchor.times.running_time, scale (length, anchor.running_slope)),
  };
}

void
Timeline::add (const Anchor &anchor)
{
  if (!anchors_.empty ()) {
    const Anchor &last = anchors_.back ();
    const Times expected = extrapolate (last, anchor.position);
    if (last.running_slope == anchor.running_slope
        && last.stream_slope == anchor.stream_slope
        && is_near (expected.timestamp, anchor.times.timestamp)
        && is_near (expected.stream_time, anchor.times.stream_time)
        && is_near (expected.running_time, anchor.times.running_time))
      return;
    if (last.position == anchor.position)
      anchors_.pop_back ();
  }
  anchors_.push_back (anchor);
  if (anchors_.size () > max_anchors)
    anchors_.pop_front ();
}

Times
Timeline::at (Position position) const noexcept
{
  if (anchors_.empty ())
    return Times{};
  auto next = std::upper_bound (
      anchors_.begin (), anchors_.end (), position,
      [] (Position p, const Anchor &anchor) { return p < anchor.position; });
  if (next != anchors_.begin ())
    --next;
  return extrapolate (*next, position);
}

void
Timeline::forget_before (Position position)
{
  while (anchors_.size () > 1 && anchors_[1].position <= position)
    anchors_.pop_front ();
}

} // namespace sis
