// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/stream/texttrack.h"

#include <algorithm>
#include <utility>

namespace sis {
namespace {

/* The service's times are of whole milliseconds: two segments that touch may
 * overlap by one. It is also the shortest text. */
constexpr Nanoseconds tick = std::chrono::milliseconds (1);

constexpr std::size_t max_holes = 256;

} // namespace

void
TextTrack::begin (Nanoseconds at)
{
  if (std::exchange (has_begun_, true))
    return;
  position_ = settled_ = at;
  items_.push_back (Gap{ at, at });
  settle (at);
}

void
TextTrack::add (std::optional<Nanoseconds> start, Nanoseconds duration,
                std::string text)
{
  const Nanoseconds at = start ? *start + lateness_ : settled_;
  finals_.emplace (at, Final{ at + duration, std::move (text) });
}

void
TextTrack::add_hole (Nanoseconds start, Nanoseconds end)
{
  if (end - start <= tick)
    return;
  holes_.emplace (start + lateness_, end + lateness_);
  if (holes_.size () > max_holes)
    holes_.erase (holes_.begin ());
  /* It may begin where all is settled. */
  settle (settled_ - lateness_);
}

/* What is settled up to a hole is settled up to its end. */
Nanoseconds
TextTrack::across_holes (Nanoseconds until)
{
  while (!holes_.empty () && holes_.begin ()->first <= until + tick) {
    until = std::max (until, holes_.begin ()->second);
    holes_.erase (holes_.begin ());
  }
  return until;
}

void
TextTrack::put_gap (Nanoseconds until)
{
  if (until <= position_)
    return;
  auto *last = items_.empty () ? nullptr : std::get_if<Gap> (&items_.back ());
  if (last != nullptr && last->end == position_ && last->start < last->end)
    last->end = until;
  else
    items_.push_back (Gap{ position_, until });
  position_ = gap_end_ = until;
}

void
TextTrack::put_text (Nanoseconds start, Final final, Nanoseconds until)
{
  Nanoseconds end = final.end;
  if (start < gap_end_ - tick) {
    late_++;
    const Nanoseconds room = std::max (until - position_, tick);
    end = position_ + std::min (end - start, room);
  }
  put_gap (start);
  /* The next one keeps its start. */
  if (!finals_.empty () && finals_.begin ()->first > position_)
    end = std::min (end, finals_.begin ()->first);
  end = std::max (end, position_ + tick);
  items_.push_back (Text{ position_, end, std::move (final.text) });
  position_ = end;
}

void
TextTrack::settle (Nanoseconds until)
{
  if (!has_begun_)
    return;
  settled_ = std::max (settled_, across_holes (until + lateness_));
  while (!finals_.empty () && finals_.begin ()->first <= settled_) {
    auto first = finals_.extract (finals_.begin ());
    put_text (first.key (), std::move (first.mapped ()), settled_);
  }
  put_gap (settled_);
}

std::optional<TextTrack::Item>
TextTrack::next ()
{
  if (items_.empty ())
    return std::nullopt;
  Item item = std::move (items_.front ());
  items_.pop_front ();
  return item;
}

} // namespace sis
