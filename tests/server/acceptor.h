// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "socket.h"

namespace sistest {

/* Listens on 127.0.0.1, or ::1, and serves each connection on a thread of its
 * own. */
class Acceptor
{
public:
  /* Returns when the connection is done with; a Socket with this `stop` does
   * not wait any more once the acceptor is to stop. */
  using Serve = std::function<void (ObjectPtr<GSocket>, GCancellable *stop)>;

  Acceptor () = default;
  ~Acceptor () { stop (); }
  Acceptor (const Acceptor &) = delete;
  Acceptor &operator= (const Acceptor &) = delete;

  bool start (Serve serve, std::string *error, bool ipv6 = false);
  /* Returns when all threads have ended. */
  void stop ();
  int port () const { return port_; }

private:
  void run ();

  Serve serve_;
  int port_ = 0;
  ObjectPtr<GSocket> listener_;
  ObjectPtr<GCancellable> stop_;
  std::vector<std::thread> serving_; /* thread_'s alone, until it has ended */
  std::thread thread_;
};

} // namespace sistest
