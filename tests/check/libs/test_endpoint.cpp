// SPDX-License-Identifier: LGPL-2.1-or-later
/* Where the service is, and what may be sent to it. */
#include "sis/base/secret.h"
#include "sis/protocol/endpoint.h"
#include "sis/protocol/header.h"

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using namespace sis;

namespace {

std::string
url_of (const char *text)
{
  const auto parsed = parse_endpoint (text);
  const auto *endpoint = std::get_if<Endpoint> (&parsed);
  return endpoint != nullptr ? endpoint->stream_url ("p", Mode::Continue)
                             : "error: " + std::get<std::string> (parsed);
}

bool
is_loopback (const char *text)
{
  const auto parsed = parse_endpoint (text);
  const auto *endpoint = std::get_if<Endpoint> (&parsed);
  fail_unless (endpoint != nullptr, "%s", text);
  return endpoint->is_loopback ();
}

} // namespace

GST_START_TEST (test_endpoints_become_urls)
{
  const std::pair<const char *, const char *> cases[] = {
    { "wss://a.example", "wss://a.example/v1/p/rasr/continue-stream" },
    { "wss://a.example/", "wss://a.example/v1/p/rasr/continue-stream" },
    { "ws://a.example:81", "ws://a.example:81/v1/p/rasr/continue-stream" },
    { "wss://a.example:8443/x/y/",
      "wss://a.example:8443/x/y/v1/p/rasr/continue-stream" },
    { "ws://[::1]:80", "ws://[::1]/v1/p/rasr/continue-stream" },
    { "wss://[::1]:443", "wss://[::1]/v1/p/rasr/continue-stream" },
    { "wss://[::1]:80", "wss://[::1]:80/v1/p/rasr/continue-stream" },
    { "WSS://A.Example", "wss://a.example/v1/p/rasr/continue-stream" },
  };
  for (const auto &[text, url] : cases)
    fail_unless (url_of (text) == url, "%s: %s", text, url_of (text).c_str ());
  fail_unless (endpoint_of_region ("cn-north-4").stream_url ("p", Mode::Short)
               == "wss://sis-ext.cn-north-4.myhuaweicloud.com"
                  "/v1/p/rasr/short-stream");
}
GST_END_TEST;

GST_START_TEST (test_endpoints_that_are_none)
{
  for (const char *text : { "",
                            "a.example",
                            "http://a.example",
                            "https://a.example",
                            "wss:",
                            "wss://",
                            "wss:///x",
                            "wss://u@a.example",
                            "wss://u:p@a.example",
                            "wss://a.example?x",
                            "wss://a.example/?x=y",
                            "wss://a.example#x",
                            "wss://a.example:0",
                            "wss://a.example:65536",
                            "wss://a.example:x",
                            "wss://a b",
                            "wss://a\nb",
                            "wss://a%0ab",
                            "wss://[::1",
                            "wss://[::1%25lo]",
                            "wss://[::x]",
                            "wss://a.example\\@b.example",
                            "wss://a;b",
                            "wss://a*",
                            "://x",
                            "wss://a.example/x y",
                            "wss://a.example/\r\nHost: b" })
    fail_unless (url_of (text).starts_with ("error: endpoint "), "%s: %s", text,
                 url_of (text).c_str ());
}
GST_END_TEST;

GST_START_TEST (test_only_this_machine_is_loopback)
{
  for (const char *text : { "ws://127.0.0.1", "ws://127.9.8.7:1",
                            "ws://localhost", "ws://LOCALHOST", "ws://[::1]" })
    fail_unless (is_loopback (text), "%s", text);
  for (const char *text :
       { "ws://128.0.0.1", "ws://127.0.0.1.example", "ws://localhost.example",
         "ws://10.0.0.1", "ws://[::2]", "ws://127.1", "ws://2130706433" })
    fail_if (is_loopback (text), "%s", text);
}
GST_END_TEST;

GST_START_TEST (test_names_have_the_characters_of_names)
{
  fail_unless (is_valid_region ("cn-north-4"));
  for (const char *region : { "", "CN", "a.b", "a/b", "a b", "\xc3\xa4" })
    fail_if (is_valid_region (region), "%s", region);
  fail_unless (is_valid_project_id ("0aB_-"));
  for (const char *id : { "", "a.b", "a/b", "..", "a b", "a\n", "\xc3\xa4" })
    fail_if (is_valid_project_id (id), "%s", id);
}
GST_END_TEST;

GST_START_TEST (test_header_values_are_trimmed_or_refused)
{
  fail_unless (trim_header_value ("abc") == "abc");
  fail_unless (trim_header_value (" \t\r\nabc def\n\0") == "abc def");
  fail_unless (trim_header_value ("") == "");
  fail_unless (trim_header_value ("\n") == "");
  for (const char *value : { "a\nb", "a\r\nX-Evil: 1", "a\tb",
                             "a\x7f"
                             "b",
                             "a\xc3\xa4" })
    fail_if (trim_header_value (value), "%s", value);
}
GST_END_TEST;

GST_START_TEST (test_a_secret_is_overwritten_when_it_is_replaced)
{
  Secret secret ("a secret that is long enough not to be stored in place");
  const char *where = secret.value ().data ();
  secret = Secret ("b");
  fail_unless (secret.value () == "b");
  fail_unless (where != secret.value ().data () || std::string (where) == "b");
  Secret moved = std::move (secret);
  fail_unless (moved.value () == "b");
  fail_unless (secret.empty ());
  const Secret copy = moved;
  moved = Secret ();
  fail_unless (copy.value () == "b" && moved.empty ());
}
GST_END_TEST;

GST_START_TEST (test_secrets_go_over_tls_or_stay_on_this_machine)
{
  for (const auto &[text, expected] :
       { std::pair ("wss://a.example", true), std::pair ("ws://[::1]", true),
         std::pair ("ws://127.0.0.1", true),
         std::pair ("ws://a.example", false),
         std::pair ("ws://192.0.2.1", false) }) {
    const auto parsed = parse_endpoint (text);
    fail_unless (std::get<Endpoint> (parsed).may_carry_secrets () == expected,
                 "%s", text);
  }
}
GST_END_TEST;

static Suite *
endpoint_suite (void)
{
  Suite *suite = suite_create ("endpoint");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_endpoints_become_urls);
  tcase_add_test (tcase, test_endpoints_that_are_none);
  tcase_add_test (tcase, test_only_this_machine_is_loopback);
  tcase_add_test (tcase, test_secrets_go_over_tls_or_stay_on_this_machine);
  tcase_add_test (tcase, test_names_have_the_characters_of_names);
  tcase_add_test (tcase, test_header_values_are_trimmed_or_refused);
  tcase_add_test (tcase, test_a_secret_is_overwritten_when_it_is_replaced);
  return suite;
}

GST_CHECK_MAIN (endpoint)
