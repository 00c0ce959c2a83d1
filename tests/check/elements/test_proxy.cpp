// SPDX-License-Identifier: LGPL-2.1-or-later
/* Proxies: they carry wss:// without learning anything, and what is theirs does
 * not reach the service. */
#include "iam.h"
#include "proxy.h"

#include "failing.h"

using namespace sischeck;
using sistest::Proxy;
using sistest::Server;

namespace {

const char token[] = "secret-of-the-service";
const char userinfo[] = "proxy-user:proxy-pass";

std::string
pem (const char *name)
{
  return std::string (TEST_DATA "/tls/") + name + ".pem";
}

/* A service over TLS, and a proxy in front of it. */
struct Route
{
  Route (Proxy::Kind kind, std::vector<Proxy::Manners> manners,
         bool ipv6 = false)
      : server (Server::Options{ .certificate = pem ("good") }),
        proxy (kind, ipv6)
  {
    server.script ({ { .recognizer = sistest::index_recognizer () } });
    proxy.script (std::move (manners));
    fail_unless (server.start () && proxy.start ());
  }

  std::unique_ptr<Pipeline> play (const std::string &properties) const
  {
    auto pipeline = std::make_unique<Pipeline> (launch_line (
        server.url (), std::string ("auth-token=") + token
                           + " ssl-ca-file=" + pem ("ca") + " " + properties));
    pipeline->play ();
    pipeline->push (indexed_audio (0, 16000), 0);
    return pipeline;
  }

  /* The service got its words, and nothing of the proxy's; the proxy nothing of
   * the service's. */
  void assert_carried () const
  {
    const auto connections = server.connections ();
    assert_equals_int (connections.size (), 1);
    assert_same_text (connections[0].header ("X-Auth-Token"), token);
    for (const auto &[name, value] : connections[0].headers) {
      fail_if (g_ascii_strncasecmp (name.c_str (), "proxy", 5) == 0, "%s",
               name.c_str ());
      fail_if (value.find ("proxy-") != std::string::npos, "%s",
               value.c_str ());
    }
    fail_if (proxy.saw (token));
    fail_unless (proxy.connections ().back ().led);
  }

  Server server;
  Proxy proxy;
};

void
assert_all_said (Pipeline &pipeline)
{
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 10));
}

void
assert_in (const std::string &text, const std::string &part)
{
  fail_unless (text.find (part) != std::string::npos, "no '%s' in: %s",
               part.c_str (), text.c_str ());
}

/* One line that names the proxy, and no secret. */
Problem
assert_proxy_error (const Route &route, Pipeline &pipeline, int code)
{
  const Problem error = only_error (pipeline);
  fail_unless (error.is (GST_RESOURCE_ERROR, code), "%d: %s", error.code,
               error.text.c_str ());
  assert_in (error.text, "127.0.0.1:" + std::to_string (route.proxy.port ()));
  for (const char *secret : { token, "proxy-user", "proxy-pass" })
    fail_unless (error.text.find (secret) == std::string::npos);
  fail_unless (route.server.connections ().empty ());
  return error;
}

} // namespace

GST_START_TEST (test_a_proxy_carries_a_secure_handshake)
{
  const Route route (Proxy::Kind::Http, { {} });
  const auto pipeline = route.play ("proxy=" + route.proxy.url ());
  assert_all_said (*pipeline);
  route.assert_carried ();
  g_autofree char *read = nullptr;
  g_object_get (pipeline->sink (), "proxy", &read, nullptr);
  assert_same_text (read, route.proxy.url ());
}
GST_END_TEST;

/* Some close after 407, others keep the connection. */
GST_START_TEST (test_a_proxy_that_asks_is_told_once)
{
  const Route route (Proxy::Kind::Http, { { .user = "proxy-user",
                                            .password = "proxy-pass",
                                            .close_after_407 = __i__ == 1 } });
  const auto pipeline = route.play ("proxy=" + route.proxy.url (userinfo));
  assert_all_said (*pipeline);
  route.assert_carried ();
  g_autofree char *read = nullptr;
  g_object_get (pipeline->sink (), "proxy", &read, nullptr);
  assert_same_text (read, route.proxy.url ());
  std::size_t heads = 0;
  for (const auto &connection : route.proxy.connections ())
    for (const Proxy::Head &head : connection.heads) {
      heads++;
      assert_same_text (head.method, "CONNECT");
      assert_same_text (head.target,
                        "127.0.0.1:" + std::to_string (route.server.port ()));
    }
  assert_equals_int (heads, 2);
}
GST_END_TEST;

GST_START_TEST (test_a_proxy_with_an_ipv6_address_is_told)
{
  const Proxy::Kind kind = __i__ == 0 ? Proxy::Kind::Http : Proxy::Kind::Socks5;
  if (!Proxy (kind, true).start ())
    return; /* this machine has no IPv6 */
  const Route route (
      kind, { { .user = "proxy-user", .password = "proxy-pass" } }, true);
  const auto pipeline = route.play ("proxy=" + route.proxy.url (userinfo));
  assert_all_said (*pipeline);
  route.assert_carried ();
}
GST_END_TEST;

GST_START_TEST (test_a_proxy_that_is_never_content_is_an_error)
{
  const Route route (Proxy::Kind::Http,
                     { { .user = "proxy-user", .never_content = true } });
  for (const char *who : { userinfo, "" }) {
    const auto pipeline
        = route.play (prompt ("always") + "proxy=" + route.proxy.url (who));
    const Problem error = assert_proxy_error (
        route, *pipeline, GST_RESOURCE_ERROR_NOT_AUTHORIZED);
    assert_equals_int (uint_of (error.details, "http_status"), 407);
    assert_in (error.text, "password of the proxy");
  }
}
GST_END_TEST;

GST_START_TEST (test_what_a_proxy_refuses_is_the_proxys_doing)
{
  const std::pair<unsigned, int> statuses[]
      = { { 403, GST_RESOURCE_ERROR_NOT_AUTHORIZED },
          { 502, GST_RESOURCE_ERROR_OPEN_WRITE },
          { 503, GST_RESOURCE_ERROR_BUSY } };
  for (const auto &[status, code] : statuses) {
    const Route route (Proxy::Kind::Http,
                       { { .reply = sistest::HttpReply{ .status = status } } });
    const auto pipeline
        = route.play (prompt ("never") + "proxy=" + route.proxy.url ());
    const Problem error = assert_proxy_error (route, *pipeline, code);
    assert_equals_int (uint_of (error.details, "http_status"), status);
    assert_in (error.text, "The proxy");
  }
}
GST_END_TEST;

GST_START_TEST (test_a_dead_proxy_is_named)
{
  Route route (Proxy::Kind::Http, { {} });
  const std::string url = route.proxy.url (userinfo);
  route.proxy.stop ();
  const auto pipeline = route.play ("proxy=" + url);
  const Problem error
      = assert_proxy_error (route, *pipeline, GST_RESOURCE_ERROR_OPEN_WRITE);
  assert_in (error.text, "Check proxy");
}
GST_END_TEST;

GST_START_TEST (test_a_proxy_that_does_not_answer_times_out)
{
  const Route route (Proxy::Kind::Http, { { .answer = false } });
  const auto pipeline
      = route.play (hurried ("never") + "proxy=" + route.proxy.url ());
  const Problem error = only_error (*pipeline);
  fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE));
  assert_in (error.text, "timeout");
}
GST_END_TEST;

GST_START_TEST (test_socks_proxies_carry_it_as_well)
{
  const bool asks = __i__ == 2;
  const Route route (__i__ == 0 ? Proxy::Kind::Socks4 : Proxy::Kind::Socks5,
                     { { .user = asks ? "proxy-user" : "",
                         .password = asks ? "proxy-pass" : "" } });
  const auto pipeline
      = route.play ("proxy=" + route.proxy.url (asks ? userinfo : ""));
  assert_all_said (*pipeline);
  route.assert_carried ();
}
GST_END_TEST;

GST_START_TEST (test_a_socks_proxy_that_refuses_is_named)
{
  const Route route (Proxy::Kind::Socks5, { { .user = "proxy-user",
                                              .password = "proxy-pass",
                                              .never_content = true } });
  const auto pipeline
      = route.play (prompt ("always") + "proxy=" + route.proxy.url (userinfo));
  assert_proxy_error (route, *pipeline, GST_RESOURCE_ERROR_NOT_AUTHORIZED);
}
GST_END_TEST;

/* The system's, with what it needs in its URL. */
GST_START_TEST (test_the_proxy_of_the_environment_carries_wss)
{
  const Route route (Proxy::Kind::Http,
                     { { .user = "proxy-user", .password = "proxy-pass" } });
  g_setenv ("https_proxy", route.proxy.url (userinfo).c_str (), TRUE);
  const auto pipeline = route.play ("");
  assert_all_said (*pipeline);
  route.assert_carried ();
  g_unsetenv ("https_proxy");
}
GST_END_TEST;

/* What nobody understands is not repeated to him who set it. */
GST_START_TEST (test_an_odd_proxy_of_the_environment_is_not_repeated)
{
  const char *const odd[] = { "http://proxy-user:proxy-pass@127.0.0.1:1/path",
                              "ftp://proxy-user:proxy-pass@127.0.0.1:1",
                              "https://proxy-user:proxy-pass@127.0.0.1:1",
                              "proxy-user:proxy-pass@127.0.0.1:1",
                              "socks5://proxy-user:proxy-pass@" };
  const Route route (Proxy::Kind::Http, { {} });
  g_setenv ("https_proxy", odd[__i__], TRUE);
  const auto pipeline = route.play (prompt ("never"));
  const Problem error = only_error (*pipeline);
  fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE));
  for (const char *secret : { token, "proxy-user", "proxy-pass" })
    fail_unless (error.text.find (secret) == std::string::npos, "%s",
                 error.text.c_str ());
  assert_in (error.text, "proxy");
  g_unsetenv ("https_proxy");
}
GST_END_TEST;

/* Who asks IAM in another way does not wait for what comes of this one. */
GST_START_TEST (test_a_token_is_not_waited_for_behind_the_proxy_of_another)
{
  Route route (Proxy::Kind::Http, { { .answer = false } });
  sistest::Iam iam (route.server, { .user = "apart" });
  const std::string endpoint = "https" + route.server.url ().substr (3);
  const auto play = [&] (const std::string &more) {
    auto pipeline = std::make_unique<Pipeline> (launch_line (
        route.server.url (), "user-name=apart domain-name=company project-id=p "
                             "iam-endpoint="
                                 + endpoint + " ssl-ca-file=" + pem ("ca") + " "
                                 + more));
    g_object_set (pipeline->sink (), "password", "the password", nullptr);
    pipeline->play ();
    pipeline->push (indexed_audio (0, 16000), 0);
    return pipeline;
  };
  const auto stuck = play ("timeout=300 proxy=" + route.proxy.url ());
  fail_unless (route.proxy.wait (
      [] (const auto &connections) { return !connections.empty (); }));
  const auto free = play ("timeout=300");
  assert_all_said (*free);
  assert_equals_int (iam.requests (), 1);
}
GST_END_TEST;

/* It would see the token. */
GST_START_TEST (test_plain_ws_does_not_take_the_proxy_of_the_environment)
{
  Proxy proxy (Proxy::Kind::Http);
  Server server;
  server.script ({ { .handshake = { .token = token },
                     .recognizer = sistest::index_recognizer () } });
  fail_unless (proxy.start () && server.start ());
  g_setenv ("http_proxy", proxy.url ().c_str (), TRUE);
  g_setenv ("all_proxy", proxy.url ().c_str (), TRUE);
  Pipeline pipeline (
      launch_line (server.url (), std::string ("auth-token=") + token));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  assert_all_said (pipeline);
  fail_unless (proxy.connections ().empty ());
}
GST_END_TEST;

/* To nobody, and with nothing of ours. */
GST_START_TEST (test_a_redirect_is_not_followed_through_a_proxy_either)
{
  Route route (Proxy::Kind::Http, { {} });
  Server trap;
  fail_unless (trap.start ());
  route.server.script (
      { { .handshake
          = { .reply = sistest::HttpReply{
                  .status = 307,
                  .headers
                  = { { "Location",
                        trap.url () + "/v1/p/rasr/continue-stream" } } } } } });
  const auto pipeline
      = route.play (prompt ("transport") + "proxy=" + route.proxy.url ());
  const Problem error = only_error (*pipeline);
  fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE));
  assert_in (error.text, trap.url ());
  fail_unless (trap.connections ().empty ());
  assert_equals_int (route.proxy.connections ().size (), 1);
}
GST_END_TEST;

GST_START_TEST (test_proxies_that_cannot_be_are_settings_errors)
{
  const std::pair<const char *, const char *> cases[]
      = { { "ftp://u:hidden@127.0.0.1", "wss://127.0.0.1:1" },
          { "127.0.0.1", "wss://127.0.0.1:1" },
          { "http://u:hidden@127.0.0.1:1/path", "wss://127.0.0.1:1" },
          { "http://u:hidden@127.0.0.1:1", "ws://127.0.0.1:1" } };
  for (const auto &[url, endpoint] : cases) {
    Pipeline pipeline (
        launch_line (endpoint, std::string ("auth-token=t proxy=") + url));
    fail_unless (pipeline.set_state (GST_STATE_PAUSED)
                 == GST_STATE_CHANGE_FAILURE);
    pipeline.collect ();
    const Problem error (pipeline.from_sink (GST_MESSAGE_ERROR).at (0));
    fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
    assert_in (error.text, "proxy");
    fail_unless (error.text.find ("hidden") == std::string::npos);
  }
}
GST_END_TEST;

static Suite *
proxy_suite (void)
{
  Suite *suite = suite_create ("proxy");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_proxy_carries_a_secure_handshake);
  tcase_add_loop_test (tcase, test_a_proxy_that_asks_is_told_once, 0, 2);
  tcase_add_loop_test (tcase, test_a_proxy_with_an_ipv6_address_is_told, 0, 2);
  tcase_add_test (tcase, test_a_proxy_that_is_never_content_is_an_error);
  tcase_add_test (tcase, test_what_a_proxy_refuses_is_the_proxys_doing);
  tcase_add_test (tcase, test_a_dead_proxy_is_named);
  tcase_add_test (tcase, test_a_proxy_that_does_not_answer_times_out);
  tcase_add_loop_test (tcase, test_socks_proxies_carry_it_as_well, 0, 3);
  tcase_add_test (tcase, test_a_socks_proxy_that_refuses_is_named);
  tcase_add_test (tcase, test_the_proxy_of_the_environment_carries_wss);
  tcase_add_loop_test (
      tcase, test_an_odd_proxy_of_the_environment_is_not_repeated, 0, 5);
  tcase_add_test (tcase,
                  test_a_token_is_not_waited_for_behind_the_proxy_of_another);
  tcase_add_test (tcase,
                  test_plain_ws_does_not_take_the_proxy_of_the_environment);
  tcase_add_test (tcase,
                  test_a_redirect_is_not_followed_through_a_proxy_either);
  tcase_add_test (tcase, test_proxies_that_cannot_be_are_settings_errors);
  return suite;
}

GST_CHECK_MAIN (proxy)
