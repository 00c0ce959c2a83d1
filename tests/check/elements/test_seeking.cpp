// SPDX-License-Identifier: LGPL-2.1-or-later
/* Pauses lose nothing; seeks lose all, and nothing of before is heard again. */
#include "server.h"

#include "pipeline.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>

using namespace sischeck;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t one_second = 16000;

/* Makes an appsrc play index-coded audio from wherever it is sought to, as
 * fast as it is taken: the words tell the time in the stream. */
class SeekableSource
{
public:
  SeekableSource (const Pipeline &pipeline, std::size_t seconds)
      : end_ (seconds * one_second)
  {
    g_object_set (pipeline.source (), "duration", gint64 (seconds) * GST_SECOND,
                  nullptr);
    gst_util_set_object_arg (G_OBJECT (pipeline.source ()), "stream-type",
                             "seekable");
    g_signal_connect (pipeline.source (), "need-data",
                      G_CALLBACK (&SeekableSource::on_need_data), this);
    g_signal_connect (pipeline.source (), "seek-data",
                      G_CALLBACK (&SeekableSource::on_seek_data), this);
  }
  SeekableSource (const SeekableSource &) = delete;
  SeekableSource &operator= (const SeekableSource &) = delete;

private:
  static void on_need_data (GstElement *source, guint, SeekableSource *self)
  {
    const std::size_t at = self->position_;
    GstFlowReturn flow = GST_FLOW_OK;
    if (at >= self->end_) {
      g_signal_emit_by_name (source, "end-of-stream", &flow);
      return;
    }
    const auto audio = indexed_audio (at, one_second / 10);
    GstBuffer *buffer
        = gst_buffer_new_memdup (audio.data (), audio.size () * 2);
    GST_BUFFER_PTS (buffer) = at * (GST_SECOND / one_second);
    self->position_ = at + audio.size ();
    g_signal_emit_by_name (source, "push-buffer", buffer, &flow);
    gst_buffer_unref (buffer);
  }

  static gboolean on_seek_data (GstElement *, guint64 time,
                                SeekableSource *self)
  {
    self->position_ = gst_util_uint64_scale (time, one_second, GST_SECOND);
    return TRUE;
  }

  const std::size_t end_;
  std::atomic<std::size_t> position_{ 0 };
};

/* Holds up the I/O thread in the first result, until a FLUSH_STOP comes. */
class Gate
{
public:
  explicit Gate (const Pipeline &pipeline)
      : bus_ (gst_element_get_bus (pipeline.get ()))
  {
    g_autoptr (GstPad) pad
        = gst_element_get_static_pad (pipeline.sink (), "sink");
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_FLUSH, &Gate::on_event,
                       this, nullptr);
    gst_bus_set_sync_handler (bus_, &Gate::on_message, this, nullptr);
  }
  ~Gate ()
  {
    gst_bus_set_sync_handler (bus_, nullptr, nullptr, nullptr);
    gst_object_unref (bus_);
  }
  Gate (const Gate &) = delete;
  Gate &operator= (const Gate &) = delete;

  bool wait_for_result ()
  {
    std::unique_lock lock (mutex_);
    return changed_.wait_for (lock, patience (), [this] { return is_inside_; });
  }

private:
  static GstPadProbeReturn on_event (GstPad *, GstPadProbeInfo *info,
                                     gpointer data)
  {
    auto *self = static_cast<Gate *> (data);
    const std::lock_guard lock (self->mutex_);
    self->is_open_ |= GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info))
                      == GST_EVENT_FLUSH_STOP;
    self->changed_.notify_all ();
    return GST_PAD_PROBE_OK;
  }

  static GstBusSyncReply on_message (GstBus *, GstMessage *message,
                                     gpointer data)
  {
    auto *self = static_cast<Gate *> (data);
    if (!gst_message_has_name (message, "sis-result"))
      return GST_BUS_PASS;
    std::unique_lock lock (self->mutex_);
    self->is_inside_ = true;
    self->changed_.notify_all ();
    self->changed_.wait_for (lock, patience (),
                             [self] { return self->is_open_; });
    return GST_BUS_PASS;
  }

  GstBus *const bus_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_inside_ = false, is_open_ = false;
};

bool
seek (const Pipeline &pipeline, std::size_t seconds)
{
  return gst_element_seek_simple (pipeline.get (), GST_FORMAT_TIME,
                                  GST_SEEK_FLAG_FLUSH,
                                  gint64 (seconds) * GST_SECOND);
}

/* No change of state waits for the service. */
void
assert_changes_at_once (Pipeline &pipeline, GstState state)
{
  const auto start = Clock::now ();
  fail_if (pipeline.set_state (state) == GST_STATE_CHANGE_FAILURE);
  const auto took = Clock::now () - start;
  fail_unless (took < patience () / 150, "to %s took %d ms",
               gst_element_state_get_name (state),
               int (took / Milliseconds (1)));
}

/* Time and again, also before a thread has woken from the last change. */
void
pause_and_play (Pipeline &pipeline, int times)
{
  for (int i = 0; i < times; i++) {
    assert_changes_at_once (pipeline, GST_STATE_PAUSED);
    assert_changes_at_once (pipeline, GST_STATE_PLAYING);
  }
}

/* The words count on from the first second to the last. */
std::string
words (std::size_t from, std::size_t to)
{
  std::string text;
  for (std::size_t i = from * 10; i < to * 10; i++)
    text += (text.empty () ? "w" : " w") + std::to_string (i);
  return text;
}

/* Each sis-start has one sis-end, and the other way about. */
void
assert_ends_match_starts (const Pipeline &pipeline)
{
  std::vector<guint> starts, ends;
  for (const GstStructure *start : pipeline.named ("sis-start"))
    starts.push_back (uint_of (start, "session"));
  for (const GstStructure *end : pipeline.named ("sis-end"))
    ends.push_back (uint_of (end, "session"));
  fail_unless (starts == ends, "%zu starts, %zu ends", starts.size (),
               ends.size ());
}

/* Results from messages[from] on are of audio from `seconds` on. */
void
assert_no_result_of_before (const Pipeline &pipeline, std::size_t from,
                            std::size_t seconds)
{
  for (std::size_t i = from; i < pipeline.messages ().size (); i++) {
    GstMessage *message = pipeline.messages ()[i].get ();
    if (!gst_message_has_name (message, "sis-result"))
      continue;
    const GstStructure *result = gst_message_get_structure (message);
    const std::string text = text_of (result, "text");
    const guint64 word = g_ascii_strtoull (text.c_str () + 1, nullptr, 10);
    fail_unless (word >= seconds * 10, "%s after a seek to %zu s",
                 text.c_str (), seconds);
    assert_equals_uint64 (time_of (result, "stream-time"),
                          word * 100 * GST_MSECOND);
  }
}

} // namespace

GST_START_TEST (test_a_pause_during_the_drain_keeps_the_end_of_the_stream)
{
  const bool is_answered_meanwhile = __i__ == 1;
  sistest::Server server;
  server.script ({ { .end = { .delay = 1000ms },
                     .recognizer = sistest::index_recognizer (),
                     .result_delay = 300ms } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 3 * one_second + 8000), 0);
  pipeline.end ();
  fail_unless (server.wait ([] (const auto &connections) {
    return !connections.empty () && connections[0].ends == 1;
  }));
  assert_changes_at_once (pipeline, GST_STATE_PAUSED);
  if (is_answered_meanwhile) {
    fail_unless (pipeline.wait_for_element_message ("sis-end") != nullptr);
    for (const MessagePtr &message : pipeline.messages ())
      fail_if (GST_MESSAGE_TYPE (message.get ()) == GST_MESSAGE_EOS);
  }
  pipeline.play ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), words (0, 3) + " w30 w31 w32 w33 w34");
  assert_ends_match_starts (pipeline);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}

GST_END_TEST;

GST_START_TEST (test_null_from_a_pause_during_the_drain)
{
  sistest::Server server;
  server.script ({ { .end = { .answer = false } } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 3 * one_second), 0);
  pipeline.end ();
  fail_unless (server.wait ([] (const auto &connections) {
    return !connections.empty () && connections[0].ends == 1;
  }));
  pause_and_play (pipeline, 500);
  assert_changes_at_once (pipeline, GST_STATE_PAUSED);
  const auto start = Clock::now ();
  pipeline.set_state (GST_STATE_NULL);
  fail_unless (Clock::now () - start < patience () / 30);
}

GST_END_TEST;

/* With sync and without. */
GST_START_TEST (test_pauses_in_mid_stream_lose_nothing)
{
  const bool is_synced = __i__ == 1;
  const std::size_t length = is_synced ? 3 : 200;
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), is_synced ? "sync=true" : "sync=false"));
  SeekableSource source (pipeline, length);
  pipeline.play ();
  for (std::size_t i = 1; i <= 5; i++) {
    fail_unless (server.wait ([&] (const auto &connections) {
      return !connections.empty ()
             && connections[0].audio_bytes >= i * length * one_second * 2 / 8;
    }));
    assert_changes_at_once (pipeline, GST_STATE_PAUSED);
    fail_unless (gst_element_get_state (pipeline.get (), nullptr, nullptr,
                                        10 * GST_SECOND)
                 == GST_STATE_CHANGE_SUCCESS);
    pipeline.play ();
  }
  fail_unless (pipeline.wait_for_eos ());
  assert_equals_int (server.connections ().size (), 1);
  fail_unless (server.connections ()[0].samples ()
               == indexed_audio (0, length * one_second));
  assert_same_text (pipeline.finals (), words (0, length));
  assert_no_result_of_before (pipeline, 0, 0); /* the times are right */
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}

GST_END_TEST;

GST_START_TEST (test_a_pause_while_the_store_is_full_loses_nothing)
{
  sistest::Server server;
  server.script ({ { .start = { .delay = 1500ms } } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  SeekableSource source (pipeline, 100);
  pipeline.play ();
  /* 30 s fit in; what is rendered beyond that waits. */
  gint64 position = 0;
  const auto deadline = Clock::now () + patience ();
  while (position < gint64 (30 * GST_SECOND) && Clock::now () < deadline)
    gst_element_query_position (pipeline.sink (), GST_FORMAT_TIME, &position);
  pause_and_play (pipeline, 100);
  assert_changes_at_once (pipeline, GST_STATE_PAUSED);
  /* What is in the store goes on being sent. */
  fail_unless (server.wait ([] (const auto &connections) {
    return !connections.empty ()
           && connections[0].audio_bytes >= 30 * one_second * 2;
  }));
  pipeline.play ();
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (server.connections ()[0].samples ()
               == indexed_audio (0, 100 * one_second));
}

GST_END_TEST;

GST_START_TEST (test_fifty_seeks_are_quick_and_nothing_of_before_is_told)
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer (),
                     .result_delay = 100ms } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  SeekableSource source (pipeline, 320);
  std::vector<Milliseconds> durations;
  std::size_t place = 0;
  std::size_t mark = 0;
  pipeline.play ();
  for (std::size_t i = 1; i <= 50; i++) {
    if (i % 5 == 0)
      fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
    if (i % 5 == 2)
      fail_unless (pipeline.wait_for_element_message ("sis-result") != nullptr);
    const auto start = Clock::now ();
    fail_unless (seek (pipeline, i * 6));
    durations.push_back (
        std::chrono::duration_cast<Milliseconds> (Clock::now () - start));
    assert_no_result_of_before (pipeline, mark, place);
    pipeline.collect ();
    mark = pipeline.messages ().size ();
    place = i * 6;
  }
  fail_unless (pipeline.wait_for_eos ());
  assert_no_result_of_before (pipeline, mark, place);
  assert_ends_match_starts (pipeline);
  const auto ends = pipeline.named ("sis-end");
  fail_unless (ends.size () >= 10);
  assert_same_text (text_of (ends.front (), "reason"), "CANCEL");
  assert_same_text (text_of (ends.back (), "reason"), "NORMAL");
  fail_unless (server.connections ().back ().samples ()
               == indexed_audio (300 * one_second, 20 * one_second));

  std::sort (durations.begin (), durations.end ());
  fail_unless (durations[25] < patience () / 300, "median %d ms",
               int (durations[25].count ()));
  fail_unless (durations[49] < patience () / 75, "at most %d ms",
               int (durations[49].count ()));
}

GST_END_TEST;

/* A phase of the session at which a seek comes. */
struct Phase
{
  sistest::Behaviour behaviour;
  sistest::Server::Predicate reached;
  const char *reason; /* of its sis-end, if it was started */
};

GST_START_TEST (test_a_seek_starts_anew_in_every_phase)
{
  const Phase phases[] = {
    { { .handshake = { .answer = false } },
      [] (const auto &connections) { return connections.size () == 1; },
      nullptr },
    { { .start = { .answer = false } },
      [] (const auto &connections) {
        return !connections.empty () && connections[0].starts == 1;
      },
      nullptr },
    { { .end = { .answer = false } },
      [] (const auto &connections) {
        return !connections.empty () && connections[0].ends == 1;
      },
      "CANCEL" },
    { { .actions = { { 1000ms, sistest::stop_reading () } } },
      [] (const auto &connections) {
        return !connections.empty ()
               && connections[0].audio_bytes >= 2 * one_second;
      },
      "CANCEL" },
  };
  const Phase &phase = phases[__i__];
  sistest::Server server;
  server.script (
      { phase.behaviour, { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  SeekableSource source (pipeline, 15);
  pipeline.play ();
  fail_unless (server.wait (phase.reached));
  fail_unless (seek (pipeline, 10));
  pipeline.collect ();
  const std::size_t mark = pipeline.messages ().size ();
  fail_unless (pipeline.wait_for_eos ());
  assert_no_result_of_before (pipeline, mark, 10);
  const auto connections = server.connections ();
  assert_equals_int (connections.size (), 2);
  fail_unless (connections[1].samples ()
               == indexed_audio (10 * one_second, 5 * one_second));
  const auto ends = pipeline.named ("sis-end");
  assert_equals_int (ends.size (), phase.reason != nullptr ? 2 : 1);
  if (phase.reason != nullptr)
    assert_same_text (text_of (ends[0], "reason"), phase.reason);
  assert_same_text (text_of (ends.back (), "reason"), "NORMAL");
  assert_ends_match_starts (pipeline);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
  fail_unless (pipeline.from_sink (GST_MESSAGE_ERROR).empty ());
}

GST_END_TEST;

GST_START_TEST (test_the_rest_of_a_result_is_not_told_after_a_seek)
{
  sistest::Server server;
  const auto result
      = sistest::send_result ({ { 0ms, 300ms, true, "one" },
                                { 300ms, 600ms, true, "two" },
                                { 600ms, 900ms, true, "three" } });
  server.script ({ { .actions = { { 1000ms, result } },
                     .recognizer = sistest::silent_recognizer () },
                   { .recognizer = sistest::silent_recognizer () } });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  SeekableSource source (pipeline, 15);
  Gate gate (pipeline);
  pipeline.play ();
  fail_unless (gate.wait_for_result ());
  fail_unless (seek (pipeline, 10));
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), "one");
  assert_ends_match_starts (pipeline);
}

GST_END_TEST;

GST_START_TEST (test_new_caps_before_a_seek_leave_nothing_behind)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline ("appsrc name=src format=time ! sissink name=sink "
                     "sync=false project-id=demo endpoint="
                     + server.url ());
  g_autoptr (GstPad) pad
      = gst_element_get_static_pad (pipeline.source (), "src");
  g_autoptr (GstCaps) wide = gst_caps_from_string (
      "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved");
  g_autoptr (GstCaps) plain = gst_caps_from_string (
      "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved");
  g_object_set (pipeline.source (), "caps", wide, nullptr);
  pipeline.play ();
  pipeline.push (std::vector<std::int16_t> (48000, 0x1111), 0);
  fail_unless (server.wait ([] (const auto &connections) {
    return !connections.empty () && connections[0].audio_bytes >= 28800;
  }));
  /* What the resampler still held is of before the flush. */
  fail_unless (gst_pad_push_event (pad, gst_event_new_caps (plain)));
  fail_unless (gst_pad_push_event (pad, gst_event_new_flush_start ()));
  fail_unless (gst_pad_push_event (pad, gst_event_new_flush_stop (TRUE)));
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (pad, gst_event_new_segment (&segment));
  const auto audio = indexed_audio (0, one_second);
  fail_unless (gst_pad_push (pad, gst_buffer_new_memdup (audio.data (),
                                                         audio.size () * 2))
               == GST_FLOW_OK);
  fail_unless (gst_pad_push_event (pad, gst_event_new_eos ()));
  fail_unless (pipeline.wait_for_eos ());
  assert_equals_int (server.connections ().size (), 2);
  fail_unless (server.connections ()[1].samples () == audio);
}

GST_END_TEST;

static Suite *
seeking_suite (void)
{
  Suite *suite = suite_create ("seeking");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (
      tcase, test_a_pause_during_the_drain_keeps_the_end_of_the_stream, 0, 2);
  tcase_add_test (tcase, test_null_from_a_pause_during_the_drain);
  tcase_add_loop_test (tcase, test_pauses_in_mid_stream_lose_nothing, 0, 2);
  tcase_add_test (tcase, test_a_pause_while_the_store_is_full_loses_nothing);
  tcase_add_test (tcase,
                  test_fifty_seeks_are_quick_and_nothing_of_before_is_told);
  tcase_add_loop_test (tcase, test_a_seek_starts_anew_in_every_phase, 0, 4);
  tcase_add_test (tcase, test_the_rest_of_a_result_is_not_told_after_a_seek);
  tcase_add_test (tcase, test_new_caps_before_a_seek_leave_nothing_behind);
  return suite;
}

GST_CHECK_MAIN (seeking)
