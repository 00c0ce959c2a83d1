// SPDX-License-Identifier: LGPL-2.1-or-later
/* Everything at once and in any order, while the service misbehaves: state
 * changes stay short, and nothing is left behind. */
#include "scale.h"
#include "service.h"

#include <algorithm>
#include <gst/check/gstharness.h>
#include <malloc.h>
#include <random>

using namespace sischeck;
using namespace std::chrono_literals;
using sistest::Behaviour;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t channels = 12;
constexpr int operations = 3000;

/* Caches that still grow; each storm makes a hundred sessions or more. */
constexpr std::size_t most_growth = 200000;

/* NULL is to be reached in half a second. */
Milliseconds
longest_change ()
{
  return patience () / 30;
}

Behaviour
misbehaving (std::mt19937 &random)
{
  Behaviour behaviour{ .recognizer = sistest::index_recognizer (),
                       .keep_audio = 0,
                       .keep_messages = false };
  const Milliseconds at (random () % 3000);
  const auto does = [&] (const sistest::Action &action) {
    behaviour.actions = { { at, action } };
  };
  switch (random () % 16) {
  case 0:
    does (sistest::reset ());
    break;
  case 1:
    does (sistest::hang_up ());
    break;
  case 2:
    does (sistest::close_with (1011));
    break;
  case 3:
    does (sistest::error ("SIS.0303", "engine"));
    break;
  case 4:
    does (sistest::fatal ("SIS.0306", "recognition"));
    break;
  case 5:
    does (sistest::end ("CANCEL"));
    break;
  case 6:
    does (sistest::stop_reading ());
    break;
  case 7:
    does (sistest::vanish ());
    break;
  case 8:
    does (sistest::send_binary ("?"));
    break;
  case 9:
    behaviour.handshake.answer = false;
    break;
  case 10:
    behaviour.handshake.drop = true;
    break;
  case 11:
    behaviour.handshake.reply = sistest::HttpReply{ .status = 503 };
    break;
  case 12:
    behaviour.start.answer = false;
    break;
  case 13:
    behaviour.end.answer = false;
    break;
  default:
    break;
  }
  return behaviour;
}

std::vector<Behaviour>
misbehaving_script ()
{
  std::mt19937 random (1);
  std::vector<Behaviour> behaviours;
  for (int i = 0; i < 500; i++)
    behaviours.push_back (misbehaving (random));
  return behaviours;
}

/* One pipeline of which any thing is asked at any time. */
class Channel
{
public:
  Channel (const std::string &url, unsigned seed, const std::string &element)
      : random_ (seed), pipeline_ (line (url, element))
  {
    g_signal_connect (
        pipeline_.source (), "seek-data",
        G_CALLBACK (+[] (GstElement *, guint64, gpointer) { return TRUE; }),
        nullptr);
  }

  void do_anything ()
  {
    switch (random_ () % 8) {
    case 0:
    case 1:
      change_state ();
      break;
    case 2:
      set_property ();
      break;
    case 3:
      change_caps ();
      break;
    case 4:
      seek ();
      break;
    case 5:
      if (random_ () % 4 == 0)
        pipeline_.end ();
      else if (is_sink_)
        g_signal_emit_by_name (pipeline_.sink (), "restart");
      break;
    default:
      push ();
      break;
    }
    hear ();
  }

  void stop ()
  {
    set_state (GST_STATE_NULL);
    hear ();
  }

private:
  static std::string line (const std::string &url, const std::string &element)
  {
    return "appsrc name=src format=time stream-type=seekable max-bytes=400000 "
           "! "
           + element
           + " name=sink project-id=demo reconnect-delay=1000000 "
             "max-reconnect-delay=10000000 keepalive-interval=1 endpoint="
           + url
           + (element == "sissink" ? "" : " ! fakesink sync=false async=false");
  }

  void set_state (GstState state)
  {
    const auto begin = Clock::now ();
    pipeline_.set_state (state);
    const auto took = Clock::now () - begin;
    fail_unless (took < longest_change (), "%d ms to %s",
                 int (took / Milliseconds (1)),
                 gst_element_state_get_name (state));
  }

  void change_state ()
  {
    static constexpr GstState states[]
        = { GST_STATE_NULL,    GST_STATE_READY,   GST_STATE_PAUSED,
            GST_STATE_PLAYING, GST_STATE_PLAYING, GST_STATE_PLAYING };
    set_state (states[random_ () % std::size (states)]);
  }

  /* Any of them, good or bad. */
  void set_property ()
  {
    static constexpr struct
    {
      const char *name, *value;
    } writes[] = {
      { "add-punc", "false" },
      { "auth-token", "another token" },
      { "auth-token", "" },
      { "chunk-duration", "40000000" },
      { "digit-norm", "true" },
      { "extra-config", "config, a=(int)1" },
      { "idle-timeout", "1000000000" },
      { "interim-results", "true" },
      { "leaky", "downstream" },
      { "leaky", "auto" },
      { "max-buffer-duration", "1000000000" },
      { "max-buffer-duration", "30000000000" },
      { "max-send-rate", "2" },
      { "max-send-rate", "0" },
      { "mode", "sentence" },
      { "mode", "continue" },
      { "model", "chinese_8k_general" },
      { "model", "chinese_16k_general" },
      { "need-word-info", "true" },
      { "on-error", "discard" },
      { "on-error", "stop" },
      { "project-id", "a b" },
      { "project-id", "demo" },
      { "reconnect", "always" },
      { "reconnect", "never" },
      { "reconnect", "transport" },
      { "replay-duration", "0" },
      { "replay-duration", "60000000000" },
      { "timeout", "1" },
      { "timeout", "20" },
      { "vad-tail", "300" },
      { "vocabulary-id", "words" },
    };
    const auto &write = writes[random_ () % std::size (writes)];
    if (g_object_class_find_property (G_OBJECT_GET_CLASS (pipeline_.sink ()),
                                      write.name)
        != nullptr)
      gst_util_set_object_arg (G_OBJECT (pipeline_.sink ()), write.name,
                               write.value);
    GstStructure *stats = nullptr;
    g_object_get (pipeline_.sink (), "stats", &stats, nullptr);
    gst_structure_free (stats);
  }

  void change_caps ()
  {
    static constexpr int rates[] = { 8000, 16000, 48000 };
    rate_ = rates[random_ () % std::size (rates)];
    channels_ = 1 + int (random_ () % 2);
    g_autoptr (GstCaps) caps = gst_caps_new_simple (
        "audio/x-raw", "format", G_TYPE_STRING, "S16LE", "layout",
        G_TYPE_STRING, "interleaved", "rate", G_TYPE_INT, rate_, "channels",
        G_TYPE_INT, channels_, nullptr);
    g_object_set (pipeline_.source (), "caps", caps, nullptr);
    caps_are_set_ = true;
  }

  void seek ()
  {
    gst_element_seek_simple (pipeline_.get (), GST_FORMAT_TIME,
                             GST_SEEK_FLAG_FLUSH,
                             gint64 (random_ () % 4000) * GST_MSECOND);
  }

  /* appsrc keeps what comes too early or too fast. */
  void push ()
  {
    if (!caps_are_set_)
      change_caps ();
    guint64 waiting = 0;
    g_object_get (pipeline_.source (), "current-level-bytes", &waiting,
                  nullptr);
    if (waiting > 300000)
      return;
    const std::vector<std::int16_t> samples (std::size_t (rate_ * channels_)
                                             * (1 + random_ () % 10) / 10);
    GstBuffer *buffer
        = gst_buffer_new_memdup (samples.data (), samples.size () * 2);
    if (random_ () % 4 == 0)
      GST_BUFFER_PTS (buffer) = random_ () % 4000 * GST_MSECOND;
    GstFlowReturn flow = GST_FLOW_OK;
    g_signal_emit_by_name (pipeline_.source (), "push-buffer", buffer, &flow);
    gst_buffer_unref (buffer);
  }

  void hear ()
  {
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline_.get ());
    while (GstMessage *message = gst_bus_pop (bus))
      gst_message_unref (message);
  }

  std::mt19937 random_;
  Pipeline pipeline_;
  const bool is_sink_
      = g_signal_lookup ("restart", G_OBJECT_TYPE (pipeline_.sink ())) != 0;
  int rate_ = 16000, channels_ = 1;
  bool caps_are_set_ = false;
};

void
storm (const std::string &url, unsigned seed, const char *element)
{
  std::mt19937 random (seed);
  std::vector<std::unique_ptr<Channel>> all;
  for (std::size_t i = 0; i < channels; i++)
    all.push_back (std::make_unique<Channel> (url, random (), element));
  for (int i = 0; i < scaled (operations); i++)
    all[random () % channels]->do_anything ();
  for (const auto &channel : all)
    channel->stop ();
}

/* What malloc gave and did not get back. */
std::size_t
allocated ()
{
  return mallinfo2 ().uordblks;
}

constexpr const char *elements[] = { "sissink", "sistranscriber" };

} // namespace

GST_START_TEST (test_a_storm_leaves_nothing_behind)
{
  const char *element = elements[__i__];
  Service service (misbehaving_script ());
  /* The first ones fill the caches of GLib, GStreamer and malloc. */
  for (unsigned seed = 1; seed <= 3; seed++)
    storm (service.url (), seed, element);
  fail_unless (wait_for_io_threads (0));
  const Census census = take_census ();
  const std::size_t before = allocated ();
  storm (service.url (), 4, element);
  fail_unless (wait_for_census (census));
  const std::size_t after = allocated ();
  g_printerr ("%zu connections to %s; %zu bytes, then %zu\n", service.stop (),
              element, before, after);
  fail_unless (after < before + most_growth);
}
GST_END_TEST;

GST_START_TEST (test_a_harness_under_stress)
{
  sistest::Server server;
  server.script (misbehaving_script ());
  fail_unless (server.start ());
  const std::string launch
      = "sissink sync=false project-id=demo reconnect=always timeout=1 "
        "reconnect-delay=1000000 max-reconnect-delay=10000000 leaky=downstream "
        "max-buffer-duration=1000000000 on-error=discard endpoint="
        + server.url ();
  g_autoptr (GstElement) sink = gst_parse_launch (launch.c_str (), nullptr);
  fail_unless (sink != nullptr);
  GstHarness *harness = gst_harness_new_with_element (sink, "sink", nullptr);
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved");
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  const auto audio = indexed_audio (0, 1600);
  GstBuffer *buffer = gst_buffer_new_memdup (audio.data (), audio.size () * 2);
  GValue flag = G_VALUE_INIT;
  g_value_init (&flag, G_TYPE_BOOLEAN);
  g_value_set_boolean (&flag, TRUE);
  GstHarnessThread *threads[] = {
    gst_harness_stress_statechange_start (harness),
    gst_harness_stress_push_buffer_start (harness, caps, &segment, buffer),
    gst_harness_stress_property_start (harness, "interim-results", &flag)
  };
  for (int i = 0; i < scaled (2000); i++) {
    GstStructure *stats = nullptr;
    g_object_get (sink, "stats", &stats, nullptr);
    fail_unless (gst_structure_has_field (stats, "audio-in"));
    gst_structure_free (stats);
    g_signal_emit_by_name (sink, "restart");
    g_object_set (sink, "auth-token", i % 2 ? "one" : "other", nullptr);
  }
  for (GstHarnessThread *thread : threads)
    fail_unless (gst_harness_stress_thread_stop (thread) > 0);
  gst_harness_teardown (harness);
  gst_buffer_unref (buffer);
  ASSERT_OBJECT_REFCOUNT (sink, "sink", 1);
}
GST_END_TEST;

static Suite *
storms_suite (void)
{
  Suite *suite = suite_create ("storms");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 240);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_a_storm_leaves_nothing_behind, 0,
                       int (std::size (elements)));
  tcase_add_test (tcase, test_a_harness_under_stress);
  return suite;
}

GST_CHECK_MAIN (storms)
