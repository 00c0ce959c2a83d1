// SPDX-License-Identifier: LGPL-2.1-or-later
/* Whatever goes wrong is one error, with a domain, a code and the service's
 * own details. */
#include "halfserver.h"
#include "server.h"

#include "pipeline.h"

using namespace sischeck;
using sistest::Behaviour;
using sistest::Server;

namespace {

/* A time-out that comes soon, but not before a slow peer's answer. */
std::string
short_timeout ()
{
  return "timeout=" + std::to_string (patience () / 15s);
}

/* What the one error has to be. */
struct Expected
{
  GQuark domain;
  int code;
  std::vector<std::string> in_text;
  std::string error_code, trace_id, resp_type;
  guint session = 0, http_status = 0;
};

void
assert_field (const GstStructure *details, const char *field,
              const std::string &expected)
{
  const char *actual = gst_structure_get_string (details, field);
  if (expected.empty ())
    fail_unless (actual == nullptr, "%s is '%s'", field, actual);
  else
    fail_unless (actual != nullptr && expected == actual, "%s is '%s'", field,
                 actual);
}

/* Exactly one error from the sink, the first on the bus. */
void
assert_one_error (Pipeline &pipeline, const Expected &expected)
{
  GstMessage *message = pipeline.wait_for (GST_MESSAGE_ERROR);
  fail_unless (message != nullptr, "no error");
  fail_unless (GST_MESSAGE_SRC (message) == GST_OBJECT (pipeline.sink ()),
               "the first error is not the sink's");
  pipeline.collect ();
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_ERROR).size (), 1);

  const Problem problem (message);
  fail_unless (problem.is (expected.domain, expected.code), "%s %d: %s",
               g_quark_to_string (problem.domain), problem.code,
               problem.text.c_str ());
  for (const std::string &part : expected.in_text)
    fail_unless (problem.text.find (part) != std::string::npos,
                 "no '%s' in: %s", part.c_str (), problem.text.c_str ());
  fail_unless (problem.text.find ('\n') == std::string::npos);

  fail_unless (problem.details != nullptr);
  assert_same_text (gst_structure_get_name (problem.details), "sis-error");
  assert_field (problem.details, "error_code", expected.error_code);
  assert_field (problem.details, "resp_type", expected.resp_type);
  assert_equals_int (uint_of (problem.details, "session"), expected.session);
  if (expected.http_status != 0)
    assert_equals_int (uint_of (problem.details, "http_status"),
                       expected.http_status);
  if (!expected.error_code.empty ())
    fail_unless (problem.debug.find (expected.error_code) != std::string::npos);
  if (const char *trace
      = gst_structure_get_string (problem.details, "trace_id"))
    fail_unless (problem.debug.find (trace) != std::string::npos);
}

/* Plays as much audio as is asked for, against one behaviour, without a second
 * attempt. */
struct Run
{
  explicit Run (const Behaviour &behaviour, const std::string &properties = {})
  {
    server.script ({ behaviour });
    fail_unless (server.start ());
    pipeline = std::make_unique<Pipeline> (
        launch_line (server.url (), "reconnect=never " + properties));
    pipeline->play ();
  }

  Server server;
  std::unique_ptr<Pipeline> pipeline;
};

/* The service's audio position, as a point at which something happens. */
Behaviour
at (Milliseconds position, sistest::Action action)
{
  return { .actions = { { position, std::move (action) } } };
}

void
assert_ends_with (Pipeline &pipeline, const char *reason)
{
  const auto ends = pipeline.named ("sis-end");
  assert_equals_int (ends.size (), pipeline.named ("sis-start").size ());
  assert_same_text (text_of (ends.back (), "reason"), reason);
}

} // namespace

GST_START_TEST (test_fatal_error_in_the_middle)
{
  Run run (at (1000ms, sistest::fatal ("SIS.0306", "recognition exception")));
  run.pipeline->push (indexed_audio (0, 16000 * 2));
  assert_one_error (*run.pipeline,
                    { .domain = GST_RESOURCE_ERROR,
                      .code = GST_RESOURCE_ERROR_FAILED,
                      .in_text = { "SIS.0306", "recognition exception" },
                      .error_code = "SIS.0306",
                      .resp_type = "FATAL_ERROR",
                      .session = 1 });
  assert_ends_with (*run.pipeline, "ERROR");
  const Problem problem (run.pipeline->from_sink (GST_MESSAGE_ERROR)[0]);
  assert_same_text (text_of (problem.details, "error_msg"),
                    "recognition exception");
  assert_same_text (text_of (problem.details, "trace_id"),
                    text_of (run.pipeline->named ("sis-start")[0], "trace_id"));

  /* From now on, give or take a buffer, the sink takes nothing. */
  GstMessage *upstream = nullptr;
  for (int i = 0; upstream == nullptr && i < 100; i++) {
    run.pipeline->push (indexed_audio (0, 1600));
    upstream = run.pipeline->wait_for (GST_MESSAGE_ERROR, 50ms);
  }
  fail_unless (upstream != nullptr
               && GST_MESSAGE_SRC (upstream)
                      == GST_OBJECT (run.pipeline->source ()));
  fail_unless (Problem (upstream).debug.find ("error (-5)")
               != std::string::npos);
}
GST_END_TEST;

GST_START_TEST (test_fatal_error_at_start)
{
  Run run ({ .start = { .answer = false,
                        .after = { sistest::fatal (
                            "SIS.0301", "format and property") } } });
  run.pipeline->push (indexed_audio (0, 16000));
  assert_one_error (*run.pipeline, { .domain = GST_STREAM_ERROR,
                                     .code = GST_STREAM_ERROR_FORMAT,
                                     .in_text = { "SIS.0301" },
                                     .error_code = "SIS.0301",
                                     .resp_type = "FATAL_ERROR" });
  fail_unless (run.pipeline->named ("sis-start").empty ());
  fail_unless (run.pipeline->named ("sis-end").empty ());
}
GST_END_TEST;

GST_START_TEST (test_fatal_error_by_the_rule_of_20_seconds)
{
  Run run ({ .timeout = 300ms });
  run.pipeline->push (indexed_audio (0, 16000));
  assert_one_error (*run.pipeline, { .domain = GST_RESOURCE_ERROR,
                                     .code = GST_RESOURCE_ERROR_WRITE,
                                     .in_text = { "SIS.0304" },
                                     .error_code = "SIS.0304",
                                     .resp_type = "FATAL_ERROR",
                                     .session = 1 });
  assert_ends_with (*run.pipeline, "ERROR");
}
GST_END_TEST;

GST_START_TEST (test_error_in_a_session)
{
  Run run (at (500ms, sistest::error ("SIS.0033", "engine timeout")));
  run.pipeline->push (indexed_audio (0, 16000 * 2));
  assert_one_error (*run.pipeline, { .domain = GST_RESOURCE_ERROR,
                                     .code = GST_RESOURCE_ERROR_FAILED,
                                     .in_text = { "SIS.0033" },
                                     .error_code = "SIS.0033",
                                     .resp_type = "ERROR",
                                     .session = 1 });
  assert_ends_with (*run.pipeline, "ERROR");
}
GST_END_TEST;

GST_START_TEST (test_error_without_trace_id_and_without_end)
{
  Run run (
      { .start = { .answer = false,
                   .after = { without_trace_id (unfollowed (sistest::error (
                       "SIS.0032", "'audio_format' is invalid"))) } } });
  run.pipeline->push (indexed_audio (0, 16000));
  assert_one_error (*run.pipeline,
                    { .domain = GST_RESOURCE_ERROR,
                      .code = GST_RESOURCE_ERROR_SETTINGS,
                      .in_text = { "SIS.0032", "'audio_format' is invalid" },
                      .error_code = "SIS.0032",
                      .resp_type = "ERROR" });
  const Problem problem (run.pipeline->from_sink (GST_MESSAGE_ERROR)[0]);
  fail_if (gst_structure_has_field (problem.details, "trace_id"));
}
GST_END_TEST;

GST_START_TEST (test_the_service_refuses_what_start_asks_for)
{
  Run run ({}, "vocabulary-id=nobody-knows");
  run.pipeline->push (indexed_audio (0, 16000));
  assert_one_error (*run.pipeline, { .domain = GST_RESOURCE_ERROR,
                                     .code = GST_RESOURCE_ERROR_NOT_FOUND,
                                     .in_text = { "SIS.0201" },
                                     .error_code = "SIS.0201",
                                     .resp_type = "ERROR" });
}
GST_END_TEST;

/* Codes and texts of the service are clipped and lose control characters. */
GST_START_TEST (test_a_hostile_error_is_still_one_readable_line)
{
  Run run (at (200ms, sistest::send_text (
                          "{\"resp_type\":\"FATAL_ERROR\",\"error_code\":"
                          "\"SIS\\u001b[31m.9999\\n\",\"error_msg\":\""
                          + std::string (100000, 'x') + "\"}")));
  run.pipeline->push (indexed_audio (0, 16000));
  assert_one_error (*run.pipeline, { .domain = GST_RESOURCE_ERROR,
                                     .code = GST_RESOURCE_ERROR_FAILED,
                                     .error_code = "SIS[31m.9999",
                                     .resp_type = "FATAL_ERROR",
                                     .session = 1 });
  const Problem problem (run.pipeline->from_sink (GST_MESSAGE_ERROR)[0]);
  fail_unless (text_of (problem.details, "error_msg").size () <= 1024);
}
GST_END_TEST;

GST_START_TEST (test_an_unintelligible_message_is_one_warning)
{
  Run run (
      { .actions
        = { { 100ms, sistest::send_text ("{\"resp_type\":") },
            { 200ms, sistest::send_text ("[]") },
            { 300ms, sistest::send_binary ("abc") },
            { 400ms, sistest::send_text ("{\"resp_type\":\"NEWS\"}") } } });
  run.pipeline->push (indexed_audio (0, 16000));
  run.pipeline->end ();
  fail_unless (run.pipeline->wait_for_eos ());
  const auto warnings = run.pipeline->from_sink (GST_MESSAGE_WARNING);
  assert_equals_int (warnings.size (), 1);
  const Problem problem (warnings[0]);
  fail_unless (problem.is (GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE));
  assert_equals_int (uint_of (problem.details, "session"), 1);
  assert_same_text (run.pipeline->finals (), "sentence 0");
}
GST_END_TEST;

GST_START_TEST (test_a_lost_connection_is_an_error_of_its_own)
{
  const std::pair<sistest::Action, const char *> losses[]
      = { { sistest::reset (), "lost" },
          { sistest::hang_up (), "lost" },
          { sistest::close_with (1000), "1000" },
          { sistest::close_with (1011), "1011" },
          { sistest::close_with (4321), "4321" } };
  for (const auto &[action, word] : losses) {
    Run run (at (500ms, action));
    run.pipeline->push (indexed_audio (0, 16000 * 2));
    assert_one_error (*run.pipeline, { .domain = GST_RESOURCE_ERROR,
                                       .code = GST_RESOURCE_ERROR_WRITE,
                                       .in_text = { "lost", word },
                                       .session = 1 });
    assert_ends_with (*run.pipeline, "LOST");
  }
}
GST_END_TEST;

GST_START_TEST (test_a_connection_lost_after_end_is_lost_too)
{
  Run run (
      { .end = { .answer = false, .after = { sistest::close_with (1000) } } });
  run.pipeline->push (indexed_audio (0, 16000));
  run.pipeline->end ();
  assert_one_error (*run.pipeline, { .domain = GST_RESOURCE_ERROR,
                                     .code = GST_RESOURCE_ERROR_WRITE,
                                     .in_text = { "lost" },
                                     .session = 1 });
  assert_ends_with (*run.pipeline, "LOST");
}
GST_END_TEST;

/* Neither FIN nor RST comes from a link that is cut. */
GST_START_TEST (test_a_peer_that_vanished_is_noticed)
{
  Run run (at (500ms, sistest::vanish ()), "keepalive-interval=1");
  run.pipeline->push (indexed_audio (0, 16000));
  const auto since = std::chrono::steady_clock::now ();
  assert_one_error (*run.pipeline, { .domain = GST_RESOURCE_ERROR,
                                     .code = GST_RESOURCE_ERROR_WRITE,
                                     .in_text = { "ping" },
                                     .session = 1 });
  fail_unless (std::chrono::steady_clock::now () - since >= 1s);
  assert_ends_with (*run.pipeline, "LOST");
}
GST_END_TEST;

/* Any frame is a sign of life, a pong by itself, too. */
GST_START_TEST (test_a_quiet_peer_that_answers_pings_is_not_lost)
{
  Run run ({ .recognizer = sistest::silent_recognizer () },
           "keepalive-interval=2");
  run.pipeline->push (indexed_audio (0, 16000));
  fail_unless (run.server.wait ([] (const auto &connections) {
    return !connections.empty () && connections[0].pings >= 2;
  }));
  run.pipeline->end ();
  fail_unless (run.pipeline->wait_for_eos ());
}
GST_END_TEST;

GST_START_TEST (test_refused_handshakes)
{
  struct Case
  {
    unsigned status;
    GQuark domain;
    int code;
  };
  const Case cases[] = {
    { 400, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS },
    { 401, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED },
    { 403, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED },
    { 404, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND },
    { 405, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS },
    { 407, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED },
    { 429, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY },
    { 500, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE },
    { 503, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY },
    { 504, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE },
  };
  for (const Case &c : cases) {
    Run run (
        { .handshake = { .reply = sistest::HttpReply{ .status = c.status } } });
    run.pipeline->push (indexed_audio (0, 16000));
    assert_one_error (*run.pipeline, { .domain = c.domain,
                                       .code = c.code,
                                       .in_text = { std::to_string (c.status) },
                                       .http_status = c.status });
    fail_unless (run.pipeline->named ("sis-start").empty ());
  }
}
GST_END_TEST;

GST_START_TEST (test_a_redirect_is_not_followed_and_named)
{
  Server target;
  fail_unless (target.start ());
  Run run (
      { .handshake
        = { .reply
            = sistest::HttpReply{ .status = 302,
                                  .headers
                                  = { { "Location",
                                        target.url () + "/elsewhere" } } } } },
      "auth-token=secret-of-mine");
  run.pipeline->push (indexed_audio (0, 16000));
  assert_one_error (*run.pipeline,
                    { .domain = GST_RESOURCE_ERROR,
                      .code = GST_RESOURCE_ERROR_OPEN_WRITE,
                      .in_text = { target.url () + "/elsewhere" },
                      .http_status = 302 });
  fail_unless (target.connections ().empty ());
  assert_same_text (run.server.connections ()[0].header ("X-Auth-Token"),
                    "secret-of-mine");
}
GST_END_TEST;

GST_START_TEST (test_the_token_is_sent_and_checked)
{
  Run right ({ .handshake = { .token = "right" } }, "auth-token=right");
  right.pipeline->push (indexed_audio (0, 16000));
  right.pipeline->end ();
  fail_unless (right.pipeline->wait_for_eos ());

  Run wrong ({ .handshake = { .token = "right" } }, "auth-token=left");
  wrong.pipeline->push (indexed_audio (0, 16000));
  assert_one_error (*wrong.pipeline,
                    { .domain = GST_RESOURCE_ERROR,
                      .code = GST_RESOURCE_ERROR_NOT_AUTHORIZED,
                      .in_text = { "401", "decrypt token fail" },
                      .error_code = "APIG.0301",
                      .http_status = 401 });
}
GST_END_TEST;

GST_START_TEST (test_a_server_that_is_not_there)
{
  int port = 0;
  {
    Server server;
    fail_unless (server.start ());
    port = server.port ();
  }
  Pipeline pipeline (launch_line ("ws://127.0.0.1:" + std::to_string (port)));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000));
  assert_one_error (pipeline, { .domain = GST_RESOURCE_ERROR,
                                .code = GST_RESOURCE_ERROR_OPEN_WRITE,
                                .in_text = { "refused" } });
}
GST_END_TEST;

GST_START_TEST (test_a_host_that_is_not_there)
{
  Pipeline pipeline (launch_line ("ws://host.invalid"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000));
  assert_one_error (pipeline, { .domain = GST_RESOURCE_ERROR,
                                .code = GST_RESOURCE_ERROR_NOT_FOUND,
                                .in_text = { "host" } });
}
GST_END_TEST;

GST_START_TEST (test_what_is_not_answered_times_out)
{
  Run handshake ({ .handshake = { .answer = false } }, short_timeout ());
  handshake.pipeline->push (indexed_audio (0, 16000));
  assert_one_error (*handshake.pipeline,
                    { .domain = GST_RESOURCE_ERROR,
                      .code = GST_RESOURCE_ERROR_OPEN_WRITE,
                      .in_text = { "timeout" } });

  Run start ({ .start = { .answer = false } }, short_timeout ());
  start.pipeline->push (indexed_audio (0, 16000));
  assert_one_error (*start.pipeline, { .domain = GST_RESOURCE_ERROR,
                                       .code = GST_RESOURCE_ERROR_OPEN_WRITE,
                                       .in_text = { "START" } });
}
GST_END_TEST;

/* The transcripts that came are worth more than the answer that did not. */
GST_START_TEST (test_an_end_that_is_not_answered_lets_eos_pass_with_a_warning)
{
  Run run ({ .end = { .answer = false } }, short_timeout ());
  run.pipeline->push (indexed_audio (0, 16000 * 3));
  run.pipeline->end ();
  fail_unless (run.pipeline->wait_for_eos ());
  assert_equals_int (run.pipeline->from_sink (GST_MESSAGE_WARNING).size (), 1);
  assert_ends_with (*run.pipeline, "TIMEOUT");
}
GST_END_TEST;

/* Nothing new is no progress, however often it is said. */
GST_START_TEST (test_a_result_said_again_and_again_does_not_hold_eos_off)
{
  sistest::HalfServer half;
  fail_unless (half.start ());
  Pipeline pipeline (launch_line (half.url (), short_timeout ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000));
  pipeline.end ();
  auto peer = half.accept ();
  fail_unless (peer != nullptr && peer->read_frame ());
  fail_unless (peer->write_frame (sistest::Opcode::Text,
                                  R"({"resp_type":"START","trace_id":"t"})"));
  GstMessage *eos = nullptr;
  for (int i = 0; eos == nullptr && i < 12; i++) {
    peer->write_frame (sistest::Opcode::Text,
                       R"({"resp_type":"RESULT","segments":[{"start_time":0,)"
                       R"("end_time":500,"is_final":false,)"
                       R"("result":{"text":"a"}}]})");
    eos = pipeline.wait_for (GST_MESSAGE_EOS, patience () / 60);
  }
  fail_unless (eos != nullptr);
  assert_ends_with (pipeline, "TIMEOUT");
}
GST_END_TEST;

/* A peer that speaks HTTP, but no WebSocket, and one that speaks neither. */
GST_START_TEST (test_a_peer_that_is_no_websocket)
{
  for (const char *answer :
       { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
         "Connection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
         "SSH-2.0-OpenSSH_9.2\r\n", "" }) {
    sistest::HalfServer half;
    fail_unless (half.start (false));
    Pipeline pipeline (launch_line (half.url (), "timeout=5"));
    pipeline.play ();
    pipeline.push (indexed_audio (0, 16000));
    auto peer = half.accept ();
    fail_unless (peer != nullptr);
    fail_unless (peer->write (answer));
    peer->close ();
    assert_one_error (pipeline, { .domain = GST_RESOURCE_ERROR,
                                  .code = GST_RESOURCE_ERROR_OPEN_WRITE });
  }
}
GST_END_TEST;

GST_START_TEST (test_frames_that_no_server_may_send_are_a_lost_connection)
{
  const std::string frames[] = {
    std::string ("\x81\x85\0\0\0\0hello", 11), /* masked */
    std::string ("\x83\x00", 2),               /* reserved opcode */
    std::string ("\xc1\x00", 2),               /* reserved bit */
    std::string ("\x81\x02\xff\xff", 4),       /* not UTF-8 */
    /* 8 MB announced */
    std::string ("\x81\x7f\0\0\0\0\0\x80\0\0", 10) + std::string (1000, ' '),
  };
  for (const std::string &frame : frames) {
    sistest::HalfServer half;
    fail_unless (half.start ());
    Pipeline pipeline (launch_line (half.url (), "reconnect=never"));
    pipeline.play ();
    pipeline.push (indexed_audio (0, 16000));
    auto peer = half.accept ();
    fail_unless (peer != nullptr && peer->read_frame ());
    fail_unless (peer->write_frame (sistest::Opcode::Text,
                                    R"({"resp_type":"START","trace_id":"t"})"));
    fail_unless (peer->write (frame));
    assert_one_error (pipeline, { .domain = GST_RESOURCE_ERROR,
                                  .code = GST_RESOURCE_ERROR_WRITE,
                                  .session = 1 });
    assert_ends_with (pipeline, "LOST");
  }
}
GST_END_TEST;

static Suite *
errors_suite (void)
{
  Suite *suite = suite_create ("errors");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_fatal_error_in_the_middle);
  tcase_add_test (tcase, test_fatal_error_at_start);
  tcase_add_test (tcase, test_fatal_error_by_the_rule_of_20_seconds);
  tcase_add_test (tcase, test_error_in_a_session);
  tcase_add_test (tcase, test_error_without_trace_id_and_without_end);
  tcase_add_test (tcase, test_the_service_refuses_what_start_asks_for);
  tcase_add_test (tcase, test_a_hostile_error_is_still_one_readable_line);
  tcase_add_test (tcase, test_an_unintelligible_message_is_one_warning);
  tcase_add_test (tcase, test_a_lost_connection_is_an_error_of_its_own);
  tcase_add_test (tcase, test_a_connection_lost_after_end_is_lost_too);
  tcase_add_test (tcase, test_a_peer_that_vanished_is_noticed);
  tcase_add_test (tcase, test_a_quiet_peer_that_answers_pings_is_not_lost);
  tcase_add_test (tcase, test_refused_handshakes);
  tcase_add_test (tcase, test_a_redirect_is_not_followed_and_named);
  tcase_add_test (tcase, test_the_token_is_sent_and_checked);
  tcase_add_test (tcase, test_a_server_that_is_not_there);
  tcase_add_test (tcase, test_a_host_that_is_not_there);
  tcase_add_test (tcase, test_what_is_not_answered_times_out);
  tcase_add_test (
      tcase, test_an_end_that_is_not_answered_lets_eos_pass_with_a_warning);
  tcase_add_test (tcase,
                  test_a_result_said_again_and_again_does_not_hold_eos_off);
  tcase_add_test (tcase, test_a_peer_that_is_no_websocket);
  tcase_add_test (tcase,
                  test_frames_that_no_server_may_send_are_a_lost_connection);
  return suite;
}

GST_CHECK_MAIN (errors)
