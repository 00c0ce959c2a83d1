// SPDX-License-Identifier: LGPL-2.1-or-later
/* Sentence and short mode: events and their times, sentences one after the
 * other, and what these modes do not have. */
#include "failing.h"
#include "saying.h"
#include "stage.h"

using namespace sischeck;
using sistest::Action;
using sistest::Behaviour;
using sistest::send_result;
using sistest::send_text;
using sistest::TimedAction;

namespace {

Action
untimed_event (const char *name)
{
  return send_text (std::string (R"({"resp_type":"EVENT","event":")") + name
                    + R"("})");
}

/* Audio in a segment that begins neither at zero nor with the audio: the
 * audio's first sample has the timestamp 103 s and the running time 10 s. */
class Talk
{
public:
  Talk (std::vector<Behaviour> script, const std::string &properties)
  {
    server.script (std::move (script));
    fail_unless (server.start ());
    pipeline = std::make_unique<Pipeline> (launch_line (
        server.url (),
        "idle-timeout=0 reconnect-delay=1000000 max-reconnect-delay=1000000 "
            + properties));
    g_object_set (pipeline->source (), "handle-segment-change", TRUE, nullptr);
    pipeline->play ();
  }

  void push (std::size_t milliseconds)
  {
    const auto audio = indexed_audio (pushed_, milliseconds * per_ms);
    GstBuffer *buffer
        = gst_buffer_new_memdup (audio.data (), audio.size () * 2);
    GST_BUFFER_PTS (buffer) = first_timestamp + samples_to_ns (pushed_);
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.start = segment.time = 100 * GST_SECOND;
    segment.base = 7 * GST_SECOND;
    GstCaps *caps = nullptr;
    g_object_get (pipeline->source (), "caps", &caps, nullptr);
    GstSample *sample = gst_sample_new (buffer, caps, &segment, nullptr);
    GstFlowReturn flow = GST_FLOW_ERROR;
    g_signal_emit_by_name (pipeline->source (), "push-sample", sample, &flow);
    gst_sample_unref (sample);
    gst_caps_unref (caps);
    gst_buffer_unref (buffer);
    assert_equals_int (flow, GST_FLOW_OK);
    pushed_ += audio.size ();
  }

  void wait_for (const char *name, std::size_t count)
  {
    while (pipeline->named (name).size () < count)
      fail_unless (pipeline->wait_for_element_message (name), "no %s", name);
  }

  void finish ()
  {
    pipeline->end ();
    fail_unless (pipeline->wait_for_eos ());
    assert_equals_int (pipeline->from_sink (GST_MESSAGE_WARNING).size (), 0);
  }

  static constexpr GstClockTime first_timestamp = 103 * GST_SECOND;
  static constexpr GstClockTime first_running_time = 10 * GST_SECOND;
  sistest::Server server;
  std::unique_ptr<Pipeline> pipeline;

private:
  std::size_t pushed_ = 0;
};

/* An event of the bus: `time` in milliseconds of its session or -1 for none,
 * `at` in milliseconds of the stream. */
struct Expected
{
  guint session;
  const char *event;
  gint64 time;
  guint64 at;
};

void
assert_event (const Talk &talk, std::size_t i, const Expected &expected)
{
  const GstStructure *told = talk.pipeline->named ("sis-event").at (i);
  assert_same_text (text_of (told, "event"), expected.event);
  assert_equals_int (uint_of (told, "session"), expected.session);
  fail_unless (gst_structure_has_field (told, "event_time")
               == (expected.time >= 0));
  if (expected.time >= 0)
    assert_equals_int64 (int64_of (told, "event_time"), expected.time);
  const GstClockTime at = expected.at * GST_MSECOND;
  assert_equals_uint64 (time_of (told, "running-time"),
                        Talk::first_running_time + at);
  assert_equals_uint64 (time_of (told, "timestamp"),
                        Talk::first_timestamp + at);
  const GstStructure *start
      = talk.pipeline->named ("sis-start").at (expected.session - 1);
  assert_same_text (text_of (told, "trace_id"), text_of (start, "trace_id"));
}

/* What the bus told of sessions and in them: "start VOICE_END said end". */
std::string
chronicle_of (const Pipeline &pipeline)
{
  std::string chronicle;
  for (const MessagePtr &message : pipeline.messages ()) {
    if (GST_MESSAGE_TYPE (message.get ()) != GST_MESSAGE_ELEMENT)
      continue;
    const GstStructure *told = gst_message_get_structure (message.get ());
    const std::string name = gst_structure_get_name (told);
    std::string word;
    if (name == "sis-start" || name == "sis-end")
      word = name.substr (4);
    else if (name == "sis-event" || name == "sis-result")
      word = text_of (told, name == "sis-event" ? "event" : "text");
    if (!word.empty ())
      chronicle += (chronicle.empty () ? "" : " ") + word;
  }
  return chronicle;
}

} // namespace

/* In a first session and in later ones, which begin where the last one had got
 * to. The service's own VOICE_START is at the end of what came with it. */
GST_START_TEST (test_events_of_sentence_mode_have_the_times_of_the_pipeline)
{
  const Behaviour first
      = scripted ({ { 2000ms, event ("VOICE_START", 300) },
                    { 2000ms, send_result ({ said (200, 1000) }) },
                    { 2000ms, event ("VOICE_END", 1200) } });
  const Behaviour second
      = scripted ({ { 1000ms, event ("VOICE_START", 0) },
                    { 1000ms, event ("EXCEEDED_SILENCE", 400) } });
  const Behaviour third
      = scripted ({ { 600ms, event ("VOICE_START", 250) },
                    { 600ms, event ("EXCEEDED_AUDIO", 600) },
                    { 600ms, send_result ({ said (0, 600) }) } });
  Talk talk ({ first, second, third, {} }, "mode=sentence");
  talk.push (2000);
  talk.wait_for ("sis-event", 6);
  talk.finish ();
  const Expected expected[] = {
    { 1, "VOICE_START", 300, 300 },        { 1, "VOICE_END", 1200, 1200 },
    { 2, "VOICE_START", 0, 1000 },         { 2, "EXCEEDED_SILENCE", 400, 1400 },
    { 3, "VOICE_START", 250, 1400 + 250 }, { 3, "EXCEEDED_AUDIO", 600, 2000 },
  };
  for (std::size_t i = 0; i < std::size (expected); i++)
    assert_event (talk, i, expected[i]);
}
GST_END_TEST;

GST_START_TEST (test_events_without_a_usable_time_are_where_the_audio_is)
{
  const Behaviour first
      = scripted ({ { 1000ms, untimed_event ("VOICE_START") },
                    { 1000ms, event ("NOISE", 1001) },
                    { 1500ms, event ("NOISE", 86400001) },
                    { 1500ms, send_result ({ said (0, 700) }) },
                    { 1500ms, untimed_event ("VOICE_END") } });
  const Behaviour second
      = scripted ({ { 800ms, event ("VOICE_START", 99999) },
                    { 800ms, send_result ({ said (0, 600) }) },
                    { 800ms, event ("VOICE_END", 801) } });
  Talk talk ({ first, second, {} }, "mode=sentence");
  talk.push (1000);
  talk.wait_for ("sis-event", 2);
  talk.push (500);
  talk.wait_for ("sis-event", 6);
  talk.finish ();
  const Expected expected[] = {
    { 1, "VOICE_START", -1, 1000 },    { 1, "NOISE", 1001, 1000 },
    { 1, "NOISE", -1, 1500 },          { 1, "VOICE_END", -1, 1500 },
    { 2, "VOICE_START", 99999, 1500 }, { 2, "VOICE_END", 801, 1500 },
  };
  for (std::size_t i = 0; i < std::size (expected); i++)
    assert_event (talk, i, expected[i]);
}
GST_END_TEST;

GST_START_TEST (test_too_much_audio_is_told_when_it_was_too_much)
{
  for (const char *mode : { "short", "sentence", "continue" }) {
    const Behaviour chatty{ .recognizer = chatter_recognizer () };
    Behaviour limited = chatty;
    limited.max_session = 1200ms;
    Talk talk ({ limited, limited, chatty },
               std::string ("chunk-duration=100000000 mode=") + mode);
    for (int i = 0; i < 13; i++)
      talk.push (100);
    talk.wait_for ("sis-start", 2);
    talk.finish ();
    std::size_t told = 0;
    for (const GstStructure *event : talk.pipeline->named ("sis-event")) {
      if (text_of (event, "event") != "EXCEEDED_AUDIO")
        continue;
      told++;
      const auto ms = guint64 (int64_of (event, "event_time"));
      fail_unless (ms > 1200 && ms <= 1300);
      assert_equals_uint64 (time_of (event, "running-time"),
                            Talk::first_running_time + ms * GST_MSECOND);
    }
    fail_unless (told >= 1);
  }
}
GST_END_TEST;

/* VOICE_END comes before its final or after it: both belong to the session that
 * is over, and what was sent behind the sentence to the next. */
GST_START_TEST (test_voice_end_may_come_before_or_after_its_final)
{
  const TimedAction begin{ 1000ms, event ("VOICE_START", 100) };
  const TimedAction final{ 1500ms, send_result ({ said (100, 1000) }) };
  const TimedAction over{ 1500ms, event ("VOICE_END", 1200) };
  Behaviour at_end = scripted ({ begin, over });
  at_end.end.before = { final.action };
  const Behaviour orders[] = { scripted ({ begin, over, final }),
                               scripted ({ begin, final, over }), at_end };
  for (const Behaviour &order : orders) {
    const bool is_final_first = &order == &orders[1];
    Stage stage ({ order, order, {} }, "mode=sentence");
    stage.play_to (1500ms);
    stage.wait_for ("sis-end", 1);
    stage.push_to (2500ms);
    stage.wait_for ("sis-end", 2);
    stage.finish ();
    const std::string session
        = std::string ("start VOICE_START ")
          + (is_final_first ? "said VOICE_END" : "VOICE_END said") + " end ";
    const std::string chronicle = chronicle_of (*stage.pipeline);
    fail_unless (chronicle.starts_with (session + session), "%s",
                 chronicle.c_str ());
    assert_equals_int (stage.first_ms (1), 1000);
    assert_equals_int (stage.first_ms (2), 2000);
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

/* Audio goes on while sentences end: late finals, and interims on the way. */
GST_START_TEST (test_many_sentences_lose_and_repeat_no_word)
{
  Behaviour slow{ .recognizer = sistest::index_recognizer (3) };
  slow.result_delay = Milliseconds (__i__ * 30);
  slow.repeat_finals = __i__ == 1;
  Stage stage ({ slow }, "mode=sentence interim-results=true");
  stage.pipeline->set_state (GST_STATE_READY);
  make_live (*stage.pipeline);
  stage.pipeline->play ();
  for (int i = 1; i <= 15; i++)
    stage.play_to (Milliseconds (700 * i));
  stage.finish ();
  assert_same_text (stage.pipeline->finals (), index_words (0, 110));
  const auto sessions = stage.pipeline->named ("sis-start").size ();
  fail_unless (sessions >= 37, "%" G_GSIZE_FORMAT " sessions", sessions);
  assert_equals_int (stage.warnings (), 0);
  Stats (*stage.pipeline).assert_sum ();
  guint64 end = 0;
  guint segment = 0;
  for (const GstStructure *told : stage.pipeline->named ("sis-result")) {
    assert_equals_int (uint_of (told, "segment"), segment + 1);
    if (!flag_of (told, "is_final"))
      continue;
    segment++;
    assert_equals_uint64 (time_of (told, "running-time"), end);
    end += time_of (told, "duration");
  }
  assert_equals_uint64 (end, stage.length ());
}
GST_END_TEST;

/* The service takes a minute; the sink ends each session in order before, and
 * the next one goes on where it was. */
GST_START_TEST (test_sessions_end_before_the_service_has_had_enough)
{
  for (const char *mode : { "short", "sentence" }) {
    Stage stage ({ { .recognizer = sistest::index_recognizer (2000) } },
                 std::string ("mode=") + mode);
    stage.push_to (130000ms);
    stage.finish ();
    assert_same_text (stage.pipeline->finals (), index_words (0, 1305));
    const auto records = stage.server.connections ();
    assert_equals_int (records.size (), 3);
    for (std::size_t i = 0; i < 2; i++) {
      assert_equals_uint64 (records[i].audio_bytes, 58 * 32000);
      fail_if (records[i].cancelled);
    }
    for (const GstStructure *told : stage.pipeline->named ("sis-event"))
      fail_unless (text_of (told, "event").starts_with ("VOICE_"));
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

/* … as long as the session, of which many follow each other. */
GST_START_TEST (test_short_mode_gives_one_final_a_session)
{
  Stage stage ({ { .recognizer = sistest::index_recognizer (2) } },
               "mode=short max-session-duration=3000000000");
  stage.push_to (29500ms);
  stage.finish ();
  const auto told = stage.pipeline->named ("sis-result");
  assert_equals_int (told.size (), 10);
  for (std::size_t i = 0; i < told.size (); i++) {
    assert_equals_int (uint_of (told[i], "session"), i + 1);
    assert_equals_int (uint_of (told[i], "segment"), i + 1);
    assert_same_text (text_of (told[i], "text"), index_words (30 * i, 30));
    assert_equals_uint64 (time_of (told[i], "running-time"),
                          i * 3 * GST_SECOND);
    assert_equals_uint64 (time_of (told[i], "duration"), 3 * GST_SECOND);
  }
  assert_equals_int (stage.warnings (), 0);
}
GST_END_TEST;

/* One warning, however many of them are set and sessions follow. */
GST_START_TEST (test_short_mode_sends_no_parameters_of_voice_activity)
{
  const std::pair<const char *, std::size_t> settings[]
      = { { "vad-head=2000", 1 },
          { "vad-head=0", 1 },
          { "vad-tail=300", 1 },
          { "vad-tail=0", 1 },
          { "max-seconds=20", 1 },
          { "vad-head=0 vad-tail=0 max-seconds=1", 1 },
          { "vad-head=-1 vad-tail=-1 max-seconds=-1", 0 } };
  for (const auto &[properties, warnings] : settings) {
    Stage stage ({ {} }, std::string ("mode=short "
                                      "max-session-duration=300000000 ")
                             + properties);
    stage.push_to (400ms);
    stage.finish ();
    const auto records = stage.server.connections ();
    fail_unless (records.size () >= 3);
    for (const sistest::Record &record : records)
      assert_equals_int (record.config.size (), 2);
    assert_equals_int (stage.warnings (), warnings);
    if (warnings > 0)
      fail_unless (Problem (stage.pipeline->from_sink (GST_MESSAGE_WARNING)[0])
                       .is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  }
}
GST_END_TEST;

/* Set while a session runs, for the next one. */
GST_START_TEST (test_short_mode_is_told_no_such_parameter_later_either)
{
  Stage stage ({ {} }, "mode=short");
  stage.play_to (500ms);
  g_object_set (stage.pipeline->sink (), "vad-head", 700, "vad-tail", 800,
                "max-seconds", 9, "add-punc", TRUE, nullptr);
  g_signal_emit_by_name (stage.pipeline->sink (), "restart");
  stage.wait_for ("sis-end", 1);
  stage.finish ();
  const auto config = stage.server.connections ().at (1).config;
  assert_equals_int (config.size (), 3);
  assert_same_text (config.at ("add_punc"), "yes");
}
GST_END_TEST;

/* By the documents these events are of sentence mode. */
GST_START_TEST (test_events_of_another_mode_are_told_and_mean_nothing)
{
  for (const char *mode : { "continue", "short" }) {
    Behaviour eventful
        = scripted ({ { 500ms, event ("VOICE_START", 100) },
                      { 500ms, send_result ({ said (0, 300) }) },
                      { 1000ms, event ("VOICE_END", 700) },
                      { 1000ms, untimed_event ("EXCEEDED_SILENCE") },
                      { 1000ms, event ("EXCEEDED_SILENCE", 900) },
                      { 1000ms, event ("VOICE_END", 1000) } });
    Behaviour lossy = eventful;
    lossy.actions.push_back ({ 1500ms, sistest::reset () });
    eventful.end.before = { event ("VOICE_END", 1200) };
    Stage stage ({ lossy, eventful }, std::string ("mode=") + mode);
    stage.play_to (500ms, 1);
    stage.play_to (1000ms);
    stage.wait_for ("sis-event", 5);
    stage.push_to (1500ms);
    stage.wait_for ("sis-event", 10);
    stage.finish ();
    const auto events = stage.pipeline->named ("sis-event");
    assert_equals_int (events.size (), 11);
    for (const std::size_t i : { 1, 6 }) {
      assert_same_text (text_of (events[i], "event"), "VOICE_END");
      assert_equals_uint64 (time_of (events[i], "running-time"),
                            (700 + (i > 1 ? 300 : 0)) * GST_MSECOND);
    }
    /* Neither ended a session, nor covered what no final did. */
    assert_equals_int (stage.server.connections ().size (), 2);
    assert_equals_int (stage.first_ms (1), 300);
    assert_same_text (stage.reason (0), "LOST");
    assert_same_text (stage.reason (1), "NORMAL");
    assert_equals_int (stage.warnings (), 1);
    assert_equals_uint64 (Stats (*stage.pipeline).audio ("acknowledged"),
                          stage.length ());
  }
}
GST_END_TEST;

/* … between sentences that are said. */
GST_START_TEST (test_events_of_another_mode_lose_no_word)
{
  for (const char *mode : { "continue", "short" }) {
    Behaviour eventful{ .recognizer = sistest::index_recognizer (5) };
    for (int ms = 100; ms < 4000; ms += 300)
      for (const char *name :
           { "VOICE_START", "VOICE_END", "EXCEEDED_SILENCE" })
        eventful.actions.push_back (
            { Milliseconds (ms), event (name, ms - 50) });
    Stage stage ({ eventful }, std::string ("mode=") + mode);
    for (int i = 1; i <= 8; i++)
      stage.play_to (Milliseconds (500 * i));
    stage.finish ();
    assert_same_text (stage.pipeline->finals (), index_words (0, 45));
    assert_equals_int (stage.pipeline->named ("sis-event").size (), 39);
    assert_equals_int (stage.server.connections ().size (), 1);
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_change_of_mode_applies_from_ready_on)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer (5) } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (), "max-session-duration=800000000 reconnect-delay=1000000"));
  const char *const modes[] = { "continue", "sentence", "short", "continue" };
  std::size_t before = 0;
  for (std::size_t run = 0; run < std::size (modes); run++) {
    gst_util_set_object_arg (G_OBJECT (pipeline.sink ()), "mode", modes[run]);
    pipeline.play ();
    pipeline.push (indexed_audio (0, 500 * per_ms), 0);
    fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
    /* Too late for this run, however many sessions it has. */
    gst_util_set_object_arg (G_OBJECT (pipeline.sink ()), "mode",
                             modes[(run + 1) % 3]);
    pipeline.push (indexed_audio (500 * per_ms, 1500 * per_ms));
    pipeline.end ();
    fail_unless (pipeline.wait_for_eos ());
    pipeline.set_state (run % 2 == 0 ? GST_STATE_READY : GST_STATE_NULL);
    const auto records = server.connections ();
    fail_unless (records.size () >= before + 2);
    for (; before < records.size (); before++)
      assert_same_text (records[before].path, std::string ("/v1/demo/rasr/")
                                                  + modes[run] + "-stream");
  }
  const std::string words = index_words (0, 20);
  assert_same_text (pipeline.finals (),
                    words + " " + words + " " + words + " " + words);
}
GST_END_TEST;

static Suite *
modes_suite (void)
{
  Suite *suite = suite_create ("modes");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase,
                  test_events_of_sentence_mode_have_the_times_of_the_pipeline);
  tcase_add_test (tcase,
                  test_events_without_a_usable_time_are_where_the_audio_is);
  tcase_add_test (tcase, test_too_much_audio_is_told_when_it_was_too_much);
  tcase_add_test (tcase, test_voice_end_may_come_before_or_after_its_final);
  tcase_add_loop_test (tcase, test_many_sentences_lose_and_repeat_no_word, 0,
                       3);
  tcase_add_test (tcase, test_sessions_end_before_the_service_has_had_enough);
  tcase_add_test (tcase, test_short_mode_gives_one_final_a_session);
  tcase_add_test (tcase, test_short_mode_sends_no_parameters_of_voice_activity);
  tcase_add_test (tcase,
                  test_short_mode_is_told_no_such_parameter_later_either);
  tcase_add_test (tcase, test_events_of_another_mode_are_told_and_mean_nothing);
  tcase_add_test (tcase, test_events_of_another_mode_lose_no_word);
  tcase_add_test (tcase, test_a_change_of_mode_applies_from_ready_on);
  return suite;
}

GST_CHECK_MAIN (modes)
