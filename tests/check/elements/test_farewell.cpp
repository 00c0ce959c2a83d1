// SPDX-License-Identifier: LGPL-2.1-or-later
/* An application that, while it is told something on the I/O thread, sets NULL
 * and drops what it holds: the pipeline ends there and then. */
#include "server.h"

#include "pipeline.h"
#include "textlog.h"

#include <atomic>
#include <condition_variable>
#include <mutex>

using namespace sischeck;
using namespace std::chrono_literals;
using sistest::Behaviour;

namespace {

constexpr const char *farewells[]
    = { "sis-connecting", "sis-start", "sis-result", "sis-event",
        "sis-end",        "warning",   "qos",        "error" };
constexpr int n_farewells = G_N_ELEMENTS (farewells);

bool
is_named (GstMessage *message, const std::string &what)
{
  switch (GST_MESSAGE_TYPE (message)) {
  case GST_MESSAGE_ERROR:
    return what == "error";
  case GST_MESSAGE_WARNING:
    return what == "warning";
  case GST_MESSAGE_QOS:
    return what == "qos";
  default:
    return gst_message_has_name (message, what.c_str ());
  }
}

/* Owns a pipeline until the message of that name is posted. */
class Application
{
public:
  Application (const std::string &launch, std::string what)
      : what_ (std::move (what)),
        pipeline_ (gst_parse_launch (launch.c_str (), nullptr))
  {
    fail_unless (pipeline_ != nullptr);
    g_autoptr (GstElement) sink
        = gst_bin_get_by_name (GST_BIN (pipeline_), "sink");
    g_object_weak_ref (
        G_OBJECT (sink),
        [] (gpointer data, GObject *) {
          static_cast<Application *> (data)->note (true);
        },
        this);
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline_);
    gst_bus_set_sync_handler (bus, &Application::on_message, this, nullptr);
  }
  Application (const Application &) = delete;
  Application &operator= (const Application &) = delete;

  GstElement *pipeline () const { return pipeline_; }

  /* Until the sink is no more; on which thread it was let go. */
  std::string wait ()
  {
    std::unique_lock lock (mutex_);
    changed_.wait_for (lock, patience (), [this] { return is_gone_; });
    return is_gone_ ? thread_ : "";
  }

private:
  void note (bool is_gone)
  {
    const std::lock_guard lock (mutex_);
    is_gone_ = is_gone;
    if (!is_gone) {
      char name[16] = "";
      pthread_getname_np (pthread_self (), name, sizeof name);
      thread_ = name;
    }
    changed_.notify_all ();
  }

  static GstBusSyncReply on_message (GstBus *, GstMessage *message,
                                     gpointer data)
  {
    auto *self = static_cast<Application *> (data);
    if (is_named (message, self->what_) && !self->said_.exchange (true)) {
      self->note (false);
      gst_element_set_state (self->pipeline_, GST_STATE_NULL);
      gst_object_unref (self->pipeline_);
    }
    gst_message_unref (message);
    return GST_BUS_DROP;
  }

  const std::string what_;
  GstElement *const pipeline_;
  std::atomic<bool> said_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_gone_ = false;
  std::string thread_;
};

Behaviour
that_leads_to (const std::string &what)
{
  Behaviour behaviour;
  if (what == "error")
    behaviour.actions
        = { { 2000ms, sistest::fatal ("SIS.0002", "internal error") } };
  if (what == "warning")
    behaviour.actions = { { 2000ms, sistest::reset () } };
  behaviour.handshake.answer = what != "qos";
  return behaviour;
}

std::string
properties_for (const std::string &what)
{
  if (what == "sis-event")
    return "mode=sentence";
  return what == "qos" ? "leaky=upstream max-buffer-duration=1000000000" : "";
}

/* Nothing is told before audio comes. */
void
push_audio (GstElement *source)
{
  const auto samples = indexed_audio (0, 5 * 16000);
  GstBuffer *buffer
      = gst_buffer_new_memdup (samples.data (), samples.size () * 2);
  GST_BUFFER_PTS (buffer) = 0;
  GstFlowReturn flow = GST_FLOW_OK;
  g_signal_emit_by_name (source, "push-buffer", buffer, &flow);
  gst_buffer_unref (buffer);
}

} // namespace

GST_START_TEST (test_the_last_reference_may_go_on_the_io_thread)
{
  const std::string what = farewells[__i__ % n_farewells];
  const bool is_sink = __i__ < n_farewells;
  sistest::Server server;
  server.script ({ that_leads_to (what) });
  fail_unless (server.start ());
  /* Text that is out waits for its time. */
  Application application (
      is_sink ? launch_line (server.url (), properties_for (what))
              : text_line (server.url (), properties_for (what), "fakesink"),
      what);
  g_autoptr (GstElement) source
      = gst_bin_get_by_name (GST_BIN (application.pipeline ()), "src");
  gst_element_set_state (application.pipeline (), GST_STATE_PLAYING);
  push_audio (source);
  GstFlowReturn flow = GST_FLOW_OK;
  if (what == "sis-end")
    g_signal_emit_by_name (source, "end-of-stream", &flow);
  assert_same_text (application.wait (), "sis-io");
}
GST_END_TEST;

/* What the application does on one thread while it is told something on
 * another. */
struct Parting
{
  bool wait_for (const bool &what)
  {
    std::unique_lock lock (mutex);
    return changed.wait_for (lock, patience (), [&what] { return what; });
  }
  void note (bool &what)
  {
    const std::lock_guard lock (mutex);
    what = true;
    changed.notify_all ();
  }

  GWeakRef pipeline{};
  std::mutex mutex;
  std::condition_variable changed;
  bool is_told = false, has_left = false, is_done = false, was_there = false;
};

/* Of which GStreamer's bins, which are told by their children, know nothing. */
GST_START_TEST (test_a_pipeline_lives_until_it_was_told)
{
  sistest::Server server;
  fail_unless (server.start ());
  Parting parting;
  GstElement *pipeline
      = gst_parse_launch (launch_line (server.url ()).c_str (), nullptr);
  g_weak_ref_init (&parting.pipeline, pipeline);
  const auto on_message
      = [] (GstBus *, GstMessage *message, gpointer data) -> GstBusSyncReply {
    auto *told = static_cast<Parting *> (data);
    if (gst_message_has_name (message, "sis-start")) {
      told->note (told->is_told);
      told->wait_for (told->has_left);
      g_autoptr (GstElement) there
          = static_cast<GstElement *> (g_weak_ref_get (&told->pipeline));
      told->was_there = there != nullptr;
      told->note (told->is_done);
    }
    gst_message_unref (message);
    return GST_BUS_DROP;
  };
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gst_bus_set_sync_handler (bus, on_message, &parting, nullptr);
  g_autoptr (GstElement) source
      = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  push_audio (source);
  fail_unless (parting.wait_for (parting.is_told));
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  parting.note (parting.has_left);
  fail_unless (parting.wait_for (parting.is_done));
  fail_unless (parting.was_there);
  g_weak_ref_clear (&parting.pipeline);
}
GST_END_TEST;

static Suite *
farewell_suite (void)
{
  Suite *suite = suite_create ("farewell");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_the_last_reference_may_go_on_the_io_thread,
                       0, 2 * n_farewells);
  tcase_add_test (tcase, test_a_pipeline_lives_until_it_was_told);
  return suite;
}

GST_CHECK_MAIN (farewell)
