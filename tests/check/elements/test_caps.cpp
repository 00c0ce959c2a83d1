// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the pad takes, what it would rather have, and what becomes of a change.
 */
#include "server.h"

#include "tone.h"

using namespace sischeck;

namespace {

std::string
line (const sistest::Server &server, const std::string &properties = {})
{
  return "appsrc name=src format=time ! sissink name=sink sync=false "
         "project-id=demo endpoint="
         + server.url () + " " + properties;
}

bool
contains (const std::string &text, const char *part)
{
  return text.find (part) != std::string::npos;
}

constexpr std::size_t pieces[] = { 160, 1, 4801, 333, 7 };

std::vector<unsigned char>
byte_pattern (std::size_t count)
{
  std::vector<unsigned char> bytes (count);
  for (std::size_t i = 0; i < count; i++)
    bytes[i] = static_cast<unsigned char> (i * 7 + i / 251);
  return bytes;
}

std::string
as_text (const std::vector<unsigned char> &bytes)
{
  return { bytes.begin (), bytes.end () };
}

struct Compressed
{
  const char *caps;
  int rate;
  const char *model, *audio_format;
};

constexpr Compressed compressed[] = {
  { "audio/x-mulaw", 16000, "chinese_16k_general", "ulaw16k8bit" },
  { "audio/x-alaw", 16000, "chinese_16k_general", "alaw16k8bit" },
  { "audio/x-mulaw", 8000, "chinese_8k_general", "ulaw8k8bit" },
  { "audio/x-alaw", 8000, "chinese_8k_general", "alaw8k8bit" },
};

std::string
compressed_line (const sistest::Server &server, const Compressed &audio,
                 int rate)
{
  return std::string ("appsrc name=src format=time caps=") + audio.caps
         + ",channels=1,rate=" + std::to_string (rate)
         + " ! sissink name=sink sync=false project-id=demo model="
         + audio.model + " endpoint=" + server.url ();
}

/* One sample of the service, in time. */
constexpr guint64 sample_time = GST_SECOND / 16000;

} // namespace

GST_START_TEST (test_compressed_audio_arrives_as_it_is)
{
  const Compressed &audio = compressed[__i__];
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (compressed_line (server, audio, audio.rate));
  const auto bytes = byte_pattern (std::size_t (audio.rate) * 3 + 333);
  pipeline.play ();
  std::size_t at = 0;
  for (std::size_t i = 0; at < bytes.size (); i++) {
    const std::size_t n = std::min (pieces[i % 5], bytes.size () - at);
    pipeline.push_bytes (bytes.data () + at, n,
                         i == 0 ? 5 * GST_SECOND : GST_CLOCK_TIME_NONE);
    at += n;
  }
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto record = server.connections ()[0];
  fail_unless (record.violations.empty ());
  fail_unless (record.audio == as_text (bytes));
  assert_same_text (record.config.at ("audio_format"), audio.audio_format);
  assert_same_text (record.config.at ("property"), audio.model);
  const auto results = pipeline.named ("sis-result");
  assert_equals_int (results.size (), 2);
  for (guint64 i = 0; i < 2; i++)
    assert_equals_uint64 (time_of (results[i], "running-time"),
                          (5 + 2 * i) * GST_SECOND);
  assert_equals_uint64 (time_of (results[0], "duration"), 2 * GST_SECOND);
}

GST_END_TEST;

GST_START_TEST (test_compressed_audio_of_the_wrong_rate_is_an_error)
{
  const Compressed &audio = compressed[__i__];
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (compressed_line (server, audio, 24000 - audio.rate));
  pipeline.play ();
  pipeline.push_bytes (byte_pattern (8000).data (), 8000, 0);
  pipeline.end ();
  const Problem problem = only_error_of_sink (pipeline);
  fail_unless (problem.is (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT));
  fail_unless (contains (problem.text, "8000")
                   && contains (problem.text, "16000")
                   && contains (problem.text, audio.model),
               "%s", problem.text.c_str ());
  fail_unless (server.connections ().empty ());
}

GST_END_TEST;

GST_START_TEST (test_a_model_for_8_khz_gets_8_khz)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (line (server, "model=chinese_8k_general"));
  pipeline.play ();
  push_tone (pipeline, audio_info (GST_AUDIO_FORMAT_S16LE, 16000, 1), { 0.5 },
             32801, 7 * GST_SECOND);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto record = server.connections ()[0];
  assert_same_text (record.config.at ("audio_format"), "pcm8k16bit");
  const auto heard = record.samples ();
  assert_equals_int (heard.size (), 16401);
  assert_tone (heard, 0.5, 0.001, 8000);
  const auto results = pipeline.named ("sis-result");
  assert_equals_uint64 (time_of (results[0], "running-time"), 7 * GST_SECOND);
  assert_equals_uint64 (time_of (results[0], "duration"), 2 * GST_SECOND);
}

GST_END_TEST;

GST_START_TEST (test_the_caps_query_lists_what_fits_first)
{
  const bool is_8k = __i__ == 0;
  const int rate = is_8k ? 8000 : 16000;
  g_autoptr (GstElement) sink = gst_element_factory_make ("sissink", nullptr);
  gst_object_ref_sink (sink);
  if (is_8k)
    g_object_set (sink, "model", "chinese_8k_general", nullptr);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, nullptr);
  const char *const names[]
      = { "audio/x-mulaw", "audio/x-alaw", "audio/x-raw" };
  for (guint i = 0; i < 3; i++) {
    const GstStructure *structure = gst_caps_get_structure (caps, i);
    int found = 0;
    assert_same_text (gst_structure_get_name (structure), names[i]);
    fail_unless (gst_structure_get_int (structure, "rate", &found));
    assert_equals_int (found, rate);
  }
  /* A wrong rate is let in, to be told what is wrong. */
  g_autoptr (GstCaps) other
      = gst_caps_new_simple ("audio/x-alaw", "channels", G_TYPE_INT, 1, "rate",
                             G_TYPE_INT, 24000 - rate, nullptr);
  fail_unless (gst_pad_query_accept_caps (pad, other));
  /* The asker's order rules where there is one. */
  g_autoptr (GstCaps) filter = gst_caps_from_string (
      "audio/x-raw,format=F32LE,rate=44100; audio/x-mulaw,rate=8000");
  g_autoptr (GstCaps) filtered = gst_pad_query_caps (pad, filter);
  assert_equals_int (gst_caps_get_size (filtered), 2);
  assert_same_text (
      gst_structure_get_name (gst_caps_get_structure (filtered, 0)),
      "audio/x-raw");
}

GST_END_TEST;

GST_START_TEST (test_a_source_that_can_choose_needs_no_conversion)
{
  const bool is_8k = __i__ == 0;
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (
      std::string ("audiotestsrc num-buffers=20 ! sissink name=sink sync=false "
                   "project-id=demo model=")
      + (is_8k ? "chinese_8k_general" : "chinese_16k_general")
      + " endpoint=" + server.url ());
  g_autoptr (GstPad) pad
      = gst_element_get_static_pad (pipeline.sink (), "sink");
  pipeline.play ();
  fail_unless (pipeline.wait_for_eos ());
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  g_autoptr (GstCaps) expected = gst_caps_from_string (
      is_8k ? "audio/x-raw,format=S16LE,rate=8000,channels=1,"
              "layout=interleaved"
            : "audio/x-raw,format=S16LE,rate=16000,channels=1,"
              "layout=interleaved");
  fail_unless (gst_caps_is_subset (caps, expected), "%" GST_PTR_FORMAT, caps);
}

GST_END_TEST;

GST_START_TEST (test_new_caps_in_mid_stream_lose_nothing)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (line (server));
  pipeline.play ();
  /* Each part a little off the end of the one before: jitter, which times
   * follow and audio does not. */
  const std::size_t tone_frames = 44100 * 5 / 2 + 13;
  push_tone (pipeline, audio_info (GST_AUDIO_FORMAT_F32LE, 44100, 2),
             { 0.5, 0.5 }, tone_frames);
  const std::size_t tone_length = resampled (tone_frames, 44100);
  const GstClockTime index_time = tone_length * sample_time + 30 * GST_MSECOND;
  set_source_caps (pipeline, audio_info (GST_AUDIO_FORMAT_S16LE, 16000, 1));
  const auto index = indexed_audio (0, 48000);
  pipeline.push (index, index_time);
  const GstClockTime mulaw_time = index_time + 2980 * GST_MSECOND;
  g_autoptr (GstCaps) mulaw
      = gst_caps_from_string ("audio/x-mulaw,rate=16000,channels=1");
  g_object_set (pipeline.source (), "caps", mulaw, nullptr);
  const auto bytes = byte_pattern (48333);
  pipeline.push_bytes (bytes.data (), bytes.size (), mulaw_time);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());

  const auto connections = server.connections ();
  assert_equals_int (connections.size (), 2);
  assert_same_text (connections[0].config.at ("audio_format"), "pcm16k16bit");
  assert_same_text (connections[1].config.at ("audio_format"), "ulaw16k8bit");
  /* The session's last message may be so short that it is padded. */
  auto heard = connections[0].samples ();
  const std::size_t padding = heard.size () - (tone_length + 48000);
  fail_unless (padding < 160, "%zu samples", heard.size ());
  heard.resize (tone_length + 48000);
  assert_tone ({ heard.data (), tone_length }, 0.5, 0.001);
  fail_unless (std::vector (heard.begin () + long (tone_length), heard.end ())
               == index);
  fail_unless (connections[1].audio == as_text (bytes));
  fail_unless (connections[0].ends == 1 && !connections[0].cancelled);

  const auto results = pipeline.named ("sis-result");
  assert_equals_int (results.size (), 5);
  const GstClockTime expected[] = {
    0,
    2 * GST_SECOND,
    index_time + (64000 - tone_length) * sample_time,
    mulaw_time,
    mulaw_time + 2 * GST_SECOND,
  };
  for (std::size_t i = 0; i < 5; i++) {
    assert_equals_int (uint_of (results[i], "session"), i < 3 ? 1 : 2);
    const gint64 off
        = gint64 (time_of (results[i], "running-time") - expected[i]);
    fail_unless (std::abs (off) <= gint64 (sample_time),
                 "result %zu is off by %" G_GINT64_FORMAT " ns", i, off);
  }
  const auto ends = pipeline.named ("sis-end");
  assert_equals_int (ends.size (), 2);
  for (const GstStructure *end : ends)
    assert_same_text (text_of (end, "reason"), "NORMAL");
}

GST_END_TEST;

GST_START_TEST (test_wrong_caps_in_mid_stream_are_the_one_error)
{
  sistest::Server server;
  /* A session that was left alone would soon end with another error. */
  server.script ({ { .timeout = 3000ms } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
  g_autoptr (GstCaps) wrong
      = gst_caps_from_string ("audio/x-mulaw,rate=8000,channels=1");
  g_object_set (pipeline.source (), "caps", wrong, nullptr);
  pipeline.push_bytes (byte_pattern (8000).data (), 8000);
  pipeline.push_bytes (byte_pattern (8000).data (), 8000);
  fail_unless (pipeline.wait_for (GST_MESSAGE_ERROR) != nullptr);
  pipeline.set_state (GST_STATE_READY); /* what was to be told was told */
  pipeline.collect ();
  const auto errors = pipeline.from_sink (GST_MESSAGE_ERROR);
  assert_equals_int (errors.size (), 1);
  fail_unless (
      Problem (errors[0]).is (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT));
  assert_equals_int (pipeline.named ("sis-end").size (), 1);
}

GST_END_TEST;

GST_START_TEST (test_raw_audio_of_any_kind_stays_in_one_session)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (line (server));
  pipeline.play ();
  constexpr int turns[] = { 44100, 48000, 8000, 16000, 11025, 192000, 16000 };
  std::vector<std::size_t> lengths;
  for (const int rate : turns) {
    const std::size_t frames = std::size_t (rate) / 3 + 5;
    const auto format
        = rate == 48000 ? GST_AUDIO_FORMAT_S24BE : GST_AUDIO_FORMAT_S16LE;
    push_tone (pipeline, audio_info (format, rate, 1), { 0.5 }, frames,
               GST_CLOCK_TIME_NONE);
    lengths.push_back (resampled (frames, rate));
    /* Caps that no audio follows are of no account. */
    set_source_caps (pipeline, audio_info (GST_AUDIO_FORMAT_F32LE, 32000, 2));
  }
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto connections = server.connections ();
  assert_equals_int (connections.size (), 1);
  const auto heard = connections[0].samples ();
  std::size_t at = 0;
  for (const std::size_t length : lengths) {
    fail_unless (at + length <= heard.size ());
    assert_tone ({ heard.data () + at, length }, 0.5, 0.001);
    at += length;
  }
  assert_equals_int (heard.size (), at);
}

GST_END_TEST;

GST_START_TEST (test_what_is_not_audio_is_refused)
{
  for (const char *launch :
       { "videotestsrc ! sissink", "audiotestsrc ! audio/x-raw,channels=65 ! "
                                   "sissink" }) {
    g_autoptr (GError) error = nullptr;
    g_autoptr (GstElement) pipeline = gst_parse_launch_full (
        launch, nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    fail_unless (error != nullptr && pipeline == nullptr, "%s", launch);
  }
  for (const char *caps : { "audio/mpeg,mpegversion=1", "video/x-raw",
                            "audio/x-mulaw,rate=11025,channels=1",
                            "audio/x-alaw,rate=16000,channels=2" }) {
    Pipeline pipeline (std::string ("appsrc name=src format=time caps=\"")
                       + caps
                       + "\" ! sissink name=sink sync=false project-id=demo "
                         "endpoint=ws://127.0.0.1:1");
    pipeline.play ();
    pipeline.push_bytes ("0123456789abcdef", 16, 0);
    GstMessage *message = pipeline.wait_for (GST_MESSAGE_ERROR);
    fail_unless (message != nullptr, "%s", caps);
    pipeline.set_state (GST_STATE_NULL);
    fail_unless (pipeline.named ("sis-connecting").empty ());
  }
}

GST_END_TEST;

static Suite *
caps_suite (void)
{
  Suite *suite = suite_create ("caps");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_compressed_audio_arrives_as_it_is, 0,
                       int (std::size (compressed)));
  tcase_add_loop_test (tcase,
                       test_compressed_audio_of_the_wrong_rate_is_an_error, 0,
                       int (std::size (compressed)));
  tcase_add_test (tcase, test_a_model_for_8_khz_gets_8_khz);
  tcase_add_loop_test (tcase, test_the_caps_query_lists_what_fits_first, 0, 2);
  tcase_add_loop_test (tcase, test_a_source_that_can_choose_needs_no_conversion,
                       0, 2);
  tcase_add_test (tcase, test_new_caps_in_mid_stream_lose_nothing);
  tcase_add_test (tcase, test_wrong_caps_in_mid_stream_are_the_one_error);
  tcase_add_test (tcase, test_raw_audio_of_any_kind_stays_in_one_session);
  tcase_add_test (tcase, test_what_is_not_audio_is_refused);
  return suite;
}

GST_CHECK_MAIN (caps)
