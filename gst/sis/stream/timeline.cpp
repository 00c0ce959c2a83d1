// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/stream/timeline.h"

#include <algorithm>
#include <cmath>

namespace sis {
namespace {

/* A sixth of a sample at 16 kHz. */
constexpr Nanoseconds tolerance{ 10'000 };

constexpr std::ptrdiff_t max_points = 3072;

/* Of a jump in time; what is less is jitter. */
constexpr Nanoseconds hole = std::chrono::milliseconds (40);

constexpr std::size_t max_segments = 256;

/* Far beyond what is in use, times stand still. */
constexpr Nanoseconds last_time = Nanoseconds::max ();

Nanoseconds
sum (Nanoseconds a, Nanoseconds b) noexcept
{
  Nanoseconds::rep count = 0;
  if (__builtin_add_overflow (a.count (), b.count (), &count))
    return a > Nanoseconds::zero () ? last_time : -last_time;
  return std::max (Nanoseconds (count), -last_time);
}

Nanoseconds
difference (Nanoseconds a, Nanoseconds b) noexcept
{
  return sum (a, -b);
}

/* A time further on. */
Nanoseconds
advance (Nanoseconds time, Nanoseconds length) noexcept
{
  return time == no_time ? time : sum (time, length);
}

Nanoseconds
scale (Nanoseconds time, double slope) noexcept
{
  if (slope == 1.0)
    return time;
  const double scaled = double (time.count ()) * slope;
  if (std::abs (scaled) >= double (last_time.count ()))
    return scaled > 0 ? last_time : -last_time;
  return Nanoseconds (std::llround (scaled));
}

bool
is_near (Nanoseconds a, Nanoseconds b) noexcept
{
  if (a == no_time || b == no_time)
    return a == b;
  const Nanoseconds off = difference (a, b);
  return off <= tolerance && off >= -tolerance;
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

Nanoseconds
Timeline::timestamp_at (Position position, Position known) const noexcept
{
  auto next = std::ranges::upper_bound (points_, known, {}, &Point::position);
  if (next != points_.begin ())
    --next;
  return advance (next->timestamp,
                  samples_to_time (position - next->position, rate_));
}

Times
Timeline::times_of (const Segment &segment,
                    Nanoseconds timestamp) const noexcept
{
  const Nanoseconds length = difference (timestamp, segment.timestamp);
  return Times{
    advance (segment.times.timestamp, length),
    advance (segment.times.stream_time, scale (length, segment.stream_slope)),
    advance (segment.times.running_time, scale (length, segment.running_slope)),
  };
}

void
Timeline::begin_segment (const Anchor &anchor, Nanoseconds timestamp)
{
  if (!segments_.empty () && segments_.back ().position == anchor.position)
    segments_.pop_back ();
  segments_.push_back ({ anchor.position, timestamp, anchor.times,
                         anchor.running_slope, anchor.stream_slope });
  if (segments_.size () > max_segments)
    segments_.pop_front ();
}

void
Timeline::add (const Anchor &anchor)
{
  const bool is_new = points_.empty ();
  const Nanoseconds expected
      = is_new ? Nanoseconds::zero ()
               : timestamp_at (anchor.position, anchor.position);
  Nanoseconds timestamp = anchor.times.timestamp;
  if (timestamp == no_time)
    timestamp = expected;

  const auto is_as_expected = [&] (const Segment &segment) {
    const Times times = times_of (segment, timestamp);
    return segment.running_slope == anchor.running_slope
           && segment.stream_slope == anchor.stream_slope
           && is_near (times.timestamp, anchor.times.timestamp)
           && is_near (times.stream_time, anchor.times.stream_time)
           && is_near (times.running_time, anchor.times.running_time);
  };
  const bool is_same_segment = !is_new && is_as_expected (segments_.back ());
  if (is_same_segment && is_near (timestamp, expected))
    return;
  if (!is_same_segment)
    begin_segment (anchor, timestamp);
  if (!is_new && points_.back ().position == anchor.position)
    points_.pop_back ();
  points_.push_back ({ anchor.position, timestamp });
  if (std::ssize (points_) > max_points)
    thin ();
}

/* Older buffers lose their own timestamps to those of their neighbours, those
 * that differ least first; never a hole. */
void
Timeline::thin ()
{
  for (Nanoseconds limit = tolerance; limit < hole; limit *= 2) {
    auto kept = points_.begin ();
    const auto end = points_.end () - max_points / 4;
    for (auto point = kept + 1; point != end; ++point) {
      const Nanoseconds expected
          = advance (kept->timestamp,
                     samples_to_time (point->position - kept->position, rate_));
      const Nanoseconds off = difference (point->timestamp, expected);
      if (off > limit || off < -limit)
        *++kept = *point;
    }
    points_.erase (kept + 1, end);
    if (std::ssize (points_) <= max_points / 2)
      return;
  }
  /* Several at once, so that holes all over do not bring each buffer here. */
  points_.erase (points_.begin (), points_.begin () + max_points / 16);
}

Times
Timeline::at (Position position) const noexcept
{
  return at (position, position);
}

Times
Timeline::end_at (Position position) const noexcept
{
  return at (position, position - 1);
}

/* By what is known at another position, which may lie on the other side of a
 * hole. */
Times
Timeline::at (Position position, Position known) const noexcept
{
  if (points_.empty ())
    return Times{};
  auto segment
      = std::ranges::upper_bound (segments_, known, {}, &Segment::position);
  if (segment != segments_.begin ())
    --segment;
  return times_of (*segment, timestamp_at (position, known));
}

void
Timeline::forget_before (Position position)
{
  while (points_.size () > 1 && points_[1].position <= position)
    points_.pop_front ();
  while (segments_.size () > 1 && segments_[1].position <= position)
    segments_.pop_front ();
}

void
Timeline::forget_between (Position from, Position until)
{
  /* The last one holds for what follows. */
  const auto erase = [from, until] (auto &list, auto position) {
    const auto begin = std::ranges::lower_bound (list, from, {}, position);
    const auto end
        = std::ranges::upper_bound (begin, list.end (), until, {}, position);
    if (end - begin > 1)
      list.erase (begin, std::prev (end));
  };
  erase (points_, &Point::position);
  erase (segments_, &Segment::position);
}

void
Timeline::clear ()
{
  points_.clear ();
  segments_.clear ();
}

} // namespace sis
