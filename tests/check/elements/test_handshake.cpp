// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a handshake and its START carry of the settings, which of them exclude
 * each other, and what comes from the environment. */
#include "signature.h"

#include "failing.h"

using namespace sischeck;
using sistest::Server;

namespace {

std::size_t
count_headers (const sistest::Record &record, const char *name)
{
  std::size_t count = 0;
  for (const auto &header : record.headers)
    count += g_ascii_strcasecmp (header.first.c_str (), name) == 0;
  return count;
}

/* A sink that plays a second to a service that likes everything. */
struct Play
{
  Play () : Play ([] (GstElement *) {}) {}

  template <typename Prepare> explicit Play (Prepare prepare)
  {
    server.script ({ { .recognizer = sistest::index_recognizer (),
                       .strict_keys = false } });
    fail_unless (server.start ());
    pipeline = std::make_unique<Pipeline> (launch_line (server.url ()));
    prepare (pipeline->sink ());
    pipeline->play ();
    pipeline->push (indexed_audio (0, 16000), 0);
    pipeline->end ();
    fail_unless (pipeline->wait_for_eos ());
  }

  const sistest::Record record () const { return server.connections ().at (0); }

  Server server;
  std::unique_ptr<Pipeline> pipeline;
};

GstStructure *
structure (const char *text)
{
  GstStructure *parsed = gst_structure_from_string (text, nullptr);
  fail_unless (parsed != nullptr, "%s", text);
  return parsed;
}

/* Sets them all, and tries to go to PAUSED. */
Problem
settings_error (const std::vector<std::pair<const char *, std::string>> &texts,
                const char *endpoint = "ws://127.0.0.1:1")
{
  Pipeline pipeline (launch_line (endpoint));
  for (const auto &[name, value] : texts)
    g_object_set (pipeline.sink (), name, value.c_str (), nullptr);
  fail_unless (pipeline.set_state (GST_STATE_PAUSED)
               == GST_STATE_CHANGE_FAILURE);
  pipeline.collect ();
  const Problem problem (pipeline.from_sink (GST_MESSAGE_ERROR).at (0));
  fail_unless (problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  fail_unless (pipeline.named ("sis-connecting").empty ());
  for (const auto &text : texts)
    fail_unless (text.second.size () < 8
                     || problem.text.find (text.second) == std::string::npos,
                 "the text repeats %s", text.first);
  return problem;
}

void
assert_in (const std::string &text, const std::string &part)
{
  fail_unless (text.find (part) != std::string::npos, "no '%s' in: %s",
               part.c_str (), text.c_str ());
}

} // namespace

GST_START_TEST (test_a_handshake_has_what_it_needs_and_no_more)
{
  const Play play;
  const sistest::Record record = play.record ();
  for (const char *name : { "Host", "Upgrade", "Connection", "User-Agent",
                            "Sec-WebSocket-Key", "Sec-WebSocket-Version" })
    assert_equals_int (count_headers (record, name), 1);
  for (const char *name :
       { "X-Auth-Token", "Authorization", "X-Sdk-Date", "Content-Length",
         "Enterprise-Project-Id", "Sec-WebSocket-Extensions",
         "Sec-WebSocket-Protocol", "Origin", "Accept-Encoding" })
    assert_equals_int (count_headers (record, name), 0);
  assert_same_text (record.header ("Host"),
                    "127.0.0.1:" + std::to_string (play.server.port ()));
  g_autofree char *agent = nullptr;
  g_object_get (play.pipeline->sink (), "user-agent", &agent, nullptr);
  assert_same_text (record.header ("User-Agent"), agent);
  fail_unless (g_str_has_prefix (agent, "sissink/"));
}
GST_END_TEST;

GST_START_TEST (test_a_handshake_carries_what_the_user_adds)
{
  const Play play ([] (GstElement *sink) {
    GstStructure *headers = structure ("headers, X-Language=(string)\"en-us\", "
                                       "X-Trace=(string)\" of mine \"");
    g_object_set (sink, "extra-headers", headers, "enterprise-project-id",
                  "ep-0001\n", "user-agent", "captions/2", nullptr);
    gst_structure_free (headers);
  });
  const sistest::Record record = play.record ();
  assert_same_text (record.header ("X-Language"), "en-us");
  assert_same_text (record.header ("X-Trace"), "of mine");
  assert_same_text (record.header ("Enterprise-Project-Id"), "ep-0001");
  assert_same_text (record.header ("User-Agent"), "captions/2");
  assert_equals_int (count_headers (record, "User-Agent"), 1);
}
GST_END_TEST;

GST_START_TEST (test_headers_that_are_ours_are_refused)
{
  for (const char *name : { "Authorization", "x-auth-token", "X-Security-Token",
                            "X-Sdk-Date", "Host", "Connection", "Upgrade",
                            "Sec-WebSocket-Protocol", "Proxy-Authorization" }) {
    Pipeline pipeline (launch_line ("ws://127.0.0.1:1"));
    GstStructure *headers = gst_structure_new ("headers", name, G_TYPE_STRING,
                                               "a value of mine", nullptr);
    g_object_set (pipeline.sink (), "extra-headers", headers, nullptr);
    gst_structure_free (headers);
    fail_unless (pipeline.set_state (GST_STATE_PAUSED)
                 == GST_STATE_CHANGE_FAILURE);
    pipeline.collect ();
    const Problem error (pipeline.from_sink (GST_MESSAGE_ERROR).at (0));
    fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
    assert_in (error.text, name);
    fail_unless (error.text.find ("of mine") == std::string::npos);
  }
}
GST_END_TEST;

/* They may hold secrets, whether there are credentials or not. */
GST_START_TEST (test_headers_of_the_users_go_no_further_than_credentials)
{
  static constexpr struct
  {
    const char *endpoint, *proxy, *part;
  } cases[] = {
    { "ws://192.0.2.1", "", "wss://" },
    { "ws://example.invalid:80", "", "wss://" },
    { "ws://127.0.0.1:1", "http://127.0.0.1:1", "no proxy" },
  };
  for (const auto &row : cases) {
    Pipeline pipeline (launch_line (row.endpoint));
    GstStructure *headers = structure ("headers, X-Key=(string)\"of mine\"");
    g_object_set (pipeline.sink (), "extra-headers", headers, "proxy",
                  row.proxy, nullptr);
    gst_structure_free (headers);
    fail_unless (pipeline.set_state (GST_STATE_PAUSED)
                 == GST_STATE_CHANGE_FAILURE);
    pipeline.collect ();
    const Problem error (pipeline.from_sink (GST_MESSAGE_ERROR).at (0));
    fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
    assert_in (error.text, "extra-headers");
    assert_in (error.text, row.part);
    fail_unless (error.text.find ("of mine") == std::string::npos);
  }
}
GST_END_TEST;

GST_START_TEST (test_start_carries_keys_of_the_users_own)
{
  const Play play ([] (GstElement *sink) {
    GstStructure *config = structure (
        "config, need_smooth=true, plain=false, vad_threshold=0.5, "
        "big=(guint64)5000000000, name=(string)\"第一\", "
        "user_words=(string){ a, b }, numbers=(int)< 1, 2 >, add_punc=true, "
        "property=(string)other");
    g_object_set (sink, "extra-config", config, nullptr);
    gst_structure_free (config);
  });
  const auto config = play.record ().config;
  assert_same_text (config.at ("need_smooth"), "yes");
  assert_same_text (config.at ("plain"), "no");
  assert_same_text (config.at ("vad_threshold"), "0.5");
  assert_same_text (config.at ("big"), "5000000000");
  assert_same_text (config.at ("name"), "第一");
  assert_same_text (config.at ("user_words"), R"(["a","b"])");
  assert_same_text (config.at ("numbers"), "[1,2]");
  assert_same_text (config.at ("property"), "chinese_16k_general");
  fail_if (config.contains ("add_punc"));

  const auto warnings = play.pipeline->from_sink (GST_MESSAGE_WARNING);
  assert_equals_int (warnings.size (), 1);
  const Problem warning (warnings[0]);
  fail_unless (warning.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  assert_in (warning.text, "add_punc");
  assert_in (warning.text, "property");
}
GST_END_TEST;

GST_START_TEST (test_keys_that_cannot_be_sent_are_errors)
{
  for (const char *text :
       { "config, inner=(structure)[inner, a=(int)1]",
         "config, caps=(GstCaps)\"audio/x-raw\"", "config, f=(fraction)1/2" }) {
    Pipeline pipeline (launch_line ("ws://127.0.0.1:1"));
    GstStructure *config = structure (text);
    g_object_set (pipeline.sink (), "extra-config", config, nullptr);
    gst_structure_free (config);
    fail_unless (pipeline.set_state (GST_STATE_PAUSED)
                 == GST_STATE_CHANGE_FAILURE);
    pipeline.collect ();
    const Problem error (pipeline.from_sink (GST_MESSAGE_ERROR).at (0));
    assert_in (error.text, "extra-config");
  }
}
GST_END_TEST;

/* Told when it is set, not when it is used. */
GST_START_TEST (test_a_key_of_a_property_set_while_playing_is_told)
{
  Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  GstStructure *config = structure ("config, vad_tail=(int)5");
  g_object_set (pipeline.sink (), "extra-config", config, nullptr);
  gst_structure_free (config);
  GstMessage *message = pipeline.wait_for (GST_MESSAGE_WARNING);
  fail_unless (message != nullptr);
  assert_in (Problem (message).text, "vad_tail");
  GstStructure *read = nullptr;
  g_object_get (pipeline.sink (), "extra-config", &read, nullptr);
  fail_unless (gst_structure_has_field (read, "vad_tail"));
  gst_structure_free (read);
}
GST_END_TEST;

/* Settings that exclude each other, or are half of something. */

GST_START_TEST (test_credentials_are_of_one_kind_and_whole)
{
  using Texts = std::vector<std::pair<const char *, std::string>>;
  const std::pair<Texts, const char *> cases[] = {
    { { { "auth-token", "secret-one" }, { "access-key", "secret-two" } },
      "Several kinds" },
    { { { "auth-token", "secret-one" }, { "password", "secret-two" } },
      "Several kinds" },
    { { { "secret-key", "secret-one" }, { "user-name", "secret-two" } },
      "Several kinds" },
    { { { "access-key", "secret-one" } }, "secret-key is not set" },
    { { { "secret-key", "secret-one" } }, "access-key is not set" },
    { { { "security-token", "secret-one" } }, "access-key is not set" },
    { { { "access-key", "a,b" }, { "secret-key", "secret-one" } },
      "access-key" },
    { { { "access-key", "a" }, { "secret-key", "secret\none" } },
      "secret-key" },
    { { { "user-name", "u" }, { "password", "secret-one" } },
      "domain-name is not set" },
    { { { "user-name", "u" }, { "domain-name", "d" } }, "password is not set" },
    { { { "user-name", "u" },
        { "domain-name", "d" },
        { "password", "secret\x01one" } },
      "password" },
    { { { "user-name", "u" },
        { "domain-name", "d" },
        { "password", "secret-one" },
        { "iam-endpoint", "http://192.0.2.1" } },
      "iam-endpoint" },
    { { { "user-name", "u" },
        { "domain-name", "d" },
        { "password", "secret-one" },
        { "iam-endpoint", "https://u:p@192.0.2.1" } },
      "iam-endpoint" },
  };
  for (const auto &[texts, part] : cases)
    assert_in (settings_error (texts).text, part);
  for (const char *name : { "auth-token", "access-key" })
    assert_in (settings_error ({ { name, "secret-one" },
                                 { "secret-key", name[1] == 'c' ? "k" : "" } },
                               "ws://192.0.2.1")
                   .text,
               "wss://");
  assert_in (settings_error ({}, "wss://192.0.2.1").text, "No credentials");
}
GST_END_TEST;

/* Where no property says who asks. */
GST_START_TEST (test_the_environment_stands_in_for_all_properties_or_none)
{
  g_setenv ("HUAWEICLOUD_SDK_AK", "key\n", TRUE);
  g_setenv ("HUAWEICLOUD_SDK_SK", "hidden-key", TRUE);
  g_setenv ("HUAWEICLOUD_SDK_SECURITY_TOKEN", "of-a-while", TRUE);
  {
    Server server;
    server.script (
        { { .handshake = { .check = sistest::signature_check (
                               { { "key", { "hidden-key", "of-a-while" } } }) },
            .recognizer = sistest::index_recognizer () } });
    fail_unless (server.start ());
    Pipeline pipeline (launch_line (server.url ()));
    pipeline.play ();
    pipeline.push (indexed_audio (0, 16000), 0);
    pipeline.end ();
    fail_unless (pipeline.wait_for_eos ());
  }
  const Play play ([] (GstElement *sink) {
    g_object_set (sink, "auth-token", "of-the-property", nullptr);
  });
  assert_same_text (play.record ().header ("X-Auth-Token"), "of-the-property");
  assert_same_text (play.record ().header ("Authorization"), "");

  g_setenv ("SIS_AUTH_TOKEN", "of-the-environment", TRUE);
  const std::string both = settings_error ({}).text;
  assert_in (both, "SIS_AUTH_TOKEN");
  assert_in (both, "HUAWEICLOUD_SDK_AK");
  g_unsetenv ("SIS_AUTH_TOKEN");
  g_unsetenv ("HUAWEICLOUD_SDK_SK");
  assert_in (settings_error ({}).text, "HUAWEICLOUD_SDK_SK is not set");
}
GST_END_TEST;

GST_START_TEST (test_secrets_are_write_only)
{
  g_autoptr (GstElement) sink = gst_element_factory_make ("sissink", nullptr);
  for (const char *name : { "auth-token", "secret-key", "security-token",
                            "password", "extra-headers" }) {
    const GParamSpec *spec
        = g_object_class_find_property (G_OBJECT_GET_CLASS (sink), name);
    fail_unless (spec != nullptr, "%s", name);
    fail_if (spec->flags & G_PARAM_READABLE, "%s", name);
    fail_unless (spec->flags & G_PARAM_WRITABLE, "%s", name);
  }
  g_object_set (sink, "proxy", "http://u:hidden@a:1", nullptr);
  g_autofree char *proxy = nullptr;
  g_object_get (sink, "proxy", &proxy, nullptr);
  assert_same_text (proxy, "http://a:1");
}
GST_END_TEST;

static Suite *
handshake_suite (void)
{
  Suite *suite = suite_create ("handshake");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_handshake_has_what_it_needs_and_no_more);
  tcase_add_test (tcase, test_a_handshake_carries_what_the_user_adds);
  tcase_add_test (tcase, test_headers_that_are_ours_are_refused);
  tcase_add_test (tcase,
                  test_headers_of_the_users_go_no_further_than_credentials);
  tcase_add_test (tcase, test_start_carries_keys_of_the_users_own);
  tcase_add_test (tcase, test_keys_that_cannot_be_sent_are_errors);
  tcase_add_test (tcase, test_a_key_of_a_property_set_while_playing_is_told);
  tcase_add_test (tcase, test_credentials_are_of_one_kind_and_whole);
  tcase_add_test (tcase,
                  test_the_environment_stands_in_for_all_properties_or_none);
  tcase_add_test (tcase, test_secrets_are_write_only);
  return suite;
}

GST_CHECK_MAIN (handshake)
