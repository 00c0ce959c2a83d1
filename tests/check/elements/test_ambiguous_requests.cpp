// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the service's documents leave open of what it is sent: a client does
 * well with each reading. A number in front of a test is that of the question;
 * the others are in test_ambiguities.cpp and test_ambiguous_ends.cpp. */
#include "failing.h"
#include "saying.h"
#include "stage.h"

using namespace sischeck;
using sistest::Action;
using sistest::Behaviour;
using sistest::send_result;
using sistest::send_text;

namespace {

const char *const modes[] = { "continue", "sentence", "short" };

void
assert_no_trouble (const Stage &stage)
{
  assert_equals_int (stage.warnings (), 0);
  assert_equals_int (stage.server.connections ().size (), 1);
}

} // namespace

/* 12: vad_head 0 is "off" or "60 s"; it is sent, and silence may be told all
 * the same. */
GST_START_TEST (test_without_vad_head_the_service_may_still_tell_of_silence)
{
  const Action untimed
      = send_text (R"({"resp_type":"EVENT","event":"EXCEEDED_SILENCE"})");
  const std::pair<Action, int> cases[]
      = { { event ("EXCEEDED_SILENCE", 700), 700 },
          { event ("EXCEEDED_SILENCE", 12000), 12000 },
          { untimed, 10000 } };
  for (const auto &[silence, covered] : cases) {
    Behaviour behaviour = scripted ({ { 12000ms, silence } });
    behaviour.timeout = 0ms;
    Stage stage ({ behaviour, {} }, "mode=sentence vad-head=0");
    stage.play_to (12000ms);
    stage.wait_for ("sis-end", 1);
    stage.finish ();
    const auto records = stage.server.connections ();
    assert_same_text (records[0].config.at ("vad_head"), "0");
    assert_equals_int (stage.first_ms (1), covered);
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

/* 12: parameters of voice activity that a model does not heed, or takes for
 * larger ones. */
GST_START_TEST (test_a_sentence_may_be_longer_than_max_seconds)
{
  for (const char *mode : { "continue", "sentence" }) {
    const Behaviour deaf{ .recognizer = sistest::index_recognizer (40) };
    Behaviour lossy = deaf;
    lossy.actions = { { 3000ms, sistest::reset () } };
    Stage stage ({ lossy, deaf },
                 std::string ("max-seconds=1 vad-tail=0 vad-head=0 "
                              "interim-results=true mode=")
                     + mode);
    stage.push_to (3000ms);
    stage.wait_for ("sis-start", 2);
    stage.push_to (8500ms);
    stage.finish ();
    assert_same_text (stage.server.connections ()[0].config.at ("max_seconds"),
                      "1");
    assert_same_text (stage.pipeline->finals (), index_words (0, 90));
    assert_equals_int (stage.first_ms (1), 0);
    assert_equals_int (stage.warnings (), 1);
  }
}
GST_END_TEST;

/* 13: a key that is not known may be refused: none is sent that was not set.
 * `cancel` is a boolean, though some clients send a text. */
GST_START_TEST (test_nothing_is_sent_that_is_not_in_the_documents)
{
  for (const char *mode : modes) {
    Behaviour nearly
        = scripted ({ { 9600ms, send_result ({ said (0, 9000) }) } });
    Stage stage ({ nearly, {} },
                 std::string ("max-session-duration=10000000000 mode=") + mode);
    stage.play_to (9600ms, 1);
    stage.push_to (10200ms);
    stage.wait_for ("sis-start", 2);
    stage.finish ();
    const bool is_continuous = std::string (mode) == "continue";
    const auto records = stage.server.connections ();
    const std::map<std::string, std::string> expected{
      { "audio_format", "pcm16k16bit" }, { "property", "chinese_16k_general" }
    };
    fail_unless (records[0].config == expected);
    assert_equals_int (records[0].texts.size (), 2);
    assert_same_text (records[0].texts[1],
                      is_continuous ? R"({"command":"END","cancel":true})"
                                    : R"({"command":"END","cancel":false})");
    assert_same_text (records.back ().texts.at (1),
                      R"({"command":"END","cancel":false})");
  }
}
GST_END_TEST;

namespace {

/* The service's limits on a message, in bytes, and audio for it. */
struct Format
{
  const char *caps, *model;
  std::size_t frame, least, most;
  char silence;
};

const Format formats[] = {
  { "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved",
    "chinese_16k_general", 2, 320, 65536, 0 },
  { "audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved",
    "chinese_8k_general", 2, 160, 32768, 0 },
  { "audio/x-mulaw,rate=8000,channels=1", "chinese_8k_general", 1, 160, 32768,
    '\xff' },
  { "audio/x-alaw,rate=16000,channels=1", "chinese_16k_general", 1, 320, 65536,
    '\xd5' },
};

/* `length` bytes in buffers of `piece`, or as one. */
void
assert_messages_fit (const Format &format, std::size_t length,
                     std::size_t piece)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::silent_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (std::string ("appsrc name=src format=time caps=")
                     + format.caps
                     + " ! sissink name=sink sync=false project-id=demo "
                       "chunk-duration=1000000000 model="
                     + format.model + " endpoint=" + server.url ());
  pipeline.play ();
  const std::string audio (length, '\x11');
  for (std::size_t at = 0; at < length; at += piece)
    pipeline.push_bytes (audio.data () + at, std::min (piece, length - at),
                         at == 0 ? 0 : GST_CLOCK_TIME_NONE);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const sistest::Record record = server.connections ().at (0);
  fail_unless (record.violations.empty ());
  for (const std::uint32_t size : record.chunks)
    fail_unless (size >= format.least && size <= format.most, "%u bytes", size);
  fail_unless (record.audio.size () < length + format.least);
  fail_unless (
      record.audio
      == audio + std::string (record.audio.size () - length, format.silence));
}

} // namespace

/* 14: the limits may hold for the last message, too. */
GST_START_TEST (test_every_message_is_within_the_limits)
{
  const Format &format = formats[__i__];
  const std::size_t frame = format.frame;
  const std::size_t least = format.least;
  for (const std::size_t length :
       { frame, least - frame, least, least + frame, 2 * least - frame }) {
    assert_messages_fit (format, length, length);
    assert_messages_fit (format, length, frame);
  }
  const std::size_t longest = 3 * format.most + least - frame;
  assert_messages_fit (format, longest, longest);
  assert_messages_fit (format, longest, 50 * least + frame);
}
GST_END_TEST;

/* 15: pings may not count as data. Nothing but them is sent only if the
 * application wants it so. */
GST_START_TEST (test_pings_do_not_keep_a_session_alive)
{
  Behaviour strict = scripted ({});
  strict.timeout = 3500ms;
  Stage stage ({ strict }, "keepalive-interval=2");
  stage.push_to (500ms);
  const Problem problem = only_error (*stage.pipeline);
  fail_unless (problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE));
  assert_same_text (text_of (problem.details, "error_code"), "SIS.0304");
  fail_unless (stage.server.connections ()[0].pings >= 1);
}
GST_END_TEST;

/* 15, 16: silence is data, and the service's clock goes on in it. */
GST_START_TEST (test_silence_is_sent_and_counts_as_time)
{
  Stage stage ({ scripted ({ { 3500ms, send_result ({ said (200, 2950) }) },
                             { 3500ms, send_result ({ said (3100, 3400) }) },
                             { 3500ms, event ("NOISE", 3200) } }) });
  stage.pipeline->push (indexed_audio (0, 500 * per_ms), 0);
  stage.pipeline->push (indexed_audio (500 * per_ms, 500 * per_ms),
                        3 * GST_SECOND);
  stage.wait_for ("sis-event", 1);
  const sistest::Record record = stage.server.connections ().at (0);
  assert_equals_uint64 (record.audio_bytes, 3500 * 2 * per_ms);
  fail_unless (std::ranges::count (record.samples (), 0)
               >= std::ptrdiff_t (2500 * per_ms));
  const auto told = stage.pipeline->named ("sis-result");
  assert_equals_int (told.size (), 2);
  assert_equals_uint64 (time_of (told[0], "running-time"), 200 * GST_MSECOND);
  assert_equals_uint64 (time_of (told[0], "duration"), 2750 * GST_MSECOND);
  assert_equals_uint64 (time_of (told[1], "running-time"), 3100 * GST_MSECOND);
  assert_equals_uint64 (
      time_of (stage.pipeline->named ("sis-event")[0], "running-time"),
      3200 * GST_MSECOND);
  stage.pipeline->end ();
  fail_unless (stage.pipeline->wait_for_eos ());
  assert_no_trouble (stage);
}
GST_END_TEST;

/* 18: which models there are, and where, is for the service to say. */
GST_START_TEST (test_an_unknown_model_is_for_the_service_to_refuse)
{
  Stage known ({ {} }, "model=martian_16k_travel region=mars-north-7");
  known.push_to (500ms);
  known.finish ();
  assert_same_text (known.server.connections ()[0].config.at ("property"),
                    "martian_16k_travel");
  assert_no_trouble (known);

  Stage unknown ({ {} }, "model=martian");
  unknown.push_to (500ms);
  const Problem problem = only_error (*unknown.pipeline);
  fail_unless (problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  assert_same_text (text_of (problem.details, "error_msg"),
                    "'property' is invalid");
  assert_same_text (unknown.server.connections ()[0].config.at ("property"),
                    "martian");
}
GST_END_TEST;

static Suite *
ambiguous_requests_suite (void)
{
  Suite *suite = suite_create ("ambiguous_requests");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase,
                  test_without_vad_head_the_service_may_still_tell_of_silence);
  tcase_add_test (tcase, test_a_sentence_may_be_longer_than_max_seconds);
  tcase_add_test (tcase, test_nothing_is_sent_that_is_not_in_the_documents);
  tcase_add_loop_test (tcase, test_every_message_is_within_the_limits, 0,
                       int (std::size (formats)));
  tcase_add_test (tcase, test_pings_do_not_keep_a_session_alive);
  tcase_add_test (tcase, test_silence_is_sent_and_counts_as_time);
  tcase_add_test (tcase, test_an_unknown_model_is_for_the_service_to_refuse);
  return suite;
}

GST_CHECK_MAIN (ambiguous_requests)
