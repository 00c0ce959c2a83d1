// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/stream/transcripts.h"

#include <algorithm>

namespace sis {
namespace {

/* An interim that was not taken up again for so long will not be. */
constexpr std::chrono::seconds open_limit{ 60 };

/* A service that opens more at a time, or says more, means no utterances. */
constexpr std::size_t max_open = 64;
constexpr std::size_t max_open_bytes = 64 << 10;

std::size_t
size_of (const Transcript &transcript)
{
  std::size_t size = sizeof transcript + transcript.text.size ();
  for (const TimedWord &word : transcript.words)
    size += sizeof word + word.word.size ();
  return size;
}

/* Finals that are looked at for a repetition. */
constexpr std::size_t max_posted = 256;

std::optional<Span>
place (std::optional<Milliseconds> start, std::optional<Milliseconds> end,
       const SessionMap &map, const Timeline &timeline)
{
  if (!start)
    return std::nullopt;
  const Position first = map.at (*start);
  const Position last = std::max (first, map.end_at (end.value_or (*start)));
  const Times times = timeline.at (first);
  return Span{ times, samples_to_time (last - first, map.rate ()),
               last > first ? timeline.end_at (last).running_time
                            : times.running_time };
}

bool
is_too_old (Position start, const SessionMap &map)
{
  return start < map.end () - time_to_samples (open_limit, map.rate ());
}

} // namespace

void
Transcripts::start_session (unsigned session)
{
  session_ = session;
  open_.clear ();
  posted_.clear ();
}

/* A final without times may well come twice. */
bool
Transcripts::was_posted (const Segment &final)
{
  if (!final.start_time || !final.end_time)
    return false;
  const Posted posted{ final.start_time->count (), final.end_time->count (),
                       std::hash<std::string>{}(final.text) };
  if (std::ranges::find (posted_, posted) != posted_.end ())
    return true;
  posted_.push_back (posted);
  if (posted_.size () > max_posted)
    posted_.pop_front ();
  return false;
}

void
Transcripts::close_overlapped (Position start, Position end, bool is_final,
                               const SessionMap &map)
{
  std::erase_if (open_, [&] (Open &open) {
    open.is_left_behind
        |= (is_final && start >= open.end) || is_too_old (open.start, map);
    return (open.start < end && start < open.end) || open.start == start;
  });
}

/* Of what is too long to be kept, the words are not shown once more. */
void
Transcripts::keep_open (Open open, std::vector<Open>::iterator before)
{
  if (size_of (open.transcript) > max_open_bytes)
    open.transcript.words = {};
  open_.insert (before, std::move (open));
  const auto is_too_much = [this] {
    std::size_t size = 0;
    for (const Open &one : open_)
      size += size_of (one.transcript);
    return size > max_open_bytes || open_.size () > max_open;
  };
  while (open_.size () > 1 && is_too_much ())
    open_.erase (open_.begin ());
}

std::optional<Transcript>
Transcripts::take (const Segment &segment, const std::string &trace_id,
                   const SessionMap &map, Position watermark,
                   const Timeline &timeline)
{
  const Position start
      = segment.start_time ? map.at (*segment.start_time) : watermark;
  const Position end
      = segment.end_time ? map.end_at (*segment.end_time) : map.end ();
  if (!segment.is_final && !segment.has_result)
    return std::nullopt;
  close_overlapped (start, end, segment.is_final, map);
  if (segment.is_final && was_posted (segment))
    return std::nullopt;

  Transcript transcript{
    .trace_id = trace_id,
    .session = session_,
    .is_final = segment.is_final,
    .text = segment.text,
    .score = segment.score,
    .start_time = segment.start_time,
    .end_time = segment.end_time,
    .span = place (segment.start_time, segment.end_time, map, timeline),
  };
  transcript.words.reserve (segment.words.size ());
  for (const Word &word : segment.words)
    transcript.words.push_back (TimedWord{
        word.word, place (word.start_time, word.end_time, map, timeline) });

  if (segment.is_final) {
    transcript.number = ++finals_;
    return transcript;
  }
  const auto later = std::ranges::find_if (
      open_, [start] (const Open &open) { return open.start > start; });
  const auto before
      = std::count_if (open_.begin (), later,
                       [] (const Open &open) { return !open.is_left_behind; });
  transcript.number = finals_ + 1 + unsigned (before);
  keep_open ({ start, end, is_too_old (start, map), transcript }, later);
  return transcript;
}

std::optional<Position>
Transcripts::first_open () const noexcept
{
  const auto open = std::ranges::find (open_, false, &Open::is_left_behind);
  if (open == open_.end ())
    return std::nullopt;
  return open->start;
}

std::vector<Transcript>
Transcripts::interrupt_before (Position position)
{
  std::vector<Transcript> interrupted;
  for (Open &open : open_) {
    if (open.start >= position)
      break;
    open.transcript.number = ++finals_;
    open.transcript.is_final = true;
    open.transcript.interrupted = true;
    interrupted.push_back (std::move (open.transcript));
  }
  open_.clear ();
  return interrupted;
}

} // namespace sis
