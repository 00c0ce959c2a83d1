// SPDX-License-Identifier: LGPL-2.1-or-later
#include "selftest-client.h"
#include "server.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <gio/gio.h>

using namespace sistest;
using namespace std::chrono_literals;

namespace {

constexpr const char *recordings = "/usr/share/pocketsphinx/test/data/";
constexpr const char *sense = "librivox/sense_and_sensibility_01_austen_64kb-";

/* Samples of a headerless or WAV recording, with silence around them. */
std::string
recording (const std::string &name)
{
  g_autofree char *bytes = nullptr;
  gsize size = 0;
  if (!g_file_get_contents ((recordings + name).c_str (), &bytes, &size,
                            nullptr))
    return {};
  const gsize head = g_str_has_suffix (name.c_str (), ".wav") ? 44 : 0;
  return silence (500ms) + std::string (bytes + head, size - head)
         + silence (1000ms);
}

std::vector<std::string>
words_of (const std::string &text)
{
  std::vector<std::string> words;
  g_auto (GStrv) parts = g_strsplit (text.c_str (), " ", -1);
  for (char **part = parts; *part != nullptr; part++)
    if (**part != '\0')
      words.emplace_back (*part);
  return words;
}

std::string
text_of (const Client &client)
{
  std::string text;
  for (const Segment &segment : client.segments ())
    text += segment.text + " ";
  return text;
}

/* The share of the spoken words that occur in the text, in any place. */
double
share_heard (const std::string &spoken, const std::string &text)
{
  auto heard = words_of (text);
  const auto wanted = words_of (spoken);
  double found = 0;
  for (const std::string &word : wanted) {
    const auto place = std::ranges::find (heard, word);
    if (place == heard.end ())
      continue;
    heard.erase (place);
    found += 1;
  }
  return found / static_cast<double> (wanted.size ());
}

struct Clip
{
  std::string name, spoken;
};

const std::vector<Clip> clips{
  { "goforward.raw", "go forward ten meters" },
  { std::string (sense) + "0880.wav", "he was not an ill disposed young man" },
  { std::string (sense) + "0930.wav",
    "he might even have been made amiable himself" },
};

/* Shared by all tests: the model takes a while to load. */
const RecognizerKind *
speech_or_skip ()
{
  static std::string reason;
  static const RecognizerKind kind = pocketsphinx_recognizer (reason);
  if (!kind.make)
    g_test_skip (reason.c_str ());
  else if (recording (clips[0].name).empty ())
    g_test_skip ("no recordings: install pocketsphinx-testdata");
  else
    return &kind;
  return nullptr;
}

void
check_speech (const Client &client, const Clip &clip)
{
  const std::string text = text_of (client);
  g_test_message ("\"%s\" for \"%s\"", text.c_str (), clip.spoken.c_str ());
  g_assert_cmpfloat (share_heard (clip.spoken, text), >=, 0.5);
  g_assert_cmpuint (client.segments (false).size (), >, 0);
  Milliseconds last{};
  for (const Segment &segment : client.segments ()) {
    g_assert_true (segment.start >= last && segment.start > 100ms);
    g_assert_true (segment.end > segment.start);
    g_assert_true (segment.score > 0.0 && segment.score <= 1.0);
    g_assert_cmpuint (segment.words.size (), ==,
                      words_of (segment.text).size ());
    for (const Word &word : segment.words)
      g_assert_true (word.start >= segment.start && word.end <= segment.end);
    last = segment.end;
  }
}

constexpr const char *all_results
    = R"("interim_results":"yes","need_word_info":"yes")";

void
test_speech_is_recognised_for_all_at_once ()
{
  const RecognizerKind *speech = speech_or_skip ();
  if (speech == nullptr)
    return;
  Server server;
  server.script ({ { .recognizer = *speech } });
  g_assert_true (server.start ());
  std::vector<std::unique_ptr<Client>> clients;
  for (const Clip &clip : clips) {
    clients.push_back (std::make_unique<Client> (server.url ()));
    Client &client = *clients.back ();
    g_assert_true (client.connect () && client.start (all_results));
    client.send_in_chunks (recording (clip.name));
    client.send_text (R"({"command":"END"})");
  }
  for (std::size_t i = 0; i < clips.size (); i++) {
    g_assert_true (clients[i]->wait_for ("END"));
    check_speech (*clients[i], clips[i]);
  }
}

void
test_speech_ends_a_sentence ()
{
  const RecognizerKind *speech = speech_or_skip ();
  if (speech == nullptr)
    return;
  Server server;
  server.script ({ { .recognizer = *speech } });
  g_assert_true (server.start ());
  Client client (server.url (), "/v1/p/rasr/sentence-stream");
  g_assert_true (client.connect () && client.start (all_results));
  client.send_in_chunks (recording (clips[1].name));
  g_assert_true (client.wait_for ("EVENT", 2)); /* before END */
  assert_text (client.last ("EVENT", "event"), "VOICE_END");
  check_speech (client, clips[1]);
  const auto count = client.texts ().size ();
  client.send_in_chunks (recording (clips[1].name)); /* ignored */
  g_assert_true (client.end ());
  g_assert_cmpuint (client.texts ().size (), ==, count + 1);
}

void
test_speech_stops_with_the_server ()
{
  const RecognizerKind *speech = speech_or_skip ();
  if (speech == nullptr)
    return;
  Server server;
  server.script ({ { .recognizer = *speech } });
  g_assert_true (server.start ());
  Client client (server.url ());
  g_assert_true (client.connect () && client.start (all_results));
  for (int i = 0; i < 12; i++) /* more than it will hear in time */
    client.send_in_chunks (recording (clips[1].name));
  g_assert_true (client.wait_for ("RESULT"));
  server.stop ();
  g_assert_true (client.wait_for_close ());
}

/* The `sis-server` program. */
struct Program
{
  explicit Program (std::vector<const char *> options)
  {
    options.insert (options.begin (), g_getenv ("SIS_SERVER"));
    options.push_back (nullptr);
    process = g_subprocess_newv (
        options.data (),
        static_cast<GSubprocessFlags> (G_SUBPROCESS_FLAGS_STDOUT_PIPE
                                       | G_SUBPROCESS_FLAGS_STDERR_PIPE),
        nullptr);
    g_assert_nonnull (process);
  }
  ~Program () { g_object_unref (process); }

  std::string url ()
  {
    g_autoptr (GDataInputStream) lines
        = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
    g_filter_input_stream_set_close_base_stream (G_FILTER_INPUT_STREAM (lines),
                                                 FALSE);
    g_autofree char *line
        = g_data_input_stream_read_line (lines, nullptr, nullptr, nullptr);
    g_assert_nonnull (line);
    g_assert_true (g_str_has_prefix (line, "listening on ws://127.0.0.1:"));
    return line + strlen ("listening on ");
  }

  /* Its exit code; its standard error goes to `said`. */
  int finish (std::string &said)
  {
    g_autofree char *output = nullptr, *errors = nullptr;
    g_subprocess_communicate_utf8 (process, nullptr, nullptr, &output, &errors,
                                   nullptr);
    said = errors != nullptr ? errors : "";
    return g_subprocess_get_if_exited (process)
               ? g_subprocess_get_exit_status (process)
               : -1;
  }

  GSubprocess *process;
};

bool
skip_without_program ()
{
  if (g_getenv ("SIS_SERVER") != nullptr)
    return false;
  g_test_skip ("no sis-server: SIS_SERVER is not set");
  return true;
}

void
test_program_serves_and_stops ()
{
  if (skip_without_program ())
    return;
  for (const int signal : { SIGTERM, SIGINT }) {
    Program program (
        { "--recognizer=none", "--token=hush", "--max-session=3", "-v" });
    const std::string url = program.url ();
    Client stranger (url);
    g_assert_false (stranger.connect ());
    g_assert_cmpuint (stranger.status (), ==, 401);
    Client client (url, "/v1/p/rasr/continue-stream",
                   { { "X-Auth-Token", "hush" } });
    g_assert_true (client.connect () && client.start ());
    client.send_in_chunks (silence (4000ms));
    g_assert_true (client.wait_for ("EVENT"));
    g_assert_true (client.wait_for ("RESULT"));
    g_subprocess_send_signal (program.process, signal);
    std::string said;
    g_assert_cmpint (program.finish (said), ==, 0);
    g_assert_nonnull (strstr (said.c_str (), "START"));
    g_assert_null (strstr (said.c_str (), "hush"));
    g_assert_true (client.wait_for_close ());
  }
}

void
test_program_refuses_bad_options ()
{
  if (skip_without_program ())
    return;
  Program running ({ "--recognizer=none" });
  const std::string url = running.url ();
  const std::string busy = "--port=" + url.substr (url.rfind (':') + 1);
  const std::vector<std::vector<const char *>> bad{
    { "--port=70000" },
    { "--port=x" },
    { "--nonsense" },
    { "--recognizer=ear" },
    { "--timeout=0" },
    { "--timeout=nan" },
    { "word" },
    { "--max-session=-1" },
    { "-r", "none", busy.c_str () },
  };
  for (const auto &options : bad) {
    Program program (options);
    std::string said;
    g_assert_cmpint (program.finish (said), ==, 1);
    g_assert_true (g_str_has_prefix (said.c_str (), "sis-server: "));
    g_assert_cmpint (std::ranges::count (said, '\n'), ==, 1);
  }
  g_subprocess_send_signal (running.process, SIGTERM);
  std::string said;
  g_assert_cmpint (running.finish (said), ==, 0);
  assert_text (said, "");
}

void
test_program_recognises_speech ()
{
  if (skip_without_program () || speech_or_skip () == nullptr)
    return;
  Program program ({});
  Client client (program.url ());
  g_assert_true (client.connect () && client.start (all_results));
  client.send_in_chunks (recording (clips[0].name));
  g_assert_true (client.end ());
  check_speech (client, clips[0]);
  g_subprocess_send_signal (program.process, SIGTERM);
  std::string said;
  g_assert_cmpint (program.finish (said), ==, 0);
  assert_text (said, "");
}

} // namespace

void
add_program_tests ()
{
  g_test_add_func ("/program/serves-and-stops", test_program_serves_and_stops);
  g_test_add_func ("/program/bad-options", test_program_refuses_bad_options);
}

void
add_speech_tests ()
{
  g_test_add_func ("/speech/all-at-once",
                   test_speech_is_recognised_for_all_at_once);
  g_test_add_func ("/speech/sentence-stream", test_speech_ends_a_sentence);
  g_test_add_func ("/speech/stop", test_speech_stops_with_the_server);
  g_test_add_func ("/speech/program", test_program_recognises_speech);
}
