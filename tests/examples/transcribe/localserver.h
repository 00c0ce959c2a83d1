// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib.h>
#include <string>

namespace transcribe {

/* A sis-server of our own. It ends with this object, or with this program. */
class LocalServer
{
public:
  LocalServer () = default;
  LocalServer (const LocalServer &) = delete;
  LocalServer &operator= (const LocalServer &) = delete;
  ~LocalServer ();

  /* Returns when it listens; false, with a reason, if it never will. Called
   * while this program has one thread. */
  bool start (std::string &reason);
  const std::string &endpoint () const { return endpoint_; }

private:
  GPid pid_ = 0;
  int output_ = -1;
  std::string endpoint_;
};

} // namespace transcribe
