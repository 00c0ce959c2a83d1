// SPDX-License-Identifier: LGPL-2.1-or-later
/* A service that fails: what the pipeline around the transcriber sees. */
#include "server.h"

#include "failing.h"
#include "saying.h"
#include "stage.h"
#include "textlog.h"

using namespace sischeck;

namespace {

constexpr const char *raw_caps
    = "audio/x-raw,format=S16LE,rate=16000,channels=1";

std::vector<sistest::Behaviour>
fails_after_a_text ()
{
  return { scripted (
      { { 1000ms, sistest::send_result ({ said (0, 800, "one") }) },
        { 2000ms, sistest::fatal ("SIS.0032", "no quota") } }) };
}

void
push_seconds (Pipeline &pipeline, int seconds)
{
  for (int i = 0; i < seconds; i++)
    pipeline.push (
        indexed_audio (std::size_t (i) * 1000 * per_ms, 1000 * per_ms),
        GstClockTime (i) * GST_SECOND);
}

} // namespace

GST_START_TEST (test_an_error_stops_the_stream)
{
  sistest::Server server;
  server.script (fails_after_a_text ());
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url ()));
  const TextLog log (pipeline);
  pipeline.play ();
  push_seconds (pipeline, 3);
  fail_unless (wait_for_state (pipeline, "failed"));
  const auto has_ended = [] (const TextLog::Items &items) {
    return items.back ().type == GST_EVENT_EOS;
  };
  for (int second = 3; !log.wait (has_ended, 10ms); second++) {
    fail_unless (second < 1000);
    pipeline.push (indexed_audio (0, 1000 * per_ms),
                   GstClockTime (second) * GST_SECOND);
  }
  const Problem problem = only_error_of_sink (pipeline);
  assert_same_text (text_of (problem.details, "error_code"), "SIS.0032");
  const auto texts = log.texts ();
  assert_equals_int (texts.size (), 1);
  assert_same_text (texts[0].text, "one");
  log.assert_no_hole ();
}
GST_END_TEST;

/* A warning, and gaps to the end. */
GST_START_TEST (test_passthrough_on_error_plays_on)
{
  sistest::Server server;
  server.script (fails_after_a_text ());
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url (), "passthrough-on-error=true"));
  const TextLog log (pipeline);
  pipeline.play ();
  push_seconds (pipeline, 30);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (log.story (), "-0..0 one0..800 -800..30000");
  const auto warnings = pipeline.from_sink (GST_MESSAGE_WARNING);
  assert_equals_int (warnings.size (), 1);
  const Problem problem (warnings[0]);
  assert_same_text (text_of (problem.details, "error_code"), "SIS.0032");
  assert_equals_int (pipeline.named ("sis-end").size (), 1);
}
GST_END_TEST;

/* Also where there was no service from the first. */
GST_START_TEST (test_passthrough_on_error_needs_no_service)
{
  sistest::Server server;
  server.script ({ refuses (401) });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url (), "passthrough-on-error=true"));
  const TextLog log (pipeline);
  pipeline.play ();
  push_seconds (pipeline, 20);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (log.story (), "-0..0 -0..20000");
  const auto warnings = pipeline.from_sink (GST_MESSAGE_WARNING);
  assert_equals_int (warnings.size (), 1);
  fail_unless (Problem (warnings[0])
                   .is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
}
GST_END_TEST;

/* It is no help against what was set wrong. */
GST_START_TEST (test_wrong_settings_are_errors_all_the_same)
{
  Pipeline pipeline (
      text_line ("http://127.0.0.1:1", "passthrough-on-error=true"));
  fail_unless (pipeline.set_state (GST_STATE_PAUSED)
               == GST_STATE_CHANGE_FAILURE);
  GstMessage *message = pipeline.wait_for (GST_MESSAGE_ERROR);
  fail_unless (message != nullptr);
  fail_unless (
      Problem (message).is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
}
GST_END_TEST;

GST_START_TEST (test_discarding_goes_on_with_gaps)
{
  sistest::Server server;
  server.script (fails_after_a_text ());
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url (), "on-error=discard"));
  const TextLog log (pipeline);
  pipeline.play ();
  push_seconds (pipeline, 10);
  pipeline.end ();
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  assert_same_text (log.story (), "-0..0 one0..800 -800..10000");
  only_error (pipeline);
}
GST_END_TEST;

GST_START_TEST (test_a_format_that_does_not_fit_is_a_gap)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (
      "appsrc name=src format=time caps=audio/x-mulaw,rate=8000,channels=1 "
      "! identity ! "
      + transcriber (server.url (), "passthrough-on-error=true")
      + "! fakesink sync=false async=false");
  const TextLog log (pipeline);
  pipeline.play ();
  const std::vector<char> ulaw (8000, char (0xff));
  for (int i = 0; i < 5; i++)
    pipeline.push_bytes (ulaw.data (), ulaw.size (),
                         GstClockTime (i) * GST_SECOND);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (log.story (), "-0..0 -0..5000");
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), 1);
  fail_unless (server.connections ().empty ());
}
GST_END_TEST;

/* Video that waits for its text ends as well as without: 10 s of both, the
 * audio from the same source as fast as it is taken. */
static void
assert_video_plays_on (std::vector<sistest::Behaviour> script,
                       const std::string &properties)
{
  sistest::Server server;
  server.script (std::move (script));
  fail_unless (server.start ());
  Pipeline pipeline (
      std::string ("videotestsrc num-buffers=250 ! "
                   "video/x-raw,width=64,height=48,framerate=25/1 ! "
                   "textoverlay name=burn ! fakesink name=video sync=false "
                   "audiotestsrc num-buffers=100 samplesperbuffer=1600 ! ")
      + raw_caps + " ! queue ! "
      + transcriber (server.url (), "passthrough-on-error=true " + properties)
      + "! burn.text_sink");
  const TextLog log (pipeline);
  std::atomic<int> frames{ 0 };
  g_autoptr (GstElement) video
      = gst_bin_get_by_name (GST_BIN (pipeline.get ()), "video");
  GstPad *pad = gst_element_get_static_pad (video, "sink");
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *, gpointer data) {
        ++*static_cast<std::atomic<int> *> (data);
        return GST_PAD_PROBE_OK;
      },
      &frames, nullptr);
  gst_object_unref (pad);
  pipeline.play ();
  fail_unless (pipeline.wait_for_eos ());
  assert_equals_int (frames, 250);
  log.assert_no_hole ();
  assert_equals_int (log.end (), 10000);
}

GST_START_TEST (test_a_video_plays_on_beside_errors)
{
  assert_video_plays_on ({ refuses (401) }, {});
  assert_video_plays_on (fails_after_a_text (), {});
  assert_video_plays_on ({ answers_start_with (sistest::reset ()) },
                         "reconnect=never");
  assert_video_plays_on ({ fails_with (sistest::vanish ()) },
                         "latency=2000 timeout=1 max-reconnects=1 "
                         "keepalive-interval=1");
}
GST_END_TEST;

static Suite *
transcriber_errors_suite (void)
{
  Suite *suite = suite_create ("transcriber_errors");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_an_error_stops_the_stream);
  tcase_add_test (tcase, test_passthrough_on_error_plays_on);
  tcase_add_test (tcase, test_passthrough_on_error_needs_no_service);
  tcase_add_test (tcase, test_wrong_settings_are_errors_all_the_same);
  tcase_add_test (tcase, test_discarding_goes_on_with_gaps);
  tcase_add_test (tcase, test_a_format_that_does_not_fit_is_a_gap);
  tcase_add_test (tcase, test_a_video_plays_on_beside_errors);
  return suite;
}

GST_CHECK_MAIN (transcriber_errors)
