// SPDX-License-Identifier: LGPL-2.1-or-later
/* Networks that are slow, cut or gone, streams that stall and pause: nothing is
 * lost, and nobody waits for ever. */
#include "halfserver.h"
#include "server.h"

#include "stats.h"

#include <algorithm>

using namespace sischeck;
using sistest::Behaviour;
using sistest::Server;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t one_second = 16000;

const Behaviour good{ .recognizer = sistest::index_recognizer () };

Behaviour
at (Milliseconds position, sistest::Action action)
{
  return { .actions = { { position, std::move (action) } },
           .recognizer = sistest::index_recognizer () };
}

/* A time-out that comes soon, but not before a slow peer's answer. */
std::string
short_timeout ()
{
  return " timeout=" + std::to_string (patience () / 15s) + " ";
}

void
push_seconds (Pipeline &pipeline, std::size_t first, std::size_t count)
{
  for (std::size_t i = first; i < first + count; i++)
    pipeline.push (indexed_audio (i * one_second, one_second), i * GST_SECOND);
}

bool
wait_until_heard (const Server &server, std::size_t connection,
                  std::size_t samples)
{
  return server.wait ([=] (const auto &connections) {
    return connections.size () > connection
           && connections[connection].audio_bytes >= samples * 2;
  });
}

/* Nothing happens for so long, but for what the sink tells. */
void
let_pass (Pipeline &pipeline, Milliseconds time)
{
  GstMessage *message = pipeline.wait_for (
      GstMessageType (GST_MESSAGE_ERROR | GST_MESSAGE_EOS), time);
  fail_unless (message == nullptr, "%s",
               message != nullptr ? GST_MESSAGE_TYPE_NAME (message) : "");
}

/* No change of state waits for the network. */
void
assert_changes_at_once (Pipeline &pipeline, GstState state, Milliseconds limit)
{
  const auto start = Clock::now ();
  fail_if (pipeline.set_state (state) == GST_STATE_CHANGE_FAILURE);
  const auto took = Clock::now () - start;
  fail_unless (took < limit, "to %s took %d ms",
               gst_element_state_get_name (state), int (took / 1ms));
}

/* All words of so many seconds, once and in order, each final where it lies in
 * the input, and no error. */
void
assert_all_was_said (Pipeline &pipeline, std::size_t seconds)
{
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, seconds * 10));
  gint64 end = 0;
  for (const GstStructure *result : pipeline.named ("sis-result")) {
    const auto start = gint64 (time_of (result, "running-time"));
    fail_unless (ABS (start - end) <= gint64 (GST_MSECOND),
                 "%" G_GINT64_FORMAT " after %" G_GINT64_FORMAT, start, end);
    end = start + gint64 (time_of (result, "duration"));
  }
  fail_unless (pipeline.from_sink (GST_MESSAGE_ERROR).empty ());
  const Stats stats (pipeline);
  stats.assert_sum ();
  assert_equals_uint64 (stats.audio ("acknowledged"), seconds * GST_SECOND);
  assert_equals_int (pipeline.named ("sis-start").size (),
                     pipeline.named ("sis-end").size ());
}

std::string
reason_of (const Pipeline &pipeline, std::size_t session)
{
  const auto ends = pipeline.named ("sis-end");
  fail_unless (ends.size () > session);
  return text_of (ends[session], "reason");
}

} // namespace

/* EOS: it always comes. */

GST_START_TEST (test_the_end_comes_though_the_network_is_gone)
{
  auto server = std::make_unique<Server> ();
  server->script ({ good });
  fail_unless (server->start ());
  Pipeline pipeline (launch_line (server->url (), short_timeout ()));
  make_live (pipeline);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 3 * one_second / 2), 0);
  fail_unless (pipeline.wait_for_element_message ("sis-result") != nullptr);
  server.reset ();
  fail_unless (pipeline.wait_for (GST_MESSAGE_WARNING) != nullptr);
  pipeline.end ();
  const auto since = Clock::now ();
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (Clock::now () - since < patience () / 5);
  assert_same_text (reason_of (pipeline, 0), "LOST");
  const Problem last (pipeline.from_sink (GST_MESSAGE_WARNING).back ());
  fail_unless (last.text.find ("transcripts") != std::string::npos, "%s",
               last.text.c_str ());
  const Stats stats (pipeline);
  stats.assert_sum ();
  assert_equals_uint64 (stats.audio ("dropped"), GST_SECOND / 2);
  assert_equals_uint64 (stats.audio ("acknowledged"), GST_SECOND);
}
GST_END_TEST;

/* Pongs are no progress. */
GST_START_TEST (test_the_end_comes_though_nothing_but_pongs_does)
{
  Server server;
  server.script ({ { .end = { .answer = false },
                     .recognizer = sistest::index_recognizer (),
                     .timeout = 0ms } });
  fail_unless (server.start ());
  const auto timeout = patience () / 3;
  Pipeline pipeline (
      launch_line (server.url (), "keepalive-interval=1 timeout="
                                      + std::to_string (timeout / 1000ms)));
  make_live (pipeline);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 3 * one_second / 2), 0);
  const auto since = Clock::now ();
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto took = Clock::now () - since;
  fail_unless (took >= timeout && took < 2 * timeout, "took %d ms",
               int (took / 1ms));
  fail_unless (server.connections ()[0].pings >= 1);
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), 1);
  assert_same_text (reason_of (pipeline, 0), "TIMEOUT");
}
GST_END_TEST;

/* New results keep the wait going, but not for ever: three times the time-out
 * and the audio that is not covered. */
GST_START_TEST (test_the_end_comes_though_results_never_end)
{
  sistest::HalfServer half;
  fail_unless (half.start ());
  Pipeline pipeline (launch_line (half.url (), short_timeout ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, one_second), 0);
  pipeline.end ();
  auto peer = half.accept ();
  fail_unless (peer != nullptr && peer->read_frame ());
  fail_unless (peer->write_frame (sistest::Opcode::Text,
                                  R"({"resp_type":"START","trace_id":"t"})"));
  const auto since = Clock::now ();
  GstMessage *eos = nullptr;
  for (int i = 0; eos == nullptr && i < 100; i++) {
    const std::string text = "a" + std::to_string (i);
    peer->write_frame (
        sistest::Opcode::Text,
        R"({"resp_type":"RESULT","segments":[{"start_time":0,"end_time":500,)"
        R"("is_final":false,"result":{"text":")"
            + text + R"("}}]})");
    eos = pipeline.wait_for (GST_MESSAGE_EOS, patience () / 100);
  }
  const auto took = Clock::now () - since;
  fail_unless (eos != nullptr);
  /* 3 s, and 1 s of audio. */
  fail_unless (took >= patience () / 15 * 3 && took < patience () / 15 * 6,
               "took %d ms", int (took / 1ms));
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), 1);
}
GST_END_TEST;

/* The deadline stands still while nobody waits. */
GST_START_TEST (test_a_pause_in_the_drain_may_outlast_the_timeout)
{
  const auto timeout = patience () / 15;
  Server server;
  server.script ({ { .end = { .delay = 2 * timeout },
                     .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), short_timeout ()));
  if (__i__ == 1)
    make_live (pipeline);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  pipeline.end ();
  fail_unless (server.wait ([] (const auto &connections) {
    return !connections.empty () && connections[0].ends == 1;
  }));
  assert_changes_at_once (pipeline, GST_STATE_PAUSED, patience () / 150);
  fail_unless (pipeline.wait_for_element_message ("sis-end") != nullptr);
  let_pass (pipeline, 100ms);
  assert_changes_at_once (pipeline, GST_STATE_PLAYING, patience () / 150);
  assert_all_was_said (pipeline, 2);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}
GST_END_TEST;

/* Audio that does not come. */

/* Longer than the service waits, many times. */
GST_START_TEST (test_a_pause_of_any_length_loses_nothing)
{
  Server server;
  Behaviour behaviour = good;
  behaviour.timeout = 1500ms;
  server.script ({ behaviour });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "idle-timeout=1000000000"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 5 * one_second / 2), 0);
  fail_unless (wait_until_heard (server, 0, 5 * one_second / 2));
  pipeline.set_state (GST_STATE_PAUSED);
  pipeline.push (indexed_audio (5 * one_second / 2, one_second / 2));
  fail_unless (pipeline.wait_for_element_message ("sis-end") != nullptr);
  assert_same_text (reason_of (pipeline, 0), "NORMAL");
  let_pass (pipeline, 3000ms);
  pipeline.play ();
  push_seconds (pipeline, 3, 2);
  pipeline.end ();
  assert_all_was_said (pipeline, 5);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
  for (const sistest::Record &record : server.connections ())
    fail_unless (record.violations.empty ());
}
GST_END_TEST;

/* The source of a live pipeline stalls, and goes on where it was. */
GST_START_TEST (test_a_live_source_that_stalls_loses_nothing)
{
  Server server;
  Behaviour behaviour = good;
  behaviour.timeout = 1500ms;
  server.script ({ behaviour });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "idle-timeout=1000000000"));
  make_live (pipeline);
  pipeline.play ();
  for (std::size_t i = 0; i < 3; i++) {
    push_seconds (pipeline, i, 1);
    fail_unless (pipeline.wait_for_element_message ("sis-end") != nullptr);
    assert_same_text (reason_of (pipeline, i), "NORMAL");
  }
  let_pass (pipeline, 2000ms);
  push_seconds (pipeline, 3, 1);
  pipeline.end ();
  assert_all_was_said (pipeline, 4);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}
GST_END_TEST;

/* A GAP is no audio; the time behind it is right. */
GST_START_TEST (test_a_long_gap_ends_the_session_in_order)
{
  const bool is_live = __i__ == 1;
  Server server;
  server.script ({ good });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "idle-timeout=1000000000"));
  if (is_live)
    make_live (pipeline);
  pipeline.play ();
  push_seconds (pipeline, 0, 1);
  fail_unless (wait_until_heard (server, 0, one_second));
  {
    g_autoptr (GstPad) pad
        = gst_element_get_static_pad (pipeline.source (), "src");
    fail_unless (gst_pad_push_event (
        pad, gst_event_new_gap (GST_SECOND, 20 * GST_SECOND)));
  }
  pipeline.push (indexed_audio (one_second, one_second), 21 * GST_SECOND);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 20));
  const auto results = pipeline.named ("sis-result");
  assert_equals_int (results.size (), 2);
  assert_equals_uint64 (time_of (results[1], "running-time"), 21 * GST_SECOND);
  assert_same_text (reason_of (pipeline, 0), "NORMAL");
  const auto connections = server.connections ();
  assert_equals_int (connections.size (), 2);
  assert_equals_uint64 (connections[0].audio_bytes, one_second * 2);
  assert_equals_uint64 (connections[1].audio_bytes, one_second * 2);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}
GST_END_TEST;

/* A peer that does not read, or is not there any more. */

GST_START_TEST (test_a_short_stall_of_the_service_is_no_loss)
{
  constexpr std::size_t seconds = 60;
  Server server;
  server.script ({ at (500ms, sistest::stop_reading (700ms)) });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (), "keepalive-interval=2 max-buffer-duration=1000000000"));
  pipeline.play ();
  push_seconds (pipeline, 0, seconds);
  pipeline.end ();
  assert_all_was_said (pipeline, seconds);
  assert_equals_int (server.connections ().size (), 1);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}
GST_END_TEST;

/* A file waits, and then all of it is sent. */
GST_START_TEST (test_a_service_that_reads_no_more_is_lost)
{
  constexpr std::size_t seconds = 60;
  Server server;
  server.script ({ at (500ms, sistest::stop_reading ()), good });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (), "keepalive-interval=1 max-buffer-duration=1000000000"));
  pipeline.play ();
  push_seconds (pipeline, 0, seconds);
  pipeline.end ();
  fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
  const auto since = Clock::now ();
  fail_unless (wait_for_stats (pipeline, [] (const Stats &stats) {
    fail_unless (stats.audio ("buffered") <= GST_SECOND);
    if (uint_of (stats.get (), "reconnects") == 1)
      return true;
    fail_unless (stats.audio ("in") < seconds * GST_SECOND / 2);
    return false;
  }));
  fail_unless (Clock::now () - since < patience () / 5);
  assert_all_was_said (pipeline, seconds);
  assert_same_text (reason_of (pipeline, 0), "LOST");
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), 1);
}
GST_END_TEST;

/* Neither FIN nor RST comes when a link is cut. */
GST_START_TEST (test_a_cut_link_is_noticed_in_time)
{
  const bool is_live = __i__ == 1;
  Server server;
  server.script ({ at (1500ms, sistest::vanish ()), good });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "keepalive-interval=1"));
  if (is_live)
    make_live (pipeline);
  pipeline.play ();
  push_seconds (pipeline, 0, 2);
  fail_unless (wait_until_heard (server, 0, 2 * one_second));
  const auto since = Clock::now ();
  GstMessage *warning = pipeline.wait_for (GST_MESSAGE_WARNING);
  const auto took = Clock::now () - since;
  fail_unless (warning != nullptr);
  fail_unless (
      Problem (warning).is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE));
  fail_unless (took < 2s + patience () / 15, "took %d ms", int (took / 1ms));
  assert_same_text (reason_of (pipeline, 0), "LOST");
  push_seconds (pipeline, 2, 2);
  pipeline.end ();
  assert_all_was_said (pipeline, 4);
}
GST_END_TEST;

/* Not even of one that fills the store at once, and all that lies between. */
GST_START_TEST (test_a_cut_link_swallows_nothing_of_a_recording)
{
  constexpr std::size_t seconds = 20;
  Server server;
  server.script ({ at (500ms, sistest::vanish ()), good });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (), "keepalive-interval=2 replay-duration=1500000000 "
                     "max-buffer-duration=2000000000"));
  pipeline.play ();
  push_seconds (pipeline, 0, seconds);
  pipeline.end ();
  assert_all_was_said (pipeline, seconds);
}
GST_END_TEST;

GST_START_TEST (test_a_late_pong_is_no_loss)
{
  sistest::HalfServer half;
  fail_unless (half.start ());
  Pipeline pipeline (launch_line (half.url (), "keepalive-interval=3"));
  pipeline.play ();
  push_seconds (pipeline, 0, 1);
  auto peer = half.accept ();
  fail_unless (peer != nullptr && peer->read_frame ());
  const auto say = [&] (const char *text) {
    fail_unless (peer->write_frame (sistest::Opcode::Text, text));
  };
  say (R"({"resp_type":"START","trace_id":"t"})");
  int pings = 0;
  while (pings < 2) {
    const auto frame = peer->read_frame ();
    fail_unless (frame.has_value (), "gone after %d pings", pings);
    if (frame->opcode != sistest::Opcode::Ping)
      continue;
    pings++;
    let_pass (pipeline, 600ms);
    fail_unless (peer->write_frame (sistest::Opcode::Pong, frame->payload));
  }
  pipeline.end ();
  for (bool has_ended = false; !has_ended;) {
    const auto frame = peer->read_frame ();
    fail_unless (frame.has_value ());
    has_ended = frame->opcode == sistest::Opcode::Text;
  }
  say (R"({"resp_type":"END","trace_id":"t","reason":"NORMAL"})");
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
  assert_same_text (reason_of (pipeline, 0), "NORMAL");
}
GST_END_TEST;

/* No more is out of the store than the network needs. */
GST_START_TEST (test_little_audio_is_out_of_the_store)
{
  Server server;
  Behaviour behaviour = at (500ms, sistest::stop_reading (2000ms));
  behaviour.keep_audio = 0;
  server.script ({ behaviour });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "keepalive-interval=0"));
  pipeline.play ();
  push_seconds (pipeline, 0, 120);
  pipeline.end ();
  fail_unless (wait_until_heard (server, 0, one_second / 2));
  gint64 most = 0;
  fail_unless (wait_for_stats (pipeline, [&] (const Stats &stats) {
    const gint64 heard = gint64 (server.connections ()[0].audio_bytes) / 2
                         * (GST_SECOND / one_second);
    if (heard > gint64 (2 * GST_SECOND))
      return true; /* it reads again, and windows are wide */
    most = std::max (most, gint64 (stats.audio ("sent")) - heard);
    return false;
  }));
  fail_unless (most < gint64 (12 * GST_SECOND), "%" G_GINT64_FORMAT " ms",
               most / gint64 (GST_MSECOND));
  assert_all_was_said (pipeline, 120);
}
GST_END_TEST;

/* To NULL, in phases that other tests do not know. */

namespace {

/* How the sink comes to have nothing but time to wait for. */
struct Phase
{
  const char *what;
  std::vector<Behaviour> script;
  const char *state;
  bool is_at_end;
};

Behaviour
throttles ()
{
  return { .handshake = { .reply = sistest::HttpReply{ .status = 429 } } };
}

const Phase phases[] = {
  { "waits for its second attempt", { throttles () }, "waiting", false },
  { "waits after a loss",
    { at (1500ms, sistest::reset ()), throttles () },
    "waiting",
    false },
  { "waits, and drains",
    { at (1500ms, sistest::reset ()), throttles () },
    "waiting",
    true },
  { "connects anew, and drains",
    { at (1500ms, sistest::reset ()), { .handshake = { .answer = false } } },
    "connecting",
    true },
  { "starts anew, and drains",
    { at (1500ms, sistest::reset ()), { .start = { .answer = false } } },
    "starting",
    true },
  { "sends, and drains",
    { at (1500ms, sistest::stop_reading ()) },
    "streaming",
    true },
};

} // namespace

GST_START_TEST (test_null_does_not_wait_for_an_attempt)
{
  const Phase &phase = phases[__i__];
  Server server;
  server.script (phase.script);
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  push_seconds (pipeline, 0, 20);
  if (phase.is_at_end)
    pipeline.end ();
  if (phase.script.size () > 1)
    fail_unless (pipeline.wait_for (GST_MESSAGE_WARNING) != nullptr);
  fail_unless (wait_for_state (pipeline, phase.state), "%s", phase.what);
  assert_changes_at_once (pipeline, GST_STATE_NULL, patience () / 30);

  server.script ({ good });
  const std::size_t before = pipeline.messages ().size ();
  pipeline.play ();
  push_seconds (pipeline, 0, 2);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  std::string said;
  for (std::size_t i = before; i < pipeline.messages ().size (); i++)
    if (gst_message_has_name (pipeline.messages ()[i].get (), "sis-result"))
      said += text_of (
                  gst_message_get_structure (pipeline.messages ()[i].get ()),
                  "text")
              + " ";
  assert_same_text (said,
                    index_words (0, 10) + " " + index_words (10, 10) + " ");
}
GST_END_TEST;

static Suite *
network_suite (void)
{
  Suite *suite = suite_create ("network");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_the_end_comes_though_the_network_is_gone);
  tcase_add_test (tcase, test_the_end_comes_though_nothing_but_pongs_does);
  tcase_add_test (tcase, test_the_end_comes_though_results_never_end);
  tcase_add_loop_test (tcase, test_a_pause_in_the_drain_may_outlast_the_timeout,
                       0, 2);
  tcase_add_test (tcase, test_a_pause_of_any_length_loses_nothing);
  tcase_add_test (tcase, test_a_live_source_that_stalls_loses_nothing);
  tcase_add_loop_test (tcase, test_a_long_gap_ends_the_session_in_order, 0, 2);
  tcase_add_test (tcase, test_a_short_stall_of_the_service_is_no_loss);
  tcase_add_test (tcase, test_a_service_that_reads_no_more_is_lost);
  tcase_add_loop_test (tcase, test_a_cut_link_is_noticed_in_time, 0, 2);
  tcase_add_test (tcase, test_a_cut_link_swallows_nothing_of_a_recording);
  tcase_add_test (tcase, test_a_late_pong_is_no_loss);
  tcase_add_test (tcase, test_little_audio_is_out_of_the_store);
  tcase_add_loop_test (tcase, test_null_does_not_wait_for_an_attempt, 0,
                       int (std::size (phases)));
  return suite;
}

GST_CHECK_MAIN (network)
