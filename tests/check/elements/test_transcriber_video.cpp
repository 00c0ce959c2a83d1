// SPDX-License-Identifier: LGPL-2.1-or-later
/* Captions that are burned into a video: from one file, and what is seen. */
#include "scale.h"
#include "server.h"

#include "saying.h"
#include "stage.h"
#include "textlog.h"

#include <cstdlib>
#include <glib/gstdio.h>
#include <map>

using namespace sischeck;

namespace {

constexpr int width = 320;
constexpr int height = 96;
constexpr const char *video_caps
    = "video/x-raw,format=GRAY8,width=320,height=96,framerate=25/1";
constexpr const char *overlay = "textoverlay name=burn valignment=bottom "
                                "halignment=center font-desc=\"Sans 14\" ";

/* The frames of a sink named "video", or those that are asked for. */
class Frames
{
public:
  explicit Frames (const Pipeline &pipeline, std::vector<int> wanted = {})
      : wanted_ (std::move (wanted))
  {
    g_autoptr (GstElement) sink
        = gst_bin_get_by_name (GST_BIN (pipeline.get ()), "video");
    pad_ = gst_element_get_static_pad (sink, "sink");
    gst_pad_add_probe (pad_, GST_PAD_PROBE_TYPE_BUFFER, &Frames::on_frame, this,
                       nullptr);
  }
  ~Frames () { gst_object_unref (pad_); }
  Frames (const Frames &) = delete;
  Frames &operator= (const Frames &) = delete;

  int count () const
  {
    const std::lock_guard lock (mutex_);
    return count_;
  }

  /* The frame at that time, as it was shown. */
  std::vector<std::uint8_t> at (int ms) const
  {
    const std::lock_guard lock (mutex_);
    const auto frame = frames_.find (ms);
    fail_unless (frame != frames_.end (), "no frame at %d ms", ms);
    return frame->second;
  }

private:
  static GstPadProbeReturn on_frame (GstPad *, GstPadProbeInfo *info,
                                     gpointer data)
  {
    auto *self = static_cast<Frames *> (data);
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
    const int ms = int (GST_BUFFER_PTS (buffer) / GST_MSECOND);
    const std::lock_guard lock (self->mutex_);
    self->count_++;
    if (std::ranges::find (self->wanted_, ms) == self->wanted_.end ())
      return GST_PAD_PROBE_OK;
    GstMapInfo map;
    fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
    self->frames_[ms].assign (map.data, map.data + map.size);
    gst_buffer_unmap (buffer, &map);
    return GST_PAD_PROBE_OK;
  }

  GstPad *pad_;
  const std::vector<int> wanted_;
  mutable std::mutex mutex_;
  int count_ = 0;
  std::map<int, std::vector<std::uint8_t>> frames_;
};

/* The mean difference of two frames, in steps of grey; where is_caption, of
 * the part in which captions are. */
double
difference (const std::vector<std::uint8_t> &a,
            const std::vector<std::uint8_t> &b, bool is_caption = true)
{
  fail_unless (a.size () == b.size () && a.size () >= width * height);
  const std::size_t first = is_caption ? width * (height / 2) : 0;
  const std::size_t last = is_caption ? width * height : width * (height / 2);
  long sum = 0;
  for (std::size_t i = first; i < last; i++)
    sum += std::abs (int (a[i]) - int (b[i]));
  return double (sum) / double (last - first);
}

std::string
video_source (int seconds)
{
  return "videotestsrc pattern=ball num-buffers="
         + std::to_string (seconds * 25) + " ! " + video_caps;
}

/* What textoverlay draws by itself. */
std::vector<std::uint8_t>
drawn (const std::string &text, int ms)
{
  Pipeline pipeline (video_source (ms / 1000 + 1) + " ! " + overlay + "text=\""
                     + text + "\" ! fakesink name=video sync=false "
                     + "fakesrc num-buffers=1 ! fakesink name=sink");
  const Frames frames (pipeline, { ms });
  pipeline.play ();
  fail_unless (pipeline.wait_for_eos ());
  return frames.at (ms);
}

/* A file with both, interleaved. */
class Recording
{
public:
  explicit Recording (int seconds)
      : folder_ (g_dir_make_tmp ("recordingXXXXXX", nullptr))
  {
    fail_unless (folder_ != nullptr);
    Pipeline pipeline (
        video_source (seconds)
        + " ! queue ! mux.video_0 matroskamux name=mux ! filesink name=sink "
          "location="
        + file ()
        + " appsrc name=src format=time max-bytes=0 caps=audio/x-raw,"
          "format=S16LE,rate=16000,channels=1,layout=interleaved ! queue ! "
          "mux.audio_0");
    pipeline.play ();
    for (int tenth = 0; tenth < seconds * 10; tenth++)
      pipeline.push (
          indexed_audio (std::size_t (tenth) * 100 * per_ms, 100 * per_ms),
          GstClockTime (tenth) * 100 * GST_MSECOND);
    pipeline.end ();
    fail_unless (pipeline.wait_for_eos ());
  }
  ~Recording ()
  {
    g_unlink (file ().c_str ());
    g_rmdir (folder_);
    g_free (folder_);
  }
  Recording (const Recording &) = delete;
  Recording &operator= (const Recording &) = delete;

  std::string file () const { return std::string (folder_) + "/both.mkv"; }

private:
  char *const folder_;
};

/* Words up to 20 s and from 40 s on, as if in between there were silence. */
sistest::RecognizerKind
silent_in_between ()
{
  struct Recognizer final : sistest::Recognizer
  {
    explicit Recognizer (const sistest::Listening &listening)
        : words (sistest::index_recognizer ().make (listening))
    {
    }
    void feed (std::span<const std::int16_t> samples,
               sistest::Findings &found) override
    {
      std::vector<std::int16_t> heard (samples.begin (), samples.end ());
      for (std::int16_t &sample : heard)
        if (sample >= 2000 && sample < 4000)
          sample = 0;
      words->feed (heard, found);
    }
    void finish (sistest::Findings &found) override { words->finish (found); }
    std::unique_ptr<sistest::Recognizer> words;
  };
  return { [] (const sistest::Listening &listening) {
    return std::make_unique<Recognizer> (listening);
  } };
}

/* Every word of both parts, each where it was said. */
void
assert_all_words (const TextLog &log, gint64 tolerance)
{
  std::vector<int> words;
  for (const TextLog::Item &text : log.texts ()) {
    const int word = std::atoi (text.text.c_str () + 1);
    fail_unless (text.start >= word * 100 - 50
                     && text.start <= word * 100 + tolerance,
                 "%s at %d ms", text.text.c_str (), int (text.start));
    for (const char *at = text.text.c_str (); at != nullptr;
         at = std::strchr (at + 1, 'w'))
      words.push_back (std::atoi (at + 1));
  }
  std::ranges::sort (words);
  assert_equals_int (words.size (), 400);
  for (int i = 0; i < 400; i++)
    assert_equals_int (words[std::size_t (i)], i < 200 ? i : i + 200);
}

/* `queue` is before the overlay, for what is read before its text is there. */
void
play_recording (const std::string &queue, gint64 tolerance)
{
  const Recording recording (60);
  sistest::Server server;
  server.script ({ { .recognizer = silent_in_between () } });
  fail_unless (server.start ());
  Pipeline pipeline (
      "filesrc location=" + recording.file ()
      + " ! matroskademux name=both both. ! " + queue + " ! " + overlay
      + "! fakesink name=video sync=false both. ! queue ! "
      + transcriber (server.url (), "timeout=3") + "! burn.text_sink");
  const TextLog log (pipeline);
  const Frames frames (pipeline);
  pipeline.play ();
  fail_unless (
      pipeline.wait_for (GstMessageType (GST_MESSAGE_EOS | GST_MESSAGE_ERROR),
                         4 * patience ())
      != nullptr);
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_ERROR).size (), 0);
  assert_equals_int (frames.count (), 60 * 25);
  log.assert_no_hole ();
  assert_equals_int (log.end (), 60000);
  assert_all_words (log, tolerance);
}

} // namespace

/* A queue that holds what the text may be behind loses no time. */
GST_START_TEST (test_a_file_with_a_long_silence_ends)
{
  play_recording ("queue max-size-time=0 max-size-bytes=0 max-size-buffers=300",
                  50);
}
GST_END_TEST;

/* Where it holds a second, captions are late, and still there. */
GST_START_TEST (test_a_file_ends_with_short_queues_too)
{
  play_recording ("queue", 2500);
}
GST_END_TEST;

/* Two texts, one after the other, and nothing in between. */
GST_START_TEST (test_captions_look_as_textoverlay_draws_them)
{
  sistest::Server server;
  server.script ({ scripted (
      { { 1900ms, sistest::send_result ({ said (1000, 1800, "a caption") }) },
        { 3900ms,
          sistest::send_result ({ said (3000, 3800, "春天 has come") }) } }) });
  fail_unless (server.start ());
  Pipeline pipeline (
      video_source (5) + " ! " + overlay
      + "! fakesink name=video sync=false audiotestsrc num-buffers=50 "
        "samplesperbuffer=1600 ! audio/x-raw,rate=16000 ! "
      + transcriber (server.url ()) + "! burn.text_sink");
  const Frames frames (pipeline, { 400, 1400, 2400, 3400 });
  pipeline.play ();
  fail_unless (pipeline.wait_for_eos ());

  const std::vector<std::pair<int, const char *>> shown = {
    { 400, "" }, { 1400, "a caption" }, { 2400, "" }, { 3400, "春天 has come" }
  };
  for (const auto &[ms, text] : shown) {
    const auto frame = frames.at (ms);
    const double off = difference (frame, drawn (text, ms));
    fail_unless (off < 0.01, "at %d ms: %g, and %g from none", ms, off,
                 difference (frame, drawn ("", ms)));
    if (*text == '\0')
      continue;
    const double ink = difference (frame, drawn ("", ms));
    fail_unless (ink > 0.5, "at %d ms: %g", ms, ink);
    for (const auto &[other_ms, other] : shown)
      if (other != text) {
        const double apart = difference (frame, drawn (other, ms));
        fail_unless (apart > 0.5, "%s and %s: %g", text, other, apart);
      }
  }
}
GST_END_TEST;

/* What is heard in real speech, in the middle of each sentence, and nothing
 * behind the last one. */
static void
caption_speech (const std::string &name)
{
  std::string reason;
  sistest::Server server;
  server.script (
      { { .recognizer = sistest::pocketsphinx_recognizer (reason) } });
  fail_unless (reason.empty (), "%s", reason.c_str ());
  fail_unless (server.start ());
  Pipeline pipeline (video_source (12) + " ! " + overlay
                     + "! fakesink name=video sync=false filesrc "
                       "location=/usr/share/pocketsphinx/test/data/librivox/"
                       "sense_and_sensibility_01_austen_64kb-"
                     + name + ".wav ! wavparse ! "
                     + transcriber (server.url (), "timeout=60")
                     + "! burn.text_sink");
  const TextLog log (pipeline);
  std::vector<int> times;
  for (int ms = 0; ms < 12000; ms += 200)
    times.push_back (ms);
  const Frames frames (pipeline, times);
  pipeline.play ();
  fail_unless (
      pipeline.wait_for (GstMessageType (GST_MESSAGE_EOS | GST_MESSAGE_ERROR),
                         4 * patience ())
      != nullptr);
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_ERROR).size (), 0);

  const auto texts = log.texts ();
  fail_unless (!texts.empty ());
  fail_unless (difference (frames.at (11800), drawn ("", 11800)) < 0.01);
  for (const TextLog::Item &text : texts) {
    const int ms = int (text.start + text.end) / 400 * 200;
    fail_unless (text.end - text.start > 500 && ms < 12000, "%s: %d ms",
                 text.text.c_str (), ms);
    const auto frame = frames.at (ms);
    const double off = difference (frame, drawn (text.text, ms));
    const double ink = difference (frame, drawn ("", ms));
    fail_unless (off < 0.01 && ink > 0.5, "%s: %g off, %g from none",
                 text.text.c_str (), off, ink);
  }
}

GST_START_TEST (test_captions_of_speech_are_what_was_heard)
{
  const std::vector<const char *> recordings{ "0880", "0930" };
  for (std::size_t i = 0; i < scaled (recordings.size ()); i++)
    caption_speech (recordings[i]);
}
GST_END_TEST;

static Suite *
transcriber_video_suite (void)
{
  Suite *suite = suite_create ("transcriber_video");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 120);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_file_with_a_long_silence_ends);
  tcase_add_test (tcase, test_a_file_ends_with_short_queues_too);
  tcase_add_test (tcase, test_captions_look_as_textoverlay_draws_them);
  tcase_add_test (tcase, test_captions_of_speech_are_what_was_heard);
  return suite;
}

GST_CHECK_MAIN (transcriber_video)
