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
run (const Options &options)
{
  LocalServer server;
  Verdict verdict;
  if (options.is_local)
    verdict = start_server (server);
  if (!verdict.is_good ())
    return verdict;
  StatusLine status (!options.is_quiet);
  Player player (options, status);
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

} // namespace

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  std::signal (SIGPIPE, SIG_IGN);
  Options options;
  Verdict verdict = parse_options (argc, argv, options);
  if (verdict.is_good ())
    verdict = run (options);
  if (!verdict.reason.empty ())
    std::fprintf (stderr, "sis-transcribe: %s\n", verdict.reason.c_str ());
  if (gst_is_initialized ())
    gst_deinit ();
  return int (verdict.status);
}
