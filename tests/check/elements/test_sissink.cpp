// SPDX-License-Identifier: LGPL-2.1-or-later
/* The way of the audio to the service and of the transcripts to the bus. */
#include "server.h"

#include "pipeline.h"

using namespace sischeck;

GST_START_TEST (test_audio_arrives_byte_for_byte)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  const std::size_t samples = 16000 * 7 + 4960;
  push_in_pieces (pipeline, samples);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());

  const auto connections = server.connections ();
  assert_equals_int (connections.size (), 1);
  const sistest::Record &record = connections[0];
  fail_unless (record.violations.empty ());
  fail_unless (record.samples () == indexed_audio (0, samples));
  assert_same_text (record.path, "/v1/demo/rasr/continue-stream");
  assert_same_text (record.config.at ("audio_format"), "pcm16k16bit");
  assert_same_text (record.config.at ("property"), "chinese_16k_general");
  assert_equals_int (record.config.size (), 2);
  assert_equals_int (record.ends, 1);
  fail_if (record.cancelled);
}

GST_END_TEST;

GST_START_TEST (test_eos_waits_for_the_last_transcript)
{
  sistest::Server server;
  server.script ({ { .end = { .delay = 300ms }, .result_delay = 200ms } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000 * 3));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), "sentence 0 sentence 1");
  assert_equals_int (pipeline.named ("sis-end").size (), 1);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}

GST_END_TEST;

GST_START_TEST (test_no_audio_at_all_ends_quietly)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (server.connections ().empty ());
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
  fail_unless (pipeline.named ("sis-connecting").empty ());
}

GST_END_TEST;

GST_START_TEST (test_a_last_message_below_the_minimum_is_padded)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (std::vector<std::int16_t> (1600, 0x1234));
  fail_unless (server.wait ([] (const auto &connections) {
    return !connections.empty () && connections[0].audio_bytes == 3200;
  }));
  pipeline.push (std::vector<std::int16_t> (7, 0x1234));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const sistest::Record record = server.connections ()[0];
  fail_unless (record.violations.empty ());
  std::vector<std::int16_t> expected (1600 + 160, 0);
  std::fill (expected.begin (), expected.begin () + 1607, 0x1234);
  fail_unless (record.samples () == expected);
  /* Padding is mapped to nothing. */
  assert_equals_uint64 (time_of (pipeline.named ("sis-result")[0], "duration"),
                        samples_to_ns (1607));
}

GST_END_TEST;

GST_START_TEST (test_messages_last_as_long_as_chunk_duration)
{
  sistest::Server server;
  server.script ({ { .start = { .delay = 300ms } } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "chunk-duration=40000000"));
  pipeline.play ();
  /* All of this waits for START and is joined to messages of at most 1 s. */
  pipeline.push (indexed_audio (0, 16000 * 3));
  fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
  fail_unless (server.wait ([] (const auto &connections) {
    return connections[0].audio_bytes == 96000;
  }));
  const std::size_t joined = server.connections ()[0].chunks.size ();
  fail_unless (joined >= 3 && joined <= 5, "%zu messages", joined);
  /* From now on the sink keeps up. */
  for (std::size_t i = 0; i < 5; i++) {
    pipeline.push (indexed_audio (48000 + i * 640, 640));
    fail_unless (server.wait ([&] (const auto &connections) {
      return connections[0].audio_bytes == 96000 + (i + 1) * 1280;
    }));
  }
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const sistest::Record record = server.connections ()[0];
  for (const std::uint32_t chunk : record.chunks)
    fail_unless (chunk <= 32000 && chunk % 1280 == 0, "%u bytes", chunk);
}

GST_END_TEST;

GST_START_TEST (test_start_carries_what_was_set)
{
  sistest::Server server;
  server.script ({ { .vocabularies = { "v-1" } } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (), "add-punc=true digit-norm=false interim-results=true "
                     "need-word-info=true vad-head=2000 vad-tail=300 "
                     "max-seconds=20 vocabulary-id=v-1"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto config = server.connections ()[0].config;
  const std::map<std::string, std::string> expected{
    { "audio_format", "pcm16k16bit" },
    { "property", "chinese_16k_general" },
    { "add_punc", "yes" },
    { "digit_norm", "no" },
    { "interim_results", "yes" },
    { "need_word_info", "yes" },
    { "vad_head", "2000" },
    { "vad_tail", "300" },
    { "max_seconds", "20" },
    { "vocabulary_id", "v-1" },
  };
  fail_unless (config == expected);
}

GST_END_TEST;

GST_START_TEST (test_interim_results_keep_the_number_of_their_final)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "interim-results=true"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000 * 4));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  guint finals = 0;
  guint interims = 0;
  for (const GstStructure *result : pipeline.named ("sis-result")) {
    assert_equals_int (uint_of (result, "segment"), finals + 1);
    assert_same_text (text_of (result, "text"),
                      ("sentence " + std::to_string (finals)));
    if (flag_of (result, "is_final"))
      finals++;
    else
      interims++;
  }
  assert_equals_int (finals, 2);
  fail_unless (interims >= 2);
}

GST_END_TEST;

GST_START_TEST (test_all_segments_of_a_result_are_posted)
{
  sistest::Server server;
  server.script (
      { { .actions = { { 1000ms, sistest::send_result ({
                                     { 0ms, 300ms, true, "one", 0.5 },
                                     { 300ms, 600ms, true, "two", 0.5 },
                                     { 600ms, 900ms, false, "thr", 0.1 },
                                 }) } },
          .recognizer = sistest::silent_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "interim-results=true"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000));
  fail_unless (pipeline.wait_for ([] (GstMessage *message) {
    return gst_message_has_name (message, "sis-result")
           && !flag_of (gst_message_get_structure (message), "is_final");
  }) != nullptr);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto results = pipeline.named ("sis-result");
  assert_equals_int (results.size (), 4);
  assert_same_text (pipeline.finals (), "one two thr");
  /* The interim that got no final is told once more, as what it is. */
  assert_equals_int (uint_of (results[2], "segment"), 3);
  assert_equals_int (uint_of (results[3], "segment"), 3);
  fail_unless (flag_of (results[3], "interrupted"));
  fail_if (gst_structure_has_field (results[0], "interrupted"));
}

GST_END_TEST;

GST_START_TEST (test_sentence_mode_tells_voice_events)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "mode=sentence"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000 * 3), 2 * GST_SECOND);
  fail_unless (pipeline.wait_for_element_message ("sis-end") != nullptr);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto events = pipeline.named ("sis-event");
  fail_unless (events.size () >= 2);
  assert_same_text (text_of (events[0], "event"), "VOICE_START");
  assert_same_text (text_of (events[1], "event"), "VOICE_END");
  for (const GstStructure *event : events) {
    const gint64 ms = int64_of (event, "event_time");
    if (uint_of (event, "session") != 1)
      continue;
    assert_equals_uint64 (time_of (event, "running-time"),
                          2 * GST_SECOND + guint64 (ms) * GST_MSECOND);
    assert_equals_uint64 (time_of (event, "timestamp"),
                          2 * GST_SECOND + guint64 (ms) * GST_MSECOND);
  }
  assert_same_text (server.connections ()[0].path,
                    "/v1/demo/rasr/sentence-stream");
}

GST_END_TEST;

GST_START_TEST (test_short_mode_gives_one_final_at_the_end)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "mode=short vad-tail=300"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000 * 3));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_equals_int (pipeline.named ("sis-result").size (), 1);
  const auto record = server.connections ()[0];
  assert_same_text (record.path, "/v1/demo/rasr/short-stream");
  assert_equals_int (record.config.count ("vad_tail"), 0);
  const auto warnings = pipeline.from_sink (GST_MESSAGE_WARNING);
  assert_equals_int (warnings.size (), 1);
  fail_unless (Problem (warnings[0])
                   .is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
}

GST_END_TEST;

GST_START_TEST (test_a_slow_start_blocks_the_source_and_loses_nothing)
{
  sistest::Server server;
  server.script ({ { .start = { .delay = 700ms } } });
  fail_unless (server.start ());
  Pipeline pipeline (
      "audiotestsrc num-buffers=100 samplesperbuffer=16000 wave=square ! "
      "audio/x-raw,format=S16LE,rate=16000,channels=1 ! tee name=t "
      "t. ! sissink name=sink sync=false project-id=demo endpoint="
      + server.url ());
  pipeline.play ();
  fail_unless (pipeline.wait_for_eos ());
  /* 100 s: more than may wait at a time. */
  assert_equals_uint64 (server.connections ()[0].audio_bytes,
                        guint64 (100) * 32000);
}

GST_END_TEST;

GST_START_TEST (test_a_flushing_seek_starts_anew)
{
  sistest::Server server;
  server.script ({ { .result_delay = 100ms } });
  fail_unless (server.start ());
  Pipeline pipeline (
      "audiotestsrc name=src samplesperbuffer=1600 is-live=true ! "
      "audio/x-raw,format=S16LE,rate=16000,channels=1 ! "
      "sissink name=sink sync=false project-id=demo endpoint="
      + server.url ());
  pipeline.play ();
  fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
  fail_unless (gst_element_seek_simple (pipeline.get (), GST_FORMAT_TIME,
                                        GST_SEEK_FLAG_FLUSH, 0));
  pipeline.collect ();
  const std::size_t before = pipeline.messages ().size ();
  fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
  gst_element_send_event (pipeline.get (), gst_event_new_eos ());
  fail_unless (pipeline.wait_for_eos ());
  for (std::size_t i = before; i < pipeline.messages ().size (); i++) {
    GstMessage *message = pipeline.messages ()[i].get ();
    if (gst_message_has_name (message, "sis-result"))
      assert_equals_int (
          uint_of (gst_message_get_structure (message), "session"), 2);
  }
  assert_equals_int (pipeline.named ("sis-start").size (), 2);
  const auto ends = pipeline.named ("sis-end");
  assert_equals_int (ends.size (), 2);
  assert_same_text (text_of (ends[0], "reason"), "CANCEL");
  assert_same_text (text_of (ends[1], "reason"), "NORMAL");
  fail_unless (server.connections ()[0].cancelled);
}

GST_END_TEST;

GST_START_TEST (test_another_stream_after_ready)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline ("audiotestsrc num-buffers=10 samplesperbuffer=1600 ! "
                     "audio/x-raw,format=S16LE,rate=16000,channels=1 ! "
                     "sissink name=sink sync=false project-id=demo endpoint="
                     + server.url ());
  for (guint run = 1; run <= 3; run++) {
    pipeline.play ();
    fail_unless (pipeline.wait_for_eos ());
    pipeline.set_state (GST_STATE_READY);
    assert_equals_int (server.connections ().size (), run);
    const auto starts = pipeline.named ("sis-start");
    assert_equals_int (starts.size (), run);
    assert_equals_int (uint_of (starts.back (), "session"), 1);
  }
}

GST_END_TEST;

static Suite *
sissink_suite (void)
{
  Suite *suite = suite_create ("sissink");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_audio_arrives_byte_for_byte);
  tcase_add_test (tcase, test_eos_waits_for_the_last_transcript);
  tcase_add_test (tcase, test_no_audio_at_all_ends_quietly);
  tcase_add_test (tcase, test_a_last_message_below_the_minimum_is_padded);
  tcase_add_test (tcase, test_messages_last_as_long_as_chunk_duration);
  tcase_add_test (tcase, test_start_carries_what_was_set);
  tcase_add_test (tcase, test_interim_results_keep_the_number_of_their_final);
  tcase_add_test (tcase, test_all_segments_of_a_result_are_posted);
  tcase_add_test (tcase, test_sentence_mode_tells_voice_events);
  tcase_add_test (tcase, test_short_mode_gives_one_final_at_the_end);
  tcase_add_test (tcase, test_a_slow_start_blocks_the_source_and_loses_nothing);
  tcase_add_test (tcase, test_a_flushing_seek_starts_anew);
  tcase_add_test (tcase, test_another_stream_after_ready);
  return suite;
}

GST_CHECK_MAIN (sissink)
