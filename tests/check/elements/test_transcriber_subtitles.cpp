// SPDX-License-Identifier: LGPL-2.1-or-later
/* Files of subtitles: their times are those of the audio, and nothing that the
 * service may say breaks them, or a terminal. */
#include "server.h"

#include "saying.h"
#include "stage.h"
#include "textlog.h"

#include <cinttypes>
#include <glib/gstdio.h>
#include <sstream>

using namespace sischeck;

namespace {

/* What a service might say to do harm, and one that means well in front of and
 * behind it. */
const std::vector<const char *> sayings = {
  "one",
  "two\n\n3\n00:00:00,000 --> 00:00:09,000\nmade up",
  "\r\n\r\n",
  "00:00.000 --> 00:09.000",
  "--> ---> -- > \x01-->",
  "\xE2\x80\xA8\xE2\x80\xA9-\x02->\xC2\x85",
  "\x1B]0;title\x07\x1B[2J\xC2\x9B"
  "31m\x08\x7F red",
  "WEBVTT\n\nNOTE nothing",
  "STYLE\n::cue { color: red }",
  "7",
  " ",
  "春天来了",
  "the last one",
};

class Folder
{
public:
  Folder () : path_ (g_dir_make_tmp ("subtitlesXXXXXX", nullptr))
  {
    fail_unless (path_ != nullptr);
  }
  ~Folder ()
  {
    g_unlink (file ().c_str ());
    g_rmdir (path_);
    g_free (path_);
  }
  Folder (const Folder &) = delete;
  Folder &operator= (const Folder &) = delete;

  std::string file () const { return std::string (path_) + "/text"; }
  std::string read () const
  {
    g_autofree char *text = nullptr;
    gsize size = 0;
    fail_unless (g_file_get_contents (file ().c_str (), &text, &size, nullptr));
    return std::string (text, size);
  }

private:
  char *const path_;
};

/* One second each, from the first on, but for the last 200 ms. */
std::vector<sistest::TimedAction>
all_sayings ()
{
  std::vector<sistest::TimedAction> actions;
  for (int i = 0; i < int (sayings.size ()); i++)
    actions.push_back ({ Milliseconds ((i + 1) * 1000),
                         sistest::send_result ({ said (i * 1000, i * 1000 + 800,
                                                       sayings[i]) }) });
  return actions;
}

std::string
write_file (std::vector<sistest::TimedAction> actions, int seconds,
            const Folder &folder, const std::string &encoder)
{
  sistest::Server server;
  server.script ({ scripted (std::move (actions)) });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (
      server.url (), {}, encoder + "filesink location=" + folder.file ()));
  pipeline.play ();
  push_in_pieces (pipeline, std::size_t (seconds) * 1000 * per_ms);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  pipeline.set_state (GST_STATE_NULL);
  return folder.read ();
}

struct Cue
{
  int start, end; /* ms */
  std::string text;
};

/* What a player makes of it. */
std::vector<Cue>
read_back (const Folder &folder)
{
  std::vector<Cue> cues;
  Pipeline pipeline ("filesrc location=" + folder.file ()
                     + " ! subparse ! appsink name=sink sync=false");
  pipeline.play ();
  while (true) {
    GstSample *sample = nullptr;
    g_signal_emit_by_name (pipeline.sink (), "pull-sample", &sample);
    if (sample == nullptr)
      return cues;
    GstBuffer *buffer = gst_sample_get_buffer (sample);
    GstMapInfo map;
    gst_buffer_map (buffer, &map, GST_MAP_READ);
    std::string text (reinterpret_cast<char *> (map.data), map.size);
    text.resize (std::strlen (text.c_str ()));
    gst_buffer_unmap (buffer, &map);
    const int start = int (GST_BUFFER_PTS (buffer) / GST_MSECOND);
    cues.push_back ({ start,
                      start + int (GST_BUFFER_DURATION (buffer) / GST_MSECOND),
                      text });
    gst_sample_unref (sample);
  }
}

std::size_t
count (const std::string &text, const std::string &part)
{
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find (part, at)) != std::string::npos;
       at += part.size ())
    n++;
  return n;
}

bool
has_words (const char *saying)
{
  const std::string text (saying);
  return text != " " && text != "\r\n\r\n";
}

void
assert_survives (const std::string &encoder)
{
  const Folder folder;
  const std::string file
      = write_file (all_sayings (), int (sayings.size ()), folder, encoder);
  const auto shown = std::size_t (std::ranges::count_if (sayings, has_words));
  assert_equals_int (count (file, "-->"), shown);
  const auto cues = read_back (folder);
  assert_equals_int (cues.size (), shown);
  std::size_t i = 0;
  for (std::size_t n = 0; n < sayings.size (); n++) {
    if (!has_words (sayings[n]))
      continue;
    const Cue &cue = cues[i++];
    assert_equals_int (cue.start, int (n) * 1000);
    assert_equals_int (cue.end, int (n) * 1000 + 800);
  }
  assert_same_text (cues.front ().text, "one");
  assert_same_text (cues[cues.size () - 2].text, "春天来了");
  assert_same_text (cues.back ().text, "the last one");
}

} // namespace

GST_START_TEST (test_nothing_breaks_a_webvtt_file)
{
  assert_survives ("webvttenc ! ");
}
GST_END_TEST;

GST_START_TEST (test_nothing_breaks_an_srt_file)
{
  assert_survives ("srtenc ! ");
}
GST_END_TEST;

/* Neither a cursor that moves nor a title nor a colour; and no line ends, as
 * none was said. */
GST_START_TEST (test_nothing_breaks_a_terminal)
{
  const Folder folder;
  const std::string text
      = write_file (all_sayings (), int (sayings.size ()), folder, "");
  fail_unless (g_utf8_validate (text.c_str (), gssize (text.size ()), nullptr));
  for (const char *at = text.c_str (); *at != '\0';
       at = g_utf8_next_char (at)) {
    const gunichar c = g_utf8_get_char (at);
    fail_if (g_unichar_iscntrl (c) || g_unichar_type (c) == G_UNICODE_FORMAT
                 || c == 0x2028 || c == 0x2029,
             "U+%04X", unsigned (c));
  }
  assert_equals_int (count (text, "-->"), 0);
  assert_equals_int (count (text, "one"), 2);
  assert_equals_int (count (text, "春天来了"), 1);
}
GST_END_TEST;

/* The audio's words are 100 ms each, and say which they are. */
GST_START_TEST (test_cues_have_the_times_of_the_audio)
{
  const Folder folder;
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer (13) } });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (
      server.url (), {}, "webvttenc ! filesink location=" + folder.file ()));
  pipeline.play ();
  push_in_pieces (pipeline, 20000 * per_ms);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  pipeline.set_state (GST_STATE_NULL);
  const auto cues = read_back (folder);
  assert_equals_int (cues.size (), 16);
  int word = 0;
  for (const Cue &cue : cues) {
    std::istringstream words (cue.text);
    std::string one;
    const int first = word;
    while (words >> one)
      assert_same_text (one, "w" + std::to_string (word++));
    fail_unless (std::abs (cue.start - first * 100) <= 50, "%d at %d", first,
                 cue.start);
    fail_unless (std::abs (cue.end - word * 100) <= 50, "%d at %d", word,
                 cue.end);
  }
  assert_equals_int (word, 200);
}
GST_END_TEST;

static Suite *
transcriber_subtitles_suite (void)
{
  Suite *suite = suite_create ("transcriber_subtitles");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_nothing_breaks_a_webvtt_file);
  tcase_add_test (tcase, test_nothing_breaks_an_srt_file);
  tcase_add_test (tcase, test_nothing_breaks_a_terminal);
  tcase_add_test (tcase, test_cues_have_the_times_of_the_audio);
  return suite;
}

GST_CHECK_MAIN (transcriber_subtitles)
