// SPDX-License-Identifier: LGPL-2.1-or-later
/* Samples, times, and the pace at which the ones become the others. */
#include "sis/stream/pacer.h"
#include "sis/stream/sessionmap.h"
#include "sis/stream/timeline.h"
#include "timelinewalk.h"

#include "../scale.h"

#include <random>

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using namespace sis;
using namespace std::chrono_literals;

namespace {

Times
same_times (Nanoseconds time)
{
  return { time, time, time };
}

timelinewalk::Any
dice (unsigned seed)
{
  return [random = std::mt19937 (seed)] (std::int64_t from,
                                         std::int64_t to) mutable {
    return std::uniform_int_distribution<std::int64_t> (from, to) (random);
  };
}

void
failed (const std::string &what)
{
  fail ("%s", what.c_str ());
}

} // namespace

GST_START_TEST (test_samples_and_times_convert_without_drift)
{
  for (const int rate : { 8000, 16000 })
    for (const Position samples :
         { Position (0), Position (1), Position (7), Position (16001),
           Position (16000) * 3600 * 24 * 365 * 10 + 5 })
      fail_unless (time_to_samples (samples_to_time (samples, rate) + 1ns, rate)
                   == samples);
  fail_unless (samples_to_time (-16000, 16000) == -1s);
  fail_unless (time_to_samples (-1s, 16000) == -16000);
}
GST_END_TEST;

GST_START_TEST (test_times_without_an_anchor_are_zero)
{
  fail_unless (Timeline (16000).at (12345) == Times{});
}
GST_END_TEST;

GST_START_TEST (test_the_timeline_agrees_with_a_simple_model)
{
  for (unsigned seed = 0; seed < sischeck::scaled (200u); seed++) {
    timelinewalk::TimelineWalk walk (dice (seed), failed);
    for (int i = 0; i < 500; i++)
      walk.step ();
  }
}
GST_END_TEST;

/* 30 % of a microsecond a buffer is not much, an hour of it is. */
GST_START_TEST (test_small_deviations_do_not_add_up)
{
  Timeline timeline (16000);
  Nanoseconds time{};
  for (Position p = 0; p < 16000 * sischeck::scaled (3600); p += 160) {
    timeline.add ({ p, same_times (time) });
    const auto error = timeline.at (p).running_time - time;
    fail_unless (error < 62500ns && error > -62500ns);
    time += 10ms + 300ns;
  }
}
GST_END_TEST;

GST_START_TEST (test_a_steady_stream_needs_one_anchor)
{
  Timeline timeline (16000);
  for (Position p = 0; p < 16000 * sischeck::scaled (3600); p += 1024)
    timeline.add ({ p, same_times (samples_to_time (p, 16000)) });
  assert_equals_int (timeline.size (), 1);
}
GST_END_TEST;

GST_START_TEST (test_what_is_forgotten_does_not_move_the_rest)
{
  Timeline timeline (16000);
  for (int i = 0; i < 10; i++)
    timeline.add ({ i * 16000, same_times (i * 2s) });
  timeline.forget_before (5 * 16000 + 1);
  assert_equals_int (timeline.size (), 5);
  fail_unless (timeline.at (5 * 16000 + 8000).running_time == 10s + 500ms);
}
GST_END_TEST;

GST_START_TEST (test_a_stretch_is_forgotten_without_moving_the_rest)
{
  Timeline timeline (16000), whole (16000);
  for (int i = 0; i < 10; i++)
    for (Timeline *t : { &timeline, &whole })
      t->add ({ i * 1000, same_times (i * 1s) });
  timeline.forget_between (2500, 7000);
  assert_equals_int (timeline.size (), 6);
  for (const Position p : { 0, 999, 2000, 2499, 7000, 7500, 9000, 12000 })
    fail_unless (timeline.at (p) == whole.at (p));
  timeline.forget_between (8500, 100000);
  timeline.forget_between (9500, 9600);
  fail_unless (timeline.at (9500) == whole.at (9500));
  Timeline (16000).forget_between (0, 1000);
}
GST_END_TEST;

GST_START_TEST (test_the_timeline_is_bounded)
{
  Timeline timeline (16000);
  for (int i = 0; i < 20000; i++)
    timeline.add ({ i * 160, same_times (i * 20ms) });
  fail_unless (timeline.size () <= 3072);
  for (int i = 19300; i < 20000; i++)
    fail_unless (timeline.at (i * 160) == same_times (i * 20ms));
}
GST_END_TEST;

/* What is long ago is known within its jitter, and holes are where they were.
 */
GST_START_TEST (test_a_timeline_that_is_full_keeps_its_holes)
{
  std::mt19937 random (1);
  Timeline timeline (16000);
  const auto time_of = [] (int i) {
    return i * 10ms + (i >= 1000 ? 20s : 0s) + (i >= 9000 ? 100ms : 0ms);
  };
  for (int i = 0; i < 12000; i++)
    timeline.add ({ i * 160, same_times (time_of (i)
                                         + std::chrono::microseconds (
                                             random () % 10000)) });
  fail_unless (timeline.size () <= 3072);
  for (int i = 0; i < 12000; i++) {
    const auto off = timeline.at (i * 160).running_time - time_of (i);
    fail_unless (off >= -11ms && off <= 21ms, "%d: %d us", i, int (off / 1us));
  }
}
GST_END_TEST;

GST_START_TEST (test_times_beyond_all_use_stand_still)
{
  constexpr Nanoseconds last = Nanoseconds::max ();
  Timeline timeline (16000);
  timeline.add ({ .position = 0, .running_slope = 2, .stream_slope = -1 });
  timeline.add ({ .position = 16000,
                  .times = { last, -last, last },
                  .running_slope = 2,
                  .stream_slope = -1 });
  const Times expected{ last, -last, last };
  fail_unless (timeline.at (16000) == expected);
  fail_unless (timeline.at (16000 * 3600) == expected);
  timeline.add ({ 32000, same_times (1s) });
  fail_unless (timeline.at (48000) == same_times (2s));
}
GST_END_TEST;

/* As after many seeks: timestamps start again, running time goes on. */
GST_START_TEST (test_each_segment_keeps_its_own_times)
{
  Timeline timeline (16000);
  for (int i = 0; i < 1000; i++)
    for (int j = 0; j < 5; j++)
      timeline.add (
          { .position = i * 16000 + j * 1600,
            .times = { i % 7 * 1s + j * 100ms, i % 3 == 0 ? no_time : j * 100ms,
                       i * 1s + j * 100ms } });
  for (int i = 800; i < 1000; i++) {
    const Times times = timeline.at (i * 16000 + 15999);
    fail_unless (times.timestamp == i % 7 * 1s + 999937500ns);
    fail_unless (times.stream_time == (i % 3 == 0 ? no_time : 999937500ns));
    fail_unless (times.running_time == i * 1s + 999937500ns);
  }
}
GST_END_TEST;

/* At a hole, an end is before it, and a start behind it. */
GST_START_TEST (test_an_end_is_that_of_the_sample_before)
{
  Timeline timeline (16000);
  timeline.add ({ 0, same_times (0s) });
  timeline.add ({ 16000, same_times (5s) });
  timeline.add ({ 32000, { 6s, 6s, 10s }, 0.5 });
  fail_unless (timeline.end_at (16000) == same_times (1s));
  fail_unless (timeline.at (16000) == same_times (5s));
  fail_unless (timeline.end_at (16001).running_time == 5s + 62500ns);
  fail_unless (timeline.end_at (32000).running_time == 6s);
  fail_unless (timeline.end_at (48000).running_time == 10500ms);
}
GST_END_TEST;

GST_START_TEST (test_a_segment_without_stream_time_has_none)
{
  Timeline timeline (16000);
  timeline.add ({ 0, { 1s, no_time, 2s } });
  timeline.add ({ 16000, { 2s, no_time, 3s } });
  assert_equals_int (timeline.size (), 1);
  const Times expected{ 3s, no_time, 4s };
  fail_unless (timeline.at (32000) == expected);
}
GST_END_TEST;

GST_START_TEST (test_a_session_begins_at_its_first_sample)
{
  SessionMap map (16000, 5000);
  assert_equals_int64 (map.first (), 5000);
  assert_equals_int64 (map.end (), 5000);
  assert_equals_int64 (map.length (), 0);
  fail_unless (map.contains (0ms) && !map.contains (1ms));
  assert_equals_int64 (map.at (1s), 5000);
  /* What is sent first tells where it really is. */
  map.sent (6000, 6160);
  assert_equals_int64 (map.first (), 6000);
  assert_equals_int64 (map.at (0ms), 6000);
  assert_equals_int64 (map.end (), 6160);
  fail_unless (map.duration () == 10ms);
}
GST_END_TEST;

GST_START_TEST (test_times_outside_a_session_are_clamped)
{
  SessionMap map (16000, 0);
  map.sent (1000, 17000);
  for (const auto time : { 1000ms, 1001ms, 86'400'000ms }) {
    assert_equals_int64 (map.at (time), 17000);
    assert_equals_int64 (map.end_at (time), 17000);
  }
  assert_equals_int64 (map.at (-1ms), 1000);
  assert_equals_int64 (map.end_at (-1ms), 1000);
  fail_unless (map.contains (1000ms) && !map.contains (1001ms)
               && !map.contains (-1ms));
}
GST_END_TEST;

GST_START_TEST (test_what_starts_at_a_hole_starts_behind_it)
{
  SessionMap map (16000, 0);
  map.sent (0, 16000);
  map.sent (20000, 36000);
  map.sent (36000, 37600);
  map.sent (40000, 41600);
  assert_equals_int64 (map.length (), 16000 * 2 + 3200);
  assert_equals_int64 (map.at (999ms), 15984);
  assert_equals_int64 (map.at (1000ms), 20000);
  assert_equals_int64 (map.at (1001ms), 20016);
  assert_equals_int64 (map.at (2100ms), 40000);
  assert_equals_int64 (map.end_at (1000ms), 16000);
  assert_equals_int64 (map.end_at (1001ms), 20016);
  assert_equals_int64 (map.end_at (2100ms), 37600);
  assert_equals_int64 (map.end (), 41600);
  assert_equals_int64 (map.end_at (0ms), 0);
}
GST_END_TEST;

GST_START_TEST (test_a_session_map_agrees_with_a_list_of_all_samples)
{
  for (unsigned seed = 0; seed < sischeck::scaled (50u); seed++)
    timelinewalk::walk_session_map (dice (seed), failed, 100);
}
GST_END_TEST;

/* With more holes than it remembers it may take a sample for an earlier one,
 * which is then sent twice rather than never. */
GST_START_TEST (test_a_session_with_many_holes_errs_on_the_safe_side)
{
  SessionMap map (1000, 0);
  for (Position i = 0; i < 2000; i++)
    map.sent (i * 30, i * 30 + 10);
  assert_equals_int64 (map.length (), 20000);
  Position before = 0;
  for (Position i = 0; i < 2000; i++) {
    const Position p = map.at (std::chrono::milliseconds (i * 10));
    fail_unless (p >= before && p <= i * 30);
    fail_unless (i < 1500 || p == i * 30);
    before = p;
  }
  assert_equals_int64 (map.first (), 0);
  assert_equals_int64 (map.end (), 1999 * 30 + 10);
}
GST_END_TEST;

GST_START_TEST (test_the_pacer_lets_the_first_message_go)
{
  const Pacer::Time now{ 1000s };
  Pacer pacer;
  fail_if (pacer.wait (now) > 0ns);
  pacer.sent (1s, 1.0, now);
  fail_unless (pacer.wait (now) > 0ns);
  pacer.reset ();
  fail_if (pacer.wait (now) > 0ns);
}
GST_END_TEST;

/* Over an hour, polled at odd times, with a stop of a minute in between. */
GST_START_TEST (test_the_pacer_keeps_its_rate_and_makes_up_for_little)
{
  std::mt19937 random (4);
  for (const double rate : { 0.5, 1.0, 3.0 }) {
    Pacer pacer;
    const Pacer::Time start{ 1000s };
    Pacer::Time now = start;
    Nanoseconds sent{};
    while (now - start < sischeck::scaled (3600) * 1s) {
      if (pacer.wait (now) <= 0ns) {
        pacer.sent (100ms, rate, now);
        sent += 100ms;
      }
      const double most = double ((now - start + 100ms).count ()) * rate
                          + 101e6; /* rounding */
      fail_unless (double (sent.count ()) <= most);
      now += random () % 20000 == 0
                 ? Nanoseconds (60s)
                 : std::min<Nanoseconds> (
                     std::max<Nanoseconds> (pacer.wait (now), 0ns)
                         + std::chrono::milliseconds (random () % 30),
                     90ms);
    }
    fail_unless (double (sent.count ())
                 > 0.5 * rate * sischeck::scaled (3600) * 1e9);
  }
}
GST_END_TEST;

static Suite *
timeline_suite (void)
{
  Suite *suite = suite_create ("timeline");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_samples_and_times_convert_without_drift);
  tcase_add_test (tcase, test_times_without_an_anchor_are_zero);
  tcase_add_test (tcase, test_the_timeline_agrees_with_a_simple_model);
  tcase_add_test (tcase, test_small_deviations_do_not_add_up);
  tcase_add_test (tcase, test_a_steady_stream_needs_one_anchor);
  tcase_add_test (tcase, test_what_is_forgotten_does_not_move_the_rest);
  tcase_add_test (tcase, test_a_stretch_is_forgotten_without_moving_the_rest);
  tcase_add_test (tcase, test_the_timeline_is_bounded);
  tcase_add_test (tcase, test_a_timeline_that_is_full_keeps_its_holes);
  tcase_add_test (tcase, test_times_beyond_all_use_stand_still);
  tcase_add_test (tcase, test_each_segment_keeps_its_own_times);
  tcase_add_test (tcase, test_an_end_is_that_of_the_sample_before);
  tcase_add_test (tcase, test_a_segment_without_stream_time_has_none);
  tcase_add_test (tcase, test_a_session_begins_at_its_first_sample);
  tcase_add_test (tcase, test_times_outside_a_session_are_clamped);
  tcase_add_test (tcase, test_what_starts_at_a_hole_starts_behind_it);
  tcase_add_test (tcase, test_a_session_map_agrees_with_a_list_of_all_samples);
  tcase_add_test (tcase, test_a_session_with_many_holes_errs_on_the_safe_side);
  tcase_add_test (tcase, test_the_pacer_lets_the_first_message_go);
  tcase_add_test (tcase, test_the_pacer_keeps_its_rate_and_makes_up_for_little);
  return suite;
}

GST_CHECK_MAIN (timeline)
