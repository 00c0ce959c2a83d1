// SPDX-License-Identifier: LGPL-2.1-or-later
/* More audio than the service takes, or than is kept: what is dropped, what is
 * not, and what the bus and the stats say of it. */
#include "server.h"

#include "stats.h"

using namespace sischeck;
using sistest::Behaviour;
using sistest::Server;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t one_second = 16000;
constexpr std::size_t word = one_second / 10;

const Behaviour good{ .recognizer = sistest::index_recognizer () };

/* Index coded audio in buffers of a word each. */
void
push_words (Pipeline &pipeline, std::size_t first, std::size_t count)
{
  for (std::size_t i = first; i < first + count; i++)
    pipeline.push (indexed_audio (i * word, word), i * 100 * GST_MSECOND);
}

bool
wait_until_in (Pipeline &pipeline, std::size_t words)
{
  return wait_for_stats (pipeline, [words] (const Stats &stats) {
    return stats.audio ("in") == words * 100 * GST_MSECOND;
  });
}

bool
wait_until_heard (const Server &server, std::size_t connection,
                  std::size_t words)
{
  return server.wait ([=] (const auto &connections) {
    return connections.size () > connection
           && connections[connection].audio_bytes >= words * word * 2;
  });
}

/* Each word lies where it was in the input, whatever was dropped before it. */
void
assert_words_are_in_place (const Pipeline &pipeline)
{
  for (const GstStructure *result : pipeline.named ("sis-result")) {
    const GValue *list = gst_structure_get_value (result, "words");
    fail_unless (list != nullptr);
    for (guint i = 0; i < gst_value_array_get_size (list); i++) {
      const GstStructure *said
          = gst_value_get_structure (gst_value_array_get_value (list, i));
      const guint64 index
          = g_ascii_strtoull (text_of (said, "word").c_str () + 1, nullptr, 10);
      const gint64 off = gint64 (time_of (said, "running-time"))
                         - gint64 (index * 100 * GST_MSECOND);
      fail_unless (ABS (off) <= gint64 (GST_MSECOND),
                   "w%" G_GUINT64_FORMAT " is %" G_GINT64_FORMAT " ns off",
                   index, off);
    }
  }
}

std::vector<GstMessage *>
busy_warnings (const Pipeline &pipeline)
{
  std::vector<GstMessage *> found;
  for (GstMessage *message : pipeline.from_sink (GST_MESSAGE_WARNING))
    if (Problem (message).is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY))
      found.push_back (message);
  return found;
}

/* The sum of what the QoS messages say was dropped. */
guint64
dropped_by_qos (const Pipeline &pipeline)
{
  guint64 sum = 0;
  for (GstMessage *message : pipeline.from_sink (GST_MESSAGE_QOS)) {
    GstFormat format = GST_FORMAT_UNDEFINED;
    guint64 processed = 0;
    guint64 dropped = 0;
    gst_message_parse_qos_stats (message, &format, &processed, &dropped);
    fail_unless (format == GST_FORMAT_TIME);
    sum += dropped;
  }
  return sum;
}

enum class Kept { All, Oldest, Newest };

struct Leak
{
  const char *leaky;
  bool is_live;
  Kept kept;
};

const Leak leaks[] = {
  { "auto", false, Kept::All },
  { "auto", true, Kept::Newest },
  { "no", false, Kept::All },
  { "no", true, Kept::All },
  { "upstream", false, Kept::Oldest },
  { "upstream", true, Kept::Oldest },
  { "downstream", false, Kept::Newest },
  { "downstream", true, Kept::Newest },
};

std::string
leaky_line (const Server &server, const std::string &leaky,
            const std::string &more = {})
{
  return launch_line (server.url (),
                      "need-word-info=true max-buffer-duration=1000000000 "
                      "reconnect-delay=1000000 leaky="
                          + leaky + " " + more);
}

} // namespace

/* Five seconds come while there is room for one; one more once it is read
 * again. */
GST_START_TEST (test_what_is_kept_while_the_service_is_slow)
{
  const Leak &leak = leaks[__i__];
  Server server;
  Behaviour slow = good;
  slow.start.delay = 1500ms;
  server.script ({ slow });
  fail_unless (server.start ());
  Pipeline pipeline (leaky_line (server, leak.leaky));
  if (leak.is_live)
    make_live (pipeline);
  pipeline.play ();
  push_words (pipeline, 0, 50);
  if (leak.kept != Kept::All) {
    fail_unless (wait_until_in (pipeline, 50), "it blocks");
    const Stats stats (pipeline);
    assert_equals_uint64 (stats.audio ("buffered"), GST_SECOND);
    assert_equals_uint64 (stats.audio ("dropped"), 4 * GST_SECOND);
  }
  /* It blocks, and nothing else is taken in before START is answered. */
  fail_unless (wait_for_stats (pipeline, [] (const Stats &stats) {
    fail_unless (stats.audio ("buffered") <= GST_SECOND);
    return stats.state () == "streaming";
  }));
  fail_unless (wait_for_stats (pipeline, [] (const Stats &stats) {
    return stats.audio ("in") == 5 * GST_SECOND
           && stats.audio ("buffered") == 0;
  }));
  push_words (pipeline, 50, 10);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());

  const std::string expected[] = {
    index_words (0, 60),
    index_words (0, 10) + " " + index_words (50, 10),
    index_words (40, 20),
  };
  assert_same_text (pipeline.finals (), expected[int (leak.kept)]);
  assert_words_are_in_place (pipeline);
  /* A hole in time, not silence. */
  const guint64 dropped = leak.kept == Kept::All ? 0 : 4 * GST_SECOND;
  assert_equals_uint64 (server.connections ()[0].audio_bytes,
                        (leak.kept == Kept::All ? 60 : 20) * word * 2);
  assert_equals_uint64 (Stats (pipeline).audio ("dropped"), dropped);
  assert_equals_uint64 (dropped_by_qos (pipeline), dropped);
  assert_equals_int (busy_warnings (pipeline).size (), dropped > 0);
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_QOS).size (), dropped > 0);
}
GST_END_TEST;

/* Dropping begins with a warning and ends with a QoS message, once there was
 * none for a second. */
GST_START_TEST (test_each_overflow_is_told_once)
{
  Server server;
  server.script ({ { .handshake = { .answer = false } } });
  fail_unless (server.start ());
  Pipeline pipeline (leaky_line (server, __i__ == 0 ? "upstream" : "downstream",
                                 "reconnect=never"));
  make_live (pipeline);
  pipeline.play ();
  guint64 told = 0;
  for (std::size_t episode = 1; episode <= 2; episode++) {
    const std::size_t from = (episode - 1) * 20;
    push_words (pipeline, from, 15);
    fail_unless (wait_until_in (pipeline, from + 15));
    const auto since = Clock::now ();
    push_words (pipeline, from + 15, 5);
    GstMessage *message = pipeline.wait_for (GST_MESSAGE_QOS);
    fail_unless (message != nullptr);
    fail_unless (Clock::now () - since >= 900ms, "a QoS message too early");
    assert_equals_int (busy_warnings (pipeline).size (), episode);
    const Problem warning (busy_warnings (pipeline).back ());
    fail_unless (warning.details != nullptr);
    assert_equals_int (uint_of (warning.details, "session"), 0);

    gboolean is_live = FALSE;
    guint64 running_time = 0;
    gst_message_parse_qos (message, &is_live, &running_time, nullptr, nullptr,
                           nullptr);
    fail_unless (is_live);
    /* Of the first that was dropped: the newest, or the oldest. */
    assert_equals_uint64 (running_time / GST_MSECOND,
                          __i__ == 0 ? (episode == 1 ? 1000 : 2000)
                                     : (episode == 1 ? 0 : 1000));
    const Stats stats (pipeline);
    stats.assert_sum ();
    const guint64 dropped = dropped_by_qos (pipeline);
    fail_unless (dropped > told);
    assert_equals_uint64 (dropped, stats.audio ("dropped"));
    assert_equals_uint64 (dropped, (from + 10) * 100 * GST_MSECOND);
    told = dropped;
  }
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_QOS).size (), 2);
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), 2);
}
GST_END_TEST;

/* A stream that ends, or fails, in the midst of it tells what was dropped. */
GST_START_TEST (test_an_overflow_is_told_before_the_end)
{
  const bool fails = __i__ == 1;
  Server server;
  Behaviour slow = good;
  slow.start.delay = 500ms;
  if (fails)
    slow.start = { .answer = false,
                   .delay = 500ms,
                   .after = { sistest::error ("SIS.0032", "invalid") } };
  server.script ({ slow });
  fail_unless (server.start ());
  Pipeline pipeline (leaky_line (server, "downstream"));
  make_live (pipeline);
  pipeline.play ();
  push_words (pipeline, 0, 30);
  pipeline.end ();
  fail_unless (pipeline.wait_for (fails ? GST_MESSAGE_ERROR : GST_MESSAGE_EOS)
               != nullptr);
  assert_equals_int (busy_warnings (pipeline).size (), 1);
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_QOS).size (), 1);
  assert_equals_uint64 (dropped_by_qos (pipeline), 2 * GST_SECOND);
}
GST_END_TEST;

/* The peer takes nothing for a while, and the kernel not for long. */
GST_START_TEST (test_live_audio_goes_on_while_nothing_is_read)
{
  constexpr std::size_t before = 600; /* words: a minute */
  const char *const kinds[] = { "upstream", "downstream" };
  Server server;
  Behaviour clogged = good;
  clogged.actions = { { 500ms, sistest::stop_reading (2000ms) } };
  server.script ({ clogged });
  fail_unless (server.start ());
  Pipeline pipeline (leaky_line (server, kinds[__i__], "keepalive-interval=0"));
  make_live (pipeline);
  pipeline.play ();
  push_words (pipeline, 0, 10);
  fail_unless (wait_until_heard (server, 0, 10));
  push_words (pipeline, 10, before - 10);
  fail_unless (wait_until_in (pipeline, before));
  {
    const Stats stats (pipeline);
    fail_unless (stats.audio ("buffered") <= GST_SECOND);
    fail_unless (stats.audio ("dropped") > 30 * GST_SECOND);
  }
  fail_unless (wait_for_stats (pipeline, [] (const Stats &stats) {
    fail_unless (stats.audio ("buffered") <= GST_SECOND);
    return stats.audio ("buffered") == 0;
  }));
  push_words (pipeline, before, 10);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_words_are_in_place (pipeline);
  const std::string said = pipeline.finals ();
  const std::string last = index_words (before, 10);
  fail_unless (said.ends_with (last), "%s", said.c_str ());
  fail_unless (said.starts_with (index_words (0, 10)), "%s", said.c_str ());
  const Stats stats (pipeline);
  stats.assert_sum ();
  assert_equals_uint64 (stats.audio ("sent"),
                        server.connections ()[0].audio_bytes / 2
                            * (GST_SECOND / one_second));
  assert_equals_uint64 (stats.audio ("sent") + stats.audio ("dropped"),
                        (before + 10) * 100 * GST_MSECOND);
  assert_equals_uint64 (dropped_by_qos (pipeline), stats.audio ("dropped"));
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_QOS).size (), 1);
}
GST_END_TEST;

/* Nothing grows but the counts, however long it lasts, and although each buffer
 * has a time of its own. */
GST_START_TEST (test_a_long_overflow_takes_no_memory)
{
  constexpr std::size_t step = one_second / 100;
  constexpr std::size_t count = 100000, warm_up = 10000;
  Server server;
  server.script ({ { .handshake = { .answer = false } } });
  fail_unless (server.start ());
  Pipeline pipeline (leaky_line (server, __i__ == 0 ? "upstream" : "downstream",
                                 "timeout=60"));
  make_live (pipeline);
  g_object_set (pipeline.source (), "block", TRUE, "max-bytes",
                guint64 (50 * step * 2), nullptr);
  pipeline.play ();
  gint64 before = 0;
  for (std::size_t i = 0; i < count; i++) {
    const GstClockTime jitter = i % 7 * GST_MSECOND;
    pipeline.push (indexed_audio (i * step, step),
                   i * 10 * GST_MSECOND + jitter);
    if (i == warm_up)
      before = resident_kb ();
  }
  fail_unless (wait_for_stats (pipeline, [] (const Stats &stats) {
    return stats.audio ("in") == count * 10 * GST_MSECOND;
  }));
  const gint64 grown = resident_kb () - before;
  /* 11 bytes a buffer: less than a node of any list. */
  fail_unless (grown <= 1024 || !measures_memory (), "%d kB more", int (grown));
  const Stats stats (pipeline);
  fail_unless (stats.audio ("buffered") <= GST_SECOND);
  assert_equals_uint64 (stats.audio ("buffered") + stats.audio ("dropped"),
                        stats.audio ("in"));
}
GST_END_TEST;

/* Audio that is to be sent again stands under the rule of replay-duration. */
GST_START_TEST (test_replay_is_not_dropped)
{
  Server server;
  Behaviour slow = good;
  slow.handshake.delay = 1500ms;
  server.script ({ { .actions = { { 5000ms, sistest::reset () } },
                     .recognizer = sistest::silent_recognizer () },
                   slow });
  fail_unless (server.start ());
  Pipeline pipeline (
      leaky_line (server, __i__ == 0 ? "upstream" : "downstream"));
  make_live (pipeline);
  pipeline.play ();
  for (std::size_t i = 5; i <= 50; i += 5) {
    push_words (pipeline, i - 5, 5);
    fail_unless (wait_until_heard (server, 0, i));
  }
  fail_unless (wait_for_state (pipeline, "connecting"));
  push_words (pipeline, 50, 30);
  fail_unless (wait_until_in (pipeline, 80));
  {
    const Stats stats (pipeline);
    assert_equals_uint64 (stats.audio ("unacknowledged"), 5 * GST_SECOND);
    assert_equals_uint64 (stats.audio ("buffered"), GST_SECOND);
    assert_equals_uint64 (stats.audio ("dropped"), 2 * GST_SECOND);
  }
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (),
                    index_words (0, 50) + " "
                        + index_words (__i__ == 0 ? 50 : 70, 10));
  assert_words_are_in_place (pipeline);
  const Stats stats (pipeline);
  stats.assert_sum ();
  assert_equals_uint64 (stats.audio ("replayed"), 5 * GST_SECOND);
  assert_equals_uint64 (stats.audio ("acknowledged"), 6 * GST_SECOND);
}
GST_END_TEST;

/* What is older than replay-duration is let go of in silence; when it turns out
 * to be missing, the user hears what and when. */
GST_START_TEST (test_what_was_evicted_is_named_when_its_session_fails)
{
  Server server;
  server.script ({ { .actions = { { 5000ms, sistest::reset () } },
                     .recognizer = sistest::silent_recognizer () },
                   good });
  fail_unless (server.start ());
  Pipeline pipeline (leaky_line (server, "auto", "replay-duration=1000000000"));
  make_live (pipeline);
  pipeline.play ();
  for (std::size_t i = 5; i <= 45; i += 5) {
    push_words (pipeline, i - 5, 5);
    fail_unless (wait_until_heard (server, 0, i));
  }
  {
    const Stats stats (pipeline);
    stats.assert_sum ();
    assert_equals_uint64 (stats.audio ("evicted"), 3500 * GST_MSECOND);
    assert_equals_uint64 (stats.audio ("unacknowledged"), GST_SECOND);
    assert_equals_uint64 (stats.audio ("dropped"), 0);
    pipeline.collect ();
    fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
  }
  push_words (pipeline, 45, 5);
  fail_unless (pipeline.wait_for (GST_MESSAGE_WARNING) != nullptr);
  fail_unless (pipeline.wait_for (GST_MESSAGE_WARNING) != nullptr);
  const Problem lost (pipeline.from_sink (GST_MESSAGE_WARNING)[1]);
  fail_unless (lost.text.find ("4.0 s") != std::string::npos, "%s",
               lost.text.c_str ());
  fail_unless (lost.text.find ("running time 0.0 s") != std::string::npos, "%s",
               lost.text.c_str ());
  fail_unless (pipeline.wait_for_element_message ("sis-result") != nullptr);
  push_words (pipeline, 50, 10);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_WARNING).size (), 2);
  assert_same_text (pipeline.finals (), index_words (40, 20));
  assert_words_are_in_place (pipeline);
  const Stats stats (pipeline);
  stats.assert_sum ();
  assert_equals_uint64 (stats.audio ("evicted"), 0);
  assert_equals_uint64 (stats.audio ("dropped"), 4 * GST_SECOND);
  assert_equals_uint64 (stats.audio ("acknowledged"), 2 * GST_SECOND);
}
GST_END_TEST;

/* What was evicted and then covered was not lost; it stays counted as it is. */
GST_START_TEST (test_what_was_evicted_and_then_recognised_is_not_lost)
{
  Server server;
  server.script ({ good });
  fail_unless (server.start ());
  Pipeline pipeline (leaky_line (server, "auto", "replay-duration=300000000"));
  make_live (pipeline);
  pipeline.play ();
  push_words (pipeline, 0, 8);
  fail_unless (wait_until_heard (server, 0, 8));
  push_words (pipeline, 8, 10);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 18));
  const Stats stats (pipeline);
  stats.assert_sum ();
  fail_unless (stats.audio ("evicted") >= 500 * GST_MSECOND);
  assert_equals_uint64 (stats.audio ("dropped"), 0);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}
GST_END_TEST;

/* A file without a word in it does not outrun the store. */
GST_START_TEST (test_a_file_without_finals_is_held_to_its_own_pace)
{
  Server server;
  server.script ({ { .recognizer = sistest::silent_recognizer () } });
  fail_unless (server.start ());
  const bool keeps = __i__ == 0;
  Pipeline pipeline (launch_line (
      server.url (), keeps ? "replay-duration=1000000000"
                           : "replay-duration=1000000000 reconnect=never"));
  pipeline.play ();
  const auto since = Clock::now ();
  pipeline.push (indexed_audio (0, 4 * one_second), 0);
  if (keeps)
    fail_unless (wait_for_stats (pipeline, [&] (const Stats &stats) {
      /* A second, what went by, and what the pacer makes up for. */
      const auto most = 1000ms + 400ms + (Clock::now () - since);
      fail_unless (stats.audio ("sent") <= guint64 (most / 1ns));
      return stats.audio ("sent") >= 3 * GST_SECOND;
    }));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const auto took = Clock::now () - since;
  fail_unless (keeps == (took >= 2500ms), "took %d ms", int (took / 1ms));
}
GST_END_TEST;

/* And one that is recognised is not, and loses nothing by it. */
GST_START_TEST (test_a_file_with_finals_loses_nothing_by_eviction)
{
  constexpr std::size_t seconds = 120;
  Server server;
  Behaviour late = good;
  late.result_delay = Milliseconds (__i__ * 30);
  server.script ({ late });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url (), "replay-duration=3000000000"));
  pipeline.play ();
  pipeline.push (indexed_audio (0, seconds * one_second), 0);
  pipeline.end ();
  const auto since = Clock::now ();
  /* However slow the machine is: at most what goes by at real time. */
  guint64 evicted = 0;
  fail_unless (wait_for_stats (pipeline, [&] (const Stats &stats) {
    fail_unless (stats.audio ("unacknowledged") <= 3 * GST_SECOND);
    evicted = stats.audio ("evicted");
    return stats.audio ("acknowledged") + evicted == seconds * GST_SECOND;
  }));
  const auto took = Clock::now () - since;
  fail_unless (evicted <= guint64 (took / 1ns),
               "%" G_GUINT64_FORMAT " ms of audio in %d ms",
               evicted / GST_MSECOND, int (took / 1ms));
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (took < patience () * 2 / 3);
  assert_same_text (pipeline.finals (), index_words (0, seconds * 10));
}
GST_END_TEST;

static Suite *
overflow_suite (void)
{
  Suite *suite = suite_create ("overflow");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_what_is_kept_while_the_service_is_slow, 0,
                       int (std::size (leaks)));
  tcase_add_loop_test (tcase, test_each_overflow_is_told_once, 0, 2);
  tcase_add_loop_test (tcase, test_an_overflow_is_told_before_the_end, 0, 2);
  tcase_add_loop_test (tcase, test_live_audio_goes_on_while_nothing_is_read, 0,
                       2);
  tcase_add_loop_test (tcase, test_a_long_overflow_takes_no_memory, 0, 2);
  tcase_add_loop_test (tcase, test_replay_is_not_dropped, 0, 2);
  tcase_add_test (tcase, test_what_was_evicted_is_named_when_its_session_fails);
  tcase_add_test (tcase, test_what_was_evicted_and_then_recognised_is_not_lost);
  tcase_add_loop_test (
      tcase, test_a_file_without_finals_is_held_to_its_own_pace, 0, 2);
  tcase_add_loop_test (tcase, test_a_file_with_finals_loses_nothing_by_eviction,
                       0, 2);
  return suite;
}

GST_CHECK_MAIN (overflow)
