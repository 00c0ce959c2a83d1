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
 * it with its own timestamp. What the buffers of a segment have in common is
 * kept once, so that an anchor takes 16 bytes. Pure; the owner locks. */
class Timeline
{
public:
  explicit Timeline (int rate) : rate_ (rate) {}

  /* Positions must not fall. An anchor that says what is known already (within
   * a fraction of a sample) is not stored; deviations never add up. */
  void add (const Anchor &anchor);

  /* Extrapolates on both sides; zero times as long as there is no anchor. */
  Times at (Position position) const noexcept;

  /* When the sample before ends, whatever comes after it. */
  Times end_at (Position position) const noexcept;

  /* Gives up what lies before. At 3072 anchors add () makes do with fewer for
   * what is long ago, and is then right within the jitter of the timestamps. */
  void forget_before (Position position);

  /* What is known of a stretch that nobody will ask for. */
  void forget_between (Position from, Position until);

  void clear ();
  std::size_t size () const noexcept { return points_.size (); }

private:
  /* The buffer's timestamp; what stands for it where there is none. */
  struct Point
  {
    Position position;
    Nanoseconds timestamp;
  };

  /* From `position` on, times follow from timestamps as in a segment. */
  struct Segment
  {
    Position position;
    Nanoseconds timestamp; /* of the point that it begins with */
    Times times;
    double running_slope, stream_slope;
  };

  Times at (Position position, Position known) const noexcept;
  Nanoseconds timestamp_at (Position position, Position known) const noexcept;
  Times times_of (const Segment &segment, Nanoseconds timestamp) const noexcept;
  void thin ();
  void begin_segment (const Anchor &anchor, Nanoseconds timestamp);

  int rate_;
  std::deque<Point> points_;
  std::deque<Segment> segments_;
};

} // namespace sis
