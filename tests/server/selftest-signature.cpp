// SPDX-License-Identifier: LGPL-2.1-or-later
#include "selftest-client.h"
#include "server.h"
#include "signature.h"
#include "socket.h"

#include <algorithm>

using namespace sistest;
using namespace std::chrono_literals;

namespace {

constexpr const char *access_key = "TESTAK0123456789ABCD";
constexpr const char *secret = "testSK+abcdefghijklmnopqrstuvwxyz/0123456";
constexpr const char *cloud = "sis-ext.cn-north-4.myhuaweicloud.com";
constexpr const char *date = "20240102T030405Z";
constexpr const char *project = "0123456789abcdef0123456789abcdef";
const WallTime then = WallTime (1704164645s); /* that date */

std::string
path_of (const std::string &tail)
{
  return std::string ("/v1/") + project + "/rasr/" + tail + "-stream";
}

std::string
authorization (const std::string &signed_headers, const std::string &signature)
{
  return std::string ("SDK-HMAC-SHA256 Access=") + access_key
         + ", SignedHeaders=" + signed_headers + ", Signature=" + signature;
}

const std::string signature_a
    = "a4d2606a86fb849adb61e4e7ae44542d0175b502b2bdec7e567568a160568b7f";

/* A request that is signed as it should be. */
SignedRequest
good_request ()
{
  return { "GET",
           path_of ("continue"),
           { { "Host", cloud },
             { "X-Sdk-Date", date },
             { "Authorization",
               authorization ("host;x-sdk-date", signature_a) } } };
}

std::string
check (const SignedRequest &request, WallTime now = then)
{
  return check_signature (request, { { access_key, { secret } } }, now);
}

void
test_hmac_is_right ()
{
  static const struct
  {
    std::string key, text, code;
  } cases[] = {
    { std::string (20, '\x0b'), "Hi There",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "Jefe", "what do ya want for nothing?",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { std::string (64, 'k'), "",
      "83026a325aaee70e36cfe607536aa1054104ad1077c36134810d4ccded1ccd3b" },
    { std::string (131, '\xaa'),
      "Test Using Larger Than Block-Size Key - Hash Key First",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
  };
  for (const auto &[key, text, code] : cases)
    assert_text (hmac_sha256 (key, text), code);
}

void
test_signatures_of_others_are_right ()
{
  static const struct
  {
    const char *tail, *host, *token, *signed_headers, *signature;
    std::vector<std::pair<std::string, std::string>> more;
  } cases[] = {
    { "continue", cloud, "", "host;x-sdk-date", signature_a.c_str (), {} },
    { "continue",
      cloud,
      "",
      "host;x-project-id;x-sdk-date",
      "bbc2dbd002fd1e3fabf358e0dd00607eb8e36107b4032a6ec4a66247659fe2d6",
      { { "X-Project-Id", project } } },
    { "short",
      cloud,
      "",
      "enterprise-project-id;host;x-project-id;x-sdk-date",
      "43df10990ff17eadc0d332630f0365738e5dcd11d510a533c7325de0e8c3bb6e",
      { { "X-Project-Id", project }, { "Enterprise-Project-Id", "ep-0001" } } },
    { "sentence",
      cloud,
      "STSTOKEN",
      "host;x-project-id;x-sdk-date;x-security-token",
      "aeae32f8a72727b445e7474d0f0ab5738f8661c4217398174e7332e574db70dc",
      { { "X-Project-Id", project }, { "X-Security-Token", "STSTOKEN" } } },
    { "continue",
      "127.0.0.1:8443",
      "",
      "host;x-sdk-date",
      "848f98cfceb4377998c37d925aa3c0f819827d6a74bc88cbeb635f617f9cdec4",
      {} },
  };
  for (const auto &c : cases) {
    SignedRequest request{
      "GET",
      path_of (c.tail),
      { { "Host", c.host },
        { "X-Sdk-Date", date },
        { "Authorization", authorization (c.signed_headers, c.signature) } }
    };
    request.headers.insert (request.headers.end (), c.more.begin (),
                            c.more.end ());
    const AccessKeys keys{ { access_key, { secret, c.token } } };
    assert_text (check_signature (request, keys, then, c.signed_headers), "");
    std::string &last = request.headers[2].second;
    last.back () = last.back () == '0' ? '1' : '0';
    assert_text (check_signature (request, keys, then, c.signed_headers),
                 "verify aksk signature fail");
  }
}

void
test_what_is_signed_counts ()
{
  const std::string fail = "verify aksk signature fail";
  assert_text (check (good_request ()), "");
  SignedRequest other = good_request ();
  other.method = "POST";
  assert_text (check (other), fail);
  other = good_request ();
  other.path = path_of ("short");
  assert_text (check (other), fail);
  other = good_request ();
  other.headers[0].second += ":443";
  assert_text (check (other), fail);
  other = good_request ();
  other.headers[1].second = "20240102T030406Z";
  assert_text (check (other), fail);
  assert_text (
      check_signature (good_request (), { { access_key, { "other" } } }, then),
      fail);

  SignedRequest spaced = good_request ();
  spaced.headers[0] = { "hOST", std::string (" \t") + cloud + " " };
  spaced.headers.emplace_back ("X-Project-Id", "not signed");
  assert_text (check (spaced), "");
}

void
test_the_authorization_has_one_form ()
{
  const std::string good = authorization ("host;x-sdk-date", signature_a);
  std::string capitals = signature_a;
  std::ranges::transform (capitals, capitals.begin (), g_ascii_toupper);
  const auto replaced = [&] (const std::string &part, const std::string &by) {
    std::string text = good;
    return text.replace (text.find (part), part.size (), by);
  };
  for (const std::string &bad :
       { std::string ("a"), good + "0", good.substr (0, good.size () - 1),
         good + ",", replaced ("SHA256", "SHA1"), replaced ("256 ", "256  "),
         replaced (", S", ",S"), replaced (", S", ",  S"),
         replaced (access_key, ""), replaced ("Access", "Credential"),
         authorization ("host;x-sdk-date", capitals) }) {
    SignedRequest request = good_request ();
    request.headers[2].second = bad;
    assert_text (check (request), "malformed authorization");
  }
  for (const char *list :
       { "x-sdk-date;host", "host", "Host;X-Sdk-Date", "host;x-sdk-date;",
         "content-type;host;x-sdk-date", "host;x-sdk-date;x-security-token" }) {
    SignedRequest request = good_request ();
    request.headers[2].second = authorization (list, signature_a);
    assert_text (check (request), std::string ("SignedHeaders are ") + list);
  }
  SignedRequest stranger = good_request ();
  stranger.headers[2].second = replaced (access_key, "NOBODY");
  assert_text (check (stranger), "ak NOBODY not exist");
}

void
test_headers_are_there_once ()
{
  for (std::size_t i = 0; i < 3; i++) {
    SignedRequest request = good_request ();
    request.headers.push_back (request.headers[i]);
    g_assert_true (check (request).ends_with (" is there 2 times"));
    request = good_request ();
    request.headers.erase (request.headers.begin () + static_cast<int> (i));
    g_assert_true (check (request).ends_with (" is there 0 times"));
  }
  static constexpr const char *more[][2]
      = { { "X-Auth-Token", "there is x-auth-token, too" },
          { "x-sdk-content-sha256", "x-sdk-content-sha256 is not expected" },
          { "X-Security-Token", "wrong x-security-token" } };
  for (const auto &[name, why] : more) {
    SignedRequest request = good_request ();
    request.headers.emplace_back (name, "1");
    assert_text (check (request), why);
  }
  const AccessKeys temporary{ { access_key, { secret, "STS" } } };
  assert_text (check_signature (good_request (), temporary, then),
               "wrong x-security-token");
  SignedRequest unsigned_token = good_request ();
  unsigned_token.headers.emplace_back ("X-Security-Token", "STS");
  assert_text (check_signature (unsigned_token, temporary, then),
               "SignedHeaders are host;x-sdk-date");
  SignedRequest twice = unsigned_token;
  twice.headers.emplace_back ("X-Security-Token", "STS");
  twice.headers[2].second
      = authorization ("host;x-sdk-date;x-security-token", signature_a);
  assert_text (check_signature (twice, temporary, then),
               "x-security-token is there 2 times");
}

void
test_dates_are_exact_and_recent ()
{
  assert_text (check (good_request (), then + 15min), "");
  assert_text (check (good_request (), then - 15min), "");
  assert_text (check (good_request (), then + 15min + 1s), "signature expired");
  assert_text (check (good_request (), then - 15min - 1s), "signature expired");
  assert_text (
      check_signature (good_request (), { { access_key, { secret } } }),
      "signature expired"); /* by the clock of now */
  for (const char *bad :
       { "2024-01-02T03:04:05Z", "20240102T030405", "20240102t030405z",
         "20240102T030405Z0", "20241302T030405Z", "20240230T030405Z",
         "20240102T030460Z", "2024010 T030405Z", "Tue, 02 Jan 2024" }) {
    SignedRequest request = good_request ();
    request.headers[1].second = bad;
    assert_text (check (request), "malformed x-sdk-date");
  }
}

void
test_a_server_checks_signatures ()
{
  Server server;
  Behaviour behaviour;
  behaviour.handshake.check
      = signature_check ({ { access_key, { secret } } }, [] { return then; });
  server.script ({ behaviour });
  g_assert_true (server.start ());
  std::string headers;
  for (const auto &[name, value] : good_request ().headers)
    headers.append (name).append (": ").append (value).append ("\r\n");

  const auto status = [&] (const std::string &path, const std::string &more) {
    const auto socket = Socket::connect (server.port ());
    g_assert_true (socket && socket->write (upgrade_request (path, more)));
    return socket->read_bytes (12).value_or ("");
  };
  const std::string path = path_of ("continue");
  assert_text (status (path, headers), "HTTP/1.1 101");
  assert_text (status (path, headers + "Host: other\r\n"), "HTTP/1.1 401");
  assert_text (status (path_of ("short"), headers), "HTTP/1.1 401");
  assert_text (status (path + "?a=b", headers), "HTTP/1.1 404");
  assert_text (status (path, std::string ("Host: ") + cloud + "\r\n"),
               "HTTP/1.1 401");
}

} // namespace

void
add_signature_tests ()
{
  g_test_add_func ("/signature/hmac", test_hmac_is_right);
  g_test_add_func ("/signature/vectors", test_signatures_of_others_are_right);
  g_test_add_func ("/signature/counts", test_what_is_signed_counts);
  g_test_add_func ("/signature/form", test_the_authorization_has_one_form);
  g_test_add_func ("/signature/once", test_headers_are_there_once);
  g_test_add_func ("/signature/dates", test_dates_are_exact_and_recent);
  g_test_add_func ("/signature/server", test_a_server_checks_signatures);
}
