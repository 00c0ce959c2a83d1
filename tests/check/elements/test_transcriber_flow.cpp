// SPDX-License-Identifier: LGPL-2.1-or-later
/* Text that is waited for, flushed, blocked: one thing at a time. */
#include "feed.h"
#include "server.h"

#include "saying.h"
#include "stats.h"

#include <atomic>
#include <thread>

using namespace sischeck;

namespace {

/* Holds up what comes out of the transcriber, text or all, as one does that
 * waits for something else. */
class Dam
{
public:
  explicit Dam (const TextLog &log,
                GstPadProbeType what = GST_PAD_PROBE_TYPE_BUFFER)
      : pad_ (gst_pad_get_peer (log.pad ()))
  {
    probe_ = gst_pad_add_probe (pad_, what, &Dam::on_item, this, nullptr);
  }
  ~Dam ()
  {
    open ();
    gst_object_unref (pad_);
  }
  Dam (const Dam &) = delete;
  Dam &operator= (const Dam &) = delete;

  bool wait_until_full ()
  {
    std::unique_lock lock (mutex_);
    return changed_.wait_for (lock, patience (), [this] { return is_full_; });
  }

  void open ()
  {
    {
      const std::lock_guard lock (mutex_);
      is_open_ = true;
    }
    changed_.notify_all ();
    if (const gulong probe = std::exchange (probe_, 0))
      gst_pad_remove_probe (pad_, probe);
  }

private:
  static GstPadProbeReturn on_item (GstPad *, GstPadProbeInfo *, gpointer data)
  {
    auto *self = static_cast<Dam *> (data);
    std::unique_lock lock (self->mutex_);
    self->is_full_ = true;
    self->changed_.notify_all ();
    self->changed_.wait_for (lock, patience (),
                             [self] { return self->is_open_; });
    return GST_PAD_PROBE_OK;
  }

  GstPad *const pad_;
  gulong probe_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_full_ = false, is_open_ = false;
};

/* While the dam holds something back, which is let through then. */
void
flush_behind (Dam &dam, const TextLog &log, Feed &feed)
{
  std::thread flushes ([&feed] { feed.push (gst_event_new_flush_start ()); });
  fail_unless (log.wait_for_event (GST_EVENT_FLUSH_START));
  dam.open ();
  flushes.join ();
  fail_unless (feed.push (gst_event_new_flush_stop (TRUE)));
  feed.begin_segment ();
}

/* How much audio was taken. */
guint64
taken (const Pipeline &pipeline)
{
  return Stats (pipeline).audio ("in");
}

} // namespace

GST_START_TEST (test_audio_waits_for_its_text)
{
  sistest::Server server;
  server.script ({ scripted (
      { { 900ms, sistest::send_result ({ said (0, 500, "one") }) } }) });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url (), "latency=1000"));
  const TextLog log (pipeline);
  pipeline.play ();
  for (std::size_t at = 0; at < 30; at++)
    pipeline.push (indexed_audio (at * 100 * per_ms, 100 * per_ms),
                   samples_to_ns (at * 100 * per_ms));
  /* The buffer that goes beyond is taken, and held. */
  fail_unless (wait_for_stats (pipeline, [] (const Stats &stats) {
    return stats.audio ("in") == 1600 * GST_MSECOND;
  }));
  fail_unless (log.wait_for_texts (1));
  assert_same_text (log.story (), "-0..0 one0..500");
  assert_equals_uint64 (taken (pipeline), 1600 * GST_MSECOND);
}
GST_END_TEST;

/* For so long since it was sent, and no longer. */
GST_START_TEST (test_what_is_not_said_is_a_gap_in_the_end)
{
  sistest::Server server;
  server.script ({ scripted ({}) });
  fail_unless (server.start ());
  Pipeline pipeline (
      text_line (server.url (), "latency=1000 timeout=1 idle-timeout=0"));
  const TextLog log (pipeline);
  pipeline.play ();
  push_in_pieces (pipeline, 5000 * per_ms);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (log.story (), "-0..0 -0..5000");
  log.assert_no_hole ();
}
GST_END_TEST;

/* As video does that has no room left, where it waits for text itself. */
GST_START_TEST (test_input_that_stops_gets_a_gap)
{
  sistest::Server server;
  server.script ({ scripted ({}) });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url (), "timeout=1"));
  const TextLog log (pipeline);
  pipeline.play ();
  for (int ms = 0; ms < 5000; ms += 200) {
    pipeline.push (indexed_audio (ms * per_ms, 200 * per_ms),
                   samples_to_ns (ms * per_ms));
    fail_unless (log.wait_for_time (ms + 100));
  }
  log.assert_no_hole ();
}
GST_END_TEST;

/* Input that stops because of another channel gets none: the second sentence is
 * not over yet each time. */
GST_START_TEST (test_a_silent_channel_harms_no_other)
{
  sistest::Server silent;
  silent.script ({ scripted ({}) });
  fail_unless (silent.start ());
  sistest::Server talking;
  fail_unless (talking.start ());
  constexpr auto properties = "latency=2500 timeout=1 idle-timeout=0";
  Pipeline one (fed_line (silent.url (), properties));
  Pipeline two (fed_line (talking.url (), properties));
  const TextLog silence (one);
  const TextLog text (two);
  one.play ();
  two.play ();
  {
    Feed to_silence (one);
    Feed to_text (two);
    for (int ms = 0; ms < 15000; ms += 100) {
      fail_unless (to_silence.push (ms, 100) == GST_FLOW_OK);
      fail_unless (to_text.push (ms, 100) == GST_FLOW_OK);
    }
    fail_unless (to_text.push (gst_event_new_eos ()));
    fail_unless (text.wait_for_event (GST_EVENT_EOS));
  }
  assert_equals_int (uint_of (Stats (two).get (), "text-late"), 0);
  text.assert_no_hole ();
  gint64 start = 0;
  for (const TextLog::Item &item : text.texts ()) {
    assert_equals_int64 (item.start, start);
    start += 2000;
    assert_equals_int64 (item.end, std::min<gint64> (start, 15000));
  }
  assert_equals_int64 (start, 16000);
}
GST_END_TEST;

/* The log is in running time, which passes by the rate. */
GST_START_TEST (test_text_keeps_its_times_at_any_rate)
{
  for (const double rate : { 0.5, 2.0 }) {
    sistest::Server server;
    server.script ({ scripted (
        { { 3500ms, sistest::send_result ({ said (500, 1500, "one"),
                                            said (2000, 3000, "two") }) } }) });
    fail_unless (server.start ());
    Pipeline pipeline (fed_line (server.url ()));
    const TextLog log (pipeline);
    pipeline.play ();
    Feed feed (pipeline);
    feed.begin_segment (rate);
    feed.play (0, 4000);
    fail_unless (log.wait_for_texts (2));
    assert_same_text (
        log.story (),
        rate < 1 ? "-0..0 -0..1000 one1000..3000 -3000..4000 two4000..6000"
                 : "-0..0 -0..250 one250..750 -750..1000 two1000..1500");
  }
}
GST_END_TEST;

/* Audio goes on, and the texts wait in a line. */
GST_START_TEST (test_text_that_is_blocked_holds_up_nothing)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url (), "latency=3000"));
  const TextLog log (pipeline);
  Dam dam (log);
  pipeline.play ();
  push_in_pieces (pipeline, 20000 * per_ms);
  pipeline.end ();
  fail_unless (dam.wait_until_full ());
  fail_unless (wait_for_stats (pipeline, [] (const Stats &stats) {
    return stats.audio ("acknowledged") == 20 * GST_SECOND;
  }));
  dam.open ();
  fail_unless (pipeline.wait_for_eos ());
  assert_equals_int (log.texts ().size (), 10);
  log.assert_no_hole ();
}
GST_END_TEST;

GST_START_TEST (test_nothing_of_before_comes_behind_a_flush)
{
  sistest::Server server;
  server.script (
      { scripted (
            { { 500ms, sistest::send_result ({ said (0, 300, "old") }) } }),
        scripted (
            { { 500ms, sistest::send_result ({ said (0, 500, "new") }) } }) });
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url ()));
  const TextLog log (pipeline);
  Dam dam (log);
  pipeline.play ();
  Feed feed (pipeline);
  fail_unless (feed.push (0, 800) == GST_FLOW_OK);
  fail_unless (dam.wait_until_full ());
  flush_behind (dam, log, feed);
  fail_unless (feed.push (10000, 600) == GST_FLOW_OK);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  assert_same_text (log.story (),
                    "-10000..10000 new10000..10500 -10500..10600");
}
GST_END_TEST;

/* A flush that overtakes the beginning does not swallow it. */
GST_START_TEST (test_the_beginning_survives_a_flush)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url ()));
  const TextLog log (pipeline);
  Dam dam (log, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM);
  pipeline.play ();
  Feed feed (pipeline);
  fail_unless (feed.push (0, 100) == GST_FLOW_OK);
  fail_unless (dam.wait_until_full ());
  flush_behind (dam, log, feed);
  fail_unless (feed.push (0, 1000) == GST_FLOW_OK);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  assert_same_text (log.story (), "-0..0 sentence 00..1000");
  GstPad *text = gst_pad_get_peer (log.pad ());
  for (const GstEventType type :
       { GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT }) {
    GstEvent *event = gst_pad_get_sticky_event (text, type, 0);
    fail_unless (event != nullptr, "no %s", gst_event_type_get_name (type));
    gst_event_unref (event);
  }
  gst_object_unref (text);
}
GST_END_TEST;

/* Whoever waits for text, or for the end, is let go. */
GST_START_TEST (test_a_flush_frees_what_waits)
{
  sistest::Server server;
  server.script ({ { .end = { .answer = false },
                     .recognizer = sistest::silent_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url (), "latency=1000"));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  guint64 all = 0;
  for (int i = 0; i < 6; i++) {
    const bool is_end = i % 2 == 1;
    const int ms = is_end ? 800 : 1500;
    std::thread waits ([&] {
      const GstFlowReturn flow = feed.push (0, ms);
      fail_unless (is_end || flow == GST_FLOW_FLUSHING, "%d %s", i,
                   gst_flow_get_name (flow));
      if (is_end)
        feed.push (gst_event_new_eos ());
    });
    all += guint64 (ms) * GST_MSECOND;
    fail_unless (wait_for_stats (pipeline, [all] (const Stats &stats) {
      return stats.audio ("in") == all;
    }));
    feed.push (gst_event_new_flush_start ());
    waits.join ();
    feed.push (gst_event_new_flush_stop (TRUE));
    feed.begin_segment ();
  }
  fail_unless (feed.push (0, 500) == GST_FLOW_OK);
  fail_unless (log.wait (
      [] (const auto &items) { return items.back ().type == GST_EVENT_GAP; }));
  assert_same_text (log.story (), "-0..0");
}
GST_END_TEST;

GST_START_TEST (test_it_stops_at_once_whatever_it_waits_for)
{
  sistest::Server server;
  server.script ({ { .end = { .answer = false },
                     .recognizer = sistest::silent_recognizer () } });
  fail_unless (server.start ());
  for (const bool is_ended : { false, true }) {
    Pipeline pipeline (
        text_line (server.url (), is_ended ? "latency=60000" : "latency=500"));
    pipeline.play ();
    pipeline.push (indexed_audio (0, 2000 * per_ms), 0);
    if (is_ended)
      pipeline.end ();
    fail_unless (wait_for_stats (pipeline, [] (const Stats &stats) {
      return stats.audio ("unacknowledged") >= 1900 * GST_MSECOND;
    }));
    const gint64 begin = g_get_monotonic_time ();
    pipeline.set_state (GST_STATE_NULL);
    const gint64 took = g_get_monotonic_time () - begin;
    fail_unless (took < patience () / 1us / 15, "took %d ms",
                 int (took / 1000));
  }
}
GST_END_TEST;

GST_START_TEST (test_it_works_again_after_null)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url ()));
  for (int i = 0; i < 3; i++) {
    const TextLog log (pipeline);
    pipeline.play ();
    push_in_pieces (pipeline, 3000 * per_ms);
    pipeline.end ();
    fail_unless (pipeline.wait_for_eos ());
    assert_same_text (log.story (),
                      "-0..0 sentence 00..2000 sentence 12000..3000");
    fail_if (pipeline.set_state (i == 0 ? GST_STATE_READY : GST_STATE_NULL)
             == GST_STATE_CHANGE_FAILURE);
  }
}
GST_END_TEST;

/* Neither a seek nor more audio brings a service back that failed. */
GST_START_TEST (test_gaps_go_on_behind_a_flush)
{
  sistest::Server server;
  server.script (
      { scripted ({ { 1000ms, sistest::fatal ("SIS.0032", "no quota") } }) });
  fail_unless (server.start ());
  Pipeline pipeline (
      fed_line (server.url (), "latency=1000 passthrough-on-error=true"));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  fail_unless (feed.push (0, 1000) == GST_FLOW_OK);
  fail_unless (wait_for_state (pipeline, "failed"));
  fail_unless (feed.push (gst_event_new_flush_start ()));
  fail_unless (feed.push (gst_event_new_flush_stop (TRUE)));
  feed.begin_segment ();
  feed.play (0, 10000);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  assert_same_text (log.story (), "-0..0 -0..10000");
}
GST_END_TEST;

/* Begins anew with the first result, from within its message. */
static GstBusSyncReply
begin_anew (GstBus *, GstMessage *message, gpointer data)
{
  auto *begins = static_cast<std::atomic<int> *> (data);
  if (!gst_message_has_name (message, "sis-result") || ++*begins > 1)
    return GST_BUS_PASS;
  auto *sink = GST_ELEMENT (GST_MESSAGE_SRC (message));
  gst_element_set_state (sink, GST_STATE_NULL);
  gst_element_sync_state_with_parent (sink);
  ++*begins;
  return GST_BUS_PASS;
}

GST_START_TEST (test_a_run_has_no_text_of_the_one_before)
{
  sistest::Server server;
  server.script (
      { scripted (
            { { 1000ms, sistest::send_result ({ said (0, 800, "old") }) } }),
        scripted (
            { { 1000ms, sistest::send_result ({ said (0, 800, "new") }) } }) });
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url ()));
  const TextLog log (pipeline);
  std::atomic<int> begins = 0;
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline.get ());
  pipeline.play ();
  gst_bus_set_sync_handler (bus, begin_anew, &begins, nullptr);
  {
    Feed feed (pipeline);
    feed.push (0, 1000);
    const auto deadline = std::chrono::steady_clock::now () + patience ();
    while (begins < 2)
      fail_unless (std::chrono::steady_clock::now () < deadline);
  }
  Feed feed (pipeline);
  fail_unless (feed.push (0, 1000) == GST_FLOW_OK);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  std::string story;
  for (const TextLog::Item &item : log.items ()) {
    if (item.type == GST_EVENT_STREAM_START)
      story.clear ();
    story += item.type == GST_EVENT_UNKNOWN ? item.text : "";
  }
  assert_same_text (story, "new");
  gst_bus_set_sync_handler (bus, nullptr, nullptr, nullptr);
}
GST_END_TEST;

/* Of streams that follow each other without a flush. */
GST_START_TEST (test_a_stream_begins_behind_the_text_of_the_one_before)
{
  sistest::Server server;
  server.script ({ scripted (
      { { 2000ms, sistest::send_result ({ said (0, 800, "one"),
                                          said (1200, 1800, "two") }) } }) });
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url ()));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  feed.play (0, 1000);
  fail_unless (feed.push (gst_event_new_stream_start ("another")));
  feed.begin_segment (1.0, 1000);
  feed.play (1000, 2000);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  std::string story;
  for (const TextLog::Item &item : log.items ())
    if (item.type == GST_EVENT_STREAM_START || item.type == GST_EVENT_SEGMENT)
      story += std::string (gst_event_type_get_name (item.type)) + " ";
    else if (item.type == GST_EVENT_UNKNOWN)
      story += item.text + " ";
  assert_same_text (story,
                    "stream-start segment one stream-start segment two ");
}
GST_END_TEST;

/* What follows it returns reaches what feeds it. */
GST_START_TEST (test_what_follows_can_stop_it)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url ()));
  const TextLog log (pipeline);
  GstPad *text = gst_pad_get_peer (log.pad ());
  gst_pad_set_chain_function (
      text, [] (GstPad *, GstObject *, GstBuffer *buffer) -> GstFlowReturn {
        gst_buffer_unref (buffer);
        return GST_FLOW_NOT_NEGOTIATED;
      });
  gst_object_unref (text);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2500 * per_ms), 0);
  fail_unless (log.wait_for_texts (1));
  GstMessage *error = nullptr;
  for (std::size_t at = 2500; error == nullptr && at < 60000; at += 100) {
    pipeline.push (indexed_audio (at * per_ms, 100 * per_ms));
    error = pipeline.wait_for (GST_MESSAGE_ERROR, 20ms);
  }
  fail_unless (error != nullptr);
  fail_unless (GST_MESSAGE_SRC (error) == GST_OBJECT (pipeline.source ()));
}
GST_END_TEST;

/* Also of the last text, behind which no audio comes. */
/* Also if that was said before the end. */
GST_START_TEST (test_what_refuses_the_last_text_is_told)
{
  sistest::Server server;
  server.script ({ scripted (
      { { 1000ms, sistest::send_result ({ said (0, 800, "one") }) } }) });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url ()));
  const TextLog log (pipeline);
  GstPad *text = gst_pad_get_peer (log.pad ());
  gst_pad_set_chain_function (
      text, [] (GstPad *, GstObject *, GstBuffer *buffer) -> GstFlowReturn {
        gst_buffer_unref (buffer);
        return GST_FLOW_ERROR;
      });
  gst_object_unref (text);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 1000 * per_ms), 0);
  if (__i__ == 1)
    fail_unless (log.wait_for_texts (1));
  pipeline.end ();
  GstMessage *error = pipeline.wait_for (GST_MESSAGE_ERROR);
  fail_unless (error != nullptr);
  fail_unless (GST_MESSAGE_SRC (error) == GST_OBJECT (pipeline.sink ()));
  fail_unless (Problem (error).is (GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED));
}
GST_END_TEST;

static Suite *
transcriber_flow_suite (void)
{
  Suite *suite = suite_create ("transcriber_flow");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_audio_waits_for_its_text);
  tcase_add_test (tcase, test_what_is_not_said_is_a_gap_in_the_end);
  tcase_add_test (tcase, test_input_that_stops_gets_a_gap);
  tcase_add_test (tcase, test_a_silent_channel_harms_no_other);
  tcase_add_test (tcase, test_text_keeps_its_times_at_any_rate);
  tcase_add_test (tcase, test_text_that_is_blocked_holds_up_nothing);
  tcase_add_test (tcase, test_nothing_of_before_comes_behind_a_flush);
  tcase_add_test (tcase, test_the_beginning_survives_a_flush);
  tcase_add_test (tcase, test_a_flush_frees_what_waits);
  tcase_add_test (tcase, test_it_stops_at_once_whatever_it_waits_for);
  tcase_add_test (tcase, test_it_works_again_after_null);
  tcase_add_test (tcase, test_gaps_go_on_behind_a_flush);
  tcase_add_test (tcase, test_a_run_has_no_text_of_the_one_before);
  tcase_add_test (tcase,
                  test_a_stream_begins_behind_the_text_of_the_one_before);
  tcase_add_test (tcase, test_what_follows_can_stop_it);
  tcase_add_loop_test (tcase, test_what_refuses_the_last_text_is_told, 0, 2);
  return suite;
}

GST_CHECK_MAIN (transcriber_flow)
