// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/stream/audiostore.h"

#include <array>
#include <functional>
#include <set>
#include <string>
#include <vector>

/* The audio store does anything that it can do, and has to agree after every
 * step with a model that knows of each sample where it is, and nothing else.
 * What it does is decided by dice, or by a fuzzer's bytes. */
namespace audiowalk {

using sis::AudioFormat, sis::AudioPiece, sis::AudioStore, sis::Position;

enum class Where { Missing, Waiting, Kept, Covered, Evicted, Passed, Dropped };

struct Sample
{
  Where where = Where::Missing;
  AudioFormat format;
  int run = 0; /* between two break_off () */
  bool was_sent = false;
};

class Model
{
public:
  Position size () const { return Position (samples_.size ()); }
  const Sample &at (Position p) const { return samples_[std::size_t (p)]; }
  Position count (Where where) const { return counts_[std::size_t (where)]; }

  bool is_live (Position p) const
  {
    return p < size ()
           && (at (p).where == Where::Waiting || at (p).where == Where::Kept);
  }

  /* Can a message reach from `p` over the next sample? */
  bool continues (Position p) const
  {
    return is_live (p) && is_live (p + 1) && at (p).format == at (p + 1).format
           && at (p).run == at (p + 1).run;
  }

  Position find_live (Position p) const
  {
    p = std::max (p, settled_);
    while (p < size () && !is_live (p))
      p++;
    return p;
  }

  Position find (Where where) const
  {
    Position p = settled_;
    while (p < size () && at (p).where != where)
      p++;
    return p;
  }

  int run () const { return int (breaks.size ()) - 1; }

  void add (AudioFormat format, Where where, Position samples)
  {
    samples_.insert (samples_.end (), std::size_t (samples),
                     Sample{ where, format, run () });
    counts_[std::size_t (where)] += samples;
  }

  void send (Position p)
  {
    sent++;
    replayed += samples_[std::size_t (p)].was_sent;
    samples_[std::size_t (p)].was_sent = true;
    move (p, Where::Kept);
  }

  void move (Position p, Where where)
  {
    counts_[std::size_t (at (p).where)]--;
    counts_[std::size_t (where)]++;
    samples_[std::size_t (p)].where = where;
  }

  /* The oldest ones, before `until`. */
  Position move_all (Where from, Where to, Position until,
                     Position most = INT64_MAX)
  {
    while (settled_ < size () && is_settled (at (settled_).where))
      settled_++;
    Position moved = 0;
    for (Position p = settled_; p < std::min (until, size ()) && moved < most;
         p++)
      if (at (p).where == from) {
        move (p, to);
        moved++;
      }
    return moved;
  }

  int stretches (Where where) const
  {
    int n = 0;
    for (Position p = settled_; p < size (); p++)
      n += at (p).where == where && (p == 0 || at (p - 1).where != where);
    return n;
  }

  std::vector<bool> breaks{ false }; /* of each run: after a break_off () */
  std::set<Position> seals;
  Position cursor = 0; /* all before was sent, or is not to be */
  Position in = 0, filled = 0, refused = 0, sent = 0, replayed = 0;

private:
  static bool is_settled (Where where)
  {
    return where != Where::Waiting && where != Where::Kept
           && where != Where::Evicted;
  }

  Position settled_ = 0; /* all before stays where it is */
  std::vector<Sample> samples_;
  std::array<Position, 7> counts_{};
};

class Walk
{
public:
  /* One of from…to. */
  using Any = std::function<Position (Position from, Position to)>;
  /* The store and the model differ; what happened before. */
  using Failed = std::function<void (const std::string &what)>;

  Walk (Any any, Failed failed);

  void step ();
  void finish ();

private:
  Position any (Position from, Position to) { return any_ (from, to); }
  bool one_in (int n) { return any (1, n) == 1; }

  AudioStore::Limits random_limits ();
  void note (const char *what, Position n = -1)
  {
    history_ += std::string ("\n  ") + what
                + (n < 0 ? "" : " " + std::to_string (n));
  }
  std::string recent () const
  {
    constexpr std::size_t enough = 1500;
    return history_.size () <= enough
               ? history_
               : " …" + history_.substr (history_.size () - enough);
  }

  void append ();
  void leave_out ();
  void make_room ();
  bool next ();
  void take (const AudioPiece &piece, Position limit);
  void cover ();
  void let_go ();
  void clear ();
  void lose_evicted ();
  void seal (bool is_break);
  void rewind ();
  void check_account ();
  void check_places ();
  void check_break (Position next);
  void check_ready ();
  bool must_be_ready (Position next) const;

  const Any any_;
  const Failed failed_;
  const AudioStore::Limits limits_;
  AudioStore store_;
  Model model_;
  const Position chunk_, max_waiting_, max_replay_;
  AudioFormat format_;
  bool has_hole_ = false;
  Position covered_ = 0;
  std::string history_;
};

} // namespace audiowalk
