// SPDX-License-Identifier: LGPL-2.1-or-later
/* A look-alike of the service for people: recognises speech on this machine,
 * and is reached from this machine alone. */
#include "server.h"

#include <cmath>
#include <csignal>
#include <cstdio>
#include <glib-unix.h>
#include <glib.h>

using namespace sistest;

namespace {

struct Choices
{
  int port = 0;
  std::string recognizer = "pocketsphinx", token;
  double timeout = 20.0;
  double max_session = 0.0; /* 0: as the service */
  bool verbose = false;
};

int
complain (const std::string &what)
{
  g_printerr ("sis-server: %s\n", what.c_str ());
  return 1;
}

bool
parse_choices (int argc, char **argv, Choices &choices, std::string &reason)
{
  g_autofree char *recognizer = nullptr;
  g_autofree char *token = nullptr;
  gboolean verbose = FALSE;
  const GOptionEntry entries[] = {
    { "port", 'p', 0, G_OPTION_ARG_INT, &choices.port,
      "Port to listen at on 127.0.0.1 (default: any)", "N" },
    { "recognizer", 'r', 0, G_OPTION_ARG_STRING, &recognizer,
      "pocketsphinx (English; default) or none (\"sentence N\" each 2 s)",
      "NAME" },
    { "token", 't', 0, G_OPTION_ARG_STRING, &token,
      "X-Auth-Token that clients must send (default: none needed)", "T" },
    { "timeout", 0, 0, G_OPTION_ARG_DOUBLE, &choices.timeout,
      "Seconds without data after which a client is dropped (default: 20)",
      "S" },
    { "max-session", 0, 0, G_OPTION_ARG_DOUBLE, &choices.max_session,
      "Seconds of audio in a session (default: 18000, or 60 outside "
      "continue-stream)",
      "S" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose,
      "Log messages to standard error", nullptr },
    {}
  };
  g_autoptr (GOptionContext) context = g_option_context_new (nullptr);
  g_option_context_set_summary (
      context, "A local look-alike of the SIS real-time speech recognition.");
  g_option_context_add_main_entries (context, entries, nullptr);
  g_autoptr (GError) failure = nullptr;
  if (!g_option_context_parse (context, &argc, &argv, &failure)) {
    reason = failure->message;
    return false;
  }
  if (recognizer != nullptr)
    choices.recognizer = recognizer;
  if (token != nullptr)
    choices.token = token;
  choices.verbose = verbose;

  constexpr double most = 1e6;
  if (argc > 1)
    reason = std::string ("unexpected argument '") + argv[1] + "'";
  else if (choices.port < 0 || choices.port > 65535)
    reason = "--port must be in 0..65535";
  else if (!(choices.timeout > 0.0 && choices.timeout <= most))
    reason = "--timeout must be a positive number of seconds";
  else if (!(choices.max_session >= 0.0 && choices.max_session <= most))
    reason = "--max-session must be a positive number of seconds";
  return reason.empty ();
}

bool
choose_recognizer (const std::string &name, RecognizerKind &kind,
                   std::string &reason)
{
  if (name == "none")
    kind = sentence_recognizer ();
  else if (name == "pocketsphinx")
    kind = pocketsphinx_recognizer (reason);
  else
    reason = "--recognizer must be pocketsphinx or none";
  return reason.empty ();
}

Milliseconds
milliseconds (double seconds)
{
  return Milliseconds (std::llround (seconds * 1000.0));
}

} // namespace

int
main (int argc, char **argv)
{
  Choices choices;
  std::string reason;
  Behaviour behaviour;
  if (!parse_choices (argc, argv, choices, reason)
      || !choose_recognizer (choices.recognizer, behaviour.recognizer, reason))
    return complain (reason);
  behaviour.handshake.token = choices.token;
  behaviour.timeout = milliseconds (choices.timeout);
  behaviour.keep_audio = 0;
  behaviour.keep_messages = false;
  if (choices.max_session > 0.0)
    behaviour.max_session = milliseconds (choices.max_session);

  g_autoptr (GMainLoop) loop = g_main_loop_new (nullptr, FALSE);
  for (const int signal : { SIGINT, SIGTERM })
    g_unix_signal_add (
        signal,
        [] (gpointer data) -> gboolean {
          g_main_loop_quit (static_cast<GMainLoop *> (data));
          return G_SOURCE_CONTINUE;
        },
        loop);

  Server::Options options{ .port = choices.port };
  if (choices.verbose)
    options.log
        = [] (const std::string &text) { g_printerr ("%s\n", text.c_str ()); };
  Server server (std::move (options));
  server.script ({ std::move (behaviour) });
  if (!server.start (&reason))
    return complain ("cannot listen: " + reason);
  std::printf ("listening on %s\n", server.url ().c_str ());
  std::fflush (stdout);
  g_main_loop_run (loop);
  return 0;
}
