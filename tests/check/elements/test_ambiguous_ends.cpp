// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the service's documents leave open of how connections and sessions begin
 * and end: no word is lost or said twice. A number in front of a test is that
 * of the question; the others are in test_ambiguities.cpp. */
#include "failing.h"
#include "saying.h"
#include "stage.h"

#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>

using namespace sischeck;
using sistest::Action;
using sistest::Behaviour;
using sistest::send_result;
using sistest::send_text;

namespace {

const char *const modes[] = { "continue", "sentence", "short" };

const Behaviour good{ .recognizer = sistest::index_recognizer () };

/* A close frame without a code. */
const Action close_without_code
    = sistest::send_raw (std::string ("\x88\x00", 2));

const Action end_without_reason = send_text (R"({"resp_type":"END"})");

/* The one warning, of a connection that was lost; `part` is in its text. */
void
assert_lost (const Stage &stage, const std::string &part, guint session)
{
  const auto warnings = stage.pipeline->from_sink (GST_MESSAGE_WARNING);
  assert_equals_int (warnings.size (), 1);
  const Problem problem (warnings[0]);
  fail_unless (problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE));
  fail_unless (problem.text.find (part) != std::string::npos, "no '%s' in: %s",
               part.c_str (), problem.text.c_str ());
  assert_equals_int (uint_of (problem.details, "session"), session);
}

/* What may follow an ERROR or a FATAL_ERROR. */
const std::vector<Action> followers[] = {
  {},
  { sistest::end ("ERROR") },
  { sistest::close_with (1000) },
  { sistest::close_with (1011) },
  { sistest::end ("ERROR"), sistest::close_with (1000) },
  { sistest::end ("NORMAL") },
  { sistest::hang_up () },
  { sistest::vanish () },
};
constexpr int n_followers = std::size (followers);

Behaviour
fails_and (const Action &failure, const std::vector<Action> &then)
{
  Behaviour failing = scripted ({ { 500ms, send_result ({ said (0, 300) }) },
                                  { 1000ms, unfollowed (failure) } });
  for (const Action &action : then)
    failing.actions.push_back ({ 1000ms, action });
  return failing;
}

/* Passed over with one warning. */
void
assert_replays (const Action &failure, const std::vector<Action> &then,
                const char *policy)
{
  Stage stage ({ fails_and (failure, then), {} },
               std::string ("reconnect=") + policy);
  stage.play_to (500ms, 1);
  stage.push_to (1000ms);
  stage.wait_for ("sis-start", 2);
  stage.finish ();
  assert_same_text (story_of (*stage.pipeline, 1), "1said");
  assert_same_text (stage.reason (0), "ERROR");
  assert_equals_int (stage.warnings (), 1);
  assert_equals_int (stage.first_ms (1), 300);
  assert_equals_int (stage.server.connections ().size (), 2);
}

/* The one error of the run. */
Problem
assert_stops (const Action &failure, const std::vector<Action> &then,
              const char *policy)
{
  Stage stage ({ fails_and (failure, then) },
               std::string ("reconnect=") + policy);
  stage.play_to (500ms, 1);
  stage.push_to (1000ms);
  const Problem problem = only_error (*stage.pipeline);
  assert_sessions (*stage.pipeline, 1);
  assert_same_text (stage.reason (0), "ERROR");
  assert_equals_int (stage.warnings (), 0);
  assert_equals_int (stage.server.connections ().size (), 1);
  return problem;
}

} // namespace

/* 7: after ERROR or FATAL_ERROR come END, a close, both, or nothing. */
GST_START_TEST (test_an_error_is_one_whatever_follows_it)
{
  const std::vector<Action> &then = followers[__i__];
  assert_replays (sistest::error ("SIS.0303", "engine"), then, "transport");
  assert_replays (sistest::fatal ("SIS.0303", "engine"), then, "always");
  assert_stops (sistest::error ("SIS.0031", "not supported"), then, "always");
  assert_stops (sistest::fatal ("SIS.0031", "not supported"), then, "always");
}
GST_END_TEST;

/* 7: the rule of 20 s strikes as an ERROR or as a FATAL_ERROR. */
GST_START_TEST (test_the_rule_of_20_seconds_is_known_by_its_code)
{
  const std::vector<Action> &then = followers[__i__];
  const Action error = sistest::error ("SIS.0304", "wait voice timeout");
  const Action fatal = sistest::fatal ("SIS.0304", "wait voice timeout");
  assert_replays (error, then, "transport");
  assert_replays (fatal, then, "always");
  for (const Action &action : { error, fatal })
    fail_unless (assert_stops (action, then, "never")
                     .is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE));
  assert_stops (fatal, then, "transport");
}
GST_END_TEST;

namespace {

/* Ways to close without a message before, and what is told of them. */
const std::pair<Action, const char *> closings[] = {
  { sistest::close_with (1000), "code 1000" },
  { sistest::close_with (1001), "code 1001" },
  { sistest::close_with (1008), "code 1008" },
  { sistest::close_with (1011), "code 1011" },
  { sistest::close_with (4000), "code 4000" },
  { close_without_code, "closed by the service" },
  { sistest::hang_up (), "lost" },
  { sistest::reset (), "lost" },
};
constexpr int n_closings = std::size (closings);

} // namespace

/* 7: a close comes without any message, with any code or none. */
GST_START_TEST (test_a_close_without_a_word_is_a_loss)
{
  const auto &[closing, part] = closings[__i__];
  for (const char *mode : modes) {
    Stage stage ({ scripted ({ { 1000ms, send_result ({ said (0, 300, "w") }) },
                               { 1500ms, closing } }),
                   good },
                 std::string ("mode=") + mode);
    stage.play_to (1000ms, 1);
    stage.push_to (1500ms);
    stage.finish ();
    assert_same_text (stage.pipeline->finals (), "w " + index_words (3, 17));
    assert_lost (stage, part, 1);
    assert_same_text (stage.reason (0), "LOST");
  }
}
GST_END_TEST;

GST_START_TEST (test_a_close_in_place_of_an_answer_is_a_loss)
{
  const auto &[closing, part] = closings[__i__];
  for (const bool is_start : { true, false }) {
    Behaviour lossy = scripted ({});
    (is_start ? lossy.start : lossy.end)
        = { .answer = false, .after = { closing } };
    Stage stage ({ lossy, good });
    stage.push_to (500ms);
    stage.finish ();
    assert_same_text (stage.pipeline->finals (), index_words (0, 10));
    assert_lost (stage, part, !is_start);
    assert_sessions (*stage.pipeline, is_start ? 1 : 2);
    assert_same_text (stage.reason (0), is_start ? "NORMAL" : "LOST");
  }
}
GST_END_TEST;

namespace {

/* What the service does of its own accord once a sentence is over. */
const std::vector<Action> after_sentence[] = {
  {},
  { sistest::end ("NORMAL") },
  { sistest::end ("CANCEL") },
  { end_without_reason },
  { sistest::end ("NORMAL"), sistest::close_with (1000) },
  { sistest::close_with (1000) },
  { sistest::close_with (1011) },
  { close_without_code },
  { sistest::hang_up () },
};
constexpr int n_after_sentence = std::size (after_sentence);

} // namespace

/* 8: after a sentence the service ends the session unasked, closes, or waits
 * for END. */
GST_START_TEST (test_a_sentence_is_over_whatever_follows_it)
{
  Behaviour behaviour{ .after_sentence = after_sentence[__i__],
                       .recognizer = sistest::index_recognizer (5) };
  Stage stage ({ behaviour }, "mode=sentence");
  stage.push_to (3000ms);
  stage.finish ();
  assert_same_text (stage.pipeline->finals (), index_words (0, 35));
  assert_equals_int (stage.warnings (), 0);
  assert_equals_int (stage.server.connections ().size (), 7);
}
GST_END_TEST;

/* 8: an END that is not answered, while the end of the stream is waited for:
 * what was not heard yet is not lost by it. */
GST_START_TEST (test_an_end_that_is_not_answered_is_a_loss)
{
  const char *const mode = __i__ == 0 ? "sentence" : "short";
  Behaviour mute = good;
  mute.end.answer = false;
  Stage stage ({ mute, good },
               soon () + "max-session-duration=1200000000 mode=" + mode);
  stage.push_to (2000ms);
  stage.finish ();
  assert_same_text (stage.pipeline->finals (), index_words (0, 25));
  assert_same_text (stage.reason (0), "TIMEOUT");
  assert_lost (stage, "END", 1);
  fail_unless (stage.server.connections ()[0].gone);
}
GST_END_TEST;

/* 8: END unasked, before a sentence was over. */
GST_START_TEST (test_an_end_that_nobody_asked_for_is_a_loss)
{
  const std::pair<Action, const char *> ends[]
      = { { sistest::end ("NORMAL"), "NORMAL" },
          { sistest::end ("CANCEL"), "CANCEL" },
          { sistest::end ("ERROR"), "ERROR" },
          { end_without_reason, "LOST" } };
  for (const auto &[end, reason] : ends)
    for (const char *mode : modes) {
      Stage stage ({ scripted ({ { 500ms, send_result ({ said (0, 300) }) },
                                 { 1000ms, end } }),
                     {} },
                   std::string ("mode=") + mode);
      stage.play_to (500ms, 1);
      stage.push_to (1000ms);
      stage.wait_for ("sis-start", 2);
      stage.finish ();
      assert_same_text (stage.reason (0), reason);
      assert_lost (stage, "without being asked", 1);
      assert_equals_int (stage.first_ms (1), 300);
    }
}
GST_END_TEST;

/* 9: results and events come until END is answered, and not after it. */
GST_START_TEST (test_results_are_heard_until_end_is_answered)
{
  for (const char *mode : modes) {
    Behaviour late = scripted ({});
    late.end.before
        = { send_result ({ maybe (0, 400, "la") }), event ("VOICE_START", 100),
            send_result ({ said (0, 400, "late") }), event ("VOICE_END", 400),
            send_result ({ said (400, 900, "later") }) };
    late.end.after = { send_result ({ said (900, 1000, "never") }),
                       event ("VOICE_START", 950) };
    Stage stage ({ late, scripted ({}) }, std::string ("mode=") + mode);
    stage.push_to (500ms);
    stage.finish ();
    assert_same_text (story_of (*stage.pipeline, 1), "1la… 1late 2later");
    const auto events = stage.pipeline->named ("sis-event");
    assert_equals_int (events.size (), 2);
    assert_same_text (text_of (events[0], "event"), "VOICE_START");
    assert_same_text (text_of (events[1], "event"), "VOICE_END");
    assert_same_text (stage.reason (0), "NORMAL");
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

/* 11: START is answered late; meanwhile pings are, and audio waits. */
GST_START_TEST (test_a_late_answer_to_start_is_waited_for)
{
  Behaviour late = good;
  late.start.delay = 2500ms;
  Stage stage ({ late }, "keepalive-interval=2");
  guint timeout = 0;
  g_object_get (stage.pipeline->sink (), "timeout", &timeout, nullptr);
  fail_unless (timeout >= 18);
  stage.push_to (4500ms);
  stage.finish ();
  assert_same_text (stage.pipeline->finals (), index_words (0, 50));
  assert_equals_int (stage.warnings (), 0);
  assert_equals_int (stage.server.connections ().size (), 1);
}
GST_END_TEST;

/* 11: another START on the same socket may not work: none is sent. An answer
 * that comes twice is one. */
GST_START_TEST (test_a_connection_has_one_session)
{
  for (const char *mode : modes) {
    Behaviour twice{ .recognizer = sistest::index_recognizer (5) };
    twice.start.after = { send_text (R"({"resp_type":"START"})") };
    Stage stage ({ twice },
                 std::string ("max-session-duration=700000000 mode=") + mode);
    for (int i = 1; i <= 6; i++)
      stage.play_to (Milliseconds (500 * i));
    stage.finish ();
    assert_same_text (stage.pipeline->finals (), index_words (0, 35));
    const auto records = stage.server.connections ();
    fail_unless (records.size () >= 5);
    for (const sistest::Record &record : records) {
      assert_equals_int (record.starts, 1);
      assert_equals_int (record.ends, 1);
    }
    assert_sessions (*stage.pipeline, records.size ());
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

namespace {

const std::string gateway_message = "Incorrect authentication information";

std::string
gateway_body (const std::string &code, const std::string &more = {})
{
  return R"({"error_code":")" + code + R"(","error_msg":")" + gateway_message
         + "\"" + more + "}";
}

/* A handshake that is refused with such a body. */
struct Refusal
{
  Refusal (const std::string &body, const char *content_type)
      : stage ({ { .handshake = { .reply = sistest::HttpReply{
                                      .status = 403,
                                      .body = body,
                                      .content_type = content_type } } } })
  {
    stage.push_to (500ms);
    problem.emplace (only_error (*stage.pipeline));
    fail_unless (
        problem->is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
    assert_equals_int (uint_of (problem->details, "http_status"), 403);
    assert_equals_int (uint_of (problem->details, "session"), 0);
    fail_if (has ("resp_type"));
    fail_if (has ("trace_id"));
    fail_unless (problem->text.find ("403") != std::string::npos);
    fail_unless (problem->text.find ('\n') == std::string::npos);
  }

  bool has (const char *field) const
  {
    return gst_structure_has_field (problem->details, field);
  }

  Stage stage;
  std::optional<Problem> problem;
};

} // namespace

/* 17: bodies that are not the gateway's: a proxy's, or none. */
GST_START_TEST (test_a_refusal_is_told_by_its_status_whatever_its_body_is)
{
  const std::pair<std::string, const char *> bodies[]
      = { { "", "text/plain" },
          { "<html>\n<h1>403 Forbidden</h1>\n</html>", "text/html" },
          { "<html>", "application/json" },
          { "[]", "application/json" },
          { "{\"error_code\":", "application/json" },
          { std::string (1 << 20, '{'), "application/json" },
          { std::string ("\xff\x00\n", 3), "application/octet-stream" } };
  for (const auto &[body, type] : bodies) {
    const Refusal refusal (body, type);
    for (const char *field : { "error_code", "error_msg", "request_id" })
      fail_if (refusal.has (field), "%s", field);
    fail_unless (refusal.problem->text.find_first_of ("<{[")
                 == std::string::npos);
  }
}
GST_END_TEST;

/* 17: the gateway's codes have one of two prefixes; request_id may be missing.
 */
GST_START_TEST (test_a_refusal_is_told_with_the_code_in_its_body)
{
  for (const char *code : { "APIG.0306", "APIGW.0306" })
    for (const bool has_id : { true, false }) {
      const Refusal refusal (
          gateway_body (code, has_id ? R"(,"request_id":"r-1")" : ""),
          "application/json");
      const Problem &problem = *refusal.problem;
      assert_same_text (text_of (problem.details, "error_code"), code);
      assert_same_text (text_of (problem.details, "error_msg"),
                        gateway_message);
      fail_unless (problem.text.find (code) != std::string::npos);
      fail_unless (problem.debug.find (code) != std::string::npos);
      fail_unless (refusal.has ("request_id") == has_id);
      if (has_id)
        assert_same_text (text_of (problem.details, "request_id"), "r-1");
    }
}
GST_END_TEST;

namespace {

bool
has_ipv6 ()
{
  const int fd = socket (AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 address{ .sin6_family = AF_INET6,
                        .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  const bool works
      = fd >= 0
        && bind (fd, reinterpret_cast<sockaddr *> (&address), sizeof address)
               == 0;
  if (fd >= 0)
    close (fd);
  return works;
}

} // namespace

/* 20: the host may be any, and is named once in the request, with its port. */
GST_START_TEST (test_the_host_of_the_request_is_that_of_the_endpoint)
{
  std::vector<std::pair<std::string, std::string>> hosts
      = { { "127.0.0.1", "127.0.0.1" }, { "localhost", "localhost" } };
  if (has_ipv6 ())
    hosts.emplace_back ("[::1]", "::1");
  sistest::Server server ({ .ipv6 = has_ipv6 () });
  fail_unless (server.start ());
  for (const auto &[host, name] : hosts) {
    const std::string address = host + ":" + std::to_string (server.port ());
    Pipeline pipeline (launch_line ("ws://" + address));
    pipeline.play ();
    pipeline.push (indexed_audio (0, 8000), 0);
    pipeline.end ();
    fail_unless (pipeline.wait_for_eos (), "%s", address.c_str ());
    assert_attempts_count_on (pipeline, 1, name.c_str ());
    const sistest::Record record = server.connections ().back ();
    assert_same_text (record.header ("Host"), address);
    assert_equals_int (
        std::ranges::count (record.headers, address,
                            [] (const auto &header) { return header.second; }),
        1);
  }
}
GST_END_TEST;

static Suite *
ambiguous_ends_suite (void)
{
  Suite *suite = suite_create ("ambiguous_ends");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_an_error_is_one_whatever_follows_it, 0,
                       n_followers);
  tcase_add_loop_test (tcase, test_the_rule_of_20_seconds_is_known_by_its_code,
                       0, n_followers);
  tcase_add_loop_test (tcase, test_a_close_without_a_word_is_a_loss, 0,
                       n_closings);
  tcase_add_loop_test (tcase, test_a_close_in_place_of_an_answer_is_a_loss, 0,
                       n_closings);
  tcase_add_loop_test (tcase, test_a_sentence_is_over_whatever_follows_it, 0,
                       n_after_sentence);
  tcase_add_loop_test (tcase, test_an_end_that_is_not_answered_is_a_loss, 0, 2);
  tcase_add_test (tcase, test_an_end_that_nobody_asked_for_is_a_loss);
  tcase_add_test (tcase, test_results_are_heard_until_end_is_answered);
  tcase_add_test (tcase, test_a_late_answer_to_start_is_waited_for);
  tcase_add_test (tcase, test_a_connection_has_one_session);
  tcase_add_test (tcase,
                  test_a_refusal_is_told_by_its_status_whatever_its_body_is);
  tcase_add_test (tcase, test_a_refusal_is_told_with_the_code_in_its_body);
  tcase_add_test (tcase, test_the_host_of_the_request_is_that_of_the_endpoint);
  return suite;
}

GST_CHECK_MAIN (ambiguous_ends)
