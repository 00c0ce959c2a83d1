// SPDX-License-Identifier: LGPL-2.1-or-later
/* A service for tests of programs: says given texts, one each 2 s of audio, or
 * goes wrong in a given way.
 *
 *   scripted-server [OPTION…] [TEXT…] */
#include "server.h"

#include <clocale>
#include <csignal>
#include <cstdio>
#include <glib-unix.h>
#include <glib.h>

using namespace sistest;

namespace {

/* Cut as sentence_recognizer() cuts; the number of a sentence chooses what is
 * said, again from the first text behind the last one. */
class Script final : public Recognizer
{
public:
  Script (std::unique_ptr<Recognizer> cutter, std::vector<std::string> texts)
      : cutter_ (std::move (cutter)), texts_ (std::move (texts))
  {
  }

  void feed (std::span<const std::int16_t> samples, Findings &findings) override
  {
    cutter_->feed (samples, findings);
    rename (findings);
  }
  void finish (Findings &findings) override
  {
    cutter_->finish (findings);
    rename (findings);
  }

private:
  void rename (Findings &findings) const
  {
    for (Segment &segment : findings.segments)
      segment.text
          = texts_[std::size_t (segment.start / length) % texts_.size ()];
  }

  static constexpr Milliseconds length{ 2000 };
  const std::unique_ptr<Recognizer> cutter_;
  const std::vector<std::string> texts_;
};

RecognizerKind
script (std::vector<std::string> texts)
{
  return { [texts = std::move (texts)] (const Listening &listening) {
    return std::make_unique<Script> (sentence_recognizer ().make (listening),
                                     texts);
  } };
}

struct Choices
{
  int refuse = 0, delay = 0;
  char *code = nullptr;
  gboolean mute = FALSE, words = FALSE, deaf = FALSE;
  char **texts = nullptr;

  ~Choices ()
  {
    g_free (code);
    g_strfreev (texts);
  }
};

bool
parse_choices (int argc, char **argv, Choices &choices)
{
  const GOptionEntry entries[]
      = { { "refuse", 0, 0, G_OPTION_ARG_INT, &choices.refuse,
            "HTTP status of every handshake", "STATUS" },
          { "error", 0, 0, G_OPTION_ARG_STRING, &choices.code,
            "Error code in answer to START, or of a refusal", "CODE" },
          { "mute", 0, 0, G_OPTION_ARG_NONE, &choices.mute,
            "END is never answered, nor any text sent", nullptr },
          { "deaf", 0, 0, G_OPTION_ARG_NONE, &choices.deaf,
            "After 1 s of audio it takes no more", nullptr },
          { "end-delay", 0, 0, G_OPTION_ARG_INT, &choices.delay,
            "Time until END is answered; texts are not late", "MS" },
          { "words", 0, 0, G_OPTION_ARG_NONE, &choices.words,
            "Words that the samples stand for", nullptr },
          { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &choices.texts,
            nullptr, "TEXT" },
          {} };
  g_autoptr (GOptionContext) context = g_option_context_new (nullptr);
  g_option_context_add_main_entries (context, entries, nullptr);
  g_autoptr (GError) failure = nullptr;
  if (!g_option_context_parse (context, &argc, &argv, &failure))
    g_printerr ("scripted-server: %s\n", failure->message);
  return failure == nullptr;
}

Behaviour
behaviour_of (const Choices &choices)
{
  Behaviour behaviour;
  const std::string code = choices.code != nullptr ? choices.code : "";
  if (choices.refuse != 0) {
    behaviour.handshake.reply
        = HttpReply{ .status = unsigned (choices.refuse),
                     .body = R"({"error_code":")" + code
                             + R"(","error_msg":"refused \u001b[31m"})" };
  } else if (!code.empty ()) {
    behaviour.start.answer = false;
    behaviour.start.after = { error (code, "refused \033[31m") };
  }
  if (choices.deaf)
    behaviour.actions = { { Milliseconds (1000), stop_reading () } };
  behaviour.end.delay = Milliseconds (choices.delay);
  if (choices.mute) {
    behaviour.end.answer = false;
    behaviour.recognizer = silent_recognizer ();
  } else if (choices.words) {
    behaviour.recognizer = index_recognizer ();
  } else if (choices.texts != nullptr) {
    behaviour.recognizer = script (
        { choices.texts, choices.texts + g_strv_length (choices.texts) });
  }
  return behaviour;
}

} // namespace

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  Choices choices;
  if (!parse_choices (argc, argv, choices))
    return 1;
  g_autoptr (GMainLoop) loop = g_main_loop_new (nullptr, FALSE);
  for (const int signal : { SIGINT, SIGTERM })
    g_unix_signal_add (
        signal,
        [] (gpointer data) -> gboolean {
          g_main_loop_quit (static_cast<GMainLoop *> (data));
          return G_SOURCE_CONTINUE;
        },
        loop);
  Server server;
  server.script ({ behaviour_of (choices) });
  if (!server.start ())
    return 1;
  std::printf ("listening on %s\n", server.url ().c_str ());
  std::fflush (stdout);
  g_main_loop_run (loop);
  return 0;
}
