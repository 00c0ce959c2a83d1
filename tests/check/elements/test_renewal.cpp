// SPDX-License-Identifier: LGPL-2.1-or-later
/* Five hours of audio for a user whose tokens soon expire, and are sometimes
 * revoked: tokens are renewed, no word is lost, and nobody asks in a loop. */
#include "iam.h"
#include "server.h"

#include "marathon.h"
#include "scale.h"

using namespace sischeck;
using sistest::Iam;

namespace {

constexpr std::size_t five_hours = 5 * 3600;
constexpr std::size_t session_seconds = 300;

/* Tokens are valid for 24 h. */
constexpr Milliseconds lifetime{ 250 };

/* Before a token is known to be refused. */
constexpr std::size_t revoke_every = 2400;

} // namespace

GST_START_TEST (test_five_hours_with_tokens_that_expire)
{
  const std::size_t seconds = scaled (five_hours);
  sistest::Server server;
  Iam iam (server, { .user = "marathon" });
  iam.script ({ { .lifetime = lifetime * (patience () / 15s) } });
  sistest::Behaviour behaviour{ .handshake = { .check = iam.token_check () },
                                .recognizer = sistest::index_recognizer (),
                                .keep_audio = 0,
                                .keep_messages = false };
  server.script ({ behaviour });
  fail_unless (server.start ());
  Pipeline pipeline (marathon_line (
      server.url (),
      "max-session-duration=" + std::to_string (session_seconds * GST_SECOND)));
  const std::string endpoint = "http" + server.url ().substr (2);
  g_object_set (pipeline.sink (), "user-name", "marathon", "domain-name",
                "company", "password", "the password", "iam-endpoint",
                endpoint.c_str (), nullptr);
  MarathonListener listener (pipeline);
  pipeline.play ();
  const std::size_t period = scaled (revoke_every);
  for (std::size_t i = 0; i < seconds; i++) {
    if (i % period == period - 1)
      iam.revoke_all ();
    push_marathon (pipeline, i);
    listener.hear_all ();
  }
  pipeline.end ();
  fail_unless (listener.hear_until_eos ());

  std::size_t refused = 0;
  for (const sistest::Record &record : server.connections ())
    refused += record.handshake_status == 401;
  g_printerr ("%zu s of audio in %zu sessions with %zu tokens, each valid for "
              "%d ms, %zu handshakes refused; %zu words\n",
              seconds, listener.starts, iam.tokens ().size (),
              int (lifetime.count ()), refused, listener.said);
  listener.assert_heard (words_of_marathon (seconds), seconds);
  assert_equals_int (listener.warnings, 0);
  fail_unless (iam.violations ().empty ());
  fail_unless (iam.tokens ().size () >= 3);
  /* At most one for each token that was taken back. */
  fail_unless (refused <= seconds / period, "%zu", refused);
  fail_unless (iam.requests () <= listener.starts + refused);
}
GST_END_TEST;

static Suite *
renewal_suite (void)
{
  Suite *suite = suite_create ("renewal");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 240);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_five_hours_with_tokens_that_expire);
  return suite;
}

GST_CHECK_MAIN (renewal)
