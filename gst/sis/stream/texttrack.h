// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/stream/timeline.h"

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>

namespace sis {

/* A stream of text without holes, made of finals that come when they come: each
 * in its place, and gaps between. What is settled is told by the caller: no
 * final will begin before. All times are running times of the input; those that
 * come out are later by `lateness`. Pure; the owner locks. */
class TextTrack
{
public:
  explicit TextTrack (Nanoseconds lateness = {}) : lateness_ (lateness) {}

  struct Gap
  {
    Nanoseconds start{}, end{};
    bool operator== (const Gap &) const = default;
  };
  struct Text
  {
    Nanoseconds start{}, end{};
    std::string text;
    bool operator== (const Text &) const = default;
  };
  using Item = std::variant<Gap, Text>;

  /* The input begins; a gap of no length is the first item. */
  void begin (Nanoseconds at);
  bool has_begun () const noexcept { return has_begun_; }

  /* A final; where it says no times it lies at what is settled. */
  void add (std::optional<Nanoseconds> start, Nanoseconds duration,
            std::string text);

  /* There is no input in between. */
  void add_hole (Nanoseconds start, Nanoseconds end);

  /* Nothing more will begin before. Never falls. A final that begins there all
   * the same is late: it is moved to the position, and is as short as it has to
   * be to hold up none that may follow. Of two that overlap, the first is cut.
   */
  void settle (Nanoseconds until);

  /* The next item; none: nothing is settled beyond the last one. */
  std::optional<Item> next ();
  bool empty () const noexcept { return items_.empty (); }

  /* In the time of the input: everything before is an item. */
  Nanoseconds position () const noexcept { return position_ - lateness_; }

  unsigned late () const noexcept { return late_; } /* finals */

private:
  struct Final
  {
    Nanoseconds end;
    std::string text;
  };

  Nanoseconds across_holes (Nanoseconds until);
  void put_gap (Nanoseconds until);
  void put_text (Nanoseconds start, Final final, Nanoseconds until);

  Nanoseconds lateness_;
  bool has_begun_ = false;
  unsigned late_ = 0;
  /* Of the output: */
  Nanoseconds position_{};
  Nanoseconds gap_end_{}; /* of the last gap: what begins before is late */
  Nanoseconds settled_{};
  std::multimap<Nanoseconds, Final> finals_; /* by start, not settled yet */
  std::multimap<Nanoseconds, Nanoseconds> holes_;
  std::deque<Item> items_;
};

} // namespace sis
