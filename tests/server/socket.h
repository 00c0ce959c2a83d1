// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "loop.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sistest {

/* A time of g_get_monotonic_time(). */
gint64 deadline_in (Milliseconds limit);

/* On 127.0.0.1; `port` 0 is any, and becomes the one it is. */
ObjectPtr<GSocket> listen_on_loopback (int &port, GError **error,
                                       bool ipv6 = false);

/* TCP RST. */
void reset_connection (GSocket *socket);

/* A connected TCP socket whose calls wait, up to a limit or until `stop` is
 * cancelled. On one thread at a time. */
class Socket
{
public:
  static constexpr Milliseconds usual_limit{ 10000 };
  enum class Input { Some, End, Late };

  Socket (ObjectPtr<GSocket> socket, GCancellable *stop);

  /* To this machine alone; null if refused. */
  static std::unique_ptr<Socket> connect (int port, bool ipv6 = false,
                                          GCancellable *stop = nullptr);

  /* What has come, or what unread() put back. */
  Input receive (std::string &bytes, gint64 deadline);
  void unread (std::string_view bytes) { unread_.insert (0, bytes); }
  std::string take_unread () { return std::exchange (unread_, {}); }
  /* Up to and with the first `end`, or so many bytes; none if they do not come
   * within the limit. What comes after them stays. */
  std::optional<std::string> read_up_to (std::string_view end,
                                         Milliseconds limit = usual_limit);
  std::optional<std::string> read_bytes (std::size_t count,
                                         Milliseconds limit = usual_limit);
  /* All until the end. */
  std::optional<std::string> read_all (Milliseconds limit = usual_limit);

  /* All bytes as they are; false if they do not all go out. */
  bool write (std::string_view bytes, Milliseconds limit = usual_limit);
  /* Reads and drops what comes; true when the peer has closed. */
  bool wait_for_end (Milliseconds limit = usual_limit);

  void close (); /* TCP FIN */
  void reset (); /* TCP RST */

  GSocket *get () const { return socket_.get (); }
  GCancellable *stop () const { return stop_.get (); }

private:
  const ObjectPtr<GSocket> socket_;
  const ObjectPtr<GCancellable> stop_;
  std::string unread_;
};

} // namespace sistest
