// SPDX-License-Identifier: LGPL-2.1-or-later
/* Live video with captions while the network is away for 30 s. The clock is
 * the test's own: it goes on when all is done that is due, as fast as that is,
 * and stops where something is late. */
#include "server.h"

#include "saying.h"
#include "stage.h"
#include "stats.h"
#include "textlog.h"

#include <atomic>
#include <gst/check/gsttestclock.h>

using namespace sischeck;

namespace {

constexpr int frame_ms = 40;
constexpr int latency_ms = 2000;   /* and not the 8 s that are the default */
constexpr int own_latency_ms = 60; /* a frame, and the sinks' */
constexpr int sentence_ms = 1000;

/* The first frame comes when its text does, and tells the pipeline how late it
 * has to be. Audio that was faster has been waited for by then. */
constexpr int settled_ms = 2 * (latency_ms + own_latency_ms) + 2 * frame_ms;
constexpr int cut_ms = 6000;

/* What the service may be behind; nothing waits for it in the cut. */
constexpr int service_ms = 400;

/* What passes a pad, in its order. */
class Meter
{
public:
  Meter (const Pipeline &pipeline, const char *element, const char *pad)
  {
    g_autoptr (GstElement) owner
        = gst_bin_get_by_name (GST_BIN (pipeline.get ()), element);
    pad_ = gst_element_get_static_pad (owner, pad);
  }
  ~Meter () { gst_object_unref (pad_); }
  Meter (const Meter &) = delete;
  Meter &operator= (const Meter &) = delete;

  GstPad *pad () const { return pad_; }
  int count () const { return count_; }
  bool is_whole () const { return is_whole_; }

  /* Nothing was left out. */
  void note (GstBuffer *buffer)
  {
    if (GST_BUFFER_PTS (buffer)
        != GstClockTime (count_) * frame_ms * GST_MSECOND)
      is_whole_ = false;
    count_++;
  }

private:
  GstPad *pad_;
  std::atomic<int> count_{ 0 };
  std::atomic<bool> is_whole_{ true };
};

/* Of a source: what it made. */
void
meter_source (Meter &meter)
{
  gst_pad_add_probe (
      meter.pad (), GST_PAD_PROBE_TYPE_BUFFER,
      [] (GstPad *, GstPadProbeInfo *info, gpointer data) {
        static_cast<Meter *> (data)->note (GST_PAD_PROBE_INFO_BUFFER (info));
        return GST_PAD_PROBE_OK;
      },
      &meter, nullptr);
}

/* Of a sink: what it showed, when it did. */
void
meter_sink (const Pipeline &pipeline, const char *element, Meter &meter)
{
  g_autoptr (GstElement) sink
      = gst_bin_get_by_name (GST_BIN (pipeline.get ()), element);
  g_object_set (sink, "signal-handoffs", TRUE, nullptr);
  g_signal_connect (sink, "handoff",
                    G_CALLBACK (+[] (GstElement *, GstBuffer *buffer, GstPad *,
                                     Meter *m) { m->note (buffer); }),
                    &meter);
}

/* Audio that says where it is. */
GstPadProbeReturn
index_audio (GstPad *, GstPadProbeInfo *info, gpointer)
{
  GstBuffer *buffer
      = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  GstMapInfo map;
  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  const auto audio
      = indexed_audio (GST_BUFFER_PTS (buffer) * per_ms / GST_MSECOND,
                       map.size / sizeof (std::int16_t));
  std::memcpy (map.data, audio.data (), map.size);
  gst_buffer_unmap (buffer, &map);
  return GST_PAD_PROBE_OK;
}

std::string
launch (const std::string &url)
{
  const auto frames = std::to_string (frame_ms * int (per_ms));
  return "videotestsrc name=camera is-live=true ! "
         "video/x-raw,format=GRAY8,width=160,height=48,framerate=25/1 ! "
         "queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 ! "
         "textoverlay name=burn ! fakesink name=screen sync=true "
         "audiotestsrc name=microphone is-live=true samplesperbuffer="
         + frames
         + " ! audio/x-raw,format=S16LE,rate=16000,channels=1 ! tee name=both "
           "both. ! queue max-size-time=0 max-size-bytes=0 max-size-buffers=0 "
           "! fakesink name=speaker sync=true both. ! queue ! "
         + transcriber (url, "latency=" + std::to_string (latency_ms)
                                 + " max-buffer-duration=60000000000 "
                                   "max-reconnect-delay=200000000 ")
         + "! burn.text_sink";
}

class Broadcast
{
public:
  Broadcast () : clock_ (GST_TEST_CLOCK (gst_test_clock_new ()))
  {
    const auto words = sistest::index_recognizer (sentence_ms / 100);
    server_.script (
        { { .actions = { { Milliseconds (cut_ms), sistest::reset () } },
            .recognizer = words },
          { .handshake = { .check =
                               [this] (const sistest::Record &) {
                                 return is_away_ ? std::optional (
                                            sistest::HttpReply{ .drop = true })
                                                 : std::nullopt;
                               } },
            .recognizer = words } });
    fail_unless (server_.start ());
    pipeline = std::make_unique<Pipeline> (launch (server_.url ()));
    gst_pipeline_use_clock (GST_PIPELINE (pipeline->get ()),
                            GST_CLOCK (clock_));
    log = std::make_unique<TextLog> (*pipeline);
    camera = std::make_unique<Meter> (*pipeline, "camera", "src");
    microphone = std::make_unique<Meter> (*pipeline, "microphone", "src");
    screen = std::make_unique<Meter> (*pipeline, "screen", "sink");
    speaker = std::make_unique<Meter> (*pipeline, "speaker", "sink");
    gst_pad_add_probe (microphone->pad (), GST_PAD_PROBE_TYPE_BUFFER,
                       index_audio, nullptr, nullptr);
    meter_source (*camera);
    meter_source (*microphone);
    meter_sink (*pipeline, "screen", *screen);
    meter_sink (*pipeline, "speaker", *speaker);
    pipeline->play ();
  }
  ~Broadcast ()
  {
    is_away_ = false;
    /* Whoever waits for the clock is let go by the change of state. */
    log.reset ();
    pipeline.reset ();
    gst_object_unref (clock_);
  }
  Broadcast (const Broadcast &) = delete;
  Broadcast &operator= (const Broadcast &) = delete;

  /* Up to that time; with all that was said until then, or without. */
  void play_to (int ms, bool has_text)
  {
    while (now_ < ms) {
      now_ += frame_ms;
      gst_test_clock_set_time (clock_, GstClockTime (now_) * GST_MSECOND);
      wait_for_all (has_text);
    }
  }
  void hold_until_text_is_there () { wait_for_all (true); }

  void set_away (bool is_away) { is_away_ = is_away; }

  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<TextLog> log;
  std::unique_ptr<Meter> camera, microphone, screen, speaker;

private:
  /* All that is due at this moment. Text may be on its way still: its event
   * waits at the screen, as whatever comes in order does. */
  bool is_done (bool has_text) const
  {
    const int made = now_ / frame_ms + 1;
    const int due = now_ - latency_ms - own_latency_ms;
    const int shown = due < 0 ? 0 : due / frame_ms + 1;
    const int texts = std::max (0, (now_ - service_ms) / sentence_ms);
    return camera->count () >= made && microphone->count () >= made
           && (now_ < settled_ms
               || (screen->count () == shown && speaker->count () == shown))
           && (!has_text
               || int (pipeline->named ("sis-result").size ()) >= texts);
  }

  void wait_for_all (bool has_text)
  {
    const auto deadline = std::chrono::steady_clock::now () + patience ();
    while (!is_done (has_text)) {
      fail_unless (std::chrono::steady_clock::now () < deadline,
                   "at %d ms: %d frames and %d of audio were made, %d and %d "
                   "shown, %d results",
                   now_, camera->count (), microphone->count (),
                   screen->count (), speaker->count (),
                   int (pipeline->named ("sis-result").size ()));
      ring ();
      /* Nothing tells when somebody begins to wait. */
      if (pipeline->wait_for (GST_MESSAGE_LATENCY, 1ms) != nullptr)
        gst_bin_recalculate_latency (GST_BIN (pipeline->get ()));
    }
  }

  /* Lets go who waits for this moment, or one before. */
  void ring ()
  {
    GstClockID id = nullptr;
    while (gst_test_clock_peek_next_pending_id (clock_, &id)) {
      const bool is_due
          = gst_clock_id_get_time (id) <= GstClockTime (now_) * GST_MSECOND;
      gst_clock_id_unref (id);
      if (!is_due)
        return;
      if (GstClockID next = gst_test_clock_process_next_clock_id (clock_))
        gst_clock_id_unref (next);
    }
  }

  GstTestClock *const clock_;
  sistest::Server server_;
  std::atomic<bool> is_away_{ true };
  int now_ = -frame_ms;
};

} // namespace

/* Every frame is shown in its own moment, beside the audio of the same one, and
 * the captions are right again as soon as they can be. */
GST_START_TEST (test_a_cut_of_the_network_is_not_seen)
{
  constexpr int back = cut_ms + 30000;
  Broadcast live;
  live.play_to (cut_ms, true);
  live.play_to (back, false);
  assert_equals_int (live.log->texts ().size (), cut_ms / sentence_ms);
  live.set_away (false);
  live.hold_until_text_is_there ();
  live.play_to (back + 10000, true);

  fail_unless (live.screen->is_whole () && live.speaker->is_whole ());
  assert_equals_int (live.pipeline->from_sink (GST_MESSAGE_ERROR).size (), 0);
  live.log->assert_no_hole ();
  int said = 0;
  guint late = 0;
  for (const TextLog::Item &text : live.log->texts ()) {
    const int spoken = said * sentence_ms;
    assert_same_text (text.text, index_words (std::size_t (said) * 10, 10));
    const bool is_in_time
        = spoken < cut_ms || spoken >= back - latency_ms + sentence_ms;
    if (is_in_time)
      fail_unless (std::abs (int (text.start) - spoken) <= 50, "%d at %d",
                   spoken, int (text.start));
    else
      late += text.start > spoken + 1;
    said++;
  }
  fail_unless (said >= (back + 9000) / sentence_ms);
  const Stats stats (*live.pipeline);
  assert_equals_int (uint_of (stats.get (), "text-late"), late);
  fail_unless (late >= 27 && late <= 29, "%u", late);
}
GST_END_TEST;

static Suite *
transcriber_cut_suite (void)
{
  Suite *suite = suite_create ("transcriber_cut");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 200);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_cut_of_the_network_is_not_seen);
  return suite;
}

GST_CHECK_MAIN (transcriber_cut)
