// SPDX-License-Identifier: LGPL-2.1-or-later
/* When it was said: timestamps, segments, holes, stalls and pauses. */
#include "server.h"

#include "pipeline.h"

using namespace sischeck;

GST_START_TEST (test_times_are_exact_to_the_sample)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "need-word-info=true"));
  pipeline.play ();
  const GstClockTime base = 5 * GST_SECOND + 12345;
  const std::size_t samples = 16000 * 5 + 8000;
  push_in_pieces (pipeline, samples, base);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());

  const auto results = pipeline.named ("sis-result");
  assert_equals_int (results.size (), 6);
  for (std::size_t i = 0; i < results.size (); i++) {
    const guint64 at = base + i * GST_SECOND;
    assert_equals_int (uint_of (results[i], "segment"), i + 1);
    assert_equals_int (uint_of (results[i], "session"), 1);
    assert_equals_int64 (int64_of (results[i], "start_time"), i * 1000);
    assert_equals_uint64 (time_of (results[i], "running-time"), at);
    assert_equals_uint64 (time_of (results[i], "stream-time"), at);
    assert_equals_uint64 (time_of (results[i], "timestamp"), at);
    assert_equals_uint64 (time_of (results[i], "duration"),
                          i == 5 ? GST_SECOND / 2 : GST_SECOND);
    fail_unless (
        gst_structure_has_field_typed (results[i], "score", G_TYPE_DOUBLE));
    const GValue *words = gst_structure_get_value (results[i], "words");
    fail_unless (words != nullptr && GST_VALUE_HOLDS_ARRAY (words));
    assert_equals_int (gst_value_array_get_size (words), i == 5 ? 5 : 10);
    const GstStructure *word
        = gst_value_get_structure (gst_value_array_get_value (words, 3));
    assert_same_text (gst_structure_get_name (word), "word");
    assert_same_text (text_of (word, "word"),
                      ("w" + std::to_string (i * 10 + 3)));
    assert_equals_uint64 (time_of (word, "running-time"),
                          at + 300 * GST_MSECOND);
    assert_equals_uint64 (time_of (word, "duration"), 100 * GST_MSECOND);
  }
  assert_equals_int (pipeline.named ("sis-start").size (), 1);
  const auto ends = pipeline.named ("sis-end");
  assert_equals_int (ends.size (), 1);
  assert_same_text (text_of (ends[0], "reason"), "NORMAL");
  assert_same_text (text_of (ends[0], "trace_id"),
                    text_of (pipeline.named ("sis-start")[0], "trace_id"));
}

GST_END_TEST;

/* Each buffer anchors time anew, whether it comes a little late or much. */
GST_START_TEST (test_times_follow_the_timestamps)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  GstClockTime expected[4];
  for (std::size_t i = 0; i < 4; i++) {
    expected[i] = i * GST_SECOND + (i % 2) * 13 * GST_MSECOND
                  + (i == 3 ? 20 * GST_SECOND : 0);
    pipeline.push (indexed_audio (i * 16000, 16000), expected[i]);
  }
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto results = pipeline.named ("sis-result");
  assert_equals_int (results.size (), 4);
  for (std::size_t i = 0; i < 4; i++)
    assert_equals_uint64 (time_of (results[i], "running-time"), expected[i]);
}

GST_END_TEST;

GST_START_TEST (test_a_hole_is_sent_as_silence)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (16000, 16000), 0);
  /* 40 ms are jitter and add nothing; 3041 ms are a hole. */
  pipeline.push (indexed_audio (32000, 16000), 1040 * GST_MSECOND);
  pipeline.push (indexed_audio (48000, 16000), 5081 * GST_MSECOND);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());

  const auto connections = server.connections ();
  assert_equals_int (connections.size (), 1);
  auto expected = indexed_audio (16000, 32000);
  expected.resize (32000 + 3041 * 16, 0);
  const auto last = indexed_audio (48000, 16000);
  expected.insert (expected.end (), last.begin (), last.end ());
  fail_unless (connections[0].samples () == expected);
  const auto results = pipeline.named ("sis-result");
  assert_equals_int (results.size (), 3);
  assert_equals_uint64 (time_of (results[0], "running-time"), 0);
  assert_equals_uint64 (time_of (results[1], "running-time"),
                        1040 * GST_MSECOND);
  assert_equals_uint64 (time_of (results[2], "running-time"),
                        5081 * GST_MSECOND);
}
GST_END_TEST;

GST_START_TEST (test_silence_has_the_format_of_the_audio)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (
      "appsrc name=src format=time caps=audio/x-mulaw,rate=8000,channels=1 ! "
      "sissink name=sink sync=false project-id=demo model=chinese_8k_general "
      "endpoint="
      + server.url ());
  pipeline.play ();
  const std::string audio (8000, '\x12');
  pipeline.push_bytes (audio.data (), audio.size (), 0);
  pipeline.push_bytes (audio.data (), audio.size (), 3 * GST_SECOND);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (server.connections ()[0].audio
               == audio + std::string (16000, '\xff') + audio);
}
GST_END_TEST;

GST_START_TEST (test_a_long_hole_only_moves_time)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (16000, 16000), 0);
  pipeline.push (indexed_audio (32000, 16000), 11001 * GST_MSECOND);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto connections = server.connections ();
  assert_equals_int (connections.size (), 2);
  fail_unless (connections[0].samples () == indexed_audio (16000, 16000));
  fail_unless (connections[1].samples () == indexed_audio (32000, 16000));
  const auto results = pipeline.named ("sis-result");
  assert_equals_int (results.size (), 2);
  assert_equals_int (uint_of (results[1], "session"), 2);
  assert_equals_int (uint_of (results[1], "segment"), 2);
  assert_equals_uint64 (time_of (results[1], "running-time"),
                        11001 * GST_MSECOND);
}
GST_END_TEST;

GST_START_TEST (test_running_time_of_a_segment_with_rate_and_offset)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  g_autoptr (GstElement) sink = gst_element_factory_make ("sissink", nullptr);
  g_object_set (sink, "endpoint", server.url ().c_str (), "project-id", "demo",
                "sync", FALSE, "async", FALSE, nullptr);
  GstHarness *harness = gst_harness_new_with_element (sink, "sink", nullptr);
  g_autoptr (GstBus) bus = gst_bus_new ();
  gst_element_set_bus (sink, bus);
  gst_harness_push_event (harness, gst_event_new_stream_start ("s"));
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved");
  gst_harness_push_event (harness, gst_event_new_caps (caps));
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = 2.0;
  segment.applied_rate = 0.5;
  segment.start = 10 * GST_SECOND;
  segment.stop = 14 * GST_SECOND;
  segment.time = 100 * GST_SECOND;
  segment.base = 7 * GST_SECOND;
  gst_harness_push_event (harness, gst_event_new_segment (&segment));

  /* 9 s to 15 s: the first and the last second lie outside. */
  for (std::size_t i = 0; i < 6; i++) {
    const auto audio = indexed_audio (i * 16000, 16000);
    GstBuffer *buffer = gst_buffer_new_memdup (audio.data (), 32000);
    GST_BUFFER_PTS (buffer) = (9 + i) * GST_SECOND;
    gst_harness_push (harness, buffer);
  }
  gst_harness_push_event (harness, gst_event_new_eos ());

  std::size_t results = 0;
  while (GstMessage *message
         = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT)) {
    if (gst_message_has_name (message, "sis-result")) {
      const GstStructure *result = gst_message_get_structure (message);
      const guint64 i = results++;
      assert_equals_uint64 (time_of (result, "timestamp"),
                            (10 + i) * GST_SECOND);
      assert_equals_uint64 (time_of (result, "running-time"),
                            7 * GST_SECOND + i * GST_SECOND / 2);
      assert_equals_uint64 (time_of (result, "stream-time"),
                            100 * GST_SECOND + i * GST_SECOND / 2);
    }
    gst_message_unref (message);
  }
  assert_equals_int (results, 4);
  fail_unless (server.connections ()[0].samples ()
               == indexed_audio (16000, 4 * 16000));
  gst_element_set_bus (sink, nullptr);
  gst_harness_teardown (harness);
}

GST_END_TEST;

/* The service would end a session without audio by an error; the sink ends it
 * before, in order, and opens another when audio comes. */
GST_START_TEST (test_a_source_that_stalls_is_no_error)
{
  sistest::Server server;
  server.script (
      { { .recognizer = sistest::index_recognizer (), .timeout = 2000ms } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "idle-timeout=1000000000"));
  pipeline.play ();
  /* Tails that do not fill a message. */
  const std::size_t pieces[] = { 16000 + 170, 16000 + 1607, 16000 };
  std::size_t at = 0;
  for (const std::size_t piece : pieces) {
    pipeline.push (indexed_audio (at, piece), samples_to_ns (at) * 3);
    at += piece;
    fail_unless (pipeline.wait_for_element_message ("sis-end") != nullptr);
  }
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());

  const auto ends = pipeline.named ("sis-end");
  assert_equals_int (ends.size (), 3);
  for (const GstStructure *end : ends)
    assert_same_text (text_of (end, "reason"), "NORMAL");
  const auto connections = server.connections ();
  assert_equals_int (connections.size (), 3);
  at = 0;
  for (std::size_t i = 0; i < 3; i++) {
    fail_unless (connections[i].violations.empty ());
    auto samples = connections[i].samples ();
    /* The second one's last message is padded. */
    assert_equals_int (samples.size (), pieces[i] + (i == 1 ? 153 : 0));
    samples.resize (pieces[i]);
    fail_unless (samples == indexed_audio (at, pieces[i]));
    at += pieces[i];
  }
  const auto results = pipeline.named ("sis-result");
  assert_equals_uint64 (time_of (results[0], "running-time"), 0);
  guint session = 0;
  std::size_t begin = 0;
  for (const GstStructure *result : results) {
    if (uint_of (result, "session") == session)
      continue;
    assert_equals_uint64 (time_of (result, "running-time"),
                          samples_to_ns (begin) * 3);
    begin += pieces[session++];
  }
  assert_equals_int (session, 3);
}
GST_END_TEST;

GST_START_TEST (test_a_long_pause_is_no_error)
{
  sistest::Server server;
  server.script ({ { .timeout = 2000ms } });
  fail_unless (server.start ());
  Pipeline pipeline (
      "audiotestsrc samplesperbuffer=1600 num-buffers=30 ! "
      "audio/x-raw,format=S16LE,rate=16000,channels=1 ! "
      "sissink name=sink project-id=demo idle-timeout=1000000000 endpoint="
      + server.url ());
  pipeline.play ();
  fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
  pipeline.set_state (GST_STATE_PAUSED);
  const GstMessage *end = pipeline.wait_for_element_message ("sis-end");
  fail_unless (end != nullptr);
  pipeline.play ();
  fail_unless (pipeline.wait_for_eos ());
  std::uint64_t bytes = 0;
  for (const sistest::Record &record : server.connections ())
    bytes += record.audio_bytes;
  assert_equals_uint64 (bytes, 30 * 3200);
}
GST_END_TEST;

/* Other branches of a live pipeline learn how late this one's audio is. */
GST_START_TEST (test_the_latency_of_a_live_source_is_told)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline ("audiotestsrc is-live=true samplesperbuffer=1600 ! "
                     "audio/x-raw,format=S16LE,rate=16000,channels=1 ! "
                     "sissink name=sink project-id=demo endpoint="
                     + server.url ());
  pipeline.play ();
  fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  fail_unless (gst_element_query (pipeline.get (), query));
  gboolean is_live = FALSE;
  GstClockTime least = 0;
  gst_query_parse_latency (query, &is_live, &least, nullptr);
  fail_unless (is_live);
  fail_unless (least >= 100 * GST_MSECOND && least < GST_SECOND);
}
GST_END_TEST;

static Suite *
times_suite (void)
{
  Suite *suite = suite_create ("times");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_times_are_exact_to_the_sample);
  tcase_add_test (tcase, test_times_follow_the_timestamps);
  tcase_add_test (tcase, test_a_hole_is_sent_as_silence);
  tcase_add_test (tcase, test_silence_has_the_format_of_the_audio);
  tcase_add_test (tcase, test_a_long_hole_only_moves_time);
  tcase_add_test (tcase, test_running_time_of_a_segment_with_rate_and_offset);
  tcase_add_test (tcase, test_a_source_that_stalls_is_no_error);
  tcase_add_test (tcase, test_a_long_pause_is_no_error);
  tcase_add_test (tcase, test_the_latency_of_a_live_source_is_told);
  return suite;
}

GST_CHECK_MAIN (times)
