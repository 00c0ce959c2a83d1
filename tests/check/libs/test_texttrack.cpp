// SPDX-License-Identifier: LGPL-2.1-or-later
/* Text without holes: each final in its place, and gaps between. */
#include "sis/stream/texttrack.h"

#include "../scale.h"

#include <random>
#include <vector>

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using namespace sis;
using namespace std::chrono_literals;

namespace {

using Gap = TextTrack::Gap;
using Text = TextTrack::Text;
using Items = std::vector<TextTrack::Item>;

Items
take (TextTrack &track)
{
  Items items;
  while (auto item = track.next ())
    items.push_back (std::move (*item));
  return items;
}

std::string
describe (const Items &items)
{
  std::string text;
  for (const auto &item : items) {
    const auto ms
        = [] (Nanoseconds t) { return std::to_string (t.count () / 1000000); };
    if (const auto *gap = std::get_if<Gap> (&item))
      text += " -" + ms (gap->start) + ".." + ms (gap->end);
    else
      text += " " + std::get<Text> (item).text
              + ms (std::get<Text> (item).start) + ".."
              + ms (std::get<Text> (item).end);
  }
  return text;
}

void
assert_items (TextTrack &track, const Items &expected)
{
  const Items actual = take (track);
  fail_unless (actual == expected, "got%s, not%s", describe (actual).c_str (),
               describe (expected).c_str ());
}

} // namespace

GST_START_TEST (test_the_first_item_is_a_gap_of_no_length)
{
  TextTrack track;
  track.settle (5s);
  fail_unless (track.empty ());
  track.begin (2s);
  assert_items (track, { Gap{ 2s, 2s } });
  track.begin (7s);
  fail_unless (track.empty ());
  fail_unless (track.position () == 2s);
}
GST_END_TEST;

GST_START_TEST (test_text_lies_between_gaps)
{
  TextTrack track;
  track.begin (0s);
  track.add (1s, 2s, "a");
  assert_items (track, { Gap{ 0s, 0s } });
  track.settle (3s);
  assert_items (track, { Gap{ 0s, 1s }, Text{ 1s, 3s, "a" } });
  track.settle (4s);
  track.settle (5s);
  assert_items (track, { Gap{ 3s, 5s } });
  fail_unless (track.position () == 5s);
  assert_equals_int (track.late (), 0);
}
GST_END_TEST;

/* Until what is before it is settled, which may come in any order. */
GST_START_TEST (test_text_waits_for_what_may_come_before)
{
  TextTrack track;
  track.begin (0s);
  track.add (4s, 1s, "b");
  track.settle (1s);
  assert_items (track, { Gap{ 0s, 0s }, Gap{ 0s, 1s } });
  track.add (1s, 2s, "a");
  track.settle (5s);
  assert_items (track,
                { Text{ 1s, 3s, "a" }, Gap{ 3s, 4s }, Text{ 4s, 5s, "b" } });
  assert_equals_int (track.late (), 0);
}
GST_END_TEST;

/* All begin when they are spoken. */
GST_START_TEST (test_overlapping_text_is_cut_and_not_late)
{
  TextTrack track;
  track.begin (0s);
  track.add (0s, 2s, "a");
  track.add (1500ms, 2s, "b");
  track.add (1600ms, 100ms, "c");
  track.settle (4s);
  assert_items (track, { Gap{ 0s, 0s }, Text{ 0s, 1500ms, "a" },
                         Text{ 1500ms, 1600ms, "b" },
                         Text{ 1600ms, 1700ms, "c" }, Gap{ 1700ms, 4s } });
  assert_equals_int (track.late (), 0);
}
GST_END_TEST;

/* Also where the second one is known, but not settled. */
GST_START_TEST (test_text_ends_where_the_next_begins)
{
  TextTrack track;
  track.begin (0s);
  track.add (0s, 3s, "a");
  track.add (2s, 2s, "b");
  track.settle (1s);
  assert_items (track, { Gap{ 0s, 0s }, Text{ 0s, 2s, "a" } });
  track.settle (4s);
  assert_items (track, { Text{ 2s, 4s, "b" } });
}
GST_END_TEST;

GST_START_TEST (test_text_of_one_time_comes_one_behind_the_other)
{
  TextTrack track;
  track.begin (0s);
  track.add (1s, 2s, "a");
  track.add (1s, 2s, "b");
  track.settle (5s);
  assert_items (track, { Gap{ 0s, 0s }, Gap{ 0s, 1s }, Text{ 1s, 3s, "a" },
                         Text{ 3s, 3001ms, "b" }, Gap{ 3001ms, 5s } });
  assert_equals_int (track.late (), 0);
}
GST_END_TEST;

/* It is moved behind what went out, and holds up nothing that is in time. */
GST_START_TEST (test_late_text_is_moved_and_short)
{
  TextTrack track;
  track.begin (0s);
  track.settle (10s);
  take (track);
  track.add (3s, 2s, "a");
  track.add (5s, 2s, "b");
  track.add (9s, 3s, "c");
  track.settle (12s);
  assert_items (track, { Text{ 10s, 12s, "a" }, Text{ 12s, 12001ms, "b" },
                         Text{ 12001ms, 12002ms, "c" } });
  assert_equals_int (track.late (), 3);
  track.add (12s, 1s, "d");
  track.settle (14s);
  assert_items (track, { Text{ 12002ms, 13s, "d" }, Gap{ 13s, 14s } });
  assert_equals_int (track.late (), 3);
}
GST_END_TEST;

GST_START_TEST (test_lateness_moves_text_and_gaps)
{
  TextTrack track (500ms);
  track.begin (1s);
  track.add (2s, 1s, "a");
  track.settle (3s);
  assert_items (
      track, { Gap{ 1s, 1s }, Gap{ 1s, 2500ms }, Text{ 2500ms, 3500ms, "a" } });
  fail_unless (track.position () == 3s);
}
GST_END_TEST;

GST_START_TEST (test_nothing_is_said_in_a_hole)
{
  TextTrack track;
  track.begin (0s);
  track.add_hole (2s, 30s);
  track.add_hole (31s, 32s);
  track.settle (1s);
  assert_items (track, { Gap{ 0s, 0s }, Gap{ 0s, 1s } });
  track.settle (2s);
  assert_items (track, { Gap{ 1s, 30s } });
  track.settle (30500ms);
  track.settle (31s);
  assert_items (track, { Gap{ 30s, 32s } });
}
GST_END_TEST;

/* It is not waited for what is settled further on. */
GST_START_TEST (test_a_hole_where_all_is_settled_is_a_gap_at_once)
{
  TextTrack track;
  track.begin (0s);
  track.add_hole (0s, 10s);
  assert_items (track, { Gap{ 0s, 0s }, Gap{ 0s, 10s } });
  track.settle (12s);
  track.add_hole (13s, 20s);
  assert_items (track, { Gap{ 10s, 12s } });
  track.add_hole (12s, 13s);
  assert_items (track, { Gap{ 12s, 20s } });
}
GST_END_TEST;

GST_START_TEST (test_text_without_a_place_comes_at_once)
{
  TextTrack track;
  track.begin (0s);
  track.settle (2s);
  take (track);
  track.add ({}, 0s, "a");
  track.settle (2s);
  assert_items (track, { Text{ 2s, 2001ms, "a" } });
}
GST_END_TEST;

/* Whatever comes whenever: contiguous, all of it, each text not before it was
 * spoken. */
GST_START_TEST (test_there_is_never_a_hole)
{
  std::minstd_rand random (unsigned (__i__) + 1);
  const auto pick = [&random] (int most) {
    return Nanoseconds (
        std::chrono::milliseconds (random () % unsigned (most)));
  };
  const Nanoseconds lateness = pick (3) * 100;
  TextTrack track (lateness);
  const Nanoseconds begin = pick (10000);
  track.begin (begin);
  std::vector<Nanoseconds> starts;
  Nanoseconds now = begin;
  Nanoseconds end = begin;
  std::size_t texts = 0;
  const auto check = [&] {
    for (const auto &item : take (track)) {
      const auto *gap = std::get_if<Gap> (&item);
      const auto *text = std::get_if<Text> (&item);
      fail_unless ((gap ? gap->start : text->start) == end);
      end = gap ? gap->end : text->end;
      if (text == nullptr)
        continue;
      texts++;
      fail_unless (text->end > text->start);
      const Nanoseconds spoken = starts.at (std::stoul (text->text));
      fail_unless (text->start >= spoken + lateness);
    }
  };
  for (int i = 0; i < 200; i++) {
    now += pick (2000);
    switch (random () % 4) {
    case 0:
      track.settle (now - pick (5000));
      break;
    case 1:
      track.add_hole (now, now + pick (4000));
      break;
    default:
      starts.push_back (std::max (begin, now - pick (6000)));
      track.add (starts.back (), pick (3000),
                 std::to_string (starts.size () - 1));
    }
    check ();
  }
  track.settle (now + 10s);
  check ();
  assert_equals_int (texts, starts.size ());
  fail_unless (end >= now + 10s + lateness);
}
GST_END_TEST;

static Suite *
texttrack_suite (void)
{
  Suite *suite = suite_create ("texttrack");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_the_first_item_is_a_gap_of_no_length);
  tcase_add_test (tcase, test_text_lies_between_gaps);
  tcase_add_test (tcase, test_text_waits_for_what_may_come_before);
  tcase_add_test (tcase, test_overlapping_text_is_cut_and_not_late);
  tcase_add_test (tcase, test_text_ends_where_the_next_begins);
  tcase_add_test (tcase, test_text_of_one_time_comes_one_behind_the_other);
  tcase_add_test (tcase, test_late_text_is_moved_and_short);
  tcase_add_test (tcase, test_lateness_moves_text_and_gaps);
  tcase_add_test (tcase, test_nothing_is_said_in_a_hole);
  tcase_add_test (tcase, test_a_hole_where_all_is_settled_is_a_gap_at_once);
  tcase_add_test (tcase, test_text_without_a_place_comes_at_once);
  tcase_add_loop_test (tcase, test_there_is_never_a_hole, 0,
                       sischeck::scaled (50));
  return suite;
}

GST_CHECK_MAIN (texttrack)
