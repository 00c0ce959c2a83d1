// SPDX-License-Identifier: LGPL-2.1-or-later
/* Turns a recording, or what a microphone hears, into text and subtitles. */
#include "captions.h"
#include "localserver.h"
#include "options.h"
#include "player.h"
#include "statusline.h"

#include <cerrno>
#include <clocale>
#include <csignal>
#include <unistd.h>

using namespace transcribe;

namespace {

std::string
cannot_write (const Options &options)
{
  const std::string error = g_strerror (errno);
  return "cannot write "
         + (options.output.empty () ? "the text"
                                    : "'" + printable (options.output) + "'")
         + ": " + error;
}

/* Credentials of the cloud service are not for a server that asks for none. */
Verdict
start_server (LocalServer &server)
{
  for (const char *name :
       { "HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK",
         "HUAWEICLOUD_SDK_SECURITY_TOKEN", "SIS_AUTH_TOKEN" })
    g_unsetenv (name);
  std::string reason;
  if (!server.start (reason))
    return { Exit::Failed, printable (reason) };
  return {};
}

/* The file is opened when all else is ready, and finished whatever happens. */
Verdict
write_to (const Options &options, std::FILE *file, Player &player)
{
  CaptionFile captions (options.format, file);
  if (!captions.begin ())
    return { Exit::Failed, cannot_write (options) };
  Verdict verdict = player.run (captions);
  if (!captions.finish () && verdict.is_good ())
    return { Exit::Failed, cannot_write (options) };
  return verdict;
}

Verdict
transcribe_all (const Options &options, LocalServer &server, Player &player)
{
  Verdict verdict;
  if (options.is_local)
    verdict = start_server (server);
  if (verdict.is_good ())
    verdict = player.build (server.endpoint ());
  if (!verdict.is_good ())
    return verdict;
  std::FILE *file = stdout;
  if (!options.output.empty ())
    file = std::fopen (options.output.c_str (), "we");
  if (file == nullptr)
    return { Exit::Failed, cannot_write (options) };
  verdict = write_to (options, file, player);
  if (std::fclose (file) != 0 && verdict.is_good ())
    return { Exit::Failed, cannot_write (options) };
  return verdict;
}

void
tell (const Verdict &verdict)
{
  if (!verdict.reason.empty ())
    std::fprintf (stderr, "sis-transcribe: %s\n", verdict.reason.c_str ());
}

/* Some sources cannot be stopped while they wait for data. */
void
end_in_time (Exit with)
{
  static volatile std::sig_atomic_t status;
  status = int (with);
  std::signal (SIGALRM, [] (int) { _exit (status); });
  alarm (5);
}

Exit
run (const Options &options)
{
  LocalServer server;
  StatusLine status (!options.is_quiet);
  Player player (options, status);
  const Verdict verdict = transcribe_all (options, server, player);
  tell (verdict);
  end_in_time (verdict.status);
  return verdict.status;
}

} // namespace

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  std::signal (SIGPIPE, SIG_IGN);
  Options options;
  const Verdict verdict = parse_options (argc, argv, options);
  tell (verdict);
  const Exit status = verdict.is_good () ? run (options) : verdict.status;
  if (gst_is_initialized ())
    gst_deinit ();
  return int (status);
}
