// SPDX-License-Identifier: LGPL-2.1-or-later
/* What becomes of the service's segments. */
#include "sis/stream/transcripts.h"

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

Segment
segment (int start, int end, bool is_final, const char *text = "x")
{
  return { .start_time = Milliseconds (start),
           .end_time = Milliseconds (end),
           .is_final = is_final,
           .has_result = true,
           .text = text };
}

Segment
interim (int start, int end, const char *text = "x")
{
  return segment (start, end, false, text);
}

Segment
final (int start, int end, const char *text = "x")
{
  return segment (start, end, true, text);
}

constexpr Position first_sample = 160000;

/* The transcripts of a session that starts at the stream's second 10; 40 s of
 * audio were sent. */
struct Scribe
{
  Scribe ()
  {
    timeline.add ({ 0, same_times (0ns) });
    map.sent (first_sample, first_sample + 40 * 16000);
    transcripts.start_session (1);
  }

  std::optional<Transcript> take (const Segment &s)
  {
    return transcripts.take (s, "trace", map, watermark, timeline);
  }

  /* Of the first open utterance, in the session's milliseconds; -1: none. */
  int first_open () const
  {
    const auto start = transcripts.first_open ();
    return start ? int ((*start - first_sample) / 16) : -1;
  }

  std::vector<Transcript> interrupt_before (int ms)
  {
    return transcripts.interrupt_before (first_sample + ms * 16);
  }

  Timeline timeline{ 16000 };
  SessionMap map{ 16000, first_sample };
  Position watermark = first_sample;
  Transcripts transcripts;
};

} // namespace

GST_START_TEST (test_a_transcript_lies_on_the_pipelines_clock)
{
  Scribe scribe;
  scribe.timeline.add ({ 176000, same_times (60s) });
  Segment s = final (500, 1500);
  s.words = { { "a", Milliseconds (600), Milliseconds (700) },
              { "b", std::nullopt, std::nullopt } };
  const auto transcript = scribe.take (s);
  fail_unless (transcript && transcript->span);
  fail_unless (transcript->session == 1 && transcript->trace_id == "trace");
  fail_unless (transcript->span->start.running_time == 10s + 500ms);
  fail_unless (transcript->span->duration == 1s);
  fail_unless (transcript->words[0].span->start.running_time == 10s + 600ms);
  fail_unless (transcript->words[0].span->duration == 100ms);
  fail_if (transcript->words[1].span);
  fail_unless (scribe.take (final (1500, 2500))->span->start
               == same_times (60s + 500ms));
}
GST_END_TEST;

GST_START_TEST (test_times_beyond_what_was_sent_are_clamped)
{
  Scribe scribe;
  const auto transcript = scribe.take (final (39000, 200000));
  fail_unless (transcript->span->duration == 1s);
  fail_unless (transcript->end_time == 200000ms);
  const auto backwards = scribe.take (final (3000, 2000));
  fail_unless (backwards->span->duration == 0ns);
}
GST_END_TEST;

GST_START_TEST (test_without_a_start_a_transcript_has_no_place)
{
  Scribe scribe;
  Segment s = final (0, 1000);
  s.start_time.reset ();
  const auto transcript = scribe.take (s);
  fail_unless (transcript && !transcript->span && !transcript->start_time);
  fail_unless (transcript->end_time == 1000ms);
}
GST_END_TEST;

GST_START_TEST (test_utterances_are_numbered_by_their_finals)
{
  Scribe scribe;
  assert_equals_int (scribe.take (interim (0, 500))->number, 1);
  assert_equals_int (scribe.take (interim (0, 900))->number, 1);
  assert_equals_int (scribe.take (final (0, 1000))->number, 1);
  assert_equals_int (scribe.take (interim (1000, 1500))->number, 2);
  /* Several open ones count on by start. */
  assert_equals_int (scribe.take (interim (3000, 3500))->number, 3);
  assert_equals_int (scribe.take (interim (2000, 2500))->number, 3);
  assert_equals_int (scribe.take (interim (3000, 3600))->number, 4);
  assert_equals_int (scribe.take (final (1000, 2000))->number, 2);
  assert_equals_int (scribe.take (interim (2000, 2700))->number, 3);
}
GST_END_TEST;

/* Its interims were shown, its session was lost. */
GST_START_TEST (test_an_utterance_passes_its_number_to_its_replay)
{
  Scribe scribe;
  assert_equals_int (scribe.take (final (0, 1000))->number, 1);
  assert_equals_int (scribe.take (interim (1000, 1500))->number, 2);
  fail_unless (scribe.interrupt_before (1000).empty ());
  scribe.transcripts.start_session (2);
  assert_equals_int (scribe.first_open (), -1);
  const auto again = scribe.take (interim (0, 400));
  assert_equals_int (again->number, 2);
  assert_equals_int (again->session, 2);
  assert_equals_int (scribe.take (final (0, 800))->number, 2);
  assert_equals_int (scribe.take (final (800, 900))->number, 3);
}
GST_END_TEST;

GST_START_TEST (test_a_final_that_is_repeated_is_dropped)
{
  Scribe scribe;
  fail_unless (scribe.take (final (0, 1000, "a")).has_value ());
  fail_unless (scribe.take (final (1000, 2000, "b")).has_value ());
  fail_if (scribe.take (final (0, 1000, "a")).has_value ());
  fail_if (scribe.take (final (1000, 2000, "b")).has_value ());
  /* Times and text have to be the same, … */
  fail_unless (scribe.take (final (0, 1000, "b")).has_value ());
  fail_unless (scribe.take (final (0, 1001, "a")).has_value ());
  fail_unless (scribe.take (final (1, 1000, "a")).has_value ());
  assert_equals_int (scribe.take (final (2, 1000, "a"))->number, 6);
  /* … and the session. */
  scribe.transcripts.start_session (2);
  assert_equals_int (scribe.take (final (0, 1000, "a"))->number, 7);
}
GST_END_TEST;

GST_START_TEST (test_repetitions_are_told_by_their_times)
{
  for (const bool has_start : { false, true }) {
    Scribe scribe;
    Segment s = final (0, 1000);
    (has_start ? s.end_time : s.start_time).reset ();
    for (unsigned n = 1; n <= 2; n++) {
      const auto transcript = scribe.take (s);
      fail_unless (transcript && transcript->number == n);
    }
  }
  /* An interim may come again as often as it likes. */
  Scribe scribe;
  fail_unless (scribe.take (interim (0, 1000)).has_value ());
  fail_unless (scribe.take (interim (0, 1000)).has_value ());
}
GST_END_TEST;

GST_START_TEST (test_a_repeated_final_closes_what_it_overlaps)
{
  Scribe scribe;
  scribe.take (final (0, 1000));
  scribe.take (interim (0, 900)); /* late */
  fail_if (scribe.take (final (0, 1000)).has_value ());
  assert_equals_int (scribe.first_open (), -1);
  fail_unless (scribe.interrupt_before (40000).empty ());
}
GST_END_TEST;

GST_START_TEST (test_an_interim_without_a_final_is_told_as_interrupted)
{
  Scribe scribe;
  scribe.take (final (0, 1000));
  scribe.take (interim (1000, 1500, "so"));
  scribe.take (interim (1000, 1800, "so far"));
  assert_equals_int (scribe.first_open (), 1000);
  const auto interrupted = scribe.interrupt_before (40000);
  assert_equals_int (interrupted.size (), 1);
  fail_unless (interrupted[0].text == "so far" && interrupted[0].is_final
               && interrupted[0].interrupted && interrupted[0].number == 2);
  fail_unless (scribe.interrupt_before (40000).empty ());
  /* The number is used up. */
  scribe.transcripts.start_session (2);
  assert_equals_int (scribe.take (final (0, 1000))->number, 3);
}
GST_END_TEST;

/* What lies behind is sent to the next session. */
GST_START_TEST (test_only_what_will_get_no_final_is_interrupted)
{
  Scribe scribe;
  scribe.take (interim (3000, 4000, "c"));
  scribe.take (interim (1000, 1500, "a"));
  scribe.take (interim (2000, 2500, "b"));
  const auto interrupted = scribe.interrupt_before (3000);
  assert_equals_int (interrupted.size (), 2);
  fail_unless (interrupted[0].text == "a" && interrupted[0].number == 1);
  fail_unless (interrupted[1].text == "b" && interrupted[1].number == 2);
  assert_equals_int (scribe.first_open (), -1);
  fail_unless (scribe.interrupt_before (40000).empty ());
}
GST_END_TEST;

GST_START_TEST (test_what_is_left_behind_is_interrupted_all_the_same)
{
  Scribe scribe;
  scribe.take (interim (1000, 1500, "a"));
  assert_equals_int (scribe.take (final (2000, 3000))->number, 1);
  assert_equals_int (scribe.first_open (), -1);
  const auto interrupted = scribe.interrupt_before (3000);
  assert_equals_int (interrupted.size (), 1);
  fail_unless (interrupted[0].text == "a" && interrupted[0].number == 2);
}
GST_END_TEST;

GST_START_TEST (test_an_interim_is_open_until_another_segment_overlaps_it)
{
  for (const bool is_final : { false, true }) {
    Scribe scribe;
    scribe.take (interim (1000, 1500));
    assert_equals_int (scribe.first_open (), 1000);
    scribe.take (segment (500, 1000, is_final)); /* only touches it */
    assert_equals_int (scribe.first_open (), is_final ? 1000 : 500);
    scribe.transcripts.forget_open ();
    scribe.take (interim (1000, 1500));
    scribe.take (segment (1400, 2000, is_final));
    assert_equals_int (scribe.first_open (), is_final ? -1 : 1400);
    /* Even where it has no length. */
    scribe.take (interim (3000, 3000));
    scribe.take (segment (3000, 3000, is_final));
    assert_equals_int (scribe.interrupt_before (40000).size (),
                       is_final ? 0 : 2);
  }
}
GST_END_TEST;

GST_START_TEST (test_an_interim_is_open_until_a_final_starts_after_its_end)
{
  Scribe scribe;
  scribe.take (interim (1000, 1500));
  scribe.take (interim (1600, 1700));
  assert_equals_int (scribe.first_open (), 1000);
  scribe.take (final (1500, 1600));
  assert_equals_int (scribe.first_open (), 1600);
  scribe.take (final (1800, 1900));
  assert_equals_int (scribe.first_open (), -1);
  /* A later interim takes it up again. */
  scribe.take (interim (1100, 1500));
  assert_equals_int (scribe.first_open (), 1100);
}
GST_END_TEST;

GST_START_TEST (test_an_interim_is_open_for_a_minute_of_audio)
{
  Scribe scribe;
  scribe.take (interim (1000, 1500));
  scribe.map.sent (scribe.map.end (), first_sample + 61000 * 16);
  assert_equals_int (scribe.take (interim (60000, 61000))->number, 2);
  assert_equals_int (scribe.first_open (), 1000);
  scribe.map.sent (scribe.map.end (), first_sample + 61001 * 16);
  assert_equals_int (scribe.take (interim (60000, 61001))->number, 1);
  assert_equals_int (scribe.first_open (), 60000);
  /* It is not forgotten. */
  assert_equals_int (scribe.interrupt_before (60000).size (), 1);
}
GST_END_TEST;

GST_START_TEST (test_without_times_a_segment_lies_at_the_watermark)
{
  Scribe scribe;
  Segment s = interim (0, 0);
  s.start_time.reset ();
  s.end_time.reset ();
  scribe.watermark = first_sample + 2000 * 16;
  fail_unless (scribe.take (s).has_value ());
  assert_equals_int (scribe.first_open (), 2000);
  /* Its final may lack them as well. */
  s.is_final = true;
  fail_unless (scribe.take (s).has_value ());
  assert_equals_int (scribe.first_open (), -1);
}
GST_END_TEST;

GST_START_TEST (test_without_a_result_only_a_final_is_told)
{
  Scribe scribe;
  Segment s{ .start_time = 0ms, .end_time = 100ms };
  fail_if (scribe.take (s));
  assert_equals_int (scribe.first_open (), -1);
  s.is_final = true;
  fail_unless (scribe.take (s)->text.empty ());
}
GST_END_TEST;

GST_START_TEST (test_what_is_open_is_bounded)
{
  Scribe scribe;
  for (int i = 0; i < 10000; i++)
    scribe.take (interim (i, i + 1));
  fail_unless (scribe.interrupt_before (40000).size () <= 64);
}
GST_END_TEST;

static Suite *
transcripts_suite (void)
{
  Suite *suite = suite_create ("transcripts");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_transcript_lies_on_the_pipelines_clock);
  tcase_add_test (tcase, test_times_beyond_what_was_sent_are_clamped);
  tcase_add_test (tcase, test_without_a_start_a_transcript_has_no_place);
  tcase_add_test (tcase, test_utterances_are_numbered_by_their_finals);
  tcase_add_test (tcase, test_an_utterance_passes_its_number_to_its_replay);
  tcase_add_test (tcase, test_a_final_that_is_repeated_is_dropped);
  tcase_add_test (tcase, test_repetitions_are_told_by_their_times);
  tcase_add_test (tcase, test_a_repeated_final_closes_what_it_overlaps);
  tcase_add_test (tcase,
                  test_an_interim_without_a_final_is_told_as_interrupted);
  tcase_add_test (tcase, test_only_what_will_get_no_final_is_interrupted);
  tcase_add_test (tcase, test_what_is_left_behind_is_interrupted_all_the_same);
  tcase_add_test (tcase,
                  test_an_interim_is_open_until_another_segment_overlaps_it);
  tcase_add_test (tcase,
                  test_an_interim_is_open_until_a_final_starts_after_its_end);
  tcase_add_test (tcase, test_an_interim_is_open_for_a_minute_of_audio);
  tcase_add_test (tcase, test_without_times_a_segment_lies_at_the_watermark);
  tcase_add_test (tcase, test_without_a_result_only_a_final_is_told);
  tcase_add_test (tcase, test_what_is_open_is_bounded);
  return suite;
}

GST_CHECK_MAIN (transcripts)
