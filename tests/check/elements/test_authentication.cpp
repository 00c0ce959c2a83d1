// SPDX-License-Identifier: LGPL-2.1-or-later
/* Who asks: signed handshakes, tokens that are fetched and tokens that are
 * waited for, checked by what the documentation says of them. */
#include "iam.h"
#include "signature.h"

#include "failing.h"

using namespace sischeck;
using sistest::Behaviour;
using sistest::Iam;
using sistest::Server;

namespace {

const char access_key[] = "TESTAK0123456789ABCD";
const char secret_key[] = "testSK+abcdefghijklmnopqrstuvwxyz/0123456";

/* A handshake is refused unless the check lets it pass. */
Behaviour
checked (
    std::function<std::optional<sistest::HttpReply> (const sistest::Record &)>
        check)
{
  return { .handshake = { .check = std::move (check) },
           .recognizer = sistest::index_recognizer () };
}

/* The first second of audio, and nothing more. */
Behaviour
lost_after_a_second (Behaviour behaviour)
{
  behaviour.actions = { { 1000ms, sistest::reset () } };
  return behaviour;
}

std::unique_ptr<Pipeline>
make (const Server &server, const std::string &properties = {})
{
  return std::make_unique<Pipeline> (launch_line (
      server.url (), prompt ("transport") + "project-id=p " + properties));
}

/* Each test has a user of its own: tokens are shared by the process. */
void
log_in (Pipeline &pipeline, const Server &server, const char *user,
        const char *password = "the password")
{
  const std::string iam = "http" + server.url ().substr (2);
  g_object_set (pipeline.sink (), "user-name", user, "domain-name", "company",
                "password", password, "iam-endpoint", iam.c_str (), nullptr);
}

void
sign (Pipeline &pipeline, const char *key = access_key,
      const char *secret = secret_key)
{
  g_object_set (pipeline.sink (), "access-key", key, "secret-key", secret,
                nullptr);
}

void
play_a_second (Pipeline &pipeline)
{
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
}

void
assert_said (Pipeline &pipeline, std::size_t seconds)
{
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, seconds * 10));
}

void
assert_in (const std::string &text, const char *part)
{
  fail_unless (text.find (part) != std::string::npos, "no '%s' in '%s'", part,
               text.c_str ());
}

/* One that the gateway's clock would give at that offset. */
sistest::HttpReply
dated_refusal (std::chrono::minutes offset)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) then
      = g_date_time_add_minutes (now, int (offset.count ()));
  g_autofree char *date
      = g_date_time_format (then, "%a, %d %b %Y %H:%M:%S GMT");
  sistest::HttpReply reply
      = sistest::gateway_refusal (401, "APIG.0301", "signature expired");
  reply.headers = { { "Date", date } };
  return reply;
}

} // namespace

/* Access keys */

GST_START_TEST (test_each_handshake_is_signed)
{
  const bool is_temporary = __i__ == 1;
  const Behaviour good = checked (sistest::signature_check (
      { { access_key, { secret_key, is_temporary ? "STSTOKEN" : "" } } }));
  Server server;
  server.script ({ lost_after_a_second (good), good });
  fail_unless (server.start ());
  const auto pipeline = make (server);
  sign (*pipeline);
  if (is_temporary)
    g_object_set (pipeline->sink (), "security-token", "STSTOKEN\n", nullptr);
  play_a_second (*pipeline);
  fail_unless (pipeline->wait_for (GST_MESSAGE_WARNING) != nullptr);
  pipeline->push (indexed_audio (16000, 16000));
  assert_said (*pipeline, 2);
  const auto connections = server.connections ();
  assert_equals_int (connections.size (), 2);
  for (const sistest::Record &record : connections) {
    assert_equals_int (record.handshake_status, 101);
    assert_same_text (record.header ("X-Auth-Token"), "");
  }
}
GST_END_TEST;

/* More than five failures would lock the key. */
GST_START_TEST (test_a_refused_key_is_not_tried_again)
{
  Server server;
  server.script ({ checked (
      sistest::signature_check ({ { access_key, { "another", "" } } })) });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), prompt ("always")));
  sign (pipeline);
  play_a_second (pipeline);
  const Problem error = only_error (pipeline);
  fail_unless (
      error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
  assert_in (error.text, "secret-key");
  assert_equals_int (uint_of (error.details, "http_status"), 401);
  assert_same_text (text_of (error.details, "error_code"), "APIG.0301");
  assert_equals_int (server.connections ().size (), 1);
}
GST_END_TEST;

GST_START_TEST (test_a_clock_that_is_wrong_is_named)
{
  const std::chrono::minutes offsets[] = { 14min, 20min, -24h };
  const char *const parts[]
      = { "security-token", "20 minutes behind", "1440 minutes ahead" };
  Server server;
  server.script (
      { { .handshake = { .reply = dated_refusal (offsets[__i__]) } } });
  fail_unless (server.start ());
  const auto pipeline = make (server);
  sign (*pipeline);
  play_a_second (*pipeline);
  assert_in (only_error (*pipeline).text, parts[__i__]);
}
GST_END_TEST;

/* IAM */

GST_START_TEST (test_a_token_is_fetched_and_shared)
{
  constexpr std::size_t many = 20;
  Server server;
  Iam iam (server, { .user = "sharing" });
  iam.script ({ { .token_size = 8000 } });
  server.script ({ checked (iam.token_check ()) });
  fail_unless (server.start ());
  std::vector<std::unique_ptr<Pipeline>> pipelines;
  for (std::size_t i = 0; i < many; i++) {
    pipelines.push_back (make (server));
    log_in (*pipelines.back (), server, "sharing");
    play_a_second (*pipelines.back ());
  }
  for (const auto &pipeline : pipelines)
    assert_said (*pipeline, 1);
  pipelines.clear ();
  const auto later = make (server);
  log_in (*later, server, "sharing", "the password\n");
  play_a_second (*later);
  assert_said (*later, 1);
  assert_equals_int (iam.requests (), 1);
  fail_unless (iam.violations ().empty ());
  assert_same_text (server.connections ().back ().header ("X-Auth-Token"),
                    iam.tokens ()[0]);
}
GST_END_TEST;

/* One that knows another password does not get it. */
GST_START_TEST (test_a_token_is_only_for_who_knows_the_password)
{
  Server server;
  Iam iam (server, { .user = "private" });
  server.script ({ checked (iam.token_check ()) });
  fail_unless (server.start ());
  const auto owner = make (server);
  log_in (*owner, server, "private");
  play_a_second (*owner);
  assert_said (*owner, 1);
  const auto guesser = make (server);
  log_in (*guesser, server, "private", "a guess");
  play_a_second (*guesser);
  const Problem error = only_error (*guesser);
  fail_unless (
      error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
  assert_in (error.text, "IAM");
  assert_equals_int (iam.requests (), 2);
  assert_equals_int (server.connections ().size (), 1);
}
GST_END_TEST;

/* Whatever this machine's clock, or IAM's, says. */
GST_START_TEST (test_a_token_is_fetched_anew_before_it_expires)
{
  Server server;
  Iam iam (server, { .user = "brief" });
  iam.script ({ { .lifetime = 1000ms, .clock_offset = 24h }, {} });
  const Behaviour good = checked (iam.token_check ());
  server.script ({ lost_after_a_second (good), good });
  fail_unless (server.start ());
  const auto pipeline = make (server);
  log_in (*pipeline, server, "brief");
  pipeline->play ();
  pipeline->push (indexed_audio (0, 8000), 0);
  fail_unless (pipeline->wait_for_element_message ("sis-start") != nullptr);
  pipeline->wait_for ([] (GstMessage *) { return false; }, 1100ms);
  pipeline->push (indexed_audio (8000, 24000));
  assert_said (*pipeline, 2);
  assert_equals_int (iam.requests (), 2);
  for (const sistest::Record &record : server.connections ())
    assert_equals_int (record.handshake_status, 101);
}
GST_END_TEST;

GST_START_TEST (test_a_refused_token_is_renewed_once)
{
  const char *const codes[] = { "APIG.0301", "APIG.0307" };
  const std::string user = "renewing" + std::to_string (__i__);
  Server server;
  Iam iam (server, { .user = user });
  const Behaviour good = checked (iam.token_check (codes[__i__]));
  server.script ({ lost_after_a_second (good), good });
  fail_unless (server.start ());
  const auto pipeline = make (server);
  log_in (*pipeline, server, user.c_str ());
  pipeline->play ();
  pipeline->push (indexed_audio (0, 8000), 0);
  fail_unless (pipeline->wait_for_element_message ("sis-start") != nullptr);
  iam.revoke_all ();
  pipeline->push (indexed_audio (8000, 24000));
  assert_said (*pipeline, 2);
  assert_equals_int (iam.requests (), 2);
  assert_equals_int (server.connections ().size (), 3);
  assert_equals_int (server.connections ()[1].handshake_status, 401);
  /* The loss is told, the renewal is nothing to worry about. */
  assert_equals_int (pipeline->from_sink (GST_MESSAGE_WARNING).size (), 1);
}
GST_END_TEST;

GST_START_TEST (test_there_is_no_loop_of_renewals)
{
  const char *const policies[] = { "never", "transport", "always" };
  const std::string user = "refused" + std::to_string (__i__);
  Server server;
  Iam iam (server, { .user = user });
  server.script (
      { { .handshake = { .reply = sistest::gateway_refusal (
                             401, "APIG.0301", "decrypt token fail") } } });
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), prompt (policies[__i__]) + "project-id=p"));
  log_in (pipeline, server, user.c_str ());
  play_a_second (pipeline);
  const Problem error = only_error (pipeline);
  fail_unless (
      error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
  assert_same_text (text_of (error.details, "error_code"), "APIG.0301");
  assert_equals_int (server.connections ().size (), 2);
  assert_equals_int (iam.requests (), 2);
}
GST_END_TEST;

/* Nor where the token is refused only in a session. */
GST_START_TEST (test_a_token_that_sessions_refuse_is_renewed_once)
{
  const sistest::Action refusals[]
      = { sistest::error ("SIS.0101", "token check failed"),
          sistest::fatal ("SIS.0101", "token check failed") };
  const sistest::Action refusal = refusals[__i__ / 2];
  const bool is_started = __i__ % 2 == 1;
  const std::string user = "disliked" + std::to_string (__i__);
  Server server;
  Iam iam (server, { .user = user });
  Behaviour behaviour = checked (iam.token_check ());
  behaviour.start = { .answer = is_started, .after = { refusal } };
  server.script ({ behaviour });
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), prompt ("always") + "project-id=p"));
  log_in (pipeline, server, user.c_str ());
  play_a_second (pipeline);
  const Problem error = only_error (pipeline);
  fail_unless (
      error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
  assert_same_text (text_of (error.details, "error_code"), "SIS.0101");
  assert_equals_int (server.connections ().size (), 2);
  assert_equals_int (iam.requests (), 2);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}
GST_END_TEST;

/* As often as it was of use. */
GST_START_TEST (test_a_token_is_renewed_again_after_a_session_that_heard)
{
  Server server;
  Iam iam (server, { .user = "lasting" });
  const Behaviour good = checked (iam.token_check ());
  const auto lost_at = [&good] (Milliseconds position) {
    Behaviour behaviour = good;
    behaviour.actions = { { position, sistest::reset () } };
    return behaviour;
  };
  server.script ({ lost_at (1000ms), good, lost_at (2000ms), good, good });
  fail_unless (server.start ());
  const auto pipeline = make (server);
  log_in (*pipeline, server, "lasting");
  pipeline->play ();
  const auto wait_for_result = [&pipeline] (guint session) {
    fail_unless (pipeline->wait_for ([session] (GstMessage *message) {
      return gst_message_has_name (message, "sis-result")
             && uint_of (gst_message_get_structure (message), "session")
                    == session;
    }) != nullptr);
  };
  pipeline->push (indexed_audio (0, 8000), 0);
  wait_for_result (1);
  iam.revoke_all ();
  pipeline->push (indexed_audio (8000, 12000));
  /* However little the first one covered, the second one is not lost yet. */
  wait_for_result (2);
  iam.revoke_all ();
  pipeline->push (indexed_audio (20000, 44000));
  assert_said (*pipeline, 4);
  assert_equals_int (iam.requests (), 3);
}
GST_END_TEST;

namespace {

/* What IAM may do to the first request, and what comes of it. */
struct Answer
{
  const char *what;
  Iam::Grant grant;
  int code; /* of GST_RESOURCE_ERROR */
  std::vector<const char *> in_text;
  guint http_status;
};

const Answer answers[] = {
  { "refuses",
    { .reply = sistest::keystone_refusal (401) },
    GST_RESOURCE_ERROR_NOT_AUTHORIZED,
    { "IAM", "The username or password is wrong.", "domain-name" },
    401 },
  { "refuses as the gateway does",
    { .reply = sistest::gateway_refusal (403, "IAM.0002", "not allowed") },
    GST_RESOURCE_ERROR_NOT_AUTHORIZED,
    { "IAM", "IAM.0002", "not allowed" },
    403 },
  { "is not there",
    { .reply = sistest::HttpReply{ .status = 404, .body = "<html>" } },
    GST_RESOURCE_ERROR_NOT_FOUND,
    { "IAM", "404", "iam-endpoint" },
    404 },
  { "redirects",
    { .reply = sistest::HttpReply{ .status = 302,
                                   .headers = { { "Location",
                                                  "http://127.0.0.1:1/" } } } },
    GST_RESOURCE_ERROR_OPEN_WRITE,
    { "IAM", "127.0.0.1:1", "iam-endpoint" },
    302 },
  { "forgets the token",
    { .token_header = false },
    GST_RESOURCE_ERROR_OPEN_WRITE,
    { "IAM", "iam-endpoint" },
    0 },
  { "does not answer",
    { .answer = false },
    GST_RESOURCE_ERROR_OPEN_WRITE,
    { "IAM", "timeout" },
    0 },
  { "hangs up", { .drop = true }, GST_RESOURCE_ERROR_OPEN_WRITE, { "IAM" }, 0 },
  { "is busy",
    { .reply = sistest::HttpReply{ .status = 503 } },
    GST_RESOURCE_ERROR_BUSY,
    { "IAM", "503" },
    503 },
};

} // namespace

GST_START_TEST (test_what_iam_says_is_told)
{
  const Answer &answer = answers[__i__];
  const std::string user = "unlucky" + std::to_string (__i__);
  Server server;
  Iam iam (server, { .user = user });
  iam.script ({ answer.grant });
  server.script ({ checked (iam.token_check ()) });
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), hurried ("never") + "project-id=p"));
  log_in (pipeline, server, user.c_str ());
  play_a_second (pipeline);
  const Problem error = only_error (pipeline);
  fail_unless (error.is (GST_RESOURCE_ERROR, answer.code), "%s: %s %d",
               answer.what, error.text.c_str (), error.code);
  for (const char *part : answer.in_text)
    assert_in (error.text, part);
  guint status = 0;
  gst_structure_get_uint (error.details, "http_status", &status);
  assert_equals_int (status, answer.http_status);
  fail_unless (error.text.find ("the password") == std::string::npos);
  fail_unless (server.connections ().empty ());
}
GST_END_TEST;

/* Nothing that was said meanwhile is lost. */
GST_START_TEST (test_iam_may_be_away_for_a_while)
{
  Server server;
  Iam iam (server, { .user = "patient" });
  iam.script ({ { .reply = sistest::HttpReply{ .status = 503 } },
                { .drop = true },
                {} });
  server.script ({ checked (iam.token_check ()) });
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), prompt ("always") + "project-id=p"));
  log_in (pipeline, server, "patient");
  play_a_second (pipeline);
  assert_said (pipeline, 1);
  assert_equals_int (iam.requests (), 3);
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), 2);
}
GST_END_TEST;

GST_START_TEST (test_iam_that_cannot_be_reached_is_named)
{
  Server server;
  fail_unless (server.start ());
  const auto pipeline = make (server);
  g_object_set (pipeline->sink (), "user-name", "u", "domain-name", "d",
                "password", "p", "iam-endpoint", "http://127.0.0.1:1", nullptr);
  play_a_second (*pipeline);
  const Problem error = only_error (*pipeline);
  fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE));
  assert_in (error.text, "IAM");
  assert_in (error.text, "iam-endpoint");
}
GST_END_TEST;

/* Tokens that the user sets */

namespace {

/* A session with the token "old", lost; from then on only "new" is good. */
struct Expiry
{
  explicit Expiry (const std::string &more = {})
  {
    server.script (
        { lost_after_a_second ({ .handshake = { .token = "old" },
                                 .recognizer = sistest::index_recognizer () }),
          { .handshake = { .token = "new" },
            .recognizer = sistest::index_recognizer () } });
    fail_unless (server.start ());
    pipeline = make (server, more);
    make_live (*pipeline);
    g_object_set (pipeline->sink (), "auth-token", "old", nullptr);
    play_a_second (*pipeline);
    pipeline->push (indexed_audio (16000, 16000));
    refusal = pipeline->wait_for ([] (GstMessage *message) {
      return GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING
             && Problem (message).is (GST_RESOURCE_ERROR,
                                      GST_RESOURCE_ERROR_NOT_AUTHORIZED);
    });
    fail_unless (refusal != nullptr);
  }

  Server server;
  std::unique_ptr<Pipeline> pipeline;
  GstMessage *refusal;
};

} // namespace

/* It is used at the next moment at which sessions may start, not when the wait
 * would have ended. */
GST_START_TEST (test_another_token_is_waited_for)
{
  Expiry expiry ("timeout=300 reconnect-delay=500000000");
  const Problem warning (expiry.refusal);
  assert_in (warning.text, "auth-token");
  assert_equals_int (uint_of (warning.details, "http_status"), 401);
  assert_same_text (text_of (warning.details, "error_code"), "APIG.0301");
  fail_unless (wait_for_state (*expiry.pipeline, "waiting"));
  assert_equals_int (expiry.server.connections ().size (), 2);
  g_object_set (expiry.pipeline->sink (), "auth-token", "new", nullptr);
  assert_said (*expiry.pipeline, 2);
  assert_equals_int (expiry.server.connections ().size (), 3);
  assert_equals_int (expiry.pipeline->from_sink (GST_MESSAGE_WARNING).size (),
                     2);
}
GST_END_TEST;

GST_START_TEST (test_a_token_is_not_waited_for_beyond_the_timeout)
{
  Expiry expiry ("timeout=2");
  const Problem error = only_error (*expiry.pipeline);
  fail_unless (
      error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
  assert_same_text (text_of (error.details, "error_code"), "APIG.0301");
  assert_equals_int (expiry.server.connections ().size (), 2);
}
GST_END_TEST;

GST_START_TEST (test_another_token_that_is_refused_is_an_error)
{
  Expiry expiry;
  g_object_set (expiry.pipeline->sink (), "auth-token", "wrong", nullptr);
  only_error (*expiry.pipeline);
  assert_equals_int (expiry.server.connections ().size (), 3);
}
GST_END_TEST;

/* Any kind will do, and its parts may come one by one. */
GST_START_TEST (test_credentials_of_another_kind_may_follow)
{
  Server server;
  const Behaviour old{ .handshake = { .token = "old" },
                       .recognizer = sistest::index_recognizer () };
  server.script ({ lost_after_a_second (old),
                   checked (sistest::signature_check (
                       { { access_key, { secret_key, "" } } })) });
  fail_unless (server.start ());
  const auto pipeline = make (server);
  g_object_set (pipeline->sink (), "auth-token", "old", nullptr);
  pipeline->play ();
  pipeline->push (indexed_audio (0, 8000), 0);
  fail_unless (pipeline->wait_for_element_message ("sis-start") != nullptr);
  g_object_set (pipeline->sink (), "access-key", access_key, nullptr);
  g_object_set (pipeline->sink (), "auth-token", nullptr, nullptr);
  g_object_set (pipeline->sink (), "secret-key", secret_key, nullptr);
  pipeline->push (indexed_audio (8000, 24000));
  assert_said (*pipeline, 2);
  assert_equals_int (pipeline->from_sink (GST_MESSAGE_WARNING).size (), 1);
}
GST_END_TEST;

static Suite *
authentication_suite (void)
{
  Suite *suite = suite_create ("authentication");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_each_handshake_is_signed, 0, 2);
  tcase_add_test (tcase, test_a_refused_key_is_not_tried_again);
  tcase_add_loop_test (tcase, test_a_clock_that_is_wrong_is_named, 0, 3);
  tcase_add_test (tcase, test_a_token_is_fetched_and_shared);
  tcase_add_test (tcase, test_a_token_is_only_for_who_knows_the_password);
  tcase_add_test (tcase, test_a_token_is_fetched_anew_before_it_expires);
  tcase_add_loop_test (tcase, test_a_refused_token_is_renewed_once, 0, 2);
  tcase_add_loop_test (tcase, test_there_is_no_loop_of_renewals, 0, 3);
  tcase_add_loop_test (tcase, test_a_token_that_sessions_refuse_is_renewed_once,
                       0, 4);
  tcase_add_test (tcase,
                  test_a_token_is_renewed_again_after_a_session_that_heard);
  tcase_add_loop_test (tcase, test_what_iam_says_is_told, 0,
                       int (std::size (answers)));
  tcase_add_test (tcase, test_iam_may_be_away_for_a_while);
  tcase_add_test (tcase, test_iam_that_cannot_be_reached_is_named);
  tcase_add_test (tcase, test_another_token_is_waited_for);
  tcase_add_test (tcase, test_a_token_is_not_waited_for_beyond_the_timeout);
  tcase_add_test (tcase, test_another_token_that_is_refused_is_an_error);
  tcase_add_test (tcase, test_credentials_of_another_kind_may_follow);
  return suite;
}

GST_CHECK_MAIN (authentication)
