// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/stream/sessionmap.h"
#include "sis/stream/timeline.h"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

/* The maps between samples and times do anything that they can do, and have to
 * agree with models that remember all. Decided by dice, or by a fuzzer's bytes.
 */
namespace timelinewalk {

using sis::Nanoseconds, sis::Position;

/* One of from…to. */
using Any = std::function<std::int64_t (std::int64_t from, std::int64_t to)>;
/* A map and its model differ. */
using Failed = std::function<void (const std::string &what)>;

class TimelineWalk
{
public:
  TimelineWalk (Any any, Failed failed)
      : any_ (std::move (any)), failed_ (std::move (failed))
  {
  }

  void step ();

private:
  struct Stretch
  {
    Position from, until;
  };

  bool one_in (int n) { return any_ (1, n) == 1; }
  void add ();
  void look ();
  void look_at (Position position);
  void forget_before ();
  void forget_between ();
  void clear ();
  void compare (const char *what, Nanoseconds actual, Nanoseconds anchor,
                double length);

  const Any any_;
  const Failed failed_;
  sis::Timeline timeline_{ 16000 };
  std::map<Position, sis::Anchor> model_;
  std::set<Position> far_; /* anchors that are beyond all use */
  Position position_ = 0;
  sis::Times times_;
  double running_slope_ = 1, stream_slope_ = 1;
  Position oldest_ = 0; /* that is still asked for */
  std::vector<Stretch> forgotten_;
};

/* Any pieces of a stream in one session. */
void walk_session_map (const Any &any, const Failed &failed, int steps);

} // namespace timelinewalk
