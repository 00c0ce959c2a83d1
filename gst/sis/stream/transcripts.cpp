// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/stream/transcripts.h"

#include <algorithm>

namespace sis {
namespace {

/* An interim that was not taken up again for so long will not be. */
constexpr std::chrono::seconds open_limit{ 60 };

/* A service that opens more at a time means no utterances. */
constexpr std::size_t max_open = 64;

std::optional<Span>
place (std::optional<Milliseconds> start, std::optional<Milliseconds> end,
       const SessionSpan &session, const Timeline &timeline)
{
  if (!start)
    return std::nullopt;
  const Position first = session.at (*start);
  const Position last = std::max (first, session.at (end.value_or (*start)));
  return Span{ timeline.at (first),
               samples_to_time (last - first, session.rate) };
}

} // namespace

Position
SessionSpan::at (Milliseconds time) const noexcept
{
  return std::clamp (first + time_to_samples (time, rate), first,
                     std::max (first, sent));
}

void
Transcripts::close_overlapped (Position start, Position end, bool is_final,
                               Position sent, int rate)
{
  std::erase_if (open_, [&] (const Open &open) {
    const bool overlaps
        = (open.start < end && start < open.end) || open.start == start;
    const bool is_left_behind = is_final && start >= open.end;
    const bool is_too_old
        = sent - open.start > time_to_samples (open_limit, rate);
    return overlaps || is_left_behind || is_too_old;
  });
}

std::optional<Transcript>
Transcripts::take (const Segment &segment, const std::string &trace_id,
                   unsigned session, const SessionSpan &span,
                   const Timeline &timeline)
{
  if (!segment.is_final && !segment.has_result)
    return std::nullopt;

  Transcript transcript{
    .trace_id = trace_id,
    .session = session,
    .is_final = segment.is_final,
    .text = segment.text,
    .score = segment.score,
    .start_time = segment.start_time,
    .end_time = segment.end_time,
    .span = place (segment.start_time, segment.end_time, span, timeline),
  };
  transcript.words.reserve (segment.words.size ());
  for (const Word &word : segment.words)
    transcript.words.push_back (TimedWord{
        word.word, place (word.start_time, word.end_time, span, timeline) });

  const Position start
      = span.at (segment.start_time.value_or (Milliseconds (0)));
  const Position end
      = segment.end_time ? span.at (*segment.end_time) : span.sent;
  close_overlapped (start, end, segment.is_final, span.sent, span.rate);

  if (segment.is_final) {
    transcript.number = ++finals_;
    return transcript;
  }
  const auto later
      = std::find_if (open_.begin (), open_.end (), [start] (const Open &open) {
          return open.start > start;
        });
  transcript.number = finals_ + 1 + unsigned (later - open_.begin ());
  open_.insert (later, Open{ start, end, transcript });
  return transcript;
}

std::vector<Transcript>
Transcripts::interrupt ()
{
  std::vector<Transcript> interrupted;
  interrupted.reserve (open_.size ());
  for (Open &open : open_) {
    open.transcript.number = ++finals_;
    open.transcript.is_final = true;
    open.transcript.interrupted = true;
    interrupted.push_back (std::move (open.transcript));
  }
  open_.clear ();
  return interrupted;
}

} // namespace sis
