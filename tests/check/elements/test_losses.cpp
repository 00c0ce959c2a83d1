// SPDX-License-Identifier: LGPL-2.1-or-later
/* Sessions that are lost, in every way, again and again: no word is lost or
 * said twice, and all are in their place. */
#include "pipeline.h"
#include "scale.h"
#include "server.h"

#include <random>

using namespace sischeck;
using namespace std::chrono_literals;
using sistest::Action;
using sistest::Behaviour;

namespace {

constexpr std::size_t one_second = 16000;

/* Losses, and audio enough for them: each session gets on by a second or two,
 * if at all. */
struct Run
{
  const char *mode;
  int losses, seconds;
};
constexpr Run runs[]
    = { { "continue", 200, 300 }, { "sentence", 60, 60 }, { "short", 60, 60 } };

const char *const hurried
    = "reconnect=always max-reconnects=1000 reconnect-delay=1000000 "
      "max-reconnect-delay=1000000 max-session-duration=5000000000 "
      "interim-results=true need-word-info=true ";

/* Every way to lose a session, in turn. */
Behaviour
lossy (int kind, std::mt19937 &random)
{
  Behaviour behaviour{ .end
                       = { .answer = false, .after = { sistest::reset () } },
                       .recognizer = sistest::index_recognizer () };
  /* Whole blocks: of a block cut in halves nobody hears the word. */
  const Milliseconds position (100 + 10 * (random () % 150));
  const Action actions[] = {
    sistest::reset (),
    sistest::hang_up (),
    sistest::close_with (1011),
    sistest::fatal ("SIS.0306", "recognition exception"),
    sistest::error ("SIS.0303", "engine"),
    sistest::end ("CANCEL"),
  };
  const int n = int (std::size (actions));
  if (kind % (n + 2) < n)
    behaviour.actions = { { position, actions[kind % (n + 2)] } };
  else
    behaviour.max_session = position;
  behaviour.exceeded_is_error = kind % (n + 2) == n;
  return behaviour;
}

std::vector<Behaviour>
lossy_script (int losses, unsigned seed)
{
  std::mt19937 random (seed);
  std::vector<Behaviour> script;
  for (int i = 0; i < losses; i++)
    script.push_back (lossy (i, random));
  script.push_back ({ .recognizer = sistest::index_recognizer () });
  return script;
}

/* The bus and the input are all that this knows: word N is the input's
 * hundred milliseconds N, and finals lie end to end. A session may begin within
 * a word, and end in its last 10 ms. */
struct Listener
{
  void hear (const GstStructure *result)
  {
    const auto start = gint64 (time_of (result, "running-time"));
    fail_unless (start >= end - millisecond && start <= end + slack,
                 "a final starts at %" G_GINT64_FORMAT
                 ", not %" G_GINT64_FORMAT,
                 start, end);
    end = start + gint64 (time_of (result, "duration"));
    const GValue *list = gst_structure_get_value (result, "words");
    fail_unless (list != nullptr);
    for (guint i = 0; i < gst_value_array_get_size (list); i++, next++)
      hear_word (gst_value_get_structure (gst_value_array_get_value (list, i)),
                 start);
  }

  void hear_word (const GstStructure *word, gint64 sentence)
  {
    assert_same_text (text_of (word, "word"), "w" + std::to_string (next));
    const auto at = gint64 (time_of (word, "running-time"));
    const auto length = gint64 (time_of (word, "duration"));
    const gint64 expected = next * 100 * millisecond;
    const bool is_whole = ABS (at - expected) <= millisecond;
    const bool is_cut = at > expected && ABS (at - sentence) <= millisecond;
    fail_unless (is_whole || is_cut, "word %d at %" G_GINT64_FORMAT, next, at);
    const gint64 missing = expected + 100 * millisecond - at - length;
    fail_unless (missing >= -millisecond && missing < 10 * millisecond);
  }

  static constexpr gint64 millisecond = GST_MSECOND;
  /* Where a session ends within a word, the server leaves the part of it that
   * it heard out of its final, and the next one says the word. */
  static constexpr gint64 slack = 100 * millisecond;
  int next = 0;
  gint64 end = 0;
};

void
assert_all_was_said_once (const Pipeline &pipeline, const Run &run)
{
  Listener listener;
  for (const GstStructure *result : pipeline.named ("sis-result"))
    if (flag_of (result, "is_final"))
      listener.hear (result);
  assert_equals_int (listener.next, run.seconds * 10);
  assert_equals_int (int (pipeline.named ("sis-start").size ()),
                     int (pipeline.named ("sis-end").size ()));
}

/* in + filled = acknowledged + unacknowledged + evicted + buffered + dropped */
void
assert_nothing_is_unaccounted (Pipeline &pipeline)
{
  GstStructure *stats = nullptr;
  g_object_get (pipeline.sink (), "stats", &stats, nullptr);
  const auto sum = [stats] (std::initializer_list<const char *> fields) {
    guint64 total = 0;
    for (const char *field : fields)
      total += time_of (stats, field);
    return total;
  };
  assert_equals_uint64 (
      sum ({ "audio-in", "audio-filled" }),
      sum ({ "audio-acknowledged", "audio-unacknowledged", "audio-evicted",
             "audio-buffered", "audio-dropped" }));
  gst_structure_free (stats);
}

} // namespace

GST_START_TEST (test_200_losses_lose_and_repeat_no_word)
{
  Run run = runs[__i__];
  run.losses = scaled (run.losses);
  /* Of few, some may take longer than their share. */
  run.seconds = scaled (run.seconds) + 10;
  sistest::Server server;
  server.script (lossy_script (run.losses, 1));
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), hurried + std::string ("mode=") + run.mode));
  pipeline.play ();
  for (int i = 0; i < run.seconds; i++) {
    pipeline.push (indexed_audio (i * one_second, one_second),
                   i == 0 ? 0 : GST_CLOCK_TIME_NONE);
    assert_nothing_is_unaccounted (pipeline);
  }
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (int (server.connections ().size ()) > run.losses);
  assert_all_was_said_once (pipeline, run);
  assert_nothing_is_unaccounted (pipeline);
}
GST_END_TEST;

static Suite *
losses_suite (void)
{
  Suite *suite = suite_create ("losses");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 120);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_200_losses_lose_and_repeat_no_word, 0,
                       int (std::size (runs)));
  return suite;
}

GST_CHECK_MAIN (losses)
