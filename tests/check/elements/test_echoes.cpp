// SPDX-License-Identifier: LGPL-2.1-or-later
/* Whoever repeats what he was told, in whatever form and however late: it is
 * not shown. */
#include "proxy.h"

#include "failing.h"

using namespace sischeck;
using sistest::Proxy;
using sistest::Server;

namespace {

const char user[] = "proxy-user", password[] = "pass-of-it";

void
assert_hidden (const Problem &problem, const std::vector<std::string> &secrets)
{
  for (const std::string &secret : secrets) {
    fail_unless (problem.text.find (secret) == std::string::npos, "%s",
                 problem.text.c_str ());
    g_autofree char *details = problem.details != nullptr
                                   ? gst_structure_to_string (problem.details)
                                   : g_strdup ("");
    fail_unless (std::string_view (details).find (secret) == std::string::npos,
                 "%s", details);
  }
  fail_unless (problem.text.find ("***") != std::string::npos, "%s",
               problem.text.c_str ());
}

/* "user:password" as a header has it. */
std::string
basic ()
{
  const std::string both = std::string (user) + ":" + password;
  g_autofree char *text = g_base64_encode (
      reinterpret_cast<const guchar *> (both.data ()), both.size ());
  return text;
}

} // namespace

/* By an answer to a later handshake. */
GST_START_TEST (test_a_token_of_before_is_not_told)
{
  const std::string before = "the-token-of-before-0123456789";
  Server server;
  server.script (
      { { .actions = { { 1000ms, sistest::reset () } },
          .recognizer = sistest::index_recognizer () },
        { .start
          = { .answer = false,
              .after = { sistest::error ("SIS.0032", "not " + before) } } } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), prompt ("transport")
                                                     + "auth-token=" + before));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 8000), 0);
  fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
  g_object_set (pipeline.sink (), "auth-token", "the-next-one", nullptr);
  pipeline.push (indexed_audio (8000, 16000));
  assert_hidden (only_error (pipeline), { before });
  assert_same_text (server.connections ().back ().header ("X-Auth-Token"),
                    "the-next-one");
}
GST_END_TEST;

/* Nor what of it is in a header of its own. */
GST_START_TEST (test_what_a_proxy_repeats_of_its_user_is_not_told)
{
  for (const unsigned status : { 403u, 407u })
    for (const std::string &echo :
         { std::string (user), std::string (password), basic () }) {
      Server server;
      Proxy proxy (Proxy::Kind::Http);
      sistest::HttpReply reply{ .status = status, .reason = "No " + echo };
      if (status == 407)
        reply.headers = { { "Proxy-Authenticate", "Basic realm=\"us\"" } };
      proxy.script ({ { .reply = reply } });
      fail_unless (server.start () && proxy.start ());
      Pipeline pipeline (
          launch_line (server.url (),
                       prompt ("never") + "proxy="
                           + proxy.url (std::string (user) + ":" + password)));
      pipeline.play ();
      pipeline.push (indexed_audio (0, 16000), 0);
      assert_hidden (only_error (pipeline), { user, password, basic () });
    }
}
GST_END_TEST;

/* The service may have heard of it from the proxy. */
GST_START_TEST (test_the_user_of_the_systems_proxy_is_not_told)
{
  const bool is_socks = __i__ == 1;
  Server server (Server::Options{ .certificate = TEST_DATA "/tls/good.pem" });
  server.script (
      { { .start = { .answer = false,
                     .after = { sistest::error (
                         "SIS.0032", std::string ("no ") + user + ", "
                                         + password + ", " + basic ()) } } } });
  Proxy proxy (is_socks ? Proxy::Kind::Socks5 : Proxy::Kind::Http);
  proxy.script ({ { .user = user, .password = password } });
  fail_unless (server.start () && proxy.start ());
  g_setenv ("https_proxy",
            proxy.url (std::string (user) + ":" + password).c_str (), TRUE);
  Pipeline pipeline (launch_line (
      server.url (), prompt ("never")
                         + "auth-token=of-the-service ssl-ca-file=" TEST_DATA
                           "/tls/ca.pem"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  const Problem error = only_error (pipeline);
  assert_hidden (error, { user, password, basic () });
  fail_unless (error.text.find ("no ***, ***, ***") != std::string::npos, "%s",
               error.text.c_str ());
}
GST_END_TEST;

static Suite *
echoes_suite (void)
{
  Suite *suite = suite_create ("echoes");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_token_of_before_is_not_told);
  tcase_add_test (tcase, test_what_a_proxy_repeats_of_its_user_is_not_told);
  tcase_add_loop_test (tcase, test_the_user_of_the_systems_proxy_is_not_told, 0,
                       2);
  return suite;
}

GST_CHECK_MAIN (echoes)
