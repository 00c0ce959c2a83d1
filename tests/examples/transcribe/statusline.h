// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace transcribe {

/* One line at the bottom of a terminal that is replaced in place: the progress,
 * and what is just being said. Where there is no terminal it does nothing. */
class StatusLine
{
public:
  /* On standard error if that is a terminal, else on standard output. */
  explicit StatusLine (bool wanted);

  bool is_shown () const { return fd_ >= 0; }
  /* The end of `text` is shown where not all of it fits. */
  void show (const std::string &head, const std::string &text);
  /* Before anything else is written to the terminal. */
  void clear ();

private:
  void put (const std::string &text);

  int fd_ = -1;
  std::string shown_;
};

} // namespace transcribe
