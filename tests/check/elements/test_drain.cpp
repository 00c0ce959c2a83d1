// SPDX-License-Identifier: LGPL-2.1-or-later
/* How long the end of the stream waits, and what it waits for. */
#include "halfserver.h"
#include "server.h"

#include "stats.h"

using namespace sischeck;
using sistest::Behaviour;

namespace {

constexpr std::size_t one_second = 16000;

/* So much longer all takes where deadlines are: what is waited for has to take
 * longer than one of them there, too. */
int
slowness ()
{
  return int (patience () / 15s);
}

std::string
timeout ()
{
  return "timeout=" + std::to_string (slowness ()) + " ";
}

std::string
slow_sending ()
{
  return "max-send-rate=" + std::to_string (3.0 / slowness ()) + " ";
}

void
push_seconds (Pipeline &pipeline, std::size_t first, std::size_t count)
{
  for (std::size_t i = first; i < first + count; i++)
    pipeline.push (indexed_audio (i * one_second, one_second),
                   i == 0 ? 0 : GST_CLOCK_TIME_NONE);
}

} // namespace

/* The end of an earlier session sets no deadline for that of the stream. */
GST_START_TEST (test_audio_that_flows_is_waited_for)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (),
                   "idle-timeout=1000000000 " + slow_sending () + timeout ()));
  pipeline.play ();
  push_seconds (pipeline, 0, 1);
  fail_unless (pipeline.wait_for_element_message ("sis-end") != nullptr);
  push_seconds (pipeline, 1, 15);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 160));
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}
GST_END_TEST;

/* In short mode a backlog takes several sessions. */
GST_START_TEST (test_each_session_of_a_backlog_is_waited_for)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), "mode=short max-session-duration=2000000000 "
                                      + slow_sending () + timeout ()));
  pipeline.play ();
  push_seconds (pipeline, 0, 20);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 200));
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}
GST_END_TEST;

/* Sessions keep their distance, and END takes its time: many sentences take
 * longer than they are, and each gets on. */
GST_START_TEST (test_each_sentence_of_a_backlog_is_waited_for)
{
  const bool is_distance = __i__ == 0;
  sistest::Server server;
  Behaviour slow{ .recognizer
                  = sistest::index_recognizer (is_distance ? 20 : 2) };
  if (!is_distance)
    slow.end.delay = 500ms * slowness ();
  server.script ({ slow });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (),
      "mode=sentence " + timeout () + "reconnect-delay="
          + (is_distance ? std::to_string (1500000000ull * slowness ())
                         : "1000000")));
  pipeline.play ();
  push_seconds (pipeline, 0, is_distance ? 6 : 3);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, is_distance ? 60 : 30));
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}
GST_END_TEST;

/* What finals have covered since does not make the wait longer, and a service
 * that talks for ever is not listened to for ever. */
GST_START_TEST (test_evicted_audio_that_was_covered_is_not_waited_for)
{
  sistest::HalfServer half;
  fail_unless (half.start ());
  Pipeline pipeline (
      launch_line (half.url (), "replay-duration=1000000000 " + timeout ()));
  make_live (pipeline);
  pipeline.play ();
  push_seconds (pipeline, 0, 12);
  auto peer = half.accept ();
  fail_unless (peer != nullptr && peer->read_frame ());
  const auto say = [&peer] (const std::string &text) {
    peer->write_frame (sistest::Opcode::Text, text);
  };
  say (R"({"resp_type":"START","trace_id":"t"})");
  for (std::size_t heard = 0; heard < 12 * one_second * 2;) {
    const auto frame = peer->read_frame ();
    fail_unless (frame.has_value ());
    heard += frame->payload.size ();
  }
  say (R"({"resp_type":"RESULT","segments":[{"start_time":0,"end_time":12000,)"
       R"("is_final":true,"result":{"text":"all"}}]})");
  fail_unless (pipeline.wait_for_element_message ("sis-result") != nullptr);
  fail_unless (Stats (pipeline).audio ("evicted") >= 10 * GST_SECOND);
  pipeline.end ();
  const auto since = std::chrono::steady_clock::now ();
  GstMessage *eos = nullptr;
  for (int i = 0; eos == nullptr && i < 40 + 20 * slowness (); i++) {
    say (R"({"resp_type":"EVENT","event":"NEWS","timestamp":)"
         + std::to_string (i) + "}");
    eos = pipeline.wait_for (GST_MESSAGE_EOS, 200ms);
  }
  fail_unless (eos != nullptr);
  fail_unless (std::chrono::steady_clock::now () - since
               < 6s + 3s * slowness ());
}
GST_END_TEST;

/* However many were made before. */
GST_START_TEST (test_the_end_of_a_live_stream_has_ten_attempts_of_its_own)
{
  sistest::Server server;
  const Behaviour lost{ .actions = { { 500ms, sistest::reset () } } };
  const Behaviour closed{ .handshake = { .drop = true } };
  server.script ({ lost, closed });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (), "reconnect-delay=1000000 max-reconnect-delay=1000000"));
  make_live (pipeline);
  pipeline.play ();
  push_seconds (pipeline, 0, 1);
  fail_unless (
      server.wait ([] (const auto &records) { return records.size () >= 30; }));
  pipeline.end ();
  fail_unless (pipeline.wait_for (GST_MESSAGE_ERROR) != nullptr);
  const std::size_t all = server.connections ().size ();
  fail_unless (all >= 40, "%" G_GSIZE_FORMAT " connections", all);
  pipeline.collect ();
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_ERROR).size (), 1);
}
GST_END_TEST;

static Suite *
drain_suite (void)
{
  Suite *suite = suite_create ("drain");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_audio_that_flows_is_waited_for);
  tcase_add_test (tcase, test_each_session_of_a_backlog_is_waited_for);
  tcase_add_loop_test (tcase, test_each_sentence_of_a_backlog_is_waited_for, 0,
                       2);
  tcase_add_test (tcase, test_evicted_audio_that_was_covered_is_not_waited_for);
  tcase_add_test (tcase,
                  test_the_end_of_a_live_stream_has_ten_attempts_of_its_own);
  return suite;
}

GST_CHECK_MAIN (drain)
