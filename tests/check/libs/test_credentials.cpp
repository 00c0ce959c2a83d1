// SPDX-License-Identifier: LGPL-2.1-or-later
/* Signatures, requests for tokens, headers and proxies: what goes on the wire,
 * and what does not. */
#include "sis/protocol/iam.h"
#include "sis/protocol/signature.h"
#include "sis/protocol/transport.h"

#include <algorithm>

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using namespace sis;
using namespace std::chrono_literals;

namespace {

const char project[] = "0123456789abcdef0123456789abcdef";
const char cloud[] = "sis-ext.cn-north-4.myhuaweicloud.com";

const KeyPair keys{ "TESTAK0123456789ABCD",
                    Secret ("testSK+abcdefghijklmnopqrstuvwxyz/0123456"),
                    {} };

/* 2024-01-02 03:04:05 UTC */
const SystemTime then = std::chrono::system_clock::from_time_t (1704164645);

std::string
path_of (const char *stream)
{
  return std::string ("/v1/") + project + "/rasr/" + stream;
}

Header
header (const char *name, const char *value)
{
  return { name, Secret (value) };
}

/* A vector of the protocol's reference, confirmed with the vendor's signer. */
struct Vector
{
  const char *stream;
  Headers headers; /* besides X-Sdk-Date */
  const char *signed_headers, *digest, *signature;
};

const Vector vectors[] = {
  { "continue-stream",
    { header ("Host", cloud) },
    "host;x-sdk-date",
    "e23eedfba007215fb99aa7296c95725ffec52c26f3e09c291a8ba70c140a8854",
    "a4d2606a86fb849adb61e4e7ae44542d0175b502b2bdec7e567568a160568b7f" },
  { "continue-stream",
    { header ("X-Project-Id", project), header ("Host", cloud) },
    "host;x-project-id;x-sdk-date",
    "fdbaa65f65296e2b6e5c4166fc4e1d6b58d07c073de9643e4f4fa20ab2a82f94",
    "bbc2dbd002fd1e3fabf358e0dd00607eb8e36107b4032a6ec4a66247659fe2d6" },
  { "short-stream",
    { header ("X-Project-Id", project), header ("Host", cloud),
      header ("Enterprise-Project-Id", " ep-0001\n") },
    "enterprise-project-id;host;x-project-id;x-sdk-date",
    "6e70740cc2adfbd23c37e13c7c139232aa4132ad30527bd040abb2ee021e4ef5",
    "43df10990ff17eadc0d332630f0365738e5dcd11d510a533c7325de0e8c3bb6e" },
  { "sentence-stream",
    { header ("X-Project-Id", project), header ("Host", cloud),
      header ("X-Security-Token", "STSTOKEN") },
    "host;x-project-id;x-sdk-date;x-security-token",
    "3279b9a37f6e7707f6d7b15f97be7498881e4e5c1d28ba284205313a47ac2f65",
    "aeae32f8a72727b445e7474d0f0ab5738f8661c4217398174e7332e574db70dc" },
  { "continue-stream",
    { header ("Host", "127.0.0.1:8443") },
    "host;x-sdk-date",
    nullptr,
    "848f98cfceb4377998c37d925aa3c0f819827d6a74bc88cbeb635f617f9cdec4" },
};

std::string
sha256 (const std::string &text)
{
  g_autofree char *hex
      = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text.c_str (), -1);
  return hex;
}

std::string
value_of (const Headers &headers, const char *name)
{
  const auto found = std::ranges::find (headers, name, &Header::name);
  return found != headers.end () ? found->value.value () : "(absent)";
}

void
assert_text (const std::string &actual, const std::string &expected)
{
  fail_unless (actual == expected, "'%s' is not '%s'", actual.c_str (),
               expected.c_str ());
}

std::string
proxy_problem (const char *text)
{
  const auto parsed = parse_proxy (Secret (text));
  const auto *problem = std::get_if<std::string> (&parsed);
  return problem != nullptr ? *problem : "";
}

Proxy
proxy (const char *text)
{
  const auto parsed = parse_proxy (Secret (text));
  fail_unless (std::holds_alternative<Proxy> (parsed), "%s", text);
  return std::get<Proxy> (parsed);
}

} // namespace

GST_START_TEST (test_signatures_are_those_of_the_vendors_signer)
{
  const Vector &vector = vectors[__i__];
  Headers headers = vector.headers;
  headers.push_back (header ("X-Sdk-Date", sdk_date (then).c_str ()));
  const std::string path = path_of (vector.stream);
  if (vector.digest != nullptr)
    assert_text (sha256 (canonical_request (path, headers)), vector.digest);
  assert_text (authorization (keys, path, headers).value (),
               std::string ("SDK-HMAC-SHA256 Access=TESTAK0123456789ABCD, "
                            "SignedHeaders=")
                   + vector.signed_headers + ", Signature=" + vector.signature);
}
GST_END_TEST;

GST_START_TEST (test_the_canonical_request_is_right_to_the_byte)
{
  const Headers headers{ header ("X-Sdk-Date", "20240102T030405Z"),
                         header ("Host", cloud) };
  assert_text (
      canonical_request (path_of ("continue-stream"), headers),
      "GET\n"
      "/v1/0123456789abcdef0123456789abcdef/rasr/continue-stream/\n"
      "\n"
      "host:sis-ext.cn-north-4.myhuaweicloud.com\n"
      "x-sdk-date:20240102T030405Z\n"
      "\n"
      "host;x-sdk-date\n"
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert_text (sdk_date (then), "20240102T030405Z");
  const std::string odd = canonical_request ("/a%20b/c~d/%E4%BD%A0+/", {});
  fail_unless (odd.starts_with ("GET\n/a%20b/c~d/%E4%BD%A0%2B/\n\n"), "%s",
               odd.c_str ());
}
GST_END_TEST;

/* The fewest headers that the gateway takes, whatever else is sent. */
GST_START_TEST (test_a_handshake_signs_host_and_date_alone)
{
  const Headers headers
      = sign_handshake (keys, cloud, path_of ("continue-stream"), then);
  assert_equals_int (headers.size (), 2);
  assert_text (value_of (headers, "X-Sdk-Date"), "20240102T030405Z");
  const std::string value = value_of (headers, "Authorization");
  fail_unless (value.ends_with (vectors[0].signature), "%s", value.c_str ());

  KeyPair temporary = keys;
  temporary.security_token = Secret ("STSTOKEN");
  const Headers more = sign_handshake (temporary, cloud, "/x", then);
  assert_equals_int (more.size (), 3);
  assert_text (value_of (more, "X-Security-Token"), "STSTOKEN");
  fail_unless (value_of (more, "Authorization")
                   .find ("SignedHeaders=host;x-sdk-date;x-security-token,")
               != std::string::npos);
}
GST_END_TEST;

GST_START_TEST (test_a_request_for_a_token_names_user_and_project)
{
  const Login login{ {}, "us\"er", "第一", Secret ("pass\\word") };
  assert_text (
      build_token_request (login, "p-1").value (),
      R"({"auth":{"identity":{"methods":["password"],"password":{"user":)"
      R"({"name":"us\"er","password":"pass\\word","domain":{"name":"第一"}}}},)"
      R"("scope":{"project":{"id":"p-1"}}}})");
}
GST_END_TEST;

/* What counts is the issuer's own clock. */
GST_START_TEST (test_the_lifetime_of_a_token_is_read)
{
  const std::string expires = R"("expires_at":"2024-01-03T03:04:05.000000Z")";
  const std::string issued = R"("issued_at":"2024-01-02T15:04:05.250000Z")";
  fail_unless (
      parse_token_lifetime (R"({"token":{)" + expires + "," + issued + "}}", {})
      == 12h - 250ms);
  fail_unless (parse_token_lifetime (R"({"token":{)" + expires + "}}", then)
               == 24h);
  const auto from_to = [] (const char *issue, const char *expiry) {
    return parse_token_lifetime (std::string (R"({"token":{"issued_at":")")
                                     + issue + R"(","expires_at":")" + expiry
                                     + R"("}})",
                                 then);
  };
  const char *first = "0001-01-01T00:00:00Z";
  const char *last = "9999-12-31T23:59:59Z";
  fail_unless (from_to (first, last) == longest_token_lifetime);
  fail_unless (from_to ("never", last) == longest_token_lifetime);
  fail_unless (from_to (last, first) == 0h);
  for (const char *body : { "", "{}", "[]", R"({"token":1})", R"({"token":{}})",
                            R"({"token":{"expires_at":1}})",
                            R"({"token":{"expires_at":"soon"}})" })
    fail_if (parse_token_lifetime (body, then).has_value (), "%s", body);
}
GST_END_TEST;

GST_START_TEST (test_proxies_are_told_apart_from_their_secrets)
{
  const Proxy full = proxy ("http://us%40er:p%3Aw@[::1]:3128/");
  assert_text (full.user.value (), "us@er");
  assert_text (full.password.value (), "p:w");
  assert_text (full.name (), "[::1]:3128");
  assert_text (full.url (), "http://[::1]:3128");
  assert_text (full.full_url ().value (), "http://us%40er:p%3Aw@[::1]:3128");
  assert_text (proxy ("http://a").name (), "a:80");
  assert_text (proxy ("socks5://a").name (), "a:1080");
  assert_text (proxy ("socks4://u@a:1").full_url ().value (), "socks4://u@a:1");
}
GST_END_TEST;

GST_START_TEST (test_proxies_that_are_none_are_not_repeated)
{
  for (const char *text :
       { "", "a:1", "://a", "https://user:secret@a:1", "ftp://user:secret@a",
         "http://", "http://user:secret@", "http://user:secret@a:0",
         "http://user:secret@a:99999", "http://user:secret@a/path",
         "http://user:secret@a?b", "http://user:secret@a#b",
         "http://us%0Aer:secret@a", "http://user:secret@a b" }) {
    const std::string problem = proxy_problem (text);
    fail_unless (problem.starts_with ("proxy "), "%s: '%s'", text,
                 problem.c_str ());
    fail_unless (problem.find ("secret") == std::string::npos);
  }
}
GST_END_TEST;

GST_START_TEST (test_headers_that_others_make_are_reserved)
{
  for (const char *name :
       { "Authorization", "x-auth-token", "X-Security-Token", "X-Sdk-Date",
         "x-sdk-anything", "Host", "CONNECTION", "Upgrade", "User-Agent",
         "Sec-WebSocket-Key", "sec-websocket-protocol", "Proxy-Authorization",
         "Content-Length", "Transfer-Encoding", "Enterprise-Project-Id" })
    fail_unless (is_reserved_header (name), "%s", name);
  for (const char *name : { "X-Language", "X-Project-Id", "Accept", "Hosts" })
    fail_if (is_reserved_header (name), "%s", name);
  for (const char *name : { "X-A", "a", "!#$%&'*+-.^_`|~" })
    fail_unless (is_valid_header_name (name), "%s", name);
  for (const char *name : { "", "a b", "a:", "a\n", "\xc3\xa4", "a/b" })
    fail_if (is_valid_header_name (name), "%s", name);
}
GST_END_TEST;

static Suite *
credentials_suite (void)
{
  Suite *suite = suite_create ("credentials");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_signatures_are_those_of_the_vendors_signer,
                       0, int (std::size (vectors)));
  tcase_add_test (tcase, test_the_canonical_request_is_right_to_the_byte);
  tcase_add_test (tcase, test_a_handshake_signs_host_and_date_alone);
  tcase_add_test (tcase, test_a_request_for_a_token_names_user_and_project);
  tcase_add_test (tcase, test_the_lifetime_of_a_token_is_read);
  tcase_add_test (tcase, test_proxies_are_told_apart_from_their_secrets);
  tcase_add_test (tcase, test_proxies_that_are_none_are_not_repeated);
  tcase_add_test (tcase, test_headers_that_others_make_are_reserved);
  return suite;
}

GST_CHECK_MAIN (credentials)
