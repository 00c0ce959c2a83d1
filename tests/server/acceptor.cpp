// SPDX-License-Identifier: LGPL-2.1-or-later
#include "acceptor.h"

#include <utility>

namespace sistest {

bool
Acceptor::start (Serve serve, std::string *error, bool ipv6)
{
  g_autoptr (GError) failure = nullptr;
  port_ = 0;
  listener_ = listen_on_loopback (port_, &failure, ipv6);
  if (!listener_) {
    if (error != nullptr)
      *error = failure->message;
    return false;
  }
  serve_ = std::move (serve);
  stop_.reset (g_cancellable_new ());
  thread_ = std::thread ([this] { run (); });
  return true;
}

void
Acceptor::run ()
{
  while (!g_cancellable_is_cancelled (stop_.get ())) {
    GSocket *socket = g_socket_accept (listener_.get (), stop_.get (), nullptr);
    if (socket != nullptr)
      serving_.emplace_back ([this, socket] {
        serve_ (ObjectPtr<GSocket> (socket), stop_.get ());
      });
  }
}

void
Acceptor::stop ()
{
  if (!thread_.joinable ())
    return;
  g_cancellable_cancel (stop_.get ());
  thread_.join ();
  for (std::thread &thread : std::exchange (serving_, {}))
    thread.join ();
  listener_.reset ();
}

} // namespace sistest
