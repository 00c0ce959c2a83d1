// SPDX-License-Identifier: LGPL-2.1-or-later
/* State changes: they never wait for the network, and leave nothing behind. */
#include "halfserver.h"
#include "server.h"

#include "pipeline.h"
#include "scale.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>

using namespace sischeck;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t one_second = 16000;

/* To NULL, which returns in well under a second whatever the network does.
 */
void
assert_stops_at_once (Pipeline &pipeline)
{
  const auto start = Clock::now ();
  fail_unless (pipeline.set_state (GST_STATE_NULL) == GST_STATE_CHANGE_SUCCESS);
  const auto took = Clock::now () - start;
  fail_unless (took < patience () / 30, "took %d ms",
               int (took / Milliseconds (1)));
}

/* Counts the buffers that enter the sink. */
class BufferCounter
{
public:
  explicit BufferCounter (const Pipeline &pipeline)
      : pad_ (gst_element_get_static_pad (pipeline.sink (), "sink"))
  {
    id_ = gst_pad_add_probe (
        pad_, GST_PAD_PROBE_TYPE_BUFFER,
        [] (GstPad *, GstPadProbeInfo *, gpointer data) {
          auto *self = static_cast<BufferCounter *> (data);
          const std::lock_guard lock (self->mutex_);
          self->count_++;
          self->changed_.notify_all ();
          return GST_PAD_PROBE_OK;
        },
        this, nullptr);
  }
  ~BufferCounter ()
  {
    gst_pad_remove_probe (pad_, id_);
    gst_object_unref (pad_);
  }
  BufferCounter (const BufferCounter &) = delete;
  BufferCounter &operator= (const BufferCounter &) = delete;

  bool wait_for (std::size_t count)
  {
    std::unique_lock lock (mutex_);
    return changed_.wait_for (lock, patience (),
                              [&] { return count_ >= count; });
  }

  /* No buffer any more: render () does not return. */
  void wait_for_a_jam ()
  {
    std::unique_lock lock (mutex_);
    for (std::size_t seen = count_ + 1; seen != count_;) {
      seen = count_;
      changed_.wait_for (lock, 300ms, [&] { return count_ != seen; });
    }
  }

private:
  GstPad *const pad_;
  gulong id_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t count_ = 0;
};

/* Sets the pipeline to NULL in the midst of a message's posting. */
class StopInside
{
public:
  StopInside (const Pipeline &pipeline, const char *what)
      : pipeline_ (pipeline.get ()), what_ (what)
  {
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline_);
    gst_bus_set_sync_handler (bus, &StopInside::on_message, this, nullptr);
  }
  ~StopInside ()
  {
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline_);
    gst_bus_set_sync_handler (bus, nullptr, nullptr, nullptr);
  }
  StopInside (const StopInside &) = delete;
  StopInside &operator= (const StopInside &) = delete;

  /* The thread's name once NULL was reached, or nothing. */
  std::string wait ()
  {
    std::unique_lock lock (mutex_);
    changed_.wait_for (lock, patience (), [this] { return !thread_.empty (); });
    return thread_;
  }

private:
  bool is_meant (GstMessage *message) const
  {
    return GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR
               ? what_ == "error"
               : gst_message_has_name (message, what_.c_str ());
  }

  static GstBusSyncReply on_message (GstBus *, GstMessage *message,
                                     gpointer data)
  {
    auto *self = static_cast<StopInside *> (data);
    if (!self->is_meant (message) || self->has_stopped_.exchange (true))
      return GST_BUS_PASS;
    gst_element_set_state (self->pipeline_, GST_STATE_NULL);
    char name[16] = "";
    pthread_getname_np (pthread_self (), name, sizeof name);
    const std::lock_guard lock (self->mutex_);
    self->thread_ = name;
    self->changed_.notify_all ();
    return GST_BUS_PASS;
  }

  GstElement *const pipeline_;
  const std::string what_;
  std::atomic<bool> has_stopped_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string thread_;
};

std::string
fast_source_line (const std::string &url)
{
  return "audiotestsrc samplesperbuffer=16000 wave=silence ! sissink name=sink "
         "sync=false project-id=demo endpoint="
         + url;
}

/* One run with a transcript, from NULL to NULL. */
void
assert_works (Pipeline &pipeline)
{
  pipeline.collect ();
  const std::size_t before = pipeline.named ("sis-result").size ();
  pipeline.play ();
  pipeline.push (indexed_audio (0, 3 * one_second), 0);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_equals_int (pipeline.named ("sis-result").size () - before, 2);
  assert_stops_at_once (pipeline);
}

} // namespace

GST_START_TEST (test_a_hundred_runs_leave_no_thread_and_no_descriptor)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  Census first{};
  for (int run = 0; run < 5 + scaled (100); run++) {
    pipeline.play ();
    if (run % 5 != 0)
      pipeline.push (indexed_audio (0, one_second), 0);
    if (run % 5 == 2)
      fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
    if (run % 5 >= 3)
      pipeline.end ();
    if (run % 5 == 4)
      fail_unless (pipeline.wait_for_eos ());
    assert_stops_at_once (pipeline);
    if (run == 4) {
      fail_unless (wait_for_io_threads (0));
      first = take_census ();
    }
  }
  fail_unless (wait_for_io_threads (0));
  fail_unless (wait_for_census (first), "%zu threads, %zu files; were %zu, %zu",
               take_census ().threads, take_census ().files, first.threads,
               first.files);
}

GST_END_TEST;

GST_START_TEST (test_null_while_the_handshake_is_not_answered)
{
  sistest::Server server;
  server.script ({ { .handshake = { .answer = false } }, {} });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, one_second), 0);
  fail_unless (server.wait (
      [] (const auto &connections) { return connections.size () == 1; }));
  assert_stops_at_once (pipeline);
  assert_works (pipeline);
}

GST_END_TEST;

GST_START_TEST (test_null_hangs_up_while_the_handshake_goes_on)
{
  sistest::HalfServer half;
  fail_unless (half.start (false));
  Pipeline pipeline (launch_line (half.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, one_second), 0);
  const auto peer = half.accept ();
  fail_unless (peer != nullptr);
  assert_stops_at_once (pipeline);
  fail_unless (peer->wait_for_end ());
}

GST_END_TEST;

GST_START_TEST (test_null_while_start_is_not_answered)
{
  sistest::Server server;
  server.script ({ { .start = { .answer = false } }, {} });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, one_second), 0);
  fail_unless (server.wait ([] (const auto &connections) {
    return !connections.empty () && connections[0].starts == 1;
  }));
  assert_stops_at_once (pipeline);
  assert_works (pipeline);
}

GST_END_TEST;

GST_START_TEST (test_null_while_the_store_is_full)
{
  sistest::Server server;
  server.script ({ { .start = { .answer = false } } });
  fail_unless (server.start ());
  Pipeline pipeline (fast_source_line (server.url ()));
  BufferCounter counter (pipeline);
  pipeline.play ();
  fail_unless (counter.wait_for (31)); /* the store holds 30 s */
  assert_stops_at_once (pipeline);
}

GST_END_TEST;

GST_START_TEST (test_null_while_the_service_does_not_read)
{
  sistest::Server server;
  server.script ({ { .actions = { { 1000ms, sistest::stop_reading () } } } });
  fail_unless (server.start ());
  Pipeline pipeline (fast_source_line (server.url ()));
  BufferCounter counter (pipeline);
  pipeline.play ();
  fail_unless (counter.wait_for (31));
  counter.wait_for_a_jam ();
  assert_stops_at_once (pipeline);
}

GST_END_TEST;

GST_START_TEST (test_null_while_end_is_not_answered)
{
  sistest::Server server;
  server.script ({ { .end = { .answer = false } }, {} });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, one_second), 0);
  pipeline.end ();
  fail_unless (server.wait ([] (const auto &connections) {
    return !connections.empty () && connections[0].ends == 1;
  }));
  assert_stops_at_once (pipeline);
  assert_works (pipeline);
}

GST_END_TEST;

GST_START_TEST (test_null_while_the_service_has_vanished)
{
  sistest::Server server;
  server.script ({ { .actions = { { 1000ms, sistest::vanish () } } }, {} });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 20 * one_second), 0);
  pipeline.end ();
  fail_unless (server.wait ([] (const auto &connections) {
    return !connections.empty ()
           && connections[0].audio_bytes >= 2 * one_second;
  }));
  assert_stops_at_once (pipeline);
  assert_works (pipeline);
}

GST_END_TEST;

GST_START_TEST (test_null_from_paused)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (launch_line (server.url ()));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 2 * one_second), 0);
  fail_unless (pipeline.wait_for_element_message ("sis-result") != nullptr);
  pipeline.set_state (GST_STATE_PAUSED);
  assert_stops_at_once (pipeline);
  assert_works (pipeline);
}

GST_END_TEST;

constexpr const char *stops_inside[]
    = { "sis-connecting", "sis-start", "sis-result",
        "sis-event",      "sis-end",   "error" };

GST_START_TEST (test_null_from_the_bus_on_the_io_thread_does_not_deadlock)
{
  const std::string what = stops_inside[__i__];
  sistest::Server server;
  sistest::Behaviour behaviour;
  if (what == "error")
    behaviour.actions
        = { { 2000ms, sistest::fatal ("SIS.0002", "internal error") } };
  server.script ({ behaviour, {} });
  fail_unless (server.start ());
  Pipeline pipeline (
      launch_line (server.url (), what == "sis-event" ? "mode=sentence" : ""));
  {
    StopInside stop (pipeline, what.c_str ());
    pipeline.play ();
    pipeline.push (indexed_audio (0, 5 * one_second), 0);
    if (what == "sis-end")
      pipeline.end ();
    else
      pipeline.push (
          indexed_audio (0, 60 * one_second)); /* render is blocked */
    assert_same_text (stop.wait (), "sis-io");
  }
  GstState state = GST_STATE_PLAYING;
  fail_unless (gst_element_get_state (pipeline.get (), &state, nullptr, 0)
               == GST_STATE_CHANGE_SUCCESS);
  assert_equals_int (state, GST_STATE_NULL);
  fail_unless (wait_for_io_threads (0));
  if (what != "sis-event")
    assert_works (pipeline);
}

GST_END_TEST;

GST_START_TEST (test_the_element_works_again_after_an_error)
{
  sistest::Server server;
  server.script (
      { {},
        { .actions
          = { { 500ms, sistest::fatal ("SIS.0002", "internal error") } } },
        { .actions = { { 500ms, sistest::reset () } } },
        {} });
  fail_unless (server.start ());
  Pipeline pipeline (launch_line ("ws://127.0.0.1:1", "reconnect=never"));
  for (unsigned errors = 1; errors <= 4; errors++) {
    if (errors == 2)
      g_object_set (pipeline.sink (), "project-id", "a b", nullptr);
    const bool has_started
        = pipeline.set_state (GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
    fail_unless (has_started == (errors != 2));
    if (has_started)
      pipeline.push (indexed_audio (0, 3 * one_second), 0);
    fail_unless (pipeline.wait_for ([&] (GstMessage *message) {
      return GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR
             && GST_MESSAGE_SRC (message) == GST_OBJECT (pipeline.sink ());
    }) != nullptr);
    assert_stops_at_once (pipeline);
    assert_equals_int (pipeline.from_sink (GST_MESSAGE_ERROR).size (), errors);
    g_object_set (pipeline.sink (), "endpoint", server.url ().c_str (),
                  "project-id", "demo", nullptr);
    if (errors == 1)
      assert_works (pipeline);
  }
  assert_works (pipeline);
}

GST_END_TEST;

constexpr int sink_counts[] = { 2, 10 };

GST_START_TEST (test_all_sinks_of_the_process_share_one_thread)
{
  const int sinks = sink_counts[__i__];
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  std::string launch
      = "appsrc name=src format=time caps=audio/x-raw,format=S16LE,rate=16000,"
        "channels=1,layout=interleaved ! tee name=t";
  for (int i = 0; i < sinks; i++)
    launch += " t. ! queue ! sissink sync=false project-id=demo name="
              + (i == 0 ? "sink" : "sink" + std::to_string (i))
              + " endpoint=" + server.url ();
  Pipeline pipeline (launch);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 4 * one_second), 0);
  for (int i = 0; i < sinks; i++)
    fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
  fail_unless (wait_for_io_threads (1));
  pipeline.push (indexed_audio (4 * one_second, one_second / 2));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());

  std::map<GstObject *, std::string> texts;
  for (const MessagePtr &message : pipeline.messages ())
    if (gst_message_has_name (message.get (), "sis-result"))
      texts[GST_MESSAGE_SRC (message.get ())]
          += text_of (gst_message_get_structure (message.get ()), "text") + ";";
  assert_equals_int (texts.size (), sinks);
  for (const auto &[sink, text] : texts)
    assert_same_text (text, "w0 w1 w2 w3 w4 w5 w6 w7 w8 w9;"
                            "w10 w11 w12 w13 w14 w15 w16 w17 w18 w19;"
                            "w20 w21 w22 w23 w24 w25 w26 w27 w28 w29;"
                            "w30 w31 w32 w33 w34 w35 w36 w37 w38 w39;"
                            "w40 w41 w42 w43 w44;");
  for (const sistest::Record &record : server.connections ())
    fail_unless (record.samples () == indexed_audio (0, 9 * one_second / 2));
  pipeline.set_state (GST_STATE_READY);
  fail_unless (wait_for_io_threads (0));
}

GST_END_TEST;

GST_START_TEST (test_the_last_reference_may_go_at_any_time)
{
  sistest::Server server;
  fail_unless (server.start ());
  for (int run = 0; run < std::max (scaled (40), 8); run++) {
    Pipeline pipeline (launch_line (server.url ()));
    if (run % 8 == 0)
      continue;
    pipeline.set_state (run % 8 == 1 ? GST_STATE_READY : GST_STATE_PLAYING);
    if (run % 8 == 1)
      continue;
    pipeline.push (indexed_audio (0, 2 * one_second), 0);
    if (run % 8 == 3)
      pipeline.wait_for_element_message ("sis-connecting");
    if (run % 8 == 4)
      pipeline.wait_for_element_message ("sis-start");
    if (run % 8 == 5)
      pipeline.wait_for_element_message ("sis-result");
    if (run % 8 >= 6)
      pipeline.end ();
    if (run % 8 == 7)
      fail_unless (pipeline.wait_for_eos ());
    /* And so it is dropped, right after NULL. */
  }
  fail_unless (wait_for_io_threads (0));
  fail_unless (server.wait ([] (const auto &connections) {
    return std::all_of (connections.begin (), connections.end (),
                        [] (const auto &record) { return record.gone; });
  }));
}

GST_END_TEST;

static Suite *
lifecycle_suite (void)
{
  Suite *suite = suite_create ("lifecycle");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_hundred_runs_leave_no_thread_and_no_descriptor);
  tcase_add_test (tcase, test_null_while_the_handshake_is_not_answered);
  tcase_add_test (tcase, test_null_hangs_up_while_the_handshake_goes_on);
  tcase_add_test (tcase, test_null_while_start_is_not_answered);
  tcase_add_test (tcase, test_null_while_the_store_is_full);
  tcase_add_test (tcase, test_null_while_the_service_does_not_read);
  tcase_add_test (tcase, test_null_while_end_is_not_answered);
  tcase_add_test (tcase, test_null_while_the_service_has_vanished);
  tcase_add_test (tcase, test_null_from_paused);
  tcase_add_loop_test (
      tcase, test_null_from_the_bus_on_the_io_thread_does_not_deadlock, 0,
      int (std::size (stops_inside)));
  tcase_add_test (tcase, test_the_element_works_again_after_an_error);
  tcase_add_loop_test (tcase, test_all_sinks_of_the_process_share_one_thread, 0,
                       int (std::size (sink_counts)));
  tcase_add_test (tcase, test_the_last_reference_may_go_at_any_time);
  return suite;
}

GST_CHECK_MAIN (lifecycle)
