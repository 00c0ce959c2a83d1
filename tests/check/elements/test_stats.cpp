// SPDX-License-Identifier: LGPL-2.1-or-later
/* What can be read of a session, in every state. */
#include "failing.h"

using namespace sischeck;
using sistest::Behaviour;
using sistest::Server;

namespace {

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
wait_until_heard (const Server &server, std::size_t connection,
                  std::size_t words)
{
  return server.wait ([=] (const auto &connections) {
    return connections.size () > connection
           && connections[connection].audio_bytes >= words * word * 2;
  });
}

const char *const times[] = { "last-result-latency",
                              "audio-in",
                              "audio-filled",
                              "audio-buffered",
                              "audio-sent",
                              "audio-unacknowledged",
                              "audio-acknowledged",
                              "audio-evicted",
                              "audio-dropped",
                              "audio-replayed",
                              "bytes-sent",
                              "results",
                              "finals",
                              "interims",
                              "malformed" };

void
assert_all_from_zero (const Pipeline &pipeline)
{
  const Stats stats (pipeline);
  assert_same_text (gst_structure_get_name (stats.get ()),
                    "application/x-sis-stats");
  assert_same_text (stats.state (), "idle");
  for (const char *field : times)
    assert_equals_uint64 (time_of (stats.get (), field), 0);
  for (const char *field : { "sessions", "reconnects" })
    assert_equals_int (uint_of (stats.get (), field), 0);
  /* Of the base class. */
  for (const char *field : { "dropped", "rendered" })
    assert_equals_uint64 (time_of (stats.get (), field), 0);
  gdouble rate = 0;
  fail_unless (gst_structure_get_double (stats.get (), "average-rate", &rate));
}

} // namespace

GST_START_TEST (test_the_state_of_the_session_can_be_read)
{
  const std::pair<Behaviour, const char *> phases[] = {
    { { .handshake = { .answer = false } }, "connecting" },
    { { .start = { .answer = false } }, "starting" },
    { { .recognizer = sistest::silent_recognizer () }, "streaming" },
    { { .end = { .answer = false } }, "ending" },
    { refuses (404), "failed" },
  };
  for (const auto &[behaviour, state] : phases) {
    Server server;
    server.script ({ behaviour });
    fail_unless (server.start ());
    Pipeline pipeline (launch_line (server.url ()));
    pipeline.set_state (GST_STATE_PAUSED);
    assert_same_text (Stats (pipeline).state (), "idle");
    pipeline.play ();
    pipeline.push (indexed_audio (0, one_second), 0);
    if (state == std::string ("ending"))
      pipeline.end ();
    fail_unless (wait_for_state (pipeline, state), "never %s", state);
  }
}
GST_END_TEST;

GST_START_TEST (test_stats_have_all_fields_and_begin_at_zero)
{
  Server server;
  Behaviour behaviour = good;
  behaviour.actions = { { 500ms, sistest::send_text ("{") },
                        { 1500ms, sistest::hang_up () } };
  server.script ({ behaviour, good });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (
      server.url (), "interim-results=true reconnect-delay=1000000"));
  for (int run = 0; run < 2; run++) {
    pipeline.set_state (GST_STATE_READY);
    pipeline.set_state (GST_STATE_PAUSED);
    assert_all_from_zero (pipeline);
    pipeline.play ();
    push_words (pipeline, 0, 6);
    fail_unless (wait_until_heard (server, run * 2, 6));
    push_words (pipeline, 6, 14);
    pipeline.push (indexed_audio (22 * word, 8 * word), 2200 * GST_MSECOND);
    pipeline.end ();
    fail_unless (pipeline.wait_for_eos ());
    server.script ({ behaviour, good });
    const Stats stats (pipeline);
    stats.assert_sum ();
    assert_equals_uint64 (stats.audio ("in"), 2800 * GST_MSECOND);
    assert_equals_uint64 (stats.audio ("filled"), 200 * GST_MSECOND);
    assert_equals_uint64 (stats.audio ("acknowledged"), 3 * GST_SECOND);
    assert_equals_uint64 (stats.audio ("sent") - stats.audio ("replayed"),
                          3 * GST_SECOND);
    assert_equals_uint64 (time_of (stats.get (), "bytes-sent"),
                          stats.audio ("sent") / (GST_SECOND / one_second) * 2);
    assert_equals_int (uint_of (stats.get (), "sessions"), 2);
    assert_equals_int (uint_of (stats.get (), "reconnects"), 1);
    assert_equals_uint64 (time_of (stats.get (), "malformed"), 1);
    const guint64 finals = time_of (stats.get (), "finals");
    const guint64 interims = time_of (stats.get (), "interims");
    assert_equals_uint64 (finals, 3);
    fail_unless (interims >= 1);
    assert_equals_uint64 (time_of (stats.get (), "results"), finals + interims);
    fail_unless (time_of (stats.get (), "last-result-latency") > 0);
    fail_unless (time_of (stats.get (), "rendered") >= 21);
    assert_same_text (
        text_of (stats.get (), "trace_id"),
        text_of (pipeline.named ("sis-start").back (), "trace_id"));
  }
}
GST_END_TEST;

static Suite *
stats_suite (void)
{
  Suite *suite = suite_create ("stats");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_the_state_of_the_session_can_be_read);
  tcase_add_test (tcase, test_stats_have_all_fields_and_begin_at_zero);
  return suite;
}

GST_CHECK_MAIN (stats)
