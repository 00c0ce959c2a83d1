// SPDX-License-Identifier: LGPL-2.1-or-later
#include "audiowalk.h"

#include "audiobytes.h"

namespace audiowalk {
namespace {

using namespace sis;
using audiobytes::mulaw, audiobytes::pcm;
using std::chrono::milliseconds;

/* So few samples make a second that all of them can be looked at. */
constexpr int rate = 1000;
constexpr Position minimum = 10;

} // namespace

#define check(condition)                                                       \
  do {                                                                         \
    if (!(condition))                                                          \
      failed_ (#condition "\nafter" + recent ());                              \
  } while (0)

Walk::Walk (Any any, Failed failed)
    : any_ (std::move (any)), failed_ (std::move (failed)),
      limits_ (random_limits ()), store_ (limits_),
      chunk_ (limits_.chunk / milliseconds (1)),
      max_waiting_ (limits_.max_waiting / milliseconds (1)),
      max_replay_ (limits_.max_replay / milliseconds (1)), format_ (pcm)
{
  history_ = " (chunk " + std::to_string (chunk_) + ", waiting "
             + std::to_string (max_waiting_) + ", replay "
             + std::to_string (max_replay_) + ")";
}

AudioStore::Limits
Walk::random_limits ()
{
  constexpr int replays[] = { 0, 300, 2000, 6000 };
  return { .rate = rate,
           .chunk = milliseconds (one_in (2) ? any (20, 60) : any (20, 1000)),
           .max_waiting = milliseconds (any (1000, 4000)),
           .max_replay = milliseconds (replays[any (0, 3)]) };
}

/* Sizes up to what does not fit. What is lost before a hole is less than a
 * message. */
void
Walk::append ()
{
  const Position first = model_.size ();
  const Position n = one_in (10)  ? any (1, 2 * max_waiting_)
                     : one_in (2) ? any (1, 40)
                                  : any (1, 2 * chunk_);
  const Position expected
      = std::min (n, max_waiting_ - model_.count (Where::Waiting));
  const auto kind
      = one_in (4) ? AudioStore::Kind::Silence : AudioStore::Kind::Audio;
  note (format_ == pcm ? "append" : "append mu-law", n);
  const Position dropped = store_.account ().dropped;
  const std::size_t size = format_.sample_bytes ();
  const std::size_t taken = store_.append (
      format_, first, audiobytes::make (format_, first, n), kind);
  const Position lost = store_.account ().dropped - dropped;
  check (taken % size == 0);
  const auto samples = Position (taken / size);
  check (lost >= 0 && lost < minimum && (lost == 0 || has_hole_));
  check (samples >= expected && samples <= std::min (n, expected + lost));
  Position p = model_.size () - 1;
  while (lost > 0 && model_.at (p).where == Where::Missing)
    p--;
  for (Position i = 0; i < lost; i++, p--) {
    check (model_.at (p).where == Where::Waiting);
    model_.move (p, Where::Dropped);
  }
  model_.add (format_, Where::Waiting, samples);
  (kind == AudioStore::Kind::Audio ? model_.in : model_.filled) += samples;
  has_hole_ = has_hole_ && samples == 0;
}

void
Walk::leave_out ()
{
  const Position n = any (1, 100);
  note ("refuse", n);
  store_.refuse (n);
  model_.add (format_, Where::Missing, n);
  model_.in += n;
  model_.refused += n;
  has_hole_ = true;
}

void
Walk::make_room ()
{
  const Position samples = any (1, max_waiting_);
  note ("make room for", samples);
  const Position waiting = model_.count (Where::Waiting);
  const Position needed
      = std::clamp<Position> (waiting + samples - max_waiting_, 0, waiting);
  const Position oldest = model_.find (Where::Waiting);
  const Stretch gone = store_.make_room (samples);
  check (gone.samples >= needed && gone.samples < needed + chunk_);
  check (needed > 0 || gone.samples == 0);
  check (gone.samples == 0 || gone.first == oldest);
  model_.move_all (Where::Waiting, Where::Dropped, model_.size (),
                   gone.samples);
}

bool
Walk::next ()
{
  const Position limit = one_in (3)   ? any (minimum, 3 * chunk_)
                         : one_in (2) ? chunk_
                                      : Position (1000);
  note ("next", limit);
  const auto format = store_.ready_format ();
  for (const AudioFormat other : { pcm, mulaw })
    if (format != other)
      check (!store_.next (other, limit));
  if (!format)
    return false;
  const Position before = store_.before_eviction ();
  const Position evicted = store_.account ().evicted;
  const auto piece = store_.next (*format, limit);
  check (piece && piece->format == *format && piece->samples () > 0);
  check (store_.account ().evicted - evicted
         == std::max<Position> (0, piece->samples () - before));
  take (*piece, limit);
  return true;
}

/* A message holds what it says it does, all of it is due, and it is of a size
 * that the service takes. */
void
Walk::take (const AudioPiece &piece, Position limit)
{
  note ("  got", piece.samples ());
  check (piece.first == model_.find_live (model_.cursor));
  check (piece.samples () <= limit);
  check (audiobytes::are_of (piece.format, piece.first, piece.bytes));
  for (Position p = piece.first; p < piece.end (); p++) {
    check (model_.is_live (p) && model_.at (p).format == piece.format);
    check (p + 1 == piece.end () || model_.continues (p));
    model_.send (p);
  }
  check (piece.samples () >= minimum || model_.seals.contains (piece.end ())
         || !model_.continues (piece.end () - 1));
  model_.cursor = piece.end ();
  model_.move_all (
      Where::Kept, Where::Evicted, model_.size (),
      std::max<Position> (0, model_.count (Where::Kept) - max_replay_));
}

void
Walk::cover ()
{
  Position position = model_.cursor + any (-3000, 100);
  if (one_in (4))
    position = model_.cursor - any (0, 20);
  note ("cover", position);
  store_.cover (position);
  model_.move_all (Where::Kept, Where::Covered, position);
  if (store_.covered () > covered_)
    model_.move_all (Where::Evicted, Where::Passed, store_.covered ());
  model_.cursor = std::max (model_.cursor, store_.covered ());
  check (store_.covered () <= std::max (covered_, position));
  check (store_.covered () <= model_.find (Where::Waiting));
}

void
Walk::let_go ()
{
  note ("let go");
  const Position kept = model_.count (Where::Kept);
  const Position oldest = model_.find (Where::Kept);
  const Stretch gone = store_.let_go ();
  check (gone.samples == kept && (kept == 0 || gone.first == oldest));
  model_.move_all (Where::Kept, Where::Dropped, model_.size ());
  model_.cursor = std::max (model_.cursor, model_.find (Where::Waiting));
}

void
Walk::clear ()
{
  note ("clear");
  store_.clear ();
  model_.move_all (Where::Kept, Where::Dropped, model_.size ());
  model_.move_all (Where::Waiting, Where::Dropped, model_.size ());
  model_.move_all (Where::Evicted, Where::Passed, model_.size ());
  model_.cursor = model_.size ();
  model_.breaks.push_back (false);
}

void
Walk::lose_evicted ()
{
  note ("lose evicted");
  const Position oldest = model_.find (Where::Evicted);
  const Stretch lost = store_.lose_evicted ();
  const Position n
      = model_.move_all (Where::Evicted, Where::Dropped, model_.size ());
  check (lost.samples == n && (n == 0 || lost.first == oldest));
}

void
Walk::check_account ()
{
  const AudioAccount a = store_.account ();
  check (a.in + a.filled
         == a.acknowledged + a.unacknowledged + a.evicted + a.waiting
                + a.dropped);
  check (a.in == model_.in && a.filled == model_.filled);
  check (a.sent == model_.sent && a.replayed == model_.replayed);
  check (a.waiting == model_.count (Where::Waiting));
  check (a.unacknowledged == model_.count (Where::Kept));
  check (a.acknowledged == model_.count (Where::Covered));
  check (a.evicted
         == model_.count (Where::Evicted) + model_.count (Where::Passed));
  check (a.dropped == model_.refused + model_.count (Where::Dropped));
  check (a.waiting <= max_waiting_ && a.unacknowledged <= max_replay_);
}

void
Walk::check_places ()
{
  const Position next = model_.find_live (model_.cursor);
  const bool is_empty = next == model_.size ();
  check (store_.waiting () == milliseconds (model_.count (Where::Waiting)));
  check (store_.has_room () == (model_.count (Where::Waiting) < max_waiting_));
  check (store_.has_evicted () == (model_.count (Where::Evicted) > 0));
  check (store_.empty () == is_empty);
  check (is_empty || store_.next_position () == next);
  check (is_empty || store_.begin () == model_.find_live (0));
  check (store_.covered () >= covered_);
  covered_ = store_.covered ();
}

/* At a break, nothing of what was put in after it was ever sent before. */
void
Walk::check_break (Position next)
{
  const int run = model_.at (next).run;
  bool is_at_break = model_.breaks[std::size_t (run)];
  for (Position p = next - 1; p >= 0 && model_.at (p).run == run; p--)
    is_at_break = is_at_break && !model_.at (p).was_sent;
  check (store_.is_at_break () == is_at_break);
}

bool
Walk::must_be_ready (Position next) const
{
  const Position sealed = model_.seals.empty () ? 0 : *model_.seals.rbegin ();
  Position end = next + 1;
  while (end < next + chunk_ + minimum && model_.continues (end - 1))
    end++;
  return end == next + chunk_ + minimum || end <= sealed
         || (!model_.continues (end - 1)
             && model_.find_live (end) < model_.size ());
}

void
Walk::check_ready ()
{
  const Position next = model_.find_live (model_.cursor);
  const auto format = store_.ready_format ();
  if (next == model_.size ()) {
    check (!format);
    return;
  }
  check (!format || *format == model_.at (next).format);
  check (format || !must_be_ready (next));
  check_break (next);
}

void
Walk::seal (bool is_break)
{
  note (is_break ? "break off" : "seal");
  if (is_break) {
    store_.break_off ();
    model_.breaks.push_back (true);
  } else {
    store_.seal ();
  }
  model_.seals.insert (model_.size ());
}

void
Walk::rewind ()
{
  note ("rewind");
  store_.rewind ();
  model_.cursor = model_.find_live (0);
}

void
Walk::step ()
{
  const Position choice = any (0, 99);
  if (choice < 40)
    append ();
  else if (choice < 70)
    next ();
  else if (choice < 78)
    cover ();
  else if (choice < 82)
    leave_out ();
  else if (choice < 86)
    make_room ();
  else if (choice < 90)
    rewind ();
  else if (choice < 95)
    seal (choice > 92);
  else if (choice < 97)
    format_ = format_ == pcm ? mulaw : pcm;
  else if (choice < 98)
    let_go ();
  else if (choice < 99 || model_.stretches (Where::Evicted) > 30)
    lose_evicted ();
  else if (one_in (4))
    clear ();
  check_account ();
  check_places ();
  check_ready ();
}

/* Once sealed, all goes out, and once more after a rewind. */
void
Walk::finish ()
{
  seal (false);
  for (int i = 0; i < 2; i++) {
    while (next ())
      check_account ();
    check (store_.empty () && store_.waiting () == milliseconds (0));
    rewind ();
  }
  store_.cover (model_.size ());
  check (store_.empty () && store_.account ().unacknowledged == 0);
}

} // namespace audiowalk
