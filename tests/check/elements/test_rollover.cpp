// SPDX-License-Identifier: LGPL-2.1-or-later
/* Sessions that are replaced by others as they grow too long, at the
 * application's wish, or as there is nothing to say. */
#include "stage.h"

#include <map>
#include <mutex>

using namespace sischeck;
using sistest::Action;
using sistest::Behaviour;
using sistest::Record;
using sistest::send_result;
using sistest::TimedAction;

namespace {

/* When each message was posted. */
class Times
{
public:
  using Clock = std::chrono::steady_clock;

  explicit Times (const Pipeline &pipeline) : pipeline_ (pipeline.get ())
  {
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline_);
    gst_bus_set_sync_handler (bus, &Times::on_message, this, nullptr);
  }
  ~Times () { gst_element_set_state (pipeline_, GST_STATE_NULL); }
  Times (const Times &) = delete;
  Times &operator= (const Times &) = delete;

  /* From the n-th message of one name to the m-th of another. */
  Clock::duration between (const char *from, std::size_t n, const char *to,
                           std::size_t m)
  {
    const std::lock_guard lock (mutex_);
    return posted_[to].at (m) - posted_[from].at (n);
  }

private:
  static GstBusSyncReply on_message (GstBus *, GstMessage *message,
                                     gpointer data)
  {
    auto *self = static_cast<Times *> (data);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT) {
      const std::lock_guard lock (self->mutex_);
      self->posted_[gst_structure_get_name (
                        gst_message_get_structure (message))]
          .push_back (Clock::now ());
    }
    return GST_BUS_PASS;
  }

  GstElement *const pipeline_;
  std::mutex mutex_;
  std::map<std::string, std::vector<Clock::time_point>> posted_;
};

struct TimedStage : Stage
{
  explicit TimedStage (std::vector<Behaviour> script,
                       const std::string &properties = {})
      : Stage (std::move (script), properties)
  {
  }

  Times times{ *pipeline };
};

/* A final; times are in milliseconds of the session. */
Action
said (int start, int end, const char *text = "said")
{
  return send_result (
      { { Milliseconds (start), Milliseconds (end), true, text } });
}

Behaviour
indexed (int words_per_sentence = 10)
{
  return { .recognizer = sistest::index_recognizer (words_per_sentence) };
}

std::string
words_to (int count)
{
  std::string words;
  for (int i = 0; i < count; i++)
    words += (i > 0 ? " w" : "w") + std::to_string (i);
  return words;
}

guint64
stat (const Stage &stage, const char *field)
{
  g_autoptr (GstStructure) stats = nullptr;
  g_object_get (stage.pipeline->sink (), "stats", &stats, nullptr);
  return time_of (stats, field);
}

void
restart (const Stage &stage)
{
  g_signal_emit_by_name (stage.pipeline->sink (), "restart");
}

/* The finals lie end to end, each at its place. */
void
assert_finals_tile (const Stage &stage)
{
  guint64 end = 0;
  for (const GstStructure *result : stage.pipeline->named ("sis-result")) {
    const guint64 start = time_of (result, "running-time");
    assert_equals_uint64 (start, end);
    end = start + time_of (result, "duration");
  }
  assert_equals_uint64 (end, stage.length ());
}

} // namespace

/* Nothing is sent twice where a final comes near the limit. */
GST_START_TEST (test_a_final_near_the_limit_is_the_time_to_roll_over)
{
  Stage stage ({ scripted ({ { 37000ms, said (0, 30000) },
                             { 39000ms, said (30000, 36000) } }),
                 {} },
               "max-session-duration=40000000000");
  stage.play_to (37000ms, 1);
  stage.play_to (39000ms, 2);
  stage.wait_for ("sis-end", 1);
  stage.finish ();
  assert_same_text (stage.reason (0), "CANCEL");
  fail_unless (stage.server.connections ()[0].cancelled);
  assert_equals_int (stage.first_ms (0), 0);
  assert_equals_int (stage.first_ms (1), 36000);
}
GST_END_TEST;

GST_START_TEST (test_words_are_said_once_over_many_rollovers)
{
  for (const char *policy : { "never", "transport" }) {
    Stage stage ({ indexed () },
                 std::string ("max-session-duration=2050000000 reconnect=")
                     + policy);
    for (int i = 1; i <= 7; i++)
      stage.play_to (Milliseconds (1000 * i), std::size_t (i));
    stage.finish ();
    assert_same_text (stage.pipeline->finals (), words_to (75));
    assert_finals_tile (stage);
    assert_equals_int (stage.server.connections ().size (), 4);
    for (std::size_t i = 0; i < 4; i++) {
      assert_equals_int (stage.first_ms (i), int (2000 * i));
      assert_same_text (stage.reason (i), i < 3 ? "CANCEL" : "NORMAL");
    }
    assert_equals_uint64 (stat (stage, "audio-replayed"), 0);
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

/* What the last final did not cover is sent again. */
GST_START_TEST (test_at_the_limit_a_session_is_replaced_in_any_case)
{
  Stage stage ({ indexed () }, "max-session-duration=2500000000");
  stage.play_to (2000ms, 2);
  stage.play_to (2500ms);
  stage.wait_for ("sis-end", 1);
  stage.play_to (4000ms, 4);
  stage.play_to (4500ms);
  stage.wait_for ("sis-end", 2);
  stage.finish ();
  assert_same_text (stage.pipeline->finals (), words_to (50));
  assert_finals_tile (stage);
  for (std::size_t i = 0; i < 3; i++)
    assert_equals_int (stage.first_ms (i), int (2000 * i));
  assert_same_text (stage.reason (1), "CANCEL");
  assert_equals_uint64 (stat (stage, "audio-replayed"), GST_SECOND);
}
GST_END_TEST;

/* Results are waited for where cancelling would lose audio. */
GST_START_TEST (test_at_the_limit_without_a_final_results_are_waited_for)
{
  Stage stage ({ indexed (30), {} }, "max-session-duration=1500000000");
  stage.play_to (1500ms);
  stage.wait_for ("sis-end", 1);
  stage.finish ();
  assert_same_text (stage.reason (0), "NORMAL");
  fail_if (stage.server.connections ()[0].cancelled);
  assert_equals_int (stage.first_ms (1), 1500);
  assert_same_text (stage.pipeline->finals (), words_to (15) + " sentence 0");
}
GST_END_TEST;

GST_START_TEST (test_at_the_limit_with_evicted_audio_results_are_waited_for)
{
  Stage stage ({ scripted ({ { 1000ms, said (0, 500) } }), {} },
               "max-session-duration=3000000000 replay-duration=1000000000 "
               "reconnect=never");
  stage.play_to (1000ms, 1);
  stage.play_to (3000ms);
  stage.wait_for ("sis-end", 1);
  stage.finish ();
  assert_same_text (stage.reason (0), "NORMAL");
  fail_if (stage.server.connections ()[0].cancelled);
  assert_equals_int (stage.first_ms (1), 3000);
  assert_equals_int (stage.warnings (), 0);
}
GST_END_TEST;

GST_START_TEST (test_other_modes_end_in_order_at_the_limit)
{
  for (const char *mode : { "short", "sentence" }) {
    Stage stage ({ indexed (40) },
                 std::string ("max-session-duration=1500000000 mode=") + mode);
    stage.play_to (3500ms);
    stage.finish ();
    assert_same_text (stage.pipeline->finals (), words_to (40));
    assert_finals_tile (stage);
    assert_equals_int (stage.server.connections ().size (), 3);
    for (std::size_t i = 0; i < 3; i++) {
      assert_equals_int (stage.first_ms (i), int (1500 * i));
      assert_same_text (stage.reason (i), "NORMAL");
      fail_if (stage.server.connections ()[i].cancelled);
    }
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

/* The limit is of time, too. */
GST_START_TEST (test_a_session_of_little_audio_is_replaced_when_it_is_old)
{
  for (const bool has_final : { false, true }) {
    TimedStage stage (
        { has_final ? scripted ({ { 500ms, said (0, 300) } }) : scripted ({}),
          {} },
        "max-session-duration=1000000000");
    stage.play_to (500ms, has_final);
    stage.wait_for ("sis-end", 1);
    fail_unless (stage.times.between ("sis-start", 0, "sis-end", 0) >= 900ms);
    stage.finish ();
    assert_same_text (stage.reason (0), has_final ? "CANCEL" : "NORMAL");
    assert_equals_int (stage.first_ms (1), has_final ? 300 : 500);
  }
}
GST_END_TEST;

/* The action signal. What was changed applies to the session that follows. */

static void
assert_punctuates_since_restart (const Stage &stage)
{
  auto connections = stage.server.connections ();
  assert_equals_int (connections.size (), 2);
  assert_equals_int (connections[0].config.count ("add_punc"), 0);
  assert_same_text (connections[1].config["add_punc"], "yes");
}

GST_START_TEST (test_restart_in_continue_mode_waits_for_a_final)
{
  Stage stage ({ scripted ({ { 1000ms, said (0, 800) } }), {} }, "");
  stage.play_to (500ms);
  g_object_set (stage.pipeline->sink (), "add-punc", TRUE, nullptr);
  restart (stage);
  stage.play_to (900ms);
  assert_equals_int (stage.server.connections ()[0].ends, 0);
  stage.play_to (1000ms, 1);
  stage.wait_for ("sis-end", 1);
  stage.finish ();
  assert_same_text (stage.reason (0), "CANCEL");
  assert_equals_int (stage.first_ms (1), 800);
  assert_punctuates_since_restart (stage);
}
GST_END_TEST;

GST_START_TEST (test_restart_waits_no_longer_than_for_a_sentence)
{
  Stage stage ({ scripted ({}), {} }, "max-seconds=1");
  stage.play_to (500ms);
  g_object_set (stage.pipeline->sink (), "add-punc", TRUE, nullptr);
  restart (stage);
  stage.play_to (1400ms);
  assert_equals_int (stage.server.connections ()[0].ends, 0);
  stage.push_to (1500ms);
  stage.wait_for ("sis-end", 1);
  stage.finish ();
  assert_equals_int (stage.first_ms (1), 1500);
  assert_punctuates_since_restart (stage);
}
GST_END_TEST;

GST_START_TEST (test_restart_in_other_modes_is_at_once)
{
  for (const char *mode : { "short", "sentence" }) {
    Stage stage ({ indexed (40) }, std::string ("mode=") + mode);
    stage.play_to (500ms);
    g_object_set (stage.pipeline->sink (), "add-punc", TRUE, nullptr);
    restart (stage);
    stage.wait_for ("sis-end", 1);
    stage.finish ();
    assert_same_text (stage.reason (0), "NORMAL");
    fail_if (stage.server.connections ()[0].cancelled);
    assert_equals_int (stage.first_ms (1), 500);
    assert_same_text (stage.pipeline->finals (), words_to (10));
    assert_punctuates_since_restart (stage);
  }
}
GST_END_TEST;

GST_START_TEST (test_restart_without_a_session_does_nothing)
{
  Stage stage ({ indexed () }, "mode=short");
  restart (stage);
  stage.play_to (500ms);
  stage.play_to (1000ms);
  stage.finish ();
  assert_equals_int (stage.server.connections ().size (), 1);
  restart (stage);
  stage.pipeline->set_state (GST_STATE_NULL);
  restart (stage);
}
GST_END_TEST;

/* The service's own limit comes first: no word is lost or said twice. */
GST_START_TEST (test_beyond_the_limit_of_the_service_another_session_follows)
{
  for (const char *mode : { "continue", "short", "sentence" })
    for (const bool is_error : { false, true }) {
      Behaviour limited = indexed (60);
      limited.max_session = 4500ms;
      limited.exceeded_is_error = is_error;
      Stage stage ({ limited }, std::string ("mode=") + mode);
      stage.push_to (19500ms);
      stage.finish ();
      assert_same_text (stage.pipeline->finals (), words_to (200));
      assert_same_text (stage.reason (0), is_error ? "ERROR" : "NORMAL");
      assert_equals_int (stage.warnings (), 0);
    }
}
GST_END_TEST;

/* One session at a time. */

GST_START_TEST (test_sessions_do_not_start_in_quick_succession)
{
  TimedStage stage ({ scripted ({}) },
                    "max-session-duration=200000000 mode=short "
                    "reconnect-delay=300000000");
  stage.push_to (500ms);
  stage.finish ();
  for (std::size_t i = 1; i < 3; i++)
    fail_unless (
        stage.times.between ("sis-connecting", i - 1, "sis-connecting", i)
        >= 300ms);
}
GST_END_TEST;

GST_START_TEST (test_the_next_handshake_waits_for_the_answer_to_end)
{
  for (const bool has_final : { false, true }) {
    Behaviour slow = scripted ({});
    if (has_final)
      slow.actions = { { 5000ms, said (0, 500) } };
    slow.end.delay = 300ms;
    TimedStage stage ({ slow, {} }, "max-session-duration=5250000000");
    stage.play_to (5000ms, has_final);
    stage.push_to (5500ms);
    fail_unless (stage.server.wait (
        [] (const auto &connections) { return connections.size () == 2; }));
    fail_unless (stage.server.connections ()[0].ended);
    stage.finish ();
    assert_same_text (stage.reason (0), has_final ? "CANCEL" : "NORMAL");
    /* The one is told at once, the other with the answer. */
    const auto pause = stage.times.between ("sis-end", 0, "sis-connecting", 1);
    fail_unless (has_final ? pause >= 250ms && pause < 1s : pause < 250ms);
  }
}
GST_END_TEST;

GST_START_TEST (test_the_answer_to_cancel_is_waited_for_a_second)
{
  Behaviour mute = scripted ({ { 5000ms, said (0, 500) } });
  mute.end.answer = false;
  TimedStage stage ({ mute, {} }, "max-session-duration=5250000000");
  stage.play_to (5000ms, 1);
  stage.wait_for ("sis-start", 2);
  stage.finish ();
  assert_same_text (stage.reason (0), "CANCEL");
  assert_equals_int (stage.first_ms (1), 500);
  const auto pause = stage.times.between ("sis-end", 0, "sis-connecting", 1);
  fail_unless (pause >= 990ms && pause < patience () / 5);
  assert_equals_int (stage.warnings (), 0);
}
GST_END_TEST;

/* Nothing comes for a while. */

GST_START_TEST (test_an_idle_session_is_ended_and_the_next_audio_opens_another)
{
  Stage stage ({ indexed () }, "idle-timeout=1000000000");
  stage.play_to (1250ms, 1);
  stage.wait_for ("sis-end", 1);
  stage.finish ();
  assert_same_text (stage.reason (0), "NORMAL");
  assert_equals_int (stage.first_ms (1), 1250);
  assert_same_text (stage.pipeline->finals (), words_to (17));
  for (const GstStructure *result : stage.pipeline->named ("sis-result"))
    if (uint_of (result, "session") == 2)
      assert_equals_uint64 (time_of (result, "running-time"),
                            1250 * GST_MSECOND);
  assert_equals_uint64 (stat (stage, "audio-replayed"), 0);
}
GST_END_TEST;

GST_START_TEST (test_after_an_idle_end_without_an_answer_is_replay)
{
  Behaviour mute = scripted ({ { 1000ms, said (0, 700) } });
  mute.end.answer = false;
  Stage stage ({ mute, {} }, "idle-timeout=1000000000 timeout=1");
  stage.play_to (1000ms, 1);
  stage.wait_for ("sis-end", 2);
  assert_same_text (stage.reason (0), "TIMEOUT");
  assert_same_text (stage.reason (1), "NORMAL");
  assert_equals_int (stage.first_ms (1), 700);
  assert_equals_int (stage.warnings (), 1);
  /* It is covered now. */
  stage.finish ();
  assert_equals_int (stage.first_ms (2), 1000);
}
GST_END_TEST;

GST_START_TEST (test_after_two_idle_ends_without_an_answer_audio_is_let_go)
{
  Behaviour mute = scripted ({});
  mute.end.answer = false;
  Stage stage ({ mute, mute, {} }, "idle-timeout=1000000000 timeout=1");
  stage.play_to (1000ms);
  stage.wait_for ("sis-end", 2);
  fail_unless (stage.pipeline->wait_for ([&] (GstMessage *) {
    return stage.warnings () == 3;
  }) != nullptr);
  const Problem problem (
      stage.pipeline->from_sink (GST_MESSAGE_WARNING).back ());
  fail_unless (problem.text.find ("1.0 s from running time 0.0 s")
                   != std::string::npos,
               "%s", problem.text.c_str ());
  assert_equals_uint64 (stat (stage, "audio-dropped"), GST_SECOND);
  stage.finish ();
  assert_equals_int (stage.server.connections ().size (), 3);
  assert_equals_int (stage.first_ms (1), 0);
  assert_equals_int (stage.first_ms (2), 1000);
}
GST_END_TEST;

static Suite *
rollover_suite (void)
{
  Suite *suite = suite_create ("rollover");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_final_near_the_limit_is_the_time_to_roll_over);
  tcase_add_test (tcase, test_words_are_said_once_over_many_rollovers);
  tcase_add_test (tcase, test_at_the_limit_a_session_is_replaced_in_any_case);
  tcase_add_test (tcase,
                  test_at_the_limit_without_a_final_results_are_waited_for);
  tcase_add_test (tcase,
                  test_at_the_limit_with_evicted_audio_results_are_waited_for);
  tcase_add_test (tcase, test_other_modes_end_in_order_at_the_limit);
  tcase_add_test (tcase,
                  test_a_session_of_little_audio_is_replaced_when_it_is_old);
  tcase_add_test (tcase, test_restart_in_continue_mode_waits_for_a_final);
  tcase_add_test (tcase, test_restart_waits_no_longer_than_for_a_sentence);
  tcase_add_test (tcase, test_restart_in_other_modes_is_at_once);
  tcase_add_test (tcase, test_restart_without_a_session_does_nothing);
  tcase_add_test (tcase,
                  test_beyond_the_limit_of_the_service_another_session_follows);
  tcase_add_test (tcase, test_sessions_do_not_start_in_quick_succession);
  tcase_add_test (tcase, test_the_next_handshake_waits_for_the_answer_to_end);
  tcase_add_test (tcase, test_the_answer_to_cancel_is_waited_for_a_second);
  tcase_add_test (
      tcase, test_an_idle_session_is_ended_and_the_next_audio_opens_another);
  tcase_add_test (tcase, test_after_an_idle_end_without_an_answer_is_replay);
  tcase_add_test (tcase,
                  test_after_two_idle_ends_without_an_answer_audio_is_let_go);
  return suite;
}

GST_CHECK_MAIN (rollover)
