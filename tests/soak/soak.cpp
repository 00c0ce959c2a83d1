// SPDX-License-Identifier: LGPL-2.1-or-later
/* Hours of audio through sinks whose service fails every few seconds, each word
 * accounted for. Prints one row of the table in README.md.
 *
 * In the environment, each with a default for a quick look: SOAK_SINKS, and
 * SOAK_SECONDS of audio for each of them. The service has a process of its own,
 * so that memory and threads are those of the sinks and what feeds them. */
#include "marathon.h"
#include "service.h"

#include <algorithm>
#include <cstdlib>
#include <random>
#include <sys/resource.h>

using namespace sischeck;
using sistest::Behaviour;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t session_seconds = 300;
constexpr double real_session_seconds = (4 * 60 + 55) * 60;

struct Fault
{
  const char *name;
  int weight;
  void (*cause) (Behaviour &behaviour, Milliseconds at);
};

void
act (Behaviour &behaviour, Milliseconds at, const sistest::Action &action)
{
  behaviour.actions = { { at, action } };
}

/* Ways to fail; the service works until `at`, if at all. That it vanished is
 * noticed by its missing pongs only, which takes seconds of the run. */
constexpr Fault faults[] = {
  { "RST", 20,
    [] (Behaviour &b, Milliseconds at) { act (b, at, sistest::reset ()); } },
  { "FIN", 20,
    [] (Behaviour &b, Milliseconds at) { act (b, at, sistest::hang_up ()); } },
  { "close 1011", 20,
    [] (Behaviour &b, Milliseconds at) {
      act (b, at, sistest::close_with (1011));
    } },
  { "ERROR", 20,
    [] (Behaviour &b, Milliseconds at) {
      act (b, at, sistest::error ("SIS.0303", "engine"));
    } },
  { "FATAL_ERROR", 20,
    [] (Behaviour &b, Milliseconds at) {
      act (b, at, sistest::fatal ("SIS.0306", "recognition"));
    } },
  { "unasked END", 20,
    [] (Behaviour &b, Milliseconds at) {
      act (b, at, sistest::end ("CANCEL"));
    } },
  { "finals twice, then RST", 20,
    [] (Behaviour &b, Milliseconds at) {
      b.repeat_finals = true;
      act (b, at, sistest::reset ());
    } },
  { "START unanswered", 10,
    [] (Behaviour &b, Milliseconds) {
      b.start = { .answer = false, .after = { sistest::reset () } };
    } },
  { "handshake dropped", 10,
    [] (Behaviour &b, Milliseconds) { b.handshake.drop = true; } },
  { "HTTP 503", 10,
    [] (Behaviour &b, Milliseconds) {
      b.handshake.reply = sistest::HttpReply{ .status = 503 };
    } },
  { "stall", 4,
    [] (Behaviour &b, Milliseconds at) {
      act (b, at, sistest::stop_reading (100ms));
    } },
  { "vanished", 1,
    [] (Behaviour &b, Milliseconds at) { act (b, at, sistest::vanish ()); } },
};

/* What the connections meet, one after the other. */
std::vector<const Fault *>
plan (std::size_t count)
{
  std::vector<const Fault *> choices;
  for (const Fault &fault : faults)
    choices.insert (choices.end (), std::size_t (fault.weight), &fault);
  std::mt19937 random (1);
  std::vector<const Fault *> faults_to_come;
  while (faults_to_come.size () < count)
    faults_to_come.push_back (choices[random () % choices.size ()]);
  return faults_to_come;
}

std::vector<Behaviour>
script (const std::vector<const Fault *> &faults_to_come)
{
  std::mt19937 random (2);
  std::vector<Behaviour> behaviours;
  for (const Fault *fault : faults_to_come) {
    Behaviour behaviour{ .end
                         = { .answer = false, .after = { sistest::reset () } },
                         .recognizer = sistest::index_recognizer (),
                         .keep_audio = 0,
                         .keep_messages = false };
    fault->cause (behaviour, Milliseconds (10000 + random () % 30000));
    behaviours.push_back (behaviour);
  }
  /* So that a run that fails often comes to an end, too. */
  behaviours.push_back ({ .recognizer = sistest::index_recognizer (),
                          .keep_audio = 0,
                          .keep_messages = false });
  return behaviours;
}

std::size_t
parameter (const char *name, std::size_t otherwise)
{
  const char *value = std::getenv (name);
  return value != nullptr ? std::size_t (std::atoll (value)) : otherwise;
}

struct Channel
{
  explicit Channel (const std::string &url)
      : pipeline (marathon_line (
          url, "reconnect=always keepalive-interval=2 "
               "max-session-duration="
                   + std::to_string (session_seconds * GST_SECOND))),
        listener (pipeline)
  {
    pipeline.play ();
  }
  Pipeline pipeline;
  MarathonListener listener;
};

std::string
kinds (const std::vector<const Fault *> &met)
{
  std::string text;
  for (const Fault &fault : faults)
    text += (text.empty () ? "" : ", ")
            + std::to_string (std::count (met.begin (), met.end (), &fault))
            + " " + fault.name;
  return text;
}

} // namespace

GST_START_TEST (test_no_word_is_lost)
{
  const std::size_t sinks = parameter ("SOAK_SINKS", 3);
  const std::size_t seconds = parameter ("SOAK_SECONDS", 600);
  /* A fault every 25 s of audio or so, and room for more. */
  auto faults_to_come = plan (sinks * (seconds / 10 + 1));
  Service service (script (faults_to_come));
  const auto begin = Clock::now ();
  std::vector<std::unique_ptr<Channel>> channels;
  for (std::size_t i = 0; i < sinks; i++)
    channels.push_back (std::make_unique<Channel> (service.url ()));

  std::size_t threads = 0;
  for (std::size_t second = 0; second < seconds; second++) {
    for (const auto &channel : channels) {
      push_marathon (channel->pipeline, second);
      channel->listener.hear_all ();
    }
    if (second % 60 == 30)
      threads = std::max (threads, take_census ().threads);
  }
  for (const auto &channel : channels)
    channel->pipeline.end ();
  for (const auto &channel : channels)
    fail_unless (channel->listener.hear_until_eos (), "%s",
                 channel->listener.error ().c_str ());
  const std::chrono::duration<double> duration = Clock::now () - begin;
  struct rusage usage = {};
  getrusage (RUSAGE_SELF, &usage);
  const std::size_t connections = service.stop ();
  faults_to_come.resize (std::min (connections, faults_to_come.size ()));

  const std::size_t words = words_of_marathon (seconds);
  std::size_t said = 0;
  std::size_t missed = 0;
  std::size_t repeated = 0;
  for (const auto &channel : channels) {
    said += channel->listener.said;
    missed += channel->listener.missed (words);
    repeated += channel->listener.repeated;
  }
  const double scale = double (seconds * sinks) / duration.count ();
  g_printerr (
      "| %zu | %.1f | %.0f s, audio %.0f times and sessions %.0f times as "
      "fast | %s | %zu | %zu | %zu | %zu | %.0f MB | %zu |\n",
      sinks, double (seconds) / 3600, duration.count (), scale,
      real_session_seconds / session_seconds, kinds (faults_to_come).c_str (),
      words * sinks, said, missed, repeated, double (usage.ru_maxrss) / 1024,
      threads);

  for (const auto &channel : channels)
    channel->listener.assert_heard (words, seconds);
  fail_unless (connections > sinks * seconds / 60);
}
GST_END_TEST;

static Suite *
soak_suite (void)
{
  Suite *suite = suite_create ("soak");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 1800);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_no_word_is_lost);
  return suite;
}

GST_CHECK_MAIN (soak)
