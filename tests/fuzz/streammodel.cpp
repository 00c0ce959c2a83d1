// SPDX-License-Identifier: LGPL-2.1-or-later
#include "streammodel.h"

#include "fuzz.h"

namespace sisfuzz {

using namespace sis;

/* Ranges */

void
Ranges::add (Position first, Position end)
{
  if (first >= end)
    return;
  const auto begin = std::ranges::lower_bound (ranges_, first, {}, &Range::end);
  auto behind = begin;
  for (; behind != ranges_.end () && behind->first <= end; behind++) {
    first = std::min (first, behind->first);
    end = std::max (end, behind->end);
  }
  ranges_.insert (ranges_.erase (begin, behind), { first, end });
}

Position
Ranges::next_outside (Position from) const
{
  const auto range = std::ranges::upper_bound (ranges_, from, {}, &Range::end);
  return range != ranges_.end () && range->first <= from ? range->end : from;
}

Position
Ranges::next_inside (Position from) const
{
  const auto range = std::ranges::upper_bound (ranges_, from, {}, &Range::end);
  return range != ranges_.end () ? std::max (range->first, from)
                                 : std::numeric_limits<Position>::max ();
}

/* What need not be sent */

/* A hole, or audio that was dropped before it came in. What lies before it, too
 * short for a message, may be lost with it. */
void
StreamModel::left_out (Position first, Position end)
{
  if (first < end)
    gone_.add (first - (rules_.minimum - 1), end);
}

/* Of what was never sent. */
void
StreamModel::dropped_oldest (Position samples)
{
  while (samples > 0) {
    const Position first = gone_.next_outside (newest_);
    const Position end = std::min (first + samples, gone_.next_inside (first));
    gone_.add (first, end);
    samples -= end - first;
  }
}

void
StreamModel::gave_up_sent ()
{
  coverable_ = std::max (coverable_, newest_);
}

/* A flush: nothing before `end` may be sent, and nothing in this session. */
void
StreamModel::gave_up_all (Position end)
{
  gone_.add (0, end);
  first_time_.clear ();
  covered_ = coverable_ = evicted_ = newest_ = end;
  is_given_up_ = true;
}

/* The wire */

void
StreamModel::session_begins ()
{
  pieces_.clear ();
  open_.clear ();
  final_end_ = 0;
  is_ended_ = is_cancelled_ = exceeded_audio_ = is_given_up_ = false;
}

void
StreamModel::sent (Position first, Position end)
{
  fuzz_check (!is_given_up_);
  if (pieces_.empty ()) {
    same_starts_ = first == session_first_ ? same_starts_ + 1 : 1;
    session_first_ = first;
    /* The watermark is here now, and never falls. */
    covered_ = std::max (covered_, first);
    coverable_ = std::max (coverable_, first);
  }
  if (!pieces_.empty () && session_end () == first)
    pieces_.back ().end = end;
  else
    pieces_.push_back ({ first, end });
  if (end <= newest_)
    return;
  first_time_.push_back ({ std::max (first, newest_), end });
  newest_ = end;
  evict ();
}

/* The last that were sent are kept. */
void
StreamModel::evict ()
{
  Position kept = 0;
  auto piece = first_time_.end ();
  while (piece != first_time_.begin () && kept < rules_.replay) {
    --piece;
    kept += piece->end - piece->first;
  }
  if (piece != first_time_.end () && kept > rules_.replay)
    piece->first += kept - rules_.replay;
  first_time_.erase (first_time_.begin (), piece);
  if (kept >= rules_.replay)
    evicted_ = first_time_.empty () ? newest_ : first_time_.front ().first;
}

void
StreamModel::end_sent (bool cancel)
{
  is_ended_ = true;
  is_cancelled_ = cancel;
}

/* What is said, and told */

Position
StreamModel::place (Milliseconds time, bool is_end) const
{
  Position left = time_to_samples (time, rules_.rate);
  for (const Piece &piece : pieces_) {
    const Position length = piece.end - piece.first;
    if (left < length || (is_end && left == length))
      return piece.first + left;
    left -= length;
  }
  return session_end ();
}

void
StreamModel::said (const ServerMessage &message)
{
  if (!pieces_.empty () && !is_cancelled_ && !is_given_up_)
    std::visit ([this] (const auto &what) { said_of (what); }, message);
}

/* The interims of a RESULT that nothing in it closes. Of what came without its
 * times it is not known where it lies: it may close all, and hold nothing. */
std::vector<StreamModel::Piece>
StreamModel::open_after (const Result &result) const
{
  std::vector<Piece> open;
  for (const Segment &segment : result.segments) {
    if (!segment.is_final && !segment.has_result)
      continue;
    if (!segment.start_time || !segment.end_time) {
      open.clear ();
      continue;
    }
    const Position start = place (*segment.start_time, false);
    const Position end = place (*segment.end_time, true);
    std::erase_if (open, [&] (const Piece &other) {
      return (other.first < end && start < other.end) || other.first == start
             || (segment.is_final && start >= other.end);
    });
    if (!segment.is_final)
      open.push_back ({ start, end });
  }
  return open;
}

void
StreamModel::said_of (const Result &result)
{
  Position end = 0;
  for (const Segment &segment : result.segments)
    if (segment.is_final && segment.end_time)
      end = std::max (end, place (*segment.end_time, true));
  for (const Piece &open : open_after (result))
    end = std::min (end, open.first);
  coverable_ = std::max (coverable_, end);
}

void
StreamModel::said_of (const ServiceEvent &event)
{
  if (event.kind == ServiceEvent::Kind::ExceededAudio)
    exceeded_audio_ = true;
  if (event.kind == ServiceEvent::Kind::ExceededSilence
      && rules_.mode == Mode::Sentence)
    coverable_ = std::max (coverable_, session_end ());
}

void
StreamModel::said_of (const EndReply &reply)
{
  if (!is_ended_ || (!reply.reason.empty () && reply.reason != "NORMAL"))
    return;
  if (rules_.mode == Mode::Sentence) {
    coverable_ = std::max (coverable_, session_end ());
  } else if (!exceeded_audio_) {
    coverable_ = std::max (coverable_, session_end ());
    covered_ = std::max (covered_, session_end ());
  }
}

/* A final closes each interim of before that begins before its end; so only
 * those of the same RESULT that follow it can hold the watermark. */
void
StreamModel::told (const Transcript &transcript)
{
  if (transcript.interrupted || pieces_.empty ())
    return;
  if (!transcript.is_final) {
    open_.push_back (transcript.start_time
                         ? place (*transcript.start_time, false)
                         : covered_);
  } else if (transcript.end_time) {
    const Position end = place (*transcript.end_time, true);
    final_end_ = std::max (final_end_, end);
    std::erase_if (open_, [end] (Position start) { return start < end; });
  }
}

void
StreamModel::heard ()
{
  for (const Position start : open_)
    final_end_ = std::min (final_end_, start);
  covered_ = std::max (covered_, final_end_);
  final_end_ = 0;
  open_.clear ();
}

Position
StreamModel::samples_sent () const
{
  Position samples = 0;
  for (const Piece &piece : pieces_)
    samples += piece.end - piece.first;
  return samples;
}

/* What comes next */

Position
StreamModel::first_owed () const
{
  Position from = std::max (coverable_, evicted_);
  /* No session begins a third time at the same sample. */
  if (same_starts_ > 1)
    from = std::max (from, session_first_ + rules_.message);
  return gone_.next_outside (from);
}

StreamModel::Window
StreamModel::next () const
{
  if (pieces_.empty ())
    return { covered_, first_owed () };
  return { session_end (), gone_.next_outside (session_end ()) };
}

} // namespace sisfuzz
