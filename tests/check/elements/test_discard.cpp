// SPDX-License-Identifier: LGPL-2.1-or-later
/* on-error=discard, where the audio itself is the error. */
#include "server.h"

#include "stats.h"

using namespace sischeck;

namespace {

std::string
mulaw_line (const std::string &url)
{
  return "appsrc name=src format=time caps=audio/x-mulaw,rate=8000,channels=1 "
         "! sissink name=sink project-id=demo on-error=discard sync=false "
         "endpoint="
         + url;
}

} // namespace

/* The model is one of 16 kHz: known before the pipeline plays. */
GST_START_TEST (test_audio_of_a_wrong_rate_is_taken_and_counted)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (mulaw_line (server.url ()));
  pipeline.play ();
  const std::vector<char> ulaw (8000, char (0xff));
  for (int i = 0; i < 5; i++)
    pipeline.push_bytes (ulaw.data (), ulaw.size (),
                         i == 0 ? 0 : GST_CLOCK_TIME_NONE);
  pipeline.end ();
  fail_unless (pipeline.wait_for (GST_MESSAGE_EOS) != nullptr);
  const auto errors = pipeline.from_sink (GST_MESSAGE_ERROR);
  assert_equals_int (errors.size (), 1);
  fail_unless (
      Problem (errors[0]).is (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT));
  const Stats stats (pipeline);
  stats.assert_sum ();
  assert_equals_uint64 (stats.audio ("in"), 5 * GST_SECOND);
  assert_equals_uint64 (stats.audio ("dropped"), 5 * GST_SECOND);
  fail_unless (server.connections ().empty ());
}
GST_END_TEST;

GST_START_TEST (test_wrong_caps_after_a_pause_are_taken)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "on-error=discard"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
  fail_if (pipeline.set_state (GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE);
  GstPad *pad = gst_element_get_static_pad (pipeline.sink (), "sink");
  gst_pad_send_event (pad, gst_event_new_flush_start ());
  gst_pad_send_event (pad, gst_event_new_flush_stop (TRUE));
  g_autoptr (GstCaps) caps
      = gst_caps_from_string ("audio/x-mulaw,rate=8000,channels=1");
  fail_unless (gst_pad_send_event (pad, gst_event_new_caps (caps)));
  gst_object_unref (pad);
}
GST_END_TEST;

/* Nothing of the wrong format came: there is no error. */
GST_START_TEST (test_wrong_caps_that_are_put_right_are_forgotten)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "on-error=discard"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  fail_unless (pipeline.wait_for_element_message ("sis-result") != nullptr);
  GstPad *pad = gst_element_get_static_pad (pipeline.sink (), "sink");
  g_autoptr (GstCaps) good = gst_pad_get_current_caps (pad);
  g_autoptr (GstCaps) wrong
      = gst_caps_from_string ("audio/x-mulaw,rate=8000,channels=1");
  fail_unless (gst_pad_send_event (pad, gst_event_new_caps (wrong)));
  fail_unless (gst_pad_send_event (pad, gst_event_new_caps (good)));
  gst_object_unref (pad);
  pipeline.push (indexed_audio (16000, 16000));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 20));
}
GST_END_TEST;

static Suite *
discard_suite (void)
{
  Suite *suite = suite_create ("discard");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_audio_of_a_wrong_rate_is_taken_and_counted);
  tcase_add_test (tcase, test_wrong_caps_after_a_pause_are_taken);
  tcase_add_test (tcase, test_wrong_caps_that_are_put_right_are_forgotten);
  return suite;
}

GST_CHECK_MAIN (discard)
