// SPDX-License-Identifier: LGPL-2.1-or-later
/* Raw audio of every kind arrives at the service as the same sound. */
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

/* The tone goes in, and is what arrives. */
void
check_tone (const GstAudioInfo &info, const std::vector<double> &amplitudes,
            double amplitude, const std::string &properties = {},
            unsigned warnings = 0)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (line (server, properties));
  const std::size_t frames = std::size_t (info.rate) * 5 / 4 + 7;
  pipeline.play ();
  push_tone (pipeline, info, amplitudes, frames);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto connections = server.connections ();
  assert_equals_int (connections.size (), 1);
  fail_unless (connections[0].violations.empty ());
  const auto heard = connections[0].samples ();
  assert_equals_int (heard.size (), resampled (frames, info.rate));
  /* A step of 8 bits is 1/128. */
  const bool is_coarse = GST_AUDIO_INFO_DEPTH (&info) == 8;
  assert_tone (heard, amplitude, is_coarse ? 0.006 : 0.001);
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (),
                     warnings);
}

void
check_same_tone (const GstAudioInfo &info)
{
  check_tone (info, std::vector<double> (std::size_t (info.channels), 0.5),
              0.5);
}

constexpr GstAudioFormat planar_formats[]
    = { GST_AUDIO_FORMAT_S16LE, GST_AUDIO_FORMAT_S24LE, GST_AUDIO_FORMAT_S32BE,
        GST_AUDIO_FORMAT_F32LE, GST_AUDIO_FORMAT_F64LE, GST_AUDIO_FORMAT_U8 };

constexpr int rates[]
    = { 8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000, 44056 };

} // namespace

GST_START_TEST (test_every_raw_format_arrives_as_the_same_tone)
{
  guint count = 0;
  const GstAudioFormat *formats = gst_audio_formats_raw (&count);
  fail_unless (guint (__i__) < count);
  check_same_tone (audio_info (formats[__i__], 48000, 2));
}

GST_END_TEST;

GST_START_TEST (test_planes_arrive_as_the_same_tone)
{
  check_same_tone (planar (audio_info (planar_formats[__i__], 48000, 2)));
  check_same_tone (planar (audio_info (planar_formats[__i__], 16000, 1)));
}

GST_END_TEST;

GST_START_TEST (test_every_rate_arrives_as_the_same_tone)
{
  check_same_tone (audio_info (GST_AUDIO_FORMAT_S16LE, rates[__i__], 1));
  check_same_tone (audio_info (GST_AUDIO_FORMAT_F32LE, rates[__i__], 2));
}

GST_END_TEST;

GST_START_TEST (test_positioned_channels_are_mixed)
{
  for (const int channels : { 2, 6, 8 })
    check_same_tone (audio_info (GST_AUDIO_FORMAT_S32LE, 48000, channels));
  check_tone (audio_info (GST_AUDIO_FORMAT_S16LE, 16000, 2), { 0.6, 0.2 }, 0.4);
  check_tone (planar (audio_info (GST_AUDIO_FORMAT_F32LE, 44100, 2)),
              { 0.6, 0.2 }, 0.4);
}

GST_END_TEST;

constexpr int channel_counts[] = { 3, 4, 16, 63, 64 };

GST_START_TEST (test_of_unpositioned_channels_the_first_two_are_sent)
{
  const auto info = unpositioned (
      audio_info (GST_AUDIO_FORMAT_S24LE, 48000, channel_counts[__i__]));
  std::vector<double> amplitudes (std::size_t (info.channels), 0.9);
  amplitudes[0] = 0.4;
  amplitudes[1] = 0.2;
  check_tone (info, amplitudes, 0.3, {}, 1);
  check_tone (planar (info), amplitudes, 0.3, {}, 1);
}

GST_END_TEST;

GST_START_TEST (test_one_or_two_channels_need_no_positions)
{
  check_tone (unpositioned (audio_info (GST_AUDIO_FORMAT_S24LE, 48000, 1)),
              { 0.4 }, 0.4);
  check_tone (unpositioned (audio_info (GST_AUDIO_FORMAT_S24LE, 48000, 2)),
              { 0.4, 0.2 }, 0.3);
}

GST_END_TEST;

GST_START_TEST (test_unpositioned_channels_give_one_warning)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (line (server));
  /* A mask is missing altogether: not legal, but seen. */
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "audio/x-raw,format=S16LE,rate=16000,channels=4,layout=interleaved");
  g_object_set (pipeline.source (), "caps", caps, nullptr);
  pipeline.play ();
  pipeline.push (std::vector<std::int16_t> (16000 * 4, 1000), 0);
  pipeline.push (std::vector<std::int16_t> (16000 * 4, 1000));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (server.connections ()[0].samples ()
               == std::vector<std::int16_t> (32000, 1000));
  const auto warnings = pipeline.from_sink (GST_MESSAGE_WARNING);
  assert_equals_int (warnings.size (), 1);
  const Problem problem (warnings[0]);
  fail_unless (contains (problem.text, "mix-matrix"), "%s",
               problem.text.c_str ());
}

GST_END_TEST;

GST_START_TEST (test_mix_matrix_picks_a_channel)
{
  const auto four
      = unpositioned (audio_info (GST_AUDIO_FORMAT_S16LE, 48000, 4));
  const std::vector<double> amplitudes{ 0.9, 0.8, 0.3, 0.7 };
  for (const char *matrix : {
           "mix-matrix=<<(float)0,(float)0,(float)1,(float)0>>",
           "mix-matrix=<<0,0,1,0>>",
           "mix-matrix=\"< < 0.0, 0.0, 1.0, 0.0 > >\"",
       })
    check_tone (four, amplitudes, 0.3, matrix);
  /* Positions are of no account then. */
  check_tone (audio_info (GST_AUDIO_FORMAT_S16LE, 16000, 2), { 0.6, 0.2 }, 0.2,
              "mix-matrix=<<0,1>>");
  check_tone (planar (audio_info (GST_AUDIO_FORMAT_F32LE, 44100, 2)),
              { 0.6, 0.2 }, 0.2, "mix-matrix=<<0.5,-0.5>>");
  check_tone (audio_info (GST_AUDIO_FORMAT_S16LE, 16000, 1), { 0.8 }, 0.4,
              "mix-matrix=<<0.5>>");
}

GST_END_TEST;

GST_START_TEST (test_mix_matrix_is_a_property_like_that_of_audioconvert)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (line (server));
  GValue matrix = G_VALUE_INIT;
  GValue row = G_VALUE_INIT;
  gst_value_array_init (&matrix, 1);
  gst_value_array_init (&row, 3);
  for (const float factor : { 0.0F, 1.0F, 0.0F }) {
    GValue value = G_VALUE_INIT;
    g_value_init (&value, G_TYPE_FLOAT);
    g_value_set_float (&value, factor);
    gst_value_array_append_and_take_value (&row, &value);
  }
  gst_value_array_append_and_take_value (&matrix, &row);
  g_object_set_property (G_OBJECT (pipeline.sink ()), "mix-matrix", &matrix);
  GValue back = G_VALUE_INIT;
  g_value_init (&back, GST_TYPE_ARRAY);
  g_object_get_property (G_OBJECT (pipeline.sink ()), "mix-matrix", &back);
  assert_equals_int (gst_value_compare (&matrix, &back), GST_VALUE_EQUAL);
  g_value_unset (&back);
  g_value_unset (&matrix);

  const auto info
      = unpositioned (audio_info (GST_AUDIO_FORMAT_S16LE, 16000, 3));
  pipeline.play ();
  push_tone (pipeline, info, { 0.9, 0.3, 0.7 }, 16000);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_tone (server.connections ()[0].samples (), 0.3, 0.001);
}

GST_END_TEST;

GST_START_TEST (test_a_mix_matrix_that_does_not_fit_is_an_error)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (line (server, "mix-matrix=<<0,1,0>>"));
  pipeline.play ();
  push_tone (pipeline, audio_info (GST_AUDIO_FORMAT_S16LE, 16000, 2),
             { 0.5, 0.5 }, 16000);
  const Problem problem = only_error_of_sink (pipeline);
  fail_unless (problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  fail_unless (contains (problem.text, "mix-matrix")
                   && contains (problem.text, "3")
                   && contains (problem.text, "2"),
               "%s", problem.text.c_str ());
  fail_unless (server.connections ().empty ());
}

GST_END_TEST;

GST_START_TEST (test_tiny_and_empty_buffers_are_audio_like_any)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  for (std::size_t i = 0; i < 2000; i++) {
    pipeline.push (indexed_audio (i, 1));
    if (i % 100 == 0)
      push_buffer (pipeline, gst_buffer_new ());
    if (i % 100 == 50)
      pipeline.push_bytes ("x", 1); /* half a frame */
  }
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (server.connections ()[0].samples () == indexed_audio (0, 2000));
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
  /* No buffer had a timestamp. */
  assert_equals_uint64 (
      time_of (pipeline.named ("sis-result")[0], "running-time"), 0);
}

GST_END_TEST;

GST_START_TEST (test_single_frames_are_resampled_as_a_whole)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (line (server));
  const auto info = planar (audio_info (GST_AUDIO_FORMAT_F32LE, 44100, 2));
  set_source_caps (pipeline, info);
  pipeline.play ();
  for (std::size_t i = 0; i < 4410; i++)
    push_buffer (pipeline, tone_buffer (info, { 0.5, 0.5 }, i, 1));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto heard = server.connections ()[0].samples ();
  assert_equals_int (heard.size (), 1600);
  assert_tone (heard, 0.5, 0.001);
}

GST_END_TEST;

GST_START_TEST (test_a_buffer_of_a_minute_arrives_whole)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000 * 60), 0);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (server.connections ()[0].samples ()
               == indexed_audio (0, 16000 * 60));
  assert_equals_int (pipeline.named ("sis-result").size (), 30);
}

GST_END_TEST;

static Suite *
formats_suite (void)
{
  Suite *suite = suite_create ("formats");
  TCase *tcase = tcase_create ("general");
  guint formats = 0;
  gst_audio_formats_raw (&formats);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_every_raw_format_arrives_as_the_same_tone, 0,
                       int (formats));
  tcase_add_loop_test (tcase, test_planes_arrive_as_the_same_tone, 0,
                       int (std::size (planar_formats)));
  tcase_add_loop_test (tcase, test_every_rate_arrives_as_the_same_tone, 0,
                       int (std::size (rates)));
  tcase_add_test (tcase, test_positioned_channels_are_mixed);
  tcase_add_loop_test (tcase,
                       test_of_unpositioned_channels_the_first_two_are_sent, 0,
                       int (std::size (channel_counts)));
  tcase_add_test (tcase, test_one_or_two_channels_need_no_positions);
  tcase_add_test (tcase, test_unpositioned_channels_give_one_warning);
  tcase_add_test (tcase, test_mix_matrix_picks_a_channel);
  tcase_add_test (tcase,
                  test_mix_matrix_is_a_property_like_that_of_audioconvert);
  tcase_add_test (tcase, test_a_mix_matrix_that_does_not_fit_is_an_error);
  tcase_add_test (tcase, test_tiny_and_empty_buffers_are_audio_like_any);
  tcase_add_test (tcase, test_single_frames_are_resampled_as_a_whole);
  tcase_add_test (tcase, test_a_buffer_of_a_minute_arrives_whole);
  return suite;
}

GST_CHECK_MAIN (formats)
