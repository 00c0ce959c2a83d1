// SPDX-License-Identifier: LGPL-2.1-or-later
/* Five hours of audio, in sessions of five minutes of which every third one is
 * lost: no word is missing, said twice or out of place, and the process does
 * not grow. As fast as it goes: the audio is at 8 kHz, half of the work. */
#include "server.h"

#include "marathon.h"
#include "scale.h"

#include <random>

using namespace sischeck;
using sistest::Behaviour;

namespace {

constexpr std::size_t five_hours = 5 * 3600;
constexpr std::size_t warm_up = 600; /* until the caches are full */
constexpr std::size_t session_seconds = 300;

/* The real limit of a session is 4 h 55 min. */
constexpr double scale = (4 * 60 + 55) * 60.0 / session_seconds;

/* Every way to lose a session that a long stream meets. */
std::vector<Behaviour>
script (std::size_t seconds)
{
  const sistest::Action actions[] = {
    sistest::reset (),
    sistest::hang_up (),
    sistest::close_with (1011),
    sistest::error ("SIS.0303", "engine"),
  };
  std::mt19937 random (1);
  std::vector<Behaviour> behaviours;
  for (unsigned i = 0; i < 2 * seconds / session_seconds; i++) {
    Behaviour behaviour{ .recognizer = sistest::index_recognizer (),
                         .keep_audio = 0,
                         .keep_messages = false };
    if (i % 3 == 2)
      behaviour.actions = { { Milliseconds (random () % 280000),
                              actions[i / 3 % std::size (actions)] } };
    behaviours.push_back (behaviour);
  }
  return behaviours;
}

} // namespace

GST_START_TEST (test_five_hours_lose_no_word_and_no_memory)
{
  const std::size_t seconds = scaled (five_hours);
  sistest::Server server;
  server.script (script (seconds));
  fail_unless (server.start ());
  Pipeline pipeline (marathon_line (
      server.url (),
      "max-session-duration=" + std::to_string (session_seconds * GST_SECOND)));
  MarathonListener listener (pipeline);
  pipeline.play ();
  gint64 before = 0;
  for (std::size_t i = 0; i < seconds; i++) {
    push_marathon (pipeline, i);
    listener.hear_all ();
    if (i == warm_up)
      before = resident_kb ();
  }
  pipeline.end ();
  fail_unless (listener.hear_until_eos ());
  const gint64 after = resident_kb ();
  const auto connections = server.connections ();
  g_printerr ("%zu s of audio in %zu sessions, %zu lost, time-limits scaled by "
              "%.0f; %zu words; %d kB, then %d kB\n",
              seconds, connections.size (), listener.warnings, scale,
              listener.said, int (before), int (after));

  listener.assert_heard (words_of_marathon (seconds), seconds);
  assert_equals_int (listener.starts, listener.ends);
  assert_equals_int (connections.size (), listener.starts);
  fail_unless (listener.warnings >= seconds / session_seconds / 3);
  for (const sistest::Record &record : connections)
    fail_unless (record.violations.empty ());
  const Stats stats (pipeline);
  stats.assert_sum ();
  assert_equals_uint64 (stats.audio ("in"), seconds * GST_SECOND);
  assert_equals_uint64 (stats.audio ("acknowledged") + stats.audio ("evicted"),
                        seconds * GST_SECOND);
  fail_unless (after - before <= 1024 || !measures_memory (), "%d kB more",
               int (after - before));
}
GST_END_TEST;

static Suite *
marathon_suite (void)
{
  Suite *suite = suite_create ("marathon");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 240);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_five_hours_lose_no_word_and_no_memory);
  return suite;
}

GST_CHECK_MAIN (marathon)
