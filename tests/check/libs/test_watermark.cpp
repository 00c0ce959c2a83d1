// SPDX-License-Identifier: LGPL-2.1-or-later
/* How far a session has come: the rules of the watermark, one by one, as a
 * session uses the three classes that they are spread over. */
#include "sis/stream/transcripts.h"
#include "sis/stream/watermark.h"

#include "../scale.h"

#include <algorithm>
#include <random>

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using namespace sis;

namespace {

/* A session whose first sample is the stream's second 100; times are
 * milliseconds since then, but where audio was dropped. */
class Session
{
public:
  static constexpr Position per_ms = 16;
  static constexpr Position start = 100'000 * per_ms;

  explicit Session (Mode mode = Mode::Continue)
      : watermark_ ({ .mode = mode,
                      .message = 100 * per_ms,
                      .vad_head = 10'000 * per_ms },
                    start),
        map_ (16000, start)
  {
    transcripts_.start_session (1);
  }

  void send (int ms)
  {
    map_.sent (end_, end_ + ms * per_ms);
    end_ += ms * per_ms;
  }
  void drop (int ms) { end_ += ms * per_ms; }

  /* All of a RESULT is read, then the watermark. */
  void result (const std::vector<Segment> &segments)
  {
    bool has_final = false;
    std::optional<Position> end;
    for (const Segment &segment : segments) {
      transcripts_.take (segment, "trace", map_, watermark_.value (),
                         timeline_);
      has_final |= segment.is_final;
      if (segment.is_final && segment.end_time)
        end = std::max (end.value_or (0), map_.end_at (*segment.end_time));
    }
    watermark_.read_result (has_final, end, transcripts_.first_open (),
                            map_.end ());
  }

  void voice_end () { watermark_.voice_end (map_.end ()); }
  void exceeded_audio () { watermark_.exceeded_audio (); }
  void exceeded_silence (std::optional<int> ms = {})
  {
    std::optional<Position> at;
    if (ms && map_.contains (Milliseconds (*ms)))
      at = map_.end_at (Milliseconds (*ms));
    watermark_.exceeded_silence (at, map_.end ());
  }
  void end_normal () { watermark_.ended (map_.end ()); }

  Position value () const { return watermark_.value (); }
  Position sent () const { return map_.end (); }
  double ms () const { return double (value () - start) / per_ms; }
  bool had_final () const { return watermark_.had_final (); }

private:
  Transcripts transcripts_;
  Watermark watermark_;
  SessionMap map_;
  Timeline timeline_{ 16000 };
  Position end_ = start;
};

Segment
interim (int start, int end)
{
  return { .start_time = Milliseconds (start),
           .end_time = Milliseconds (end),
           .has_result = true,
           .text = "so far" };
}

Segment
final (int start, int end)
{
  return { .start_time = Milliseconds (start),
           .end_time = Milliseconds (end),
           .is_final = true,
           .has_result = true,
           .text = "said" };
}

} // namespace

#define assert_at(session, expected)                                           \
  assert_equals_float ((session).ms (), double (expected))

GST_START_TEST (test_the_watermark_begins_at_the_first_sample)
{
  Session session;
  assert_at (session, 0);
  session.send (5000);
  assert_at (session, 0);
  session.result ({});
  assert_at (session, 0);
  fail_if (session.had_final ());
}
GST_END_TEST;

GST_START_TEST (test_a_final_covers_the_silence_in_front_of_it)
{
  Session session;
  session.send (10000);
  session.result ({ final (4000, 6000) });
  assert_at (session, 6000);
  fail_unless (session.had_final ());
}
GST_END_TEST;

GST_START_TEST (test_interims_cover_nothing)
{
  Session session;
  session.send (10000);
  session.result ({ interim (4000, 6000) });
  session.result ({ interim (7000, 9000) });
  assert_at (session, 0);
  fail_if (session.had_final ());
}
GST_END_TEST;

GST_START_TEST (test_a_final_does_not_pass_the_start_of_an_open_interim)
{
  for (const Segment &last : { final (1000, 3500), final (5000, 6000) }) {
    Session session;
    session.send (10000);
    session.result ({ last, interim (3000, 4000) });
    assert_at (session, 3000);
  }
}
GST_END_TEST;

GST_START_TEST (test_an_interim_holds_the_watermark_where_it_started_last)
{
  for (const int moved : { 2500, 3500 }) {
    Session session;
    session.send (10000);
    session.result (
        { final (5000, 6000), interim (3000, 4000), interim (moved, 4500) });
    assert_at (session, moved);
    session.result ({ final (moved, 4800) });
    assert_at (session, 4800);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_final_closes_the_interim_that_it_overlaps)
{
  Session session;
  session.send (20000);
  session.result ({ interim (3000, 9000) });
  session.result ({ final (1000, 2000) });
  assert_at (session, 2000);
  session.result ({ final (8000, 10000) });
  assert_at (session, 10000);
}
GST_END_TEST;

GST_START_TEST (test_an_interim_that_gets_no_final_is_left_behind_by_the_next)
{
  Session session;
  session.send (20000);
  session.result ({ interim (1000, 3000) });
  session.result ({ final (3000, 5000) });
  assert_at (session, 5000);
}
GST_END_TEST;

GST_START_TEST (test_overlapping_finals_cover_up_to_the_last_end)
{
  Session session;
  session.send (10000);
  session.result ({ final (1000, 5000), final (4000, 4500) });
  assert_at (session, 5000);
  session.result ({ final (4800, 6000) });
  assert_at (session, 6000);
}
GST_END_TEST;

GST_START_TEST (test_a_final_that_comes_late_lowers_nothing)
{
  Session session;
  session.send (10000);
  session.result ({ final (4000, 6000) });
  session.result ({ final (1000, 3000) });
  assert_at (session, 6000);
}
GST_END_TEST;

/* All segments of a RESULT are read before the watermark moves. */
GST_START_TEST (test_the_order_of_segments_in_a_result_does_not_matter)
{
  std::vector<Segment> segments{ final (1000, 2000), final (2000, 4000),
                                 interim (4000, 5000), interim (6000, 7000),
                                 final (5000, 5500) };
  std::vector<int> order{ 0, 1, 2, 3, 4 };
  do {
    /* A final behind an interim leaves it behind if it is read later. */
    if (std::ranges::find (order, 2) < std::ranges::find (order, 4))
      continue;
    Session session;
    session.send (10000);
    std::vector<Segment> shuffled;
    for (const int i : order)
      shuffled.push_back (segments[std::size_t (i)]);
    session.result (shuffled);
    assert_at (session, 4000);
  } while (std::ranges::next_permutation (order).found);
}
GST_END_TEST;

GST_START_TEST (test_a_final_without_a_usable_end_moves_nothing)
{
  Session session;
  session.send (10000);
  Segment segment = final (1000, 2000);
  segment.end_time.reset ();
  session.result ({ segment });
  segment.start_time.reset ();
  session.result ({ segment });
  assert_at (session, 0);
  fail_unless (session.had_final ());
  session.result ({ segment, final (1000, 2000) });
  assert_at (session, 2000);
}
GST_END_TEST;

GST_START_TEST (test_times_beyond_what_was_sent_are_clamped)
{
  Session session;
  session.send (3000);
  session.result ({ final (1000, 86'400'000) });
  assert_at (session, 3000);
  session.send (1000);
  assert_at (session, 3000);
}
GST_END_TEST;

GST_START_TEST (test_a_final_up_to_a_hole_does_not_cover_what_is_behind_it)
{
  Session session;
  session.send (2000);
  session.drop (500);
  session.send (2000);
  session.result ({ final (0, 2000), interim (2000, 2500) });
  assert_at (session, 2000);
  session.result ({ final (1000, 2001) });
  assert_at (session, 2501);
}
GST_END_TEST;

GST_START_TEST (test_an_end_in_order_covers_all_that_was_sent)
{
  for (const Mode mode : { Mode::Continue, Mode::Short, Mode::Sentence }) {
    Session session (mode);
    session.send (10000);
    session.result ({ interim (1000, 2000) });
    session.end_normal ();
    assert_at (session, 10000);
  }
}
GST_END_TEST;

GST_START_TEST (test_what_exceeded_the_limit_is_not_covered_by_the_end)
{
  for (const Mode mode : { Mode::Continue, Mode::Short, Mode::Sentence }) {
    Session session (mode);
    session.send (10000);
    session.result ({ final (1000, 2000) });
    session.exceeded_audio ();
    session.end_normal ();
    assert_at (session, 2000);
  }
}
GST_END_TEST;

/* The service ignores what comes after the sentence. */
GST_START_TEST (test_audio_behind_the_end_of_voice_is_not_covered)
{
  Session session (Mode::Sentence);
  session.send (4000);
  session.voice_end ();
  assert_at (session, 0);
  session.send (3000);
  session.result ({ final (500, 3500) });
  assert_at (session, 3500);
  session.end_normal ();
  assert_at (session, 3500);
}
GST_END_TEST;

GST_START_TEST (test_the_end_of_voice_without_a_final_covers_what_was_sent_then)
{
  for (const bool has_final : { false, true }) {
    Session session (Mode::Sentence);
    session.send (4000);
    session.voice_end ();
    session.send (3000);
    session.voice_end (); /* the first one counts */
    Segment segment = final (500, 3500);
    segment.end_time.reset ();
    if (has_final)
      session.result ({ segment });
    session.end_normal ();
    assert_at (session, 4000);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_final_before_the_end_of_voice_counts_as_its_own)
{
  Session session (Mode::Sentence);
  session.send (4000);
  session.result ({ final (500, 3500) });
  session.voice_end ();
  session.end_normal ();
  assert_at (session, 3500);
}
GST_END_TEST;

GST_START_TEST (test_exceeded_silence_covers_up_to_its_time)
{
  Session session (Mode::Sentence);
  session.send (14000);
  session.exceeded_silence (9000);
  assert_at (session, 9000);
  session.end_normal ();
  assert_at (session, 9000);
}
GST_END_TEST;

GST_START_TEST (test_exceeded_silence_without_a_usable_time_covers_vad_head)
{
  for (const std::optional<int> time :
       { std::optional<int> (), std::optional (0), std::optional (14001) }) {
    Session session (Mode::Sentence);
    session.send (14000);
    session.exceeded_silence (time);
    assert_at (session, 10000);
    session.exceeded_silence (time);
    assert_at (session, 10000);
  }
}
GST_END_TEST;

GST_START_TEST (
    test_exceeded_silence_covers_a_message_and_no_more_than_was_sent)
{
  Session least (Mode::Sentence);
  least.send (14000);
  least.exceeded_silence (1);
  assert_at (least, 100);
  Session most (Mode::Sentence);
  most.send (4000);
  most.exceeded_silence ();
  assert_at (most, 4000);
  Session little (Mode::Sentence);
  little.send (40);
  little.exceeded_silence (1);
  assert_at (little, 40);
}
GST_END_TEST;

GST_START_TEST (test_events_of_sentence_mode_mean_nothing_in_the_others)
{
  for (const Mode mode : { Mode::Continue, Mode::Short }) {
    Session session (mode);
    session.send (14000);
    session.exceeded_silence (9000);
    session.voice_end ();
    assert_at (session, 0);
    session.send (1000);
    session.end_normal ();
    assert_at (session, 15000);
  }
}
GST_END_TEST;

/* Anything the service says, in any order. */
GST_START_TEST (test_the_watermark_never_falls_and_never_passes_what_was_sent)
{
  std::mt19937 random{ unsigned (__i__) };
  const auto any = [&random] (int n) { return int (random () % unsigned (n)); };
  Session session (Mode (any (3)));
  int sent = 0;
  Position before = session.value ();
  for (int i = 0; i < 400; i++) {
    std::vector<Segment> segments;
    switch (any (12)) {
    case 0:
      session.drop (any (300));
      break;
    case 1:
    case 2:
    case 3:
      session.send (20 + any (1000));
      sent += 1000;
      break;
    case 4:
      if (any (20) == 0)
        session.voice_end ();
      break;
    case 5:
      if (any (20) == 0)
        session.exceeded_silence (any (2 * sent + 1));
      break;
    case 6:
      if (any (50) == 0)
        session.exceeded_audio ();
      break;
    default:
      for (int n = any (4); n >= 0; n--) {
        const int start = any (sent + 100);
        Segment segment = interim (start, start + any (3000) - 100);
        segment.is_final = any (2) == 0;
        if (any (10) == 0)
          segment.end_time.reset ();
        if (any (10) == 0)
          segment.start_time.reset ();
        segments.push_back (segment);
      }
      session.result (segments);
    }
    fail_unless (session.value () >= before);
    fail_unless (session.value () <= session.sent ());
    before = session.value ();
  }
  session.end_normal ();
  fail_unless (session.value () >= before
               && session.value () <= session.sent ());
}
GST_END_TEST;

static Suite *
watermark_suite (void)
{
  Suite *suite = suite_create ("watermark");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_the_watermark_begins_at_the_first_sample);
  tcase_add_test (tcase, test_a_final_covers_the_silence_in_front_of_it);
  tcase_add_test (tcase, test_interims_cover_nothing);
  tcase_add_test (tcase,
                  test_a_final_does_not_pass_the_start_of_an_open_interim);
  tcase_add_test (tcase,
                  test_an_interim_holds_the_watermark_where_it_started_last);
  tcase_add_test (tcase, test_a_final_closes_the_interim_that_it_overlaps);
  tcase_add_test (
      tcase, test_an_interim_that_gets_no_final_is_left_behind_by_the_next);
  tcase_add_test (tcase, test_overlapping_finals_cover_up_to_the_last_end);
  tcase_add_test (tcase, test_a_final_that_comes_late_lowers_nothing);
  tcase_add_test (tcase,
                  test_the_order_of_segments_in_a_result_does_not_matter);
  tcase_add_test (tcase, test_a_final_without_a_usable_end_moves_nothing);
  tcase_add_test (tcase, test_times_beyond_what_was_sent_are_clamped);
  tcase_add_test (tcase,
                  test_a_final_up_to_a_hole_does_not_cover_what_is_behind_it);
  tcase_add_test (tcase, test_an_end_in_order_covers_all_that_was_sent);
  tcase_add_test (tcase,
                  test_what_exceeded_the_limit_is_not_covered_by_the_end);
  tcase_add_test (tcase, test_audio_behind_the_end_of_voice_is_not_covered);
  tcase_add_test (
      tcase, test_the_end_of_voice_without_a_final_covers_what_was_sent_then);
  tcase_add_test (tcase,
                  test_a_final_before_the_end_of_voice_counts_as_its_own);
  tcase_add_test (tcase, test_exceeded_silence_covers_up_to_its_time);
  tcase_add_test (tcase,
                  test_exceeded_silence_without_a_usable_time_covers_vad_head);
  tcase_add_test (
      tcase, test_exceeded_silence_covers_a_message_and_no_more_than_was_sent);
  tcase_add_test (tcase,
                  test_events_of_sentence_mode_mean_nothing_in_the_others);
  tcase_add_loop_test (
      tcase, test_the_watermark_never_falls_and_never_passes_what_was_sent, 0,
      sischeck::scaled (50));
  return suite;
}

GST_CHECK_MAIN (watermark)
