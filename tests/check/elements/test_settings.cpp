// SPDX-License-Identifier: LGPL-2.1-or-later
/* Settings that cannot be are errors before any connection. */
#include "server.h"

#include "pipeline.h"

using namespace sischeck;

namespace {

/* The one error of a pipeline that does not get beyond READY. */
Problem
settings_error (Pipeline &pipeline)
{
  fail_unless (pipeline.set_state (GST_STATE_PAUSED)
               == GST_STATE_CHANGE_FAILURE);
  pipeline.collect ();
  const auto errors = pipeline.from_sink (GST_MESSAGE_ERROR);
  assert_equals_int (errors.size (), 1);
  const Problem problem (errors[0]);
  fail_unless (problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  fail_unless (problem.details != nullptr);
  assert_same_text (gst_structure_get_name (problem.details), "sis-error");
  assert_equals_int (uint_of (problem.details, "session"), 0);
  fail_unless (pipeline.named ("sis-connecting").empty ());
  return problem;
}

void
assert_settings_error (const std::string &properties, const std::string &part)
{
  Pipeline pipeline ("appsrc name=src ! sissink name=sink " + properties);
  const Problem problem = settings_error (pipeline);
  fail_unless (problem.text.find (part) != std::string::npos, "no '%s' in: %s",
               part.c_str (), problem.text.c_str ());
}

} // namespace

GST_START_TEST (test_settings_are_checked_before_any_connection)
{
  const std::string ok = "project-id=demo ";
  assert_settings_error ("endpoint=ws://127.0.0.1:1", "project-id");
  assert_settings_error ("endpoint=ws://127.0.0.1:1 project-id=a/b",
                         "project-id");
  assert_settings_error (ok + "endpoint=nonsense", "endpoint");
  assert_settings_error (ok + "endpoint=http://127.0.0.1", "wss://");
  assert_settings_error (ok + "endpoint=ws://", "host");
  assert_settings_error (ok + "endpoint=ws://127.0.0.1:99999", "endpoint");
  assert_settings_error (ok + "endpoint=ws://user:pw@127.0.0.1", "user name");
  assert_settings_error (ok + "endpoint=ws://127.0.0.1/?a=b", "query");
  assert_settings_error (ok + "endpoint=ws://127.0.0.1/#a", "fragment");
  assert_settings_error (ok + "region=EU_1", "region");
  assert_settings_error (ok + "auth-token=t endpoint=ws://10.0.0.1", "wss://");
  assert_settings_error (ok + "auth-token=t endpoint=ws://127.0.0.1.evil.com",
                         "wss://");
  assert_settings_error (ok, "credentials");
  assert_settings_error (ok + "endpoint=wss://127.0.0.1", "credentials");
  assert_settings_error (ok + "endpoint=ws://127.0.0.1 model=\"\"", "model");
  assert_settings_error (ok + "endpoint=ws://127.0.0.1 max-seconds=0",
                         "max-seconds");
}
GST_END_TEST;

GST_START_TEST (test_a_token_with_a_newline_inside_is_refused)
{
  Pipeline pipeline ("appsrc name=src ! sissink name=sink project-id=demo "
                     "endpoint=ws://127.0.0.1:1");
  g_object_set (pipeline.sink (), "auth-token", "se\r\ncret", nullptr);
  const Problem problem = settings_error (pipeline);
  fail_unless (problem.text.find ("auth-token") != std::string::npos);
  fail_unless (problem.text.find ("cret") == std::string::npos);
}
GST_END_TEST;

GST_START_TEST (test_an_unknown_mode_is_refused)
{
  g_autoptr (GError) error = nullptr;
  g_autoptr (GstElement) element
      = gst_parse_launch ("appsrc ! sissink mode=singing", &error);
  fail_unless (error != nullptr);
  fail_unless (g_strstr_len (error->message, -1, "mode") != nullptr);
  gst_clear_object (&element);
}
GST_END_TEST;

GST_START_TEST (test_the_token_cannot_be_read_back)
{
  g_autoptr (GstElement) sink = gst_element_factory_make ("sissink", nullptr);
  const GParamSpec *pspec
      = g_object_class_find_property (G_OBJECT_GET_CLASS (sink), "auth-token");
  fail_unless (pspec != nullptr);
  fail_if (pspec->flags & G_PARAM_READABLE);
}
GST_END_TEST;

GST_START_TEST (test_credentials_come_from_the_environment)
{
  g_setenv ("SIS_AUTH_TOKEN", " from-a-file\n", TRUE);
  g_setenv ("HUAWEICLOUD_SDK_PROJECT_ID", "p-1", TRUE);
  sistest::Server server;
  server.script ({ { .handshake = { .token = "from-a-file" } } });
  fail_unless (server.start ());
  Pipeline pipeline ("audiotestsrc num-buffers=5 ! sissink name=sink "
                     "sync=false endpoint="
                     + server.url ());
  pipeline.play ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (server.connections ()[0].path,
                    "/v1/p-1/rasr/continue-stream");
  g_unsetenv ("SIS_AUTH_TOKEN");
  g_unsetenv ("HUAWEICLOUD_SDK_PROJECT_ID");
}
GST_END_TEST;

GST_START_TEST (test_a_token_set_while_playing_is_sent_by_the_next_handshake)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  g_object_set (pipeline.sink (), "auth-token", "late", nullptr);
  pipeline.push (indexed_audio (0, 16000));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (server.connections ()[0].header ("X-Auth-Token"), "late");
}
GST_END_TEST;

/* What may change in READY only does not get into a session by the way. */
GST_START_TEST (test_a_running_session_keeps_what_belongs_to_ready)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  g_object_set (pipeline.sink (), "model", "chinese_8k_general", nullptr);
  g_object_set (pipeline.sink (), "add-punc", TRUE, nullptr);
  pipeline.push (indexed_audio (0, 16000));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto config = server.connections ()[0].config;
  assert_same_text (config.at ("property"), "chinese_16k_general");
  assert_same_text (config.at ("add_punc"), "yes");
}
GST_END_TEST;

static Suite *
settings_suite (void)
{
  Suite *suite = suite_create ("settings");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_settings_are_checked_before_any_connection);
  tcase_add_test (tcase, test_a_token_with_a_newline_inside_is_refused);
  tcase_add_test (tcase, test_an_unknown_mode_is_refused);
  tcase_add_test (tcase, test_the_token_cannot_be_read_back);
  tcase_add_test (tcase, test_credentials_come_from_the_environment);
  tcase_add_test (tcase,
                  test_a_token_set_while_playing_is_sent_by_the_next_handshake);
  tcase_add_test (tcase, test_a_running_session_keeps_what_belongs_to_ready);
  return suite;
}

GST_CHECK_MAIN (settings)
