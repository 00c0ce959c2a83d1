// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is recognised and what is not: after each way to end a session the next
 * one's first sample tells where the watermark stood. */
#include "saying.h"
#include "stage.h"

using namespace sischeck;
using sistest::Action;
using sistest::Behaviour;
using sistest::Record;
using sistest::send_result;
using sistest::send_text;
using sistest::TimedAction;

namespace {

/* A final without times, or with no end. */
Action
untimed (const char *times = "")
{
  return raw_result (std::string (times)
                     + R"("is_final":true,"result":{"text":"when"})");
}

guint64
stat (const Stage &stage, const char *field)
{
  g_autoptr (GstStructure) stats = nullptr;
  g_object_get (stage.pipeline->sink (), "stats", &stats, nullptr);
  return time_of (stats, field);
}

/* All is said at 2 s; then the connection is lost. The next session begins at
 * `watermark`, in milliseconds, and the first one had this story. */
constexpr Milliseconds heard{ 2000 };

void
assert_watermark (const std::vector<Action> &actions, int watermark,
                  const std::string &story)
{
  Behaviour lossy = scripted ({});
  for (const Action &action : actions)
    lossy.actions.push_back ({ heard, action });
  lossy.actions.push_back ({ heard + 100ms, sistest::reset () });
  Stage stage ({ lossy, {} });
  const auto told = !story.empty () + std::ranges::count (story, ' ');
  stage.play_to (heard, told - std::ranges::count (story, '!'));
  stage.push_to (heard + 100ms);
  stage.wait_for ("sis-start", 2);
  stage.finish ();
  assert_same_text (story_of (*stage.pipeline, 1), story);
  assert_same_text (stage.reason (0), "LOST");
  assert_equals_int (stage.warnings (), 1);
  assert_equals_int (stage.server.connections ().size (), 2);
  assert_equals_int (stage.first_ms (1), watermark);
}

/* Sentence mode. Of 5 s the service says at once what it has to say. */
void
assert_sentence (const std::vector<Action> &actions,
                 const std::vector<Action> &before_end, int watermark,
                 const std::string &properties = "")
{
  Behaviour behaviour{ .end = { .before = before_end },
                       .recognizer = chatter_recognizer () };
  for (const Action &action : actions)
    behaviour.actions.push_back ({ 5000ms, action });
  Stage stage ({ behaviour, {} }, "mode=sentence " + properties);
  stage.play_to (5000ms);
  stage.wait_for ("sis-end", 1);
  stage.finish ();
  assert_same_text (stage.reason (0), "NORMAL");
  assert_equals_int (stage.warnings (), 0);
  fail_if (stage.server.connections ()[0].cancelled);
  assert_equals_int (stage.first_ms (1), watermark);
}

} // namespace

GST_START_TEST (test_without_a_final_all_is_sent_again)
{
  assert_watermark ({}, 0, "");
  assert_watermark ({ send_result ({ maybe (0, 1500) }) }, 0, "1maybe…");
}
GST_END_TEST;

/* The silence in front of it, too. */
GST_START_TEST (test_a_final_covers_what_is_before_its_end)
{
  assert_watermark ({ send_result ({ said (800, 1230) }) }, 1230, "1said");
  /* … and at most what was sent */
  assert_watermark ({ send_result ({ said (100, 99999) }) }, 2000, "1said");
}
GST_END_TEST;

/* All segments of a RESULT are read before the watermark moves. */
GST_START_TEST (test_a_final_is_limited_by_an_open_interim)
{
  assert_watermark ({ send_result ({ said (0, 1000), maybe (600, 1400) }) },
                    600, "1said 2maybe…");
  assert_watermark ({ send_result ({ maybe (1200, 1500), said (0, 1000) }) },
                    1000, "1maybe… 1said");
  assert_watermark ({ send_result ({ said (1000, 1500), maybe (200, 700) }) },
                    200, "1said 2maybe…");
}
GST_END_TEST;

GST_START_TEST (test_an_interim_whose_start_moves_is_open_from_there)
{
  assert_watermark (
      { send_result ({ said (0, 1000), maybe (400, 600), maybe (500, 900) }) },
      500, "1said 2maybe… 2maybe…");
}
GST_END_TEST;

GST_START_TEST (test_finals_that_overlap_or_are_out_of_order)
{
  assert_watermark (
      { send_result ({ said (0, 800) }), send_result ({ said (600, 1400) }) },
      1400, "1said 2said");
  assert_watermark ({ send_result ({ said (1000, 1500, "late") }),
                      send_result ({ said (0, 1000, "early") }) },
                    1500, "1late 2early");
}
GST_END_TEST;

GST_START_TEST (test_interims_and_finals_mixed)
{
  assert_watermark (
      { send_result ({ maybe (0, 300, "a"), said (0, 500, "b"),
                       said (500, 900, "c"), maybe (900, 1200, "d"),
                       said (1300, 1600, "e"), maybe (1700, 2000, "f") }) },
      1600, "1a… 1b 2c 3d… 3e 4f… 4d!");
}
GST_END_TEST;

/* The final after its end shows that it will get none of its own. */
GST_START_TEST (test_an_open_interim_is_interrupted_by_a_loss)
{
  assert_watermark ({ send_result ({ said (0, 500), maybe (400, 800) }),
                      send_result ({ said (1000, 1500) }) },
                    1500, "1said 2maybe… 2said 3maybe!");
}
GST_END_TEST;

GST_START_TEST (test_an_open_interim_is_interrupted_by_end)
{
  Stage stage (
      { scripted ({ { 1000ms, send_result ({ maybe (400, 800) }) } }) });
  stage.play_to (1000ms, 1);
  stage.finish ();
  assert_same_text (story_of (*stage.pipeline, 1), "1maybe… 1maybe!");
  assert_same_text (stage.reason (0), "NORMAL");
}
GST_END_TEST;

/* It lies before the watermark, and is not sent again. */
GST_START_TEST (test_an_open_interim_is_interrupted_by_a_rollover)
{
  const Action open = send_result ({ maybe (0, 400) });
  const Action near_limit = send_result ({ said (500, 900) });
  Stage stage ({ scripted ({ { 1000ms, open }, { 9900ms, near_limit } }), {} },
               "max-session-duration=10000000000");
  stage.play_to (1000ms, 1);
  stage.play_to (9900ms);
  stage.wait_for ("sis-end", 1);
  stage.finish ();
  assert_same_text (stage.reason (0), "CANCEL");
  assert_equals_int (stage.first_ms (1), 900);
  assert_same_text (story_of (*stage.pipeline, 1), "1maybe… 1said 2maybe!");
}
GST_END_TEST;

/* However often it is said. */
GST_START_TEST (test_an_interim_is_open_for_60_seconds_of_audio)
{
  const auto repeated = [] (int at) {
    return TimedAction{ Milliseconds (at),
                        send_result ({ said (at - 500, at - 100, "new"),
                                       maybe (1000, 1500, "old") }) };
  };
  const TimedAction loss{ 62000ms, sistest::reset () };
  Stage stage ({ scripted ({ repeated (60900), repeated (61900), loss }), {} },
               "replay-duration=120000000000");
  stage.play_to (60900ms, 2);
  stage.play_to (61000ms);
  assert_equals_uint64 (stat (stage, "audio-acknowledged"), GST_SECOND);
  stage.play_to (61900ms, 4);
  stage.push_to (62000ms);
  stage.wait_for ("sis-start", 2);
  stage.finish ();
  assert_equals_int (stage.first_ms (1), 61800);
  assert_same_text (story_of (*stage.pipeline, 1),
                    "1new 2old… 2new 3old… 3old!");
}
GST_END_TEST;

GST_START_TEST (test_a_final_without_an_end_covers_nothing)
{
  assert_watermark ({ untimed () }, 0, "1when");
  assert_watermark ({ untimed (R"("start_time":500,)") }, 0, "1when");
}
GST_END_TEST;

GST_START_TEST (test_a_repeated_final_is_dropped)
{
  assert_watermark ({ send_result ({ said (0, 500, "a") }),
                      send_result ({ said (500, 900, "b") }),
                      send_result ({ said (0, 500, "a") }),
                      send_result ({ said (0, 500, "A") }),
                      send_result ({ said (500, 900, "b") }),
                      send_result ({ said (100, 500, "a") }) },
                    900, "1a 2b 3A 4a");
}
GST_END_TEST;

/* A client that shows utterances by their numbers replaces the one that it has
 * shown in part. */
GST_START_TEST (test_a_lost_utterance_keeps_its_number)
{
  const Action begun
      = send_result ({ said (0, 500, "one"), maybe (500, 700, "tw"),
                       maybe (700, 900, "thr") });
  const Action again
      = send_result ({ said (0, 200, "two"), said (200, 500, "three") });
  Stage stage (
      { scripted ({ { 1000ms, begun }, { 1100ms, sistest::hang_up () } }),
        scripted ({ { 600ms, again } }) });
  stage.play_to (1000ms, 3);
  stage.push_to (1100ms);
  stage.wait_for ("sis-result", 5);
  stage.finish ();
  assert_same_text (story_of (*stage.pipeline, 1), "1one 2tw… 3thr…");
  assert_same_text (story_of (*stage.pipeline, 2), "2two 3three");
}
GST_END_TEST;

/* Cancelled, or failed by an error: what comes then is nobody's. */
GST_START_TEST (test_nothing_is_posted_after_a_session_was_given_up)
{
  const std::vector<Action> late
      = { send_result ({ said (500, 700) }), send_result ({ maybe (700, 800) }),
          event ("VOICE_END", 900), sistest::end ("NORMAL") };
  const TimedAction one{ 9000ms, send_result ({ said (0, 500, "one") }) };
  Behaviour cancelled = scripted ({ one });
  cancelled.end = { .answer = false, .after = late };
  const Action error
      = sistest::unfollowed (sistest::error ("SIS.0303", "engine"));
  Behaviour failed = scripted ({ one, { 9100ms, error } });
  for (const Action &action : late)
    failed.actions.push_back ({ 9100ms, action });
  for (const auto &[behaviour, reason, limit] :
       { std::tuple (cancelled, "CANCEL", "9400000000"),
         std::tuple (failed, "ERROR", "99000000000") }) {
    Stage stage ({ behaviour, {} },
                 std::string ("max-session-duration=") + limit);
    stage.play_to (9000ms, 1);
    stage.push_to (9100ms);
    stage.wait_for ("sis-start", 2);
    stage.finish ();
    assert_same_text (story_of (*stage.pipeline, 1), "1one");
    assert_same_text (stage.reason (0), reason);
    fail_unless (stage.pipeline->named ("sis-event").empty ());
    assert_equals_int (stage.first_ms (1), 500);
  }
}
GST_END_TEST;

/* By event or by error code: the service did not hear all, whatever END says.
 * Neither is a failure. */
GST_START_TEST (test_exceeded_audio_is_sent_again_from_the_watermark)
{
  for (const auto &[action, reason] :
       { std::pair (event ("EXCEEDED_AUDIO", 1000), "NORMAL"),
         std::pair (sistest::error ("SIS.0311", "too long"), "ERROR") }) {
    Stage stage ({ scripted ({ { 500ms, send_result ({ said (0, 300) }) },
                               { 1000ms, action } }),
                   {} },
                 "reconnect=never");
    stage.play_to (500ms, 1);
    stage.push_to (1000ms);
    stage.wait_for ("sis-start", 2);
    stage.finish ();
    assert_same_text (stage.reason (0), reason);
    assert_equals_int (stage.first_ms (1), 300);
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

GST_START_TEST (test_end_normal_covers_all_that_was_sent)
{
  Stage stage (
      { scripted ({}), scripted ({ { 500ms, sistest::reset () } }), {} },
      "max-session-duration=5000000000");
  stage.play_to (5000ms);
  stage.wait_for ("sis-start", 1);
  stage.finish ();
  assert_same_text (stage.reason (0), "NORMAL");
  assert_same_text (stage.reason (1), "LOST");
  assert_equals_int (stage.first_ms (1), 5000);
  assert_equals_int (stage.first_ms (2), 5000);
}
GST_END_TEST;

/* What was sent behind it is for the next session. */
GST_START_TEST (test_voice_end_covers_up_to_the_end_of_its_final)
{
  const Action result = send_result ({ said (200, 1000) });
  const Action over = event ("VOICE_END", 1200);
  assert_sentence ({ result, over }, {}, 1000);
  assert_sentence ({ over, result }, {}, 1000);
  assert_sentence ({ over }, { result }, 1000);
}
GST_END_TEST;

GST_START_TEST (test_voice_end_without_a_final_covers_what_was_sent)
{
  assert_sentence ({ event ("VOICE_END", 1200) }, {}, 5000);
  assert_sentence ({ event ("VOICE_END", 1200) }, { untimed () }, 5000);
}
GST_END_TEST;

GST_START_TEST (test_exceeded_silence_covers_silence)
{
  const char *const name = "EXCEEDED_SILENCE";
  const Action without_time
      = send_text (R"({"resp_type":"EVENT","event":"EXCEEDED_SILENCE"})");
  assert_sentence ({ event (name, 1200) }, {}, 1200);
  assert_sentence ({ event (name, 20) }, {}, 100);
  assert_sentence ({ without_time }, {}, 700, "vad-head=700");
  assert_sentence ({ event (name, 99999) }, {}, 700, "vad-head=700");
  assert_sentence ({ without_time }, {}, 5000);
  assert_sentence ({ without_time }, {}, 250,
                   "vad-head=50 chunk-duration=250000000");
}
GST_END_TEST;

GST_START_TEST (test_end_without_an_event_covers_all_of_a_sentence)
{
  const char *const limit = "max-session-duration=5000000000";
  const Action result = send_result ({ said (200, 1000) });
  assert_sentence ({}, {}, 5000, limit);
  assert_sentence ({}, { result }, 5000, limit);
  assert_sentence ({}, { result, event ("VOICE_END", 1200) }, 1000, limit);
  assert_sentence ({ event ("EXCEEDED_AUDIO", 1000) }, { result }, 1000);
}
GST_END_TEST;

/* Neither a result nor silence, again and again. */
GST_START_TEST (test_no_third_session_begins_at_the_same_sample)
{
  const Behaviour behaviour
      = scripted ({ { 500ms, event ("EXCEEDED_AUDIO", 500) } });
  for (const char *mode : { "continue", "sentence", "short" }) {
    Stage stage ({ behaviour, behaviour, behaviour, behaviour, {} },
                 std::string ("mode=") + mode);
    stage.push_to (1000ms);
    stage.wait_for ("sis-start", 5);
    stage.finish ();
    const int expected[] = { 0, 0, 100, 100, 200 };
    for (std::size_t i = 0; i < std::size (expected); i++)
      assert_equals_int (stage.first_ms (i), expected[i]);
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

/* Sessions that are cancelled, as there was a final, but it covers nothing. */
GST_START_TEST (test_no_third_rollover_is_to_the_same_sample)
{
  const Behaviour behaviour = scripted ({ { 9000ms, untimed () } });
  Stage stage ({ behaviour, behaviour, {} }, "max-session-duration=9400000000");
  stage.play_to (9000ms);
  stage.wait_for ("sis-start", 3);
  stage.finish ();
  assert_equals_int (stage.first_ms (1), 0);
  assert_equals_int (stage.first_ms (2), 100);
}
GST_END_TEST;

GST_START_TEST (test_five_minutes_of_silence_in_sentence_mode)
{
  Stage stage ({ { .recognizer = sistest::silent_recognizer () } },
               "mode=sentence vad-head=2000");
  const std::vector<std::int16_t> silence (1000 * per_ms);
  for (int i = 0; i < 300; i++)
    stage.pipeline->push (silence, i == 0 ? 0 : GST_CLOCK_TIME_NONE);
  stage.pipeline->end ();
  fail_unless (stage.pipeline->wait_for_eos ());
  const std::size_t sessions = stage.pipeline->named ("sis-start").size ();
  fail_unless (sessions > 10 && sessions <= 160, "%zu sessions", sessions);
  assert_equals_uint64 (stat (stage, "audio-in"), 300 * GST_SECOND);
  assert_equals_uint64 (stat (stage, "audio-acknowledged"), 300 * GST_SECOND);
  assert_equals_int (stage.warnings (), 0);
}
GST_END_TEST;

static Suite *
watermark_suite (void)
{
  Suite *suite = suite_create ("watermark");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_without_a_final_all_is_sent_again);
  tcase_add_test (tcase, test_a_final_covers_what_is_before_its_end);
  tcase_add_test (tcase, test_a_final_is_limited_by_an_open_interim);
  tcase_add_test (tcase, test_an_interim_whose_start_moves_is_open_from_there);
  tcase_add_test (tcase, test_finals_that_overlap_or_are_out_of_order);
  tcase_add_test (tcase, test_interims_and_finals_mixed);
  tcase_add_test (tcase, test_an_open_interim_is_interrupted_by_a_loss);
  tcase_add_test (tcase, test_an_open_interim_is_interrupted_by_end);
  tcase_add_test (tcase, test_an_open_interim_is_interrupted_by_a_rollover);
  tcase_add_test (tcase, test_an_interim_is_open_for_60_seconds_of_audio);
  tcase_add_test (tcase, test_a_final_without_an_end_covers_nothing);
  tcase_add_test (tcase, test_a_repeated_final_is_dropped);
  tcase_add_test (tcase, test_a_lost_utterance_keeps_its_number);
  tcase_add_test (tcase, test_nothing_is_posted_after_a_session_was_given_up);
  tcase_add_test (tcase, test_exceeded_audio_is_sent_again_from_the_watermark);
  tcase_add_test (tcase, test_end_normal_covers_all_that_was_sent);
  tcase_add_test (tcase, test_voice_end_covers_up_to_the_end_of_its_final);
  tcase_add_test (tcase, test_voice_end_without_a_final_covers_what_was_sent);
  tcase_add_test (tcase, test_exceeded_silence_covers_silence);
  tcase_add_test (tcase, test_end_without_an_event_covers_all_of_a_sentence);
  tcase_add_test (tcase, test_no_third_session_begins_at_the_same_sample);
  tcase_add_test (tcase, test_no_third_rollover_is_to_the_same_sample);
  tcase_add_test (tcase, test_five_minutes_of_silence_in_sentence_mode);
  return suite;
}

GST_CHECK_MAIN (watermark)
