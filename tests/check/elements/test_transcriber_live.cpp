// SPDX-License-Identifier: LGPL-2.1-or-later
/* Text of a live stream follows the clock, whatever the service does. */
#include "server.h"

#include "saying.h"
#include "stage.h"
#include "stats.h"
#include "textlog.h"

#include <gst/check/gsttestclock.h>

using namespace sischeck;

namespace {

/* Of `latency`, 2 s here: text is ahead of what is due by twice as much as it
 * looks at the clock. */
constexpr int head_start = 100;

/* A transcriber behind a live source, and the only clock there is. */
class LiveStage
{
public:
  explicit LiveStage (std::vector<sistest::Behaviour> script,
                      const std::string &properties = {})
      : clock_ (GST_TEST_CLOCK (gst_test_clock_new ()))
  {
    server.script (std::move (script));
    fail_unless (server.start ());
    pipeline = std::make_unique<Pipeline> (
        text_line (server.url (), "latency=2000 " + properties));
    make_live (*pipeline);
    gst_pipeline_use_clock (GST_PIPELINE (pipeline->get ()),
                            GST_CLOCK (clock_));
    log = std::make_unique<TextLog> (*pipeline);
    pipeline->play ();
    fail_unless (gst_element_get_state (pipeline->get (), nullptr, nullptr,
                                        GST_SECOND * 10)
                 == GST_STATE_CHANGE_SUCCESS);
  }
  ~LiveStage ()
  {
    log.reset ();
    pipeline.reset ();
    gst_object_unref (clock_);
  }
  LiveStage (const LiveStage &) = delete;
  LiveStage &operator= (const LiveStage &) = delete;

  /* Audio up to that time. */
  void push_to (int ms)
  {
    const std::size_t n = std::size_t (ms) * per_ms - pushed_;
    pipeline->push (indexed_audio (pushed_, n), samples_to_ns (pushed_));
    pushed_ += n;
  }

  void set_time (int ms)
  {
    gst_test_clock_set_time (clock_, GstClockTime (ms) * GST_MSECOND);
  }

  void wait_for_results (std::size_t count) const
  {
    while (pipeline->named ("sis-result").size () < count)
      fail_unless (pipeline->wait_for_element_message ("sis-result"));
  }

  guint longest_delay () const
  {
    guint delay = 0;
    g_object_get (pipeline->sink (), "max-observed-delay", &delay, nullptr);
    return delay;
  }

  guint late () const
  {
    const Stats stats (*pipeline);
    return uint_of (stats.get (), "text-late");
  }

  sistest::Server server;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<TextLog> log;

private:
  GstTestClock *const clock_;
  std::size_t pushed_ = 0;
};

} // namespace

GST_START_TEST (test_gaps_follow_the_clock)
{
  LiveStage stage ({ scripted ({}) });
  stage.push_to (500);
  fail_unless (stage.log->wait_for_event (GST_EVENT_GAP));
  stage.set_time (1900);
  stage.set_time (2500);
  fail_unless (stage.log->wait_for_time (500 + head_start));
  assert_same_text (stage.log->story (), "-0..0 -0..600");
  /* Also where no more audio comes. */
  stage.set_time (7000);
  fail_unless (stage.log->wait_for_time (5000 + head_start));
  stage.log->assert_no_hole ();
}
GST_END_TEST;

/* As soon as nothing can come before it. */
GST_START_TEST (test_text_in_time_is_in_its_place)
{
  LiveStage stage ({ scripted (
      { { 1000ms, sistest::send_result ({ said (200, 900, "one") }) } }) });
  stage.push_to (1000);
  fail_unless (stage.log->wait_for_texts (1));
  assert_same_text (stage.log->story (), "-0..0 -0..200 one200..900");
  stage.set_time (4000);
  fail_unless (stage.log->wait_for_time (2000 + head_start));
  assert_same_text (stage.log->story (),
                    "-0..0 -0..200 one200..900 -900..2100");
  assert_equals_int (stage.late (), 0);
}
GST_END_TEST;

/* Audio that comes late by itself has as long for its text. */
GST_START_TEST (test_latency_begins_where_audio_comes)
{
  LiveStage stage ({ scripted (
      { { 1000ms, sistest::send_result ({ said (200, 900, "one") }) } }) });
  g_object_set (stage.pipeline->source (), "min-latency",
                gint64 (500 * GST_MSECOND), nullptr);
  fail_unless (gst_bin_recalculate_latency (GST_BIN (stage.pipeline->get ())));
  stage.set_time (2550);
  stage.push_to (1000);
  fail_unless (stage.log->wait_for_texts (1));
  assert_same_text (stage.log->story (), "-0..0 -0..200 one200..900");
  assert_equals_int (stage.late (), 0);
  stage.set_time (4500);
  fail_unless (stage.log->wait_for_time (2000 + head_start));
  const guint delay = stage.longest_delay ();
  fail_unless (delay >= 1850 && delay <= 1851, "%u ms", delay);
}
GST_END_TEST;

/* Beside what was in time, which keeps its own. */
GST_START_TEST (test_late_text_comes_at_once)
{
  LiveStage stage ({ scripted (
      { { 1000ms, sistest::send_result ({ said (200, 900, "late") }) },
        { 4000ms, sistest::send_result ({ said (3000, 3500, "one") }) } }) });
  stage.push_to (900);
  stage.set_time (4000);
  fail_unless (stage.log->wait_for_time (2000 + head_start));
  stage.push_to (1000);
  fail_unless (stage.log->wait_for_texts (1));
  stage.push_to (4000);
  stage.wait_for_results (2);
  stage.set_time (6000);
  fail_unless (stage.log->wait_for_time (4000 + head_start));
  assert_same_text (
      stage.log->story (),
      "-0..0 -0..2100 late2100..2101 -2101..3000 one3000..3500 -3500..4100");
  stage.log->assert_no_hole ();
  assert_equals_int (stage.late (), 1);
}
GST_END_TEST;

GST_START_TEST (test_lateness_gives_text_more_time)
{
  LiveStage stage (
      { scripted (
          { { 1000ms, sistest::send_result ({ said (800, 900, "one") }) } }) },
      "lateness=1000");
  stage.push_to (900);
  stage.set_time (3700);
  fail_unless (stage.log->wait_for_time (1700 + head_start));
  stage.push_to (1000);
  stage.wait_for_results (1);
  stage.set_time (5000);
  fail_unless (stage.log->wait_for_time (3000 + head_start));
  assert_same_text (stage.log->story (),
                    "-0..0 -0..1800 one1800..1900 -1900..3100");
  assert_equals_int (stage.late (), 0);
}
GST_END_TEST;

/* How long `latency` would have had to be. */
GST_START_TEST (test_the_longest_delay_is_told)
{
  LiveStage stage ({ scripted (
      { { 1000ms, sistest::send_result ({ said (200, 900, "one") }) },
        { 2000ms, sistest::send_result ({ said (1500, 1800, "two") }) } }) });
  guint delay = 1;
  g_object_get (stage.pipeline->sink (), "max-observed-delay", &delay, nullptr);
  assert_equals_int (delay, 0);
  stage.set_time (3400);
  stage.push_to (1000);
  fail_unless (stage.log->wait_for_texts (1));
  stage.push_to (2000);
  stage.wait_for_results (2);
  g_object_get (stage.pipeline->sink (), "max-observed-delay", &delay, nullptr);
  assert_equals_int (delay, 3200);
}
GST_END_TEST;

/* The clock goes on, and is no part of the stream. */
GST_START_TEST (test_a_pause_is_no_gap)
{
  LiveStage stage ({ scripted ({}) });
  stage.push_to (500);
  stage.set_time (2500);
  fail_unless (stage.log->wait_for_time (500 + head_start));
  fail_if (stage.pipeline->set_state (GST_STATE_PAUSED)
           == GST_STATE_CHANGE_FAILURE);
  stage.set_time (60000);
  stage.pipeline->play ();
  fail_unless (gst_element_get_state (stage.pipeline->get (), nullptr, nullptr,
                                      GST_SECOND * 10)
               == GST_STATE_CHANGE_SUCCESS);
  stage.push_to (600);
  stage.set_time (60100);
  fail_unless (stage.log->wait_for_time (600 + head_start));
  assert_same_text (stage.log->story (), "-0..0 -0..700");
}
GST_END_TEST;

/* As long as nothing can be known, and afterwards. */
GST_START_TEST (test_gaps_go_on_while_the_network_is_away)
{
  LiveStage stage ({ { .handshake = { .answer = false } } });
  for (int ms = 1000; ms <= 20000; ms += 1000) {
    stage.push_to (ms);
    stage.set_time (ms);
    fail_unless (stage.log->wait_for_time (
        std::max (0, ms - 2000 + (ms >= 2000 ? head_start : 0))));
  }
  stage.log->assert_no_hole ();
}
GST_END_TEST;

GST_START_TEST (test_a_live_stream_ends_behind_its_last_text)
{
  LiveStage stage (std::vector<sistest::Behaviour> (1));
  stage.push_to (3000);
  stage.pipeline->end ();
  fail_unless (stage.log->wait_for_event (GST_EVENT_EOS));
  assert_same_text (stage.log->story (),
                    "-0..0 sentence 00..2000 sentence 12000..3000");
}
GST_END_TEST;

static Suite *
transcriber_live_suite (void)
{
  Suite *suite = suite_create ("transcriber_live");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_gaps_follow_the_clock);
  tcase_add_test (tcase, test_text_in_time_is_in_its_place);
  tcase_add_test (tcase, test_latency_begins_where_audio_comes);
  tcase_add_test (tcase, test_late_text_comes_at_once);
  tcase_add_test (tcase, test_lateness_gives_text_more_time);
  tcase_add_test (tcase, test_the_longest_delay_is_told);
  tcase_add_test (tcase, test_a_pause_is_no_gap);
  tcase_add_test (tcase, test_gaps_go_on_while_the_network_is_away);
  tcase_add_test (tcase, test_a_live_stream_ends_behind_its_last_text);
  return suite;
}

GST_CHECK_MAIN (transcriber_live)
