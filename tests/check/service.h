// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "server.h"

#include "pipeline.h"

#include <array>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace sischeck {

/* The fake service in a process of its own, until this is gone: memory, threads
 * and files of this one are those of the sinks. To be made before threads are.
 */
class Service
{
public:
  explicit Service (const std::vector<sistest::Behaviour> &behaviours)
  {
    fail_unless (pipe (to_.data ()) == 0 && pipe (from_.data ()) == 0);
    child_ = fork ();
    fail_unless (child_ >= 0);
    if (child_ == 0)
      serve (behaviours);
    close (to_[0]);
    close (from_[1]);
    url_ = read_line ();
    fail_if (url_.empty ());
  }
  ~Service ()
  {
    if (child_ > 0)
      stop ();
    close (from_[0]);
  }
  Service (const Service &) = delete;
  Service &operator= (const Service &) = delete;

  const std::string &url () const { return url_; }

  /* How many connections there were. */
  std::size_t stop ()
  {
    close (to_[1]);
    const std::string count = read_line ();
    waitpid (std::exchange (child_, -1), nullptr, 0);
    return std::size_t (std::atoll (count.c_str ()));
  }

private:
  [[noreturn]] void serve (const std::vector<sistest::Behaviour> &behaviours)
  {
    close (to_[1]);
    close (from_[0]);
    {
      sistest::Server server;
      server.script (behaviours);
      if (server.start ())
        write_line (server.url ());
      char byte = 0;
      while (read (to_[0], &byte, 1) > 0) {
        /* Nothing is ever said, but that the test is over. */
      }
      write_line (std::to_string (server.connections ().size ()));
    }
    _exit (0);
  }
  void write_line (const std::string &text)
  {
    const std::string line = text + "\n";
    if (write (from_[1], line.data (), line.size ()) < 0)
      _exit (1);
  }
  std::string read_line ()
  {
    std::string text;
    char byte = 0;
    while (read (from_[0], &byte, 1) == 1 && byte != '\n')
      text += byte;
    return text;
  }

  std::array<int, 2> to_{}, from_{};
  pid_t child_ = -1;
  std::string url_;
};

} // namespace sischeck
