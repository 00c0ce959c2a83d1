// SPDX-License-Identifier: LGPL-2.1-or-later
#include "iam.h"
#include "selftest-client.h"
#include "socket.h"

#include <cstring>
#include <json-glib/json-glib.h>

using namespace sistest;
using namespace std::chrono_literals;

namespace {

constexpr const char *good_body
    = R"({"auth":{"identity":{"methods":["password"],"password":{"user":)"
      R"({"name":"tester","password":"the password","domain":)"
      R"({"name":"company"}}}},"scope":{"project":{"name":"cn-north-4"}}}})";

struct Fixture
{
  Fixture () { g_assert_true (server.start ()); }

  static std::string request (const std::string &body,
                              const std::string &type = "application/json",
                              const std::string &method = "POST")
  {
    return method + " " + Iam::path
           + " HTTP/1.1\r\nHost: iam\r\nConnection: close\r\nContent-Type: "
           + type + "\r\nContent-Length: " + std::to_string (body.size ())
           + "\r\n\r\n" + body;
  }

  template <typename... Rest> std::string post (Rest... rest) const
  {
    return ask (server.port (), request (rest...));
  }
  std::string post () const { return post (good_body); }

  Server server;
  Iam iam{ server };
};

std::string
status_of (const std::string &answer)
{
  return answer.substr (0, answer.find (' ', 9));
}

std::string
header_of (const std::string &answer, const std::string &name)
{
  const std::size_t start = answer.find ("\r\n" + name + ": ");
  if (start == std::string::npos)
    return {};
  const std::size_t value = start + name.size () + 4;
  return answer.substr (value, answer.find ('\r', value) - value);
}

std::string
body_of (const std::string &answer)
{
  return answer.substr (answer.find ("\r\n\r\n") + 4);
}

/* The body's text at a path such as "$.error.title". */
std::string
text_at (const std::string &answer, const char *path)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_assert_true (json_parser_load_from_data (parser, body_of (answer).c_str (),
                                             -1, nullptr));
  g_autoptr (JsonNode) found
      = json_path_query (path, json_parser_get_root (parser), nullptr);
  JsonArray *values = json_node_get_array (found);
  g_assert_cmpuint (json_array_get_length (values), ==, 1);
  return json_array_get_string_element (values, 0);
}

/* In s of UTC. */
double
time_at (const std::string &answer, const char *path)
{
  const std::string text = text_at (answer, path);
  g_assert_true (g_regex_match_simple (
      "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}Z$", text.c_str (),
      static_cast<GRegexCompileFlags> (0), static_cast<GRegexMatchFlags> (0)));
  g_autoptr (GDateTime) time
      = g_date_time_new_from_iso8601 (text.c_str (), nullptr);
  return static_cast<double> (g_date_time_to_unix (time))
         + g_date_time_get_microsecond (time) / 1e6;
}

double
now ()
{
  return static_cast<double> (g_get_real_time ()) / 1e6;
}

void
test_tokens_are_handed_out ()
{
  Fixture fixture;
  const std::string first = fixture.post ();
  assert_text (status_of (first), "HTTP/1.1 201");
  g_assert_cmpfloat_with_epsilon (time_at (first, "$.token.issued_at"), now (),
                                  10);
  g_assert_cmpfloat_with_epsilon (time_at (first, "$.token.expires_at")
                                      - time_at (first, "$.token.issued_at"),
                                  24 * 3600, 1e-3);
  assert_text (text_at (first, "$.token.project.name"), "cn-north-4");
  assert_text (text_at (first, "$.token.user.domain.name"), "company");
  const std::string token = header_of (first, "X-Subject-Token");
  g_assert_cmpuint (token.size (), ==, 64);

  std::string by_id = good_body;
  const std::string name = R"("name":"cn-north-4")";
  by_id.replace (by_id.find (name), name.size (), R"("id":"p")");
  fixture.iam.script ({ { .token_size = 8000 } });
  const std::string second
      = fixture.post (by_id, "application/json; charset=x");
  assert_text (status_of (second), "HTTP/1.1 201");
  const std::string other = header_of (second, "X-Subject-Token");
  g_assert_cmpuint (other.size (), ==, 8000);
  g_assert_true (token.substr (0, 20) != other.substr (0, 20));

  g_assert_cmpuint (fixture.iam.requests (), ==, 2);
  g_assert_true ((fixture.iam.tokens () == std::vector{ token, other }));
  g_assert_true (fixture.iam.violations ().empty ());
  g_assert_true (fixture.iam.is_valid (token) && fixture.iam.is_valid (other));
  g_assert_false (fixture.iam.is_valid ("") || fixture.iam.is_valid ("MII"));
  fixture.iam.revoke_all ();
  g_assert_false (fixture.iam.is_valid (token) || fixture.iam.is_valid (other));
}

void
test_requests_are_checked ()
{
  static constexpr struct
  {
    const char *part, *by, *status, *violation;
  } cases[] = {
    { R"("auth")", R"("oath")", "400", "'body' is invalid" },
    { R"({"auth":)", R"({"x":1,"auth":)", "400", "'body' is invalid" },
    { R"("identity")", R"("identities")", "400", "'auth' is invalid" },
    { R"(["password"])", R"(["password","totp"])", "400",
      "'methods' is invalid" },
    { R"(["password"])", R"("password")", "400", "'methods' is invalid" },
    { R"("password":{"user":)", R"("password":{"id":1,"user":)", "400",
      "'password' is invalid" },
    { R"("name":"tester")", R"("name":1)", "400", "'name' is invalid" },
    { R"("name":"tester")", R"("id":"tester")", "400", "'user' is invalid" },
    { R"({"name":"company"})", R"("company")", "400", "'domain' is invalid" },
    { R"({"name":"company"})", R"({"name":null})", "400", "'name' is invalid" },
    { R"({"project":)", R"({"domain":)", "400", "'scope' is invalid" },
    { R"({"name":"cn-north-4"})", R"({"name":"cn-north-4","id":"p"})", "400",
      "'project' is invalid" },
    { R"({"name":"cn-north-4"})", "[]", "400", "'project' is invalid" },
    { R"("tester")", R"("Tester")", "401", "wrong user, password or domain" },
    { R"("the password")", R"("a password")", "401",
      "wrong user, password or domain" },
    { R"("company")", R"("")", "401", "wrong user, password or domain" },
    { R"("cn-north-4")", R"("cn-north-1")", "401", "wrong project" },
    { R"({"name":"cn-north-4"})", R"({"id":"q"})", "401", "wrong project" },
    { R"({"auth":)", "{", "400", "invalid json" },
  };
  Fixture fixture;
  std::size_t count = 0;
  for (const auto &[part, by, status, violation] : cases) {
    std::string body = good_body;
    body.replace (body.find (part), std::strlen (part), by);
    const std::string answer = fixture.post (body);
    assert_text (status_of (answer), std::string ("HTTP/1.1 ") + status);
    assert_text (header_of (answer, "X-Subject-Token"), "");
    g_assert_cmpuint (fixture.iam.violations ().size (), ==, ++count);
    assert_text (fixture.iam.violations ().back (), violation);
    assert_text (text_at (answer, "$.error.title"),
                 g_str_equal (status, "400") ? "Bad Request" : "Unauthorized");
  }
  assert_text (status_of (fixture.post ("")), "HTTP/1.1 400");
  assert_text (status_of (fixture.post (good_body, "text/plain")),
               "HTTP/1.1 415");
  assert_text (status_of (fixture.post (good_body, "application/json", "PUT")),
               "HTTP/1.1 405");
  g_assert_true (fixture.iam.tokens ().empty ());
  g_assert_cmpuint (fixture.iam.requests (), ==, count + 3);
}

void
test_iam_misbehaves ()
{
  Fixture fixture;
  const HttpReply redirect{ .status = 307,
                            .headers = { { "Location", "http://a/" } } };
  fixture.iam.script ({ { .reply = keystone_refusal (401) },
                        { .reply = gateway_refusal (429, "APIG.0308", "slow") },
                        { .reply = redirect },
                        { .token_header = false },
                        { .body = "" },
                        { .body = "<html>" },
                        { .drop = true },
                        { .clock_offset = -2h, .delay = 20ms } });
  const std::string refused = fixture.post ();
  assert_text (status_of (refused), "HTTP/1.1 401");
  assert_text (text_at (refused, "$.error.message"),
               "The username or password is wrong.");
  assert_text (body_of (refused).substr (0, 22), R"({"error":{"code":401,")");
  const std::string slow = fixture.post ();
  assert_text (status_of (slow), "HTTP/1.1 429");
  assert_text (text_at (slow, "$.error_code"), "APIG.0308");
  assert_text (header_of (fixture.post (), "Location"), "http://a/");
  g_assert_true (fixture.iam.tokens ().empty ());

  const std::string headless = fixture.post ();
  assert_text (status_of (headless), "HTTP/1.1 201");
  assert_text (header_of (headless, "X-Subject-Token"), "");
  for (const char *body : { "", "<html>" }) {
    const std::string answer = fixture.post ();
    assert_text (body_of (answer), body);
    assert_text (header_of (answer, "X-Subject-Token"),
                 fixture.iam.tokens ().back ());
  }
  assert_text (fixture.post (), "");

  const std::string behind = fixture.post ();
  g_assert_cmpfloat_with_epsilon (time_at (behind, "$.token.issued_at"),
                                  now () - 7200, 10);
  g_assert_cmpfloat_with_epsilon (time_at (behind, "$.token.expires_at"),
                                  now () + 22 * 3600, 10);
  g_autoptr (GDateTime) date = soup_date_time_new_from_http_string (
      header_of (behind, "Date").c_str ());
  g_assert_cmpfloat_with_epsilon (
      static_cast<double> (g_date_time_to_unix (date)), now () - 7200, 10);
  g_assert_true (fixture.iam.is_valid (fixture.iam.tokens ().back ()));
}

void
test_iam_is_slow_or_mute ()
{
  Fixture fixture;
  fixture.iam.script ({ {}, { .delay = 30ms } });
  fixture.post ();
  const gint64 start = g_get_monotonic_time ();
  assert_text (status_of (fixture.post ()), "HTTP/1.1 201");
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 30000);

  fixture.iam.script ({ { .answer = false }, {} }); /* begins anew */
  const auto mute = Socket::connect (fixture.server.port ());
  g_assert_true (mute && mute->write (fixture.request (good_body)));
  g_assert_true (fixture.server.wait_for_requests (3));
  g_assert_cmpuint (fixture.iam.requests (), ==, 3);
  assert_text (status_of (fixture.post ()), "HTTP/1.1 201");
  g_assert_false (mute->read_bytes (1, 20ms).has_value ());
}

void
test_tokens_expire ()
{
  Fixture fixture;
  fixture.iam.script ({ { .lifetime = 60ms }, {} });
  Behaviour old, renew;
  old.handshake.check = fixture.iam.token_check ();
  renew.handshake.check = fixture.iam.token_check ("APIG.0307");
  fixture.server.script ({ old, old, renew, old });
  const std::string request = upgrade_request (
      "/v1/p/rasr/continue-stream", "Host: sis\r\nConnection: close\r\n");
  const auto status_with = [&] (const std::string &token) {
    Client client (fixture.server.url (), "/v1/p/rasr/continue-stream",
                   { { "X-Auth-Token", token } });
    client.connect ();
    return client.status ();
  };
  const auto first = header_of (fixture.post (), "X-Subject-Token");
  g_assert_cmpuint (status_with ("another"), ==, 401);
  const guint timer = g_timeout_add (
      5, [] (gpointer) -> gboolean { return G_SOURCE_CONTINUE; }, nullptr);
  g_assert_true (
      Client::run_until ([&] { return !fixture.iam.is_valid (first); }));
  g_source_remove (timer);
  const std::string refused = ask (fixture.server.port (), request);
  assert_text (status_of (refused), "HTTP/1.1 401");
  assert_text (text_at (refused, "$.error_code"), "APIG.0301");
  g_assert_true (
      text_at (refused, "$.error_msg").ends_with (": decrypt token fail"));
  assert_text (text_at (ask (fixture.server.port (), request), "$.error_code"),
               "APIG.0307");
  g_assert_cmpuint (status_with (first), ==, 401);
  const auto second = header_of (fixture.post (), "X-Subject-Token");
  g_assert_cmpuint (status_with (second), ==, 101);
  fixture.iam.revoke_all ();
  g_assert_cmpuint (status_with (second), ==, 401);
}

} // namespace

void
add_iam_tests ()
{
  g_test_add_func ("/iam/tokens", test_tokens_are_handed_out);
  g_test_add_func ("/iam/checked", test_requests_are_checked);
  g_test_add_func ("/iam/misbehaves", test_iam_misbehaves);
  g_test_add_func ("/iam/slow-or-mute", test_iam_is_slow_or_mute);
  g_test_add_func ("/iam/expire", test_tokens_expire);
}
