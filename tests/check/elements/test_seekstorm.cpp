// SPDX-License-Identifier: LGPL-2.1-or-later
/* Seeking back and forth in a file: nothing of before is heard again. */
#include "server.h"

#include "scale.h"
#include "stats.h"

#include <algorithm>
#include <glib/gstdio.h>
#include <random>

using namespace sischeck;
using sistest::Behaviour;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t one_second = 16000;
constexpr std::size_t file_seconds = 300;

/* A WAV file of index coded audio; gone with this. */
class WavFile
{
public:
  WavFile ()
  {
    const int file = g_file_open_tmp ("sis-XXXXXX.wav", &path_, nullptr);
    fail_unless (file >= 0);
    g_close (file, nullptr);
    const auto audio = indexed_audio (0, file_seconds * one_second);
    const std::uint32_t size = std::uint32_t (audio.size () * 2);
    std::string bytes = "RIFF" + number (size + 36, 4) + "WAVEfmt "
                        + number (16, 4) + number (1, 2) + number (1, 2)
                        + number (16000, 4) + number (32000, 4) + number (2, 2)
                        + number (16, 2) + "data" + number (size, 4);
    bytes.append (reinterpret_cast<const char *> (audio.data ()), size);
    fail_unless (g_file_set_contents (path_, bytes.data (),
                                      gssize (bytes.size ()), nullptr));
  }
  ~WavFile ()
  {
    g_remove (path_);
    g_free (path_);
  }
  WavFile (const WavFile &) = delete;
  WavFile &operator= (const WavFile &) = delete;

  std::string path () const { return path_; }

private:
  static std::string number (std::uint32_t value, int bytes)
  {
    std::string text;
    for (; bytes > 0; bytes--, value >>= 8)
      text += char (value & 0xff);
    return text;
  }

  char *path_ = nullptr;
};

/* From messages[from] on, results begin at that second and go on from there. */
void
assert_results_begin_at (const Pipeline &pipeline, std::size_t from,
                         std::size_t place)
{
  std::size_t next = place * 10;
  for (std::size_t i = from; i < pipeline.messages ().size (); i++) {
    GstMessage *message = pipeline.messages ()[i].get ();
    if (!gst_message_has_name (message, "sis-result"))
      continue;
    const GstStructure *result = gst_message_get_structure (message);
    assert_equals_uint64 (time_of (result, "stream-time") / GST_MSECOND,
                          next * 100);
    assert_same_text (text_of (result, "text"), index_words (next, 10));
    next += 10;
  }
}

/* Marks on the bus where all of before is over: the service's words come from
 * another thread, and may be there before the seek has returned. */
void
mark_flushes (const Pipeline &pipeline)
{
  g_autoptr (GstPad) pad
      = gst_element_get_static_pad (pipeline.sink (), "sink");
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_EVENT_FLUSH,
      [] (GstPad *, GstPadProbeInfo *info, gpointer sink) {
        if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info))
            == GST_EVENT_FLUSH_STOP)
          gst_element_post_message (
              GST_ELEMENT (sink),
              gst_message_new_application (
                  GST_OBJECT (sink), gst_structure_new_empty ("flushed")));
        return GST_PAD_PROBE_OK;
      },
      pipeline.sink (), nullptr);
}

} // namespace

GST_START_TEST (test_a_storm_of_seeks)
{
  const WavFile file;
  sistest::Server server;
  Behaviour behaviour{ .recognizer = sistest::index_recognizer () };
  behaviour.result_delay = 100ms;
  behaviour.keep_audio = 0;
  server.script ({ behaviour });
  fail_unless (server.start ());
  Pipeline pipeline ("filesrc location=" + file.path ()
                     + " ! wavparse ! sissink name=sink sync=false "
                       "project-id=demo reconnect-delay=1000000 endpoint="
                     + server.url ());
  std::mt19937 random (1);
  std::vector<Milliseconds> durations;
  std::size_t place = 0;
  std::size_t mark = 0;
  mark_flushes (pipeline);
  pipeline.play ();
  fail_unless (pipeline.wait_for_element_message ("sis-result") != nullptr);
  for (int i = 0; i < scaled (200); i++) {
    const std::size_t next = random () % (file_seconds - 10);
    const auto start = Clock::now ();
    fail_unless (gst_element_seek_simple (pipeline.get (), GST_FORMAT_TIME,
                                          GST_SEEK_FLAG_FLUSH,
                                          gint64 (next) * GST_SECOND));
    durations.push_back (
        std::chrono::duration_cast<Milliseconds> (Clock::now () - start));
    fail_unless (pipeline.wait_for (GST_MESSAGE_APPLICATION) != nullptr);
    assert_results_begin_at (pipeline, mark, place);
    mark = pipeline.messages ().size ();
    place = next;
    if (i % 5 == 1)
      fail_unless (pipeline.wait_for_element_message ("sis-start") != nullptr);
    if (i % 5 == 3)
      fail_unless (pipeline.wait_for_element_message ("sis-result") != nullptr);
  }
  fail_unless (pipeline.wait_for_eos ());
  assert_results_begin_at (pipeline, mark, place);
  fail_unless (
      pipeline.finals ().ends_with (index_words (file_seconds * 10 - 10, 10)));
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
  std::sort (durations.begin (), durations.end ());
  const Milliseconds median = durations[durations.size () / 2];
  fail_unless (median < patience () / 300, "median %d ms",
               int (median.count ()));
}
GST_END_TEST;

static Suite *
seekstorm_suite (void)
{
  Suite *suite = suite_create ("seekstorm");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_storm_of_seeks);
  return suite;
}

GST_CHECK_MAIN (seekstorm)
