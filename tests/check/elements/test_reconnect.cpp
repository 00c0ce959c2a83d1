// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is tried again after a failure, and what the bus hears of it. */
#include "failing.h"

using namespace sischeck;
using sistest::Behaviour;
using sistest::Server;

namespace {

constexpr std::size_t one_second = 16000;
constexpr int policies = 3;
const char *const policy_names[policies] = { "never", "transport", "always" };

const Behaviour good{ .recognizer = sistest::index_recognizer () };

/* One line of the table: what goes wrong, and under which policies another
 * attempt follows. */
struct Row
{
  const char *what;
  Behaviour behaviour;
  bool retried[policies];
  bool has_session = false; /* START was answered */
  unsigned http_status = 0;
};

const Row first_rows[] = {
  { "503", refuses (503), { false, true, true }, false, 503 },
  { "504", refuses (504), { false, true, true }, false, 504 },
  { "408", refuses (408), { false, true, true }, false, 408 },
  { "302", redirects (), { false, false, true }, false, 302 },
  { "400", refuses (400), { false, false, false }, false, 400 },
  { "401", refuses (401), { false, false, false }, false, 401 },
  { "403", refuses (403), { false, false, false }, false, 403 },
  { "404", refuses (404), { false, false, false }, false, 404 },
  { "no answer", { .handshake = { .answer = false } }, { false, true, true } },
  { "START unanswered",
    { .start = { .answer = false } },
    { false, true, true } },
  { "ERROR, transient",
    answers_start_with (sistest::error ("SIS.0303", "engine")),
    { false, true, true } },
  { "FATAL_ERROR, transient",
    answers_start_with (sistest::fatal ("SIS.0303", "engine")),
    { false, false, true } },
  { "ERROR, settings",
    answers_start_with (sistest::error ("SIS.0032", "invalid")),
    { false, false, false } },
  { "lost by RST",
    fails_with (sistest::reset ()),
    { false, true, true },
    true },
  { "lost by FIN",
    fails_with (sistest::hang_up ()),
    { false, true, true },
    true },
  { "closed",
    fails_with (sistest::close_with (1000)),
    { false, true, true },
    true },
  { "END unasked",
    fails_with (sistest::end ("NORMAL")),
    { false, true, true },
    true },
  { "transient ERROR",
    fails_with (sistest::error ("SIS.0305", "engine")),
    { false, true, true },
    true },
  { "doubtful ERROR",
    fails_with (sistest::error ("SIS.0033", "engine")),
    { false, true, true },
    true },
  { "final ERROR",
    fails_with (sistest::error ("SIS.0031", "not supported")),
    { false, false, false },
    true },
  { "unknown ERROR",
    fails_with (sistest::error ("SIS.8888", "news")),
    { false, false, false },
    true },
  { "transient FATAL_ERROR",
    fails_with (sistest::fatal ("SIS.0304", "wait voice timeout")),
    { false, false, true },
    true },
  { "final FATAL_ERROR",
    fails_with (sistest::fatal ("SIS.0101", "token")),
    { false, false, false },
    true },
  { "unknown FATAL_ERROR",
    fails_with (sistest::fatal ("SIS.8888", "news")),
    { false, false, false },
    true },
};

/* After a session that was lost. */
const Row later_rows[] = {
  { "503", refuses (503), { false, true, true }, false, 503 },
  { "500", refuses (500), { false, true, true }, false, 500 },
  { "302", redirects (), { false, false, true }, false, 302 },
  { "400", refuses (400), { false, false, false }, false, 400 },
  { "401", refuses (401), { false, false, false }, false, 401 },
  { "403", refuses (403), { false, false, false }, false, 403 },
  { "404", refuses (404), { false, false, false }, false, 404 },
  { "hangs up", { .handshake = { .drop = true } }, { false, true, true } },
  { "no answer", { .handshake = { .answer = false } }, { false, true, true } },
  { "START unanswered",
    { .start = { .answer = false } },
    { false, true, true } },
};

/* The last of the warnings, or the error, is of this failure. */
void
assert_is_of (const Row &row, const Problem &problem, guint sessions)
{
  fail_unless (problem.details != nullptr, "%s: no details", row.what);
  assert_same_text (gst_structure_get_name (problem.details), "sis-error");
  assert_equals_int (uint_of (problem.details, "session"),
                     sessions + row.has_session);
  fail_unless (problem.text.find ('\n') == std::string::npos);
  if (row.http_status == 0) {
    fail_if (gst_structure_has_field (problem.details, "http_status"));
    return;
  }
  assert_equals_int (uint_of (problem.details, "http_status"), row.http_status);
}

/* A warning for each failure, another attempt after it, and all is said once.
 */
void
assert_was_retried (Pipeline &pipeline, const Row &row, guint sessions_before)
{
  for (guint i = 0; i <= sessions_before; i++)
    fail_unless (pipeline.wait_for (GST_MESSAGE_WARNING) != nullptr,
                 "%s: no warning", row.what);
  fail_unless (pipeline.wait_for ([&] (GstMessage *message) {
    return gst_message_has_name (message, "sis-start");
  }) != nullptr);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos (), "%s: no EOS", row.what);
  const guint failures = sessions_before + 1;
  const auto warnings = pipeline.from_sink (GST_MESSAGE_WARNING);
  assert_equals_int (warnings.size (), failures);
  assert_is_of (row, Problem (warnings.back ()), sessions_before);
  assert_attempts_count_on (pipeline, failures + 1);
  assert_sessions (pipeline, sessions_before + row.has_session + 1);
  assert_same_text (text_of (pipeline.named ("sis-end").back (), "reason"),
                    "NORMAL");
  assert_same_text (pipeline.finals (), index_words (0, 20));
  const Stats stats (pipeline);
  stats.assert_sum ();
  assert_equals_int (uint_of (stats.get (), "reconnects"), failures);
  assert_equals_uint64 (stats.audio ("acknowledged"), 2 * GST_SECOND);
}

/* One error, the first and only one of the sink, and no further attempt. */
void
assert_was_an_error (Pipeline &pipeline, const Row &row, guint sessions_before,
                     const Server &server)
{
  const Problem problem = only_error (pipeline);
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (),
                     sessions_before);
  assert_is_of (row, problem, sessions_before);
  assert_attempts_count_on (pipeline, sessions_before + 1);
  assert_sessions (pipeline, sessions_before + row.has_session);
  assert_equals_int (server.connections ().size (), sessions_before + 1);
}

} // namespace

GST_START_TEST (test_what_is_retried_at_first)
{
  const Row &row = first_rows[__i__ / policies];
  const int policy = __i__ % policies;
  Server server;
  server.script ({ row.behaviour, good });
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), hurried (policy_names[policy])));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  if (row.retried[policy])
    assert_was_retried (pipeline, row, 0);
  else
    assert_was_an_error (pipeline, row, 0, server);
}
GST_END_TEST;

GST_START_TEST (test_what_is_retried_after_a_loss)
{
  const Row &row = later_rows[__i__ / (policies - 1)];
  const int policy = __i__ % (policies - 1) + 1;
  Server server;
  server.script ({ fails_with (sistest::reset ()), row.behaviour, good });
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), hurried (policy_names[policy])));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  if (row.retried[policy])
    assert_was_retried (pipeline, row, 1);
  else
    assert_was_an_error (pipeline, row, 1, server);
}
GST_END_TEST;

/* A port that nobody listens at. */
static int
free_port ()
{
  Server server;
  fail_unless (server.start ());
  return server.port ();
}

/* Attempts for as long as it takes to start a server. */
const char *const patiently = "max-reconnects=1000 reconnect-delay=20000000 "
                              "max-reconnect-delay=20000000";

/* At first only `always` hopes that a server will be there one day. */
GST_START_TEST (test_a_server_that_is_not_there_yet)
{
  const int port = free_port ();
  Pipeline pipeline (launch_line ("ws://127.0.0.1:" + std::to_string (port),
                                  hurried (policy_names[__i__], patiently)));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  pipeline.end ();
  const GstMessage *message = pipeline.wait_for (
      GstMessageType (GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
  fail_unless (message != nullptr);
  if (__i__ < 2) {
    fail_unless (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR);
    assert_attempts_count_on (pipeline, 1);
    return;
  }
  Server server ({ .port = port });
  server.script ({ good });
  fail_unless (server.start ());
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 20));
}
GST_END_TEST;

/* Later both do. */
GST_START_TEST (test_a_server_that_is_away_for_a_while)
{
  auto server = std::make_unique<Server> ();
  server->script ({ good });
  fail_unless (server->start ());
  const int port = server->port ();
  Pipeline pipeline (
      launch_line (server->url (), hurried (policy_names[__i__], patiently)));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 3 * one_second / 2), 0);
  fail_unless (pipeline.wait_for_element_message ("sis-result") != nullptr);
  server.reset ();
  if (__i__ == 0) {
    fail_unless (Problem (pipeline.wait_for (GST_MESSAGE_ERROR))
                     .is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE));
    return;
  }
  /* That of the loss, and two of attempts that nobody heard. */
  for (int i = 0; i < 3; i++) {
    GstMessage *message = pipeline.wait_for (GST_MESSAGE_WARNING);
    fail_unless (message != nullptr);
    fail_unless (Problem (message).is (GST_RESOURCE_ERROR,
                                       i == 0 ? GST_RESOURCE_ERROR_WRITE
                                              : GST_RESOURCE_ERROR_OPEN_WRITE));
  }
  server = std::make_unique<Server> (Server::Options{ .port = port });
  server->script ({ good });
  fail_unless (server->start ());
  pipeline.push (indexed_audio (3 * one_second / 2, one_second / 2));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 20));
  assert_sessions (pipeline, 2);
}
GST_END_TEST;

GST_START_TEST (test_a_host_that_is_not_known)
{
  Pipeline pipeline (launch_line (
      "ws://host.invalid", hurried (policy_names[__i__], "max-reconnects=2")));
  pipeline.play ();
  pipeline.push (indexed_audio (0, one_second), 0);
  GstMessage *message = pipeline.wait_for (GST_MESSAGE_ERROR);
  fail_unless (message != nullptr);
  fail_unless (
      Problem (message).is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND));
  assert_attempts_count_on (pipeline, __i__ == 2 ? 3 : 1, "host.invalid");
}
GST_END_TEST;

static Suite *
reconnect_suite (void)
{
  Suite *suite = suite_create ("reconnect");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_what_is_retried_at_first, 0,
                       int (std::size (first_rows)) * policies);
  tcase_add_loop_test (tcase, test_what_is_retried_after_a_loss, 0,
                       int (std::size (later_rows)) * (policies - 1));
  tcase_add_loop_test (tcase, test_a_server_that_is_not_there_yet, 0, policies);
  tcase_add_loop_test (tcase, test_a_server_that_is_away_for_a_while, 0,
                       policies);
  tcase_add_loop_test (tcase, test_a_host_that_is_not_known, 0, policies);
  return suite;
}

GST_CHECK_MAIN (reconnect)
