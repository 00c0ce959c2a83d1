// SPDX-License-Identifier: LGPL-2.1-or-later
/* How often another attempt is made, when, and what comes after the last. */
#include "failing.h"

using namespace sischeck;
using sistest::Behaviour;
using sistest::Server;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t one_second = 16000;

const Behaviour good{ .recognizer = sistest::index_recognizer () };

} // namespace

/* The gateway throttles: an attempt after 2 s, whatever the back-off says. The
 * state tells that it is waited for. */
GST_START_TEST (test_throttling_is_waited_out)
{
  const bool is_later = __i__ == 1;
  Server server;
  std::vector<Behaviour> script{ refuses (429), good };
  if (is_later)
    script.insert (script.begin (), fails_with (sistest::reset ()));
  server.script (script);
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), hurried ("transport")));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  for (int i = 0; i <= is_later; i++)
    fail_unless (pipeline.wait_for (GST_MESSAGE_WARNING) != nullptr);
  const auto since = Clock::now ();
  const Problem problem (pipeline.from_sink (GST_MESSAGE_WARNING).back ());
  fail_unless (problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY));
  assert_equals_int (uint_of (problem.details, "http_status"), 429);
  fail_unless (wait_for_state (pipeline, "waiting"));
  fail_unless (pipeline.wait_for_element_message ("sis-connecting") != nullptr);
  /* The warning may have been read late. */
  fail_unless (Clock::now () - since >= 1800ms);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 20));
}
GST_END_TEST;

/* So many attempts after a loss, then the error of the last one. */
GST_START_TEST (test_max_reconnects_is_the_number_of_attempts)
{
  const int limits[] = { 0, 1, 3, -1 };
  const int limit = limits[__i__];
  const guint attempts = limit < 0 ? 10 : guint (limit);
  Server server;
  server.script ({ { .actions = { { 500ms, sistest::reset () } },
                     .recognizer = sistest::silent_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (),
      hurried ("transport", "max-reconnects=" + std::to_string (limit))));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  const Problem problem = only_error (pipeline);
  fail_unless (problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE));
  assert_equals_int (uint_of (problem.details, "session"), attempts + 1);
  assert_attempts_count_on (pipeline, attempts + 1);
  assert_sessions (pipeline, attempts + 1);
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (),
                     attempts);
  assert_equals_int (server.connections ().size (), attempts + 1);
}
GST_END_TEST;

/* A live stream is never given up once the service answered; before, and at its
 * end, after ten attempts. */
GST_START_TEST (test_a_live_stream_is_not_given_up)
{
  Server server;
  std::vector<Behaviour> script (
      25, { .actions = { { 500ms, sistest::reset () } },
            .recognizer = sistest::silent_recognizer () });
  script.push_back ({ .actions = { { 3000ms, sistest::reset () } },
                      .recognizer = sistest::silent_recognizer () });
  server.script (script);
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), hurried ("transport")));
  make_live (pipeline);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  fail_unless (server.wait ([] (const auto &connections) {
    return connections.size () == 26
           && connections[25].audio_bytes == 2 * 2 * one_second;
  }));
  assert_equals_int (Stats (pipeline).audio ("unacknowledged"), 2 * GST_SECOND);
  pipeline.collect ();
  fail_unless (pipeline.from_sink (GST_MESSAGE_ERROR).empty ());

  /* At its end it is. */
  pipeline.push (indexed_audio (2 * one_second, one_second));
  pipeline.end ();
  only_error (pipeline);
}
GST_END_TEST;

GST_START_TEST (test_a_live_stream_that_never_began_is_given_up)
{
  Server server;
  server.script ({ refuses (500) });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), hurried ("transport")));
  make_live (pipeline);
  pipeline.play ();
  pipeline.push (indexed_audio (0, one_second), 0);
  fail_unless (pipeline.wait_for (GST_MESSAGE_ERROR) != nullptr);
  assert_attempts_count_on (pipeline, 11);
}
GST_END_TEST;

/* Of what may pass or not, two in a row are borne, whichever code it is. */
GST_START_TEST (test_doubtful_errors_are_borne_twice)
{
  const char *const codes[] = { "SIS.0033", "SIS.0100", "SIS.0302" };
  std::vector<Behaviour> script;
  for (const char *code : codes)
    script.push_back (fails_with (sistest::error (code, "engine")));
  const bool has_progress = __i__ == 1;
  if (has_progress)
    script.insert (script.begin () + 2,
                   { .actions = { { 900ms, sistest::hang_up () } },
                     .recognizer = sistest::index_recognizer () });
  script.push_back (good);
  Server server;
  server.script (script);
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), hurried ("transport")));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  if (has_progress) {
    pipeline.end ();
    fail_unless (pipeline.wait_for_eos ());
    assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), 4);
    assert_same_text (pipeline.finals (), index_words (0, 20));
  } else {
    const Problem problem = only_error (pipeline);
    assert_same_text (text_of (problem.details, "error_code"), "SIS.0302");
    assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), 2);
  }
}
GST_END_TEST;

/* What shows that the service works again: finals, or 30 s of new audio. */
GST_START_TEST (test_progress_begins_the_count_anew)
{
  constexpr std::size_t losses = 4;
  const bool by_audio = __i__ == 1;
  const std::size_t step = by_audio ? 40 : 1; /* s */
  std::vector<Behaviour> script;
  for (std::size_t i = 1; i <= losses; i++) {
    /* What was not covered is sent again. */
    const auto position = std::chrono::seconds (by_audio ? i * step : step);
    Behaviour lossy = fails_with (sistest::hang_up (), position);
    lossy.recognizer = by_audio ? sistest::silent_recognizer ()
                                : sistest::index_recognizer ();
    script.push_back (lossy);
  }
  script.push_back (good);
  Server server;
  server.script (script);
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (), hurried ("transport", "max-reconnects=1 "
                                           "replay-duration=600000000000")));
  pipeline.play ();
  for (std::size_t i = 0; i <= losses; i++) {
    pipeline.push (indexed_audio (i * step * one_second, step * one_second),
                   i * step * GST_SECOND);
    if (i < losses)
      fail_unless (pipeline.wait_for_element_message ("sis-end") != nullptr);
  }
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), losses);
  assert_same_text (pipeline.finals (),
                    index_words (0, (losses + 1) * step * 10));
}
GST_END_TEST;

/* A session that ended in order in between, without a word in it. */
GST_START_TEST (test_an_end_in_order_begins_the_count_anew)
{
  Server server;
  const Behaviour silent{ .recognizer = sistest::silent_recognizer () };
  Behaviour lossy = silent;
  lossy.actions = { { 500ms, sistest::reset () } };
  server.script ({ lossy, silent, lossy, silent });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (),
      hurried ("transport", "max-reconnects=1 idle-timeout=1000000000")));
  pipeline.play ();
  for (int i = 0; i < 2; i++) {
    pipeline.push (indexed_audio (i * one_second, one_second),
                   i == 0 ? 0 : GST_CLOCK_TIME_NONE);
    for (const char *reason : { "LOST", "NORMAL" }) {
      const GstMessage *end = pipeline.wait_for_element_message ("sis-end");
      fail_unless (end != nullptr);
      assert_same_text (text_of (pipeline.named ("sis-end").back (), "reason"),
                        reason);
    }
  }
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), 2);
}
GST_END_TEST;

/* The branch beside the sink plays on after the error. */
GST_START_TEST (test_after_an_error_others_play_on)
{
  const Behaviour failures[] = {
    fails_with (sistest::fatal ("SIS.0101", "token")),
    answers_start_with (sistest::error ("SIS.0032", "invalid")),
    refuses (403),
  };
  Server server;
  server.script ({ failures[__i__], good });
  fail_unless (server.start ());
  Pipeline pipeline (
      "appsrc name=src format=time caps=audio/x-raw,format=S16LE,rate=16000,"
      "channels=1,layout=interleaved ! tee name=t t. ! queue ! fakesink "
      "name=other sync=false t. ! queue ! sissink name=sink sync=false "
      "project-id=demo on-error=discard max-buffer-duration=1000000000 "
      "endpoint="
      + server.url ());
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  GstMessage *error = pipeline.wait_for (GST_MESSAGE_ERROR);
  fail_unless (error != nullptr);
  fail_unless (GST_MESSAGE_SRC (error) == GST_OBJECT (pipeline.sink ()));
  for (std::size_t i = 2; i < 60; i++)
    pipeline.push (indexed_audio (i * one_second, one_second));
  pipeline.end ();
  fail_unless (pipeline.wait_for (GST_MESSAGE_EOS) != nullptr);
  std::size_t errors = 0;
  for (const MessagePtr &message : pipeline.messages ())
    errors += GST_MESSAGE_TYPE (message.get ()) == GST_MESSAGE_ERROR;
  assert_equals_int (errors, 1);
  {
    const Stats stats (pipeline);
    stats.assert_sum ();
    assert_same_text (stats.state (), "failed");
    assert_equals_uint64 (stats.audio ("in"), 60 * GST_SECOND);
    assert_equals_uint64 (stats.audio ("dropped"), 60 * GST_SECOND);
  }

  pipeline.set_state (GST_STATE_NULL);
  pipeline.play ();
  assert_same_text (Stats (pipeline).state (), "idle");
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  pipeline.end ();
  fail_unless (pipeline.wait_for (GST_MESSAGE_EOS) != nullptr);
  assert_same_text (pipeline.finals (), index_words (0, 20));
}
GST_END_TEST;

/* Replay is held to the rate, too. */
GST_START_TEST (test_max_send_rate_bounds_what_is_sent)
{
  const bool is_lossy = __i__ == 1;
  std::vector<Behaviour> script{ good };
  if (is_lossy)
    script.insert (script.begin (),
                   { .actions = { { 1500ms, sistest::reset () } },
                     .recognizer = sistest::silent_recognizer () });
  Server server;
  server.script (script);
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), hurried ("transport", "max-send-rate=2")));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  pipeline.end ();
  const auto since = Clock::now ();
  fail_unless (pipeline.wait_for_eos ());
  /* 2 s, or 3.5 s, at twice the speed they are spoken at. */
  const auto took = Clock::now () - since;
  fail_unless (took >= (is_lossy ? 1400ms : 700ms), "took %d ms",
               int (took / 1ms));
  assert_same_text (pipeline.finals (), index_words (0, 20));
}
GST_END_TEST;

static Suite *
attempts_suite (void)
{
  Suite *suite = suite_create ("attempts");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_throttling_is_waited_out, 0, 2);
  tcase_add_loop_test (tcase, test_max_reconnects_is_the_number_of_attempts, 0,
                       4);
  tcase_add_test (tcase, test_a_live_stream_is_not_given_up);
  tcase_add_test (tcase, test_a_live_stream_that_never_began_is_given_up);
  tcase_add_loop_test (tcase, test_doubtful_errors_are_borne_twice, 0, 2);
  tcase_add_loop_test (tcase, test_progress_begins_the_count_anew, 0, 2);
  tcase_add_test (tcase, test_an_end_in_order_begins_the_count_anew);
  tcase_add_loop_test (tcase, test_after_an_error_others_play_on, 0, 3);
  tcase_add_loop_test (tcase, test_max_send_rate_bounds_what_is_sent, 0, 2);
  return suite;
}

GST_CHECK_MAIN (attempts)
