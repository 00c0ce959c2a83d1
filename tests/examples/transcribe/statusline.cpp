// SPDX-License-Identifier: LGPL-2.1-or-later
#include "statusline.h"

#include <glib.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace transcribe {
namespace {

constexpr std::string_view ellipsis = "\xE2\x80\xA6";
constexpr int usual_width = 80;

bool
is_capable (int fd)
{
  const char *term = g_getenv ("TERM");
  return isatty (fd) != 0 && g_strcmp0 (term, "dumb") != 0;
}

int
width_of (int fd)
{
  winsize size{};
  return ioctl (fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
                                                               : usual_width;
}

int
columns (gunichar c)
{
  return g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
}

int
columns (const std::string &text)
{
  int sum = 0;
  for (const char *at = text.c_str (); *at != '\0'; at = g_utf8_next_char (at))
    sum += columns (g_utf8_get_char (at));
  return sum;
}

/* The end of the text, in at most `room` columns. */
std::string
tail (const std::string &text, int room)
{
  int wide = columns (text);
  if (wide <= room)
    return text;
  const char *at = text.c_str ();
  for (; *at != '\0' && wide > room - 1; at = g_utf8_next_char (at))
    wide -= columns (g_utf8_get_char (at));
  return std::string (ellipsis) + at;
}

} // namespace

StatusLine::StatusLine (bool wanted)
{
  if (wanted && is_capable (STDERR_FILENO))
    fd_ = STDERR_FILENO;
  else if (wanted && is_capable (STDOUT_FILENO))
    fd_ = STDOUT_FILENO;
}

void
StatusLine::put (const std::string &text)
{
  /* A terminal that is gone will be noticed by others. */
  [[maybe_unused]] const ssize_t n = write (fd_, text.data (), text.size ());
}

void
StatusLine::show (const std::string &head, const std::string &text)
{
  if (!is_shown ())
    return;
  /* The last column stays free: some terminals wrap there at once. */
  const int room = width_of (fd_) - 1 - columns (head);
  std::string line = head + (room > 0 ? tail (text, room) : "");
  if (line == shown_)
    return;
  shown_ = std::move (line);
  put ("\r" + shown_ + "\033[K");
}

void
StatusLine::clear ()
{
  if (!shown_.empty ())
    put ("\r\033[K");
  shown_.clear ();
}

} // namespace transcribe
