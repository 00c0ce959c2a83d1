// SPDX-License-Identifier: LGPL-2.1-or-later
#include "localserver.h"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace transcribe {
namespace {

constexpr std::string_view greeting = "listening on ";

/* Beside this program, where both are installed; or where both are built. */
std::string
find_server ()
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", nullptr);
  g_autofree char *folder
      = self != nullptr ? g_path_get_dirname (self) : g_strdup (".");
  for (const char *place : { "sis-server", "../server/sis-server" }) {
    g_autofree char *path = g_build_filename (folder, place, nullptr);
    if (g_file_test (path, G_FILE_TEST_IS_EXECUTABLE))
      return path;
  }
  g_autofree char *path = g_find_program_in_path ("sis-server");
  return path != nullptr ? path : "";
}

/* Runs in the child, before sis-server. Ctrl-C is for the parent alone, which
 * still has something to ask. */
void
set_up_child (gpointer parent)
{
  setpgid (0, 0);
#ifdef __linux__
  prctl (PR_SET_PDEATHSIG, SIGTERM);
  if (getppid () != GPOINTER_TO_INT (parent))
    _exit (1);
#endif
}

std::string
read_line (int fd)
{
  std::string line;
  char c;
  while (read (fd, &c, 1) == 1 && c != '\n')
    line += c;
  return line;
}

} // namespace

LocalServer::~LocalServer ()
{
  if (output_ >= 0)
    close (output_);
  if (pid_ == 0)
    return;
  kill (pid_, SIGTERM);
  while (waitpid (pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool
LocalServer::start (std::string &reason)
{
  const std::string path = find_server ();
  if (path.empty ()) {
    reason = "sis-server is not installed; it is built where PocketSphinx is";
    return false;
  }
  std::string port = "--port=0";
  char *const arguments[]
      = { const_cast<char *> (path.c_str ()), port.data (), nullptr };
  g_autoptr (GError) failure = nullptr;
  if (!g_spawn_async_with_pipes (nullptr, const_cast<char **> (arguments),
                                 nullptr, G_SPAWN_DO_NOT_REAP_CHILD,
                                 set_up_child, GINT_TO_POINTER (getpid ()),
                                 &pid_, nullptr, &output_, nullptr, &failure)) {
    pid_ = 0;
    reason = failure->message;
    return false;
  }
  const std::string line = read_line (output_);
  if (line.rfind (greeting, 0) != 0) {
    reason = "sis-server did not start";
    return false;
  }
  endpoint_ = line.substr (greeting.size ());
  return true;
}

} // namespace transcribe
