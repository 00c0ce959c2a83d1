// SPDX-License-Identifier: LGPL-2.1-or-later
#include "timelinewalk.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace timelinewalk {
namespace {

using namespace sis;
using namespace std::chrono_literals;

/* Less than a sample. */
constexpr double tolerance = 20000;

/* More segments than that are not told apart. */
constexpr std::size_t most_anchors = 200;

/* Times beyond are not reckoned with. */
constexpr Nanoseconds far = 24h * 365 * 100;

} // namespace

void
TimelineWalk::step ()
{
  const auto choice = any_ (0, 15);
  if (choice < 7)
    add ();
  else if (choice < 13)
    look ();
  else if (choice < 14)
    forget_before ();
  else if (choice < 15)
    forget_between ();
  else if (one_in (8))
    clear ();
}

/* Mostly as one buffer after the other; then a hole, a seek, or no times. */
void
TimelineWalk::add ()
{
  if (model_.size () == most_anchors)
    clear ();
  if (one_in (3)) {
    constexpr double slopes[] = { 1, 0.5, 2, -1 };
    running_slope_ = slopes[any_ (0, 2)];
    stream_slope_ = slopes[any_ (0, 3)];
  }
  if (one_in (3))
    times_.running_time += Nanoseconds (any_ (-40'000'000, 160'000'000));
  if (one_in (4))
    times_.timestamp = Nanoseconds (any_ (0, 1'000'000'000));
  if (one_in (16))
    times_.timestamp = Nanoseconds (any_ (0, INT64_MAX - 1));
  if (one_in (16))
    times_.running_time = Nanoseconds (any_ (0, INT64_MAX - 1));
  Anchor anchor{ .position = position_, .times = times_ };
  anchor.running_slope = running_slope_;
  anchor.stream_slope = stream_slope_;
  anchor.times.stream_time = one_in (8) ? no_time : times_.running_time / 2;
  if (one_in (8))
    anchor.times.timestamp = no_time;
  timeline_.add (anchor);
  /* Without a timestamp it follows from the one before. */
  const bool follows = anchor.times.timestamp == no_time && !model_.empty ();
  const bool is_far
      = follows ? far_.contains (model_.rbegin ()->first)
                : anchor.times.timestamp > far || times_.running_time > far;
  model_[position_] = anchor;
  far_.erase (position_);
  if (is_far)
    far_.insert (position_);
  const Position step = any_ (0, 3000);
  position_ += step;
  for (Nanoseconds *time : { &times_.timestamp, &times_.running_time })
    *time = *time > far ? 0ns : *time + samples_to_time (step, 16000);
}

void
TimelineWalk::look ()
{
  if (model_.empty ()) {
    if (timeline_.at (any_ (0, 100000)) != Times{})
      failed_ ("a time that nothing was said of");
    return;
  }
  const Position first = std::max (oldest_, model_.begin ()->first);
  look_at (first + any_ (0, std::max<Position> (0, position_ - first) + 2000));
}

void
TimelineWalk::look_at (Position position)
{
  if (std::ranges::any_of (forgotten_, [position] (const Stretch &stretch) {
        return stretch.from <= position && position < stretch.until;
      }))
    return;
  const auto &[first, anchor] = *std::prev (model_.upper_bound (position));
  if (far_.contains (first))
    return;
  const double length = double (position - first) / 16000 * 1e9;
  const Times actual = timeline_.at (position);
  compare ("timestamp", actual.timestamp, anchor.times.timestamp, length);
  compare ("stream time", actual.stream_time, anchor.times.stream_time,
           length * anchor.stream_slope);
  compare ("running time", actual.running_time, anchor.times.running_time,
           length * anchor.running_slope);
}

void
TimelineWalk::compare (const char *what, Nanoseconds actual, Nanoseconds anchor,
                       double length)
{
  if (anchor == no_time) {
    if (actual != no_time)
      failed_ (std::string ("a ") + what + " where there is none");
    return;
  }
  if (anchor > far)
    return;
  const double expected = double (anchor.count ()) + length;
  if (std::abs (double (actual.count ()) - expected) > tolerance)
    failed_ (std::string (what) + " is " + std::to_string (actual.count ())
             + ", not " + std::to_string (expected));
}

void
TimelineWalk::forget_before ()
{
  const Position position = any_ (oldest_, std::max (oldest_, position_ + 100));
  timeline_.forget_before (position);
  oldest_ = position;
}

void
TimelineWalk::forget_between ()
{
  const Position from = any_ (oldest_, std::max (oldest_, position_));
  const Position until = from + any_ (1, 5000);
  timeline_.forget_between (from, until);
  /* What comes later will be known again. */
  forgotten_.push_back ({ from, std::min (until, position_) });
}

void
TimelineWalk::clear ()
{
  timeline_.clear ();
  model_.clear ();
  far_.clear ();
  forgotten_.clear ();
  oldest_ = position_;
}

void
walk_session_map (const Any &any, const Failed &failed, int steps)
{
  Position at = any (0, 1000);
  SessionMap map (1000, at);
  std::vector<Position> samples;
  for (int i = 0; i < steps; i++) {
    if (any (0, 2) == 0)
      at += any (0, 50);
    const Position n = 1 + any (0, 49);
    map.sent (at, at + n);
    for (Position p = at; p < at + n; p++)
      samples.push_back (p);
    at += n;
  }
  for (std::size_t i = 0; i < samples.size (); i++) {
    const auto ms = std::chrono::milliseconds (i);
    if (map.at (ms) != samples[i])
      failed ("a segment starts elsewhere");
    if (map.end_at (ms + 1ms) != samples[i] + 1)
      failed ("a segment ends elsewhere");
  }
}

} // namespace timelinewalk
