// SPDX-License-Identifier: LGPL-2.1-or-later
#include "selftest-client.h"
#include "server.h"
#include "socket.h"

#include <algorithm>
#include <cstring>

using namespace sistest;
using namespace std::chrono_literals;

std::string
ask (int port, const std::string &request)
{
  const auto socket = Socket::connect (port);
  g_assert_true (socket && socket->write (request));
  const auto answer = socket->read_all ();
  g_assert_true (answer.has_value ());
  return *answer;
}

std::string
upgrade_request (const std::string &path, const std::string &headers)
{
  return "GET " + path
         + " HTTP/1.1\r\n"
           "Upgrade: websocket\r\n"
           "Connection: Upgrade\r\n"
           "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
           "Sec-WebSocket-Version: 13\r\n"
         + headers + "\r\n";
}

namespace {

constexpr const char *path = "/v1/p/rasr/continue-stream";

std::string
get (const char *target, const char *more = "")
{
  return std::string ("GET ") + target
         + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + more
         + "\r\n";
}

bool
has (const std::string &text, const char *part)
{
  return text.find (part) != std::string::npos;
}

void
test_a_check_decides_about_the_handshake ()
{
  Server server;
  std::vector<Record> seen;
  Behaviour checked;
  checked.handshake.token = "secret";
  checked.handshake.check
      = [&] (const Record &record) -> std::optional<HttpReply> {
    seen.push_back (record);
    if (record.header ("x-test") == "pass")
      return std::nullopt;
    return HttpReply{ .status = 403, .body = "no pass" };
  };
  server.script ({ checked });
  g_assert_true (server.start ());

  Client none (server.url (), path, { { "X-Auth-Token", "secret" } });
  g_assert_false (none.connect ());
  g_assert_cmpuint (none.status (), ==, 403);
  Client passes (server.url (), path,
                 { { "X-Auth-Token", "secret" }, { "X-Test", "pass" } });
  g_assert_true (passes.connect ());
  Client wrong (server.url (), path, { { "X-Test", "pass" } });
  g_assert_false (wrong.connect ());
  g_assert_cmpuint (wrong.status (), ==, 401);

  server.stop ();
  g_assert_cmpuint (seen.size (), ==, 2); /* the token comes first */
  assert_text (seen[1].path, path);
  assert_text (seen[1].header ("X-Auth-Token"), "secret");
  g_assert_cmpuint (server.connections ()[0].handshake_status, ==, 403);
}

void
test_a_check_sees_every_header ()
{
  Server server;
  Record seen;
  Behaviour checked;
  checked.handshake.check = [&] (const Record &record) {
    seen = record;
    return HttpReply{ .status = 400, .headers = { { "Connection", "close" } } };
  };
  server.script ({ checked });
  g_assert_true (server.start ());
  const std::string answer = ask (
      server.port (),
      upgrade_request (path, "Host: one\r\nX-Twice: a\r\nX-Twice:  b \r\n"));
  g_assert_true (has (answer, "HTTP/1.1 400 "));
  server.stop ();
  std::string twice;
  for (const auto &[name, value] : seen.headers)
    if (name == "X-Twice")
      twice += value + ";";
  assert_text (twice, "a;b;");
  g_assert_cmpuint (seen.headers.size (), ==, 7);
}

void
test_refusals_are_late_or_lost ()
{
  Server server ({ .log = wake_up });
  const auto refusal = [] (const HttpReply &reply) {
    Behaviour behaviour;
    behaviour.handshake.check = [=] (const Record &) { return reply; };
    return behaviour;
  };
  server.script ({ refusal ({ .status = 503, .delay = 50ms }),
                   refusal ({ .status = 503, .drop = true }),
                   refusal ({ .status = 503, .answer = false }) });
  g_assert_true (server.start ());
  const gint64 start = g_get_monotonic_time ();
  Client late (server.url (), path);
  g_assert_false (late.connect ());
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 50000);
  g_assert_cmpuint (late.status (), ==, 503);
  Client dropped (server.url (), path);
  g_assert_false (dropped.connect ());
  g_assert_cmpuint (dropped.status (), ==, 0);
  Client mute (server.url (), path);
  g_assert_true (
      Client::run_until ([&] { return server.connections ().size () == 3; }));
  g_assert_false (
      Client::run_until ([&] { return mute.status () != 0; }, 50ms));
}

void
test_answers_can_be_computed ()
{
  Server server;
  server.answer ("/count", [&] (const Server::Request &request) {
    return HttpReply{
      .status = 201,
      .body = std::to_string (server.requests ().size ()) + request.method,
      .headers = { { "X-A", "1" }, { "X-A", "2" }, { "Date", "yesterday" } }
    };
  });
  server.answer ("/late", { .body = "late", .delay = 50ms });
  server.answer ("/dropped", { .drop = true });
  server.answer ("/mute", { .answer = false });
  g_assert_true (server.start ());
  g_assert_false (server.wait_for_requests (1, 20ms));

  ask (server.port (), get ("/count"));
  const std::string second = ask (server.port (), get ("/count"));
  g_assert_true (has (second, "HTTP/1.1 201 ") && has (second, "1GET"));
  g_assert_true (has (second, "X-A: 1\r\n") && has (second, "X-A: 2\r\n"));
  g_assert_true (has (second, "Date: yesterday\r\n"));
  g_assert_true (second.find ("Date:") == second.rfind ("Date:"));

  const gint64 start = g_get_monotonic_time ();
  g_assert_true (has (ask (server.port (), get ("/late")), "\r\nlate"));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 50000);
  assert_text (ask (server.port (), get ("/dropped")), "");
  const auto waiting = Socket::connect (server.port ());
  g_assert_true (waiting->write (get ("/mute")));
  g_assert_true (server.wait_for_requests (5));
  g_assert_false (waiting->read_bytes (1, 50ms).has_value ());
  g_assert_false (server.wait_for_requests (6, 20ms));
  g_assert_cmpuint (server.connections ().size (), ==, 0);
  server.stop ();
  g_assert_true (waiting->wait_for_end ());
}

} // namespace

void
add_http_tests ()
{
  g_test_add_func ("/http/check", test_a_check_decides_about_the_handshake);
  g_test_add_func ("/http/check-headers", test_a_check_sees_every_header);
  g_test_add_func ("/http/refusals", test_refusals_are_late_or_lost);
  g_test_add_func ("/http/answers", test_answers_can_be_computed);
}
