// SPDX-License-Identifier: LGPL-2.1-or-later
#include "socket.h"

#include <sys/socket.h>
#include <utility>

namespace sistest {

gint64
deadline_in (Milliseconds limit)
{
  return g_get_monotonic_time () + limit.count () * 1000;
}

ObjectPtr<GSocket>
listen_on_loopback (int &port, GError **error, bool ipv6)
{
  ObjectPtr<GSocket> listener (
      g_socket_new (ipv6 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4,
                    G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error));
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string (
      ipv6 ? "::1" : "127.0.0.1", static_cast<guint> (port));
  if (!listener || !g_socket_bind (listener.get (), address, TRUE, error)
      || !g_socket_listen (listener.get (), error))
    return nullptr;
  g_autoptr (GSocketAddress) bound
      = g_socket_get_local_address (listener.get (), error);
  if (bound == nullptr)
    return nullptr;
  port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  return listener;
}

void
reset_connection (GSocket *socket)
{
  const linger at_once{ .l_onoff = 1, .l_linger = 0 };
  setsockopt (g_socket_get_fd (socket), SOL_SOCKET, SO_LINGER, &at_once,
              sizeof at_once);
  g_socket_close (socket, nullptr);
}

Socket::Socket (ObjectPtr<GSocket> socket, GCancellable *stop)
    : socket_ (std::move (socket)),
      stop_ (stop != nullptr ? static_cast<GCancellable *> (g_object_ref (stop))
                             : nullptr)
{
  g_socket_set_blocking (socket_.get (), FALSE);
}

std::unique_ptr<Socket>
Socket::connect (int port, bool ipv6, GCancellable *stop)
{
  ObjectPtr<GSocket> socket (
      g_socket_new (ipv6 ? G_SOCKET_FAMILY_IPV6 : G_SOCKET_FAMILY_IPV4,
                    G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, nullptr));
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string (
      ipv6 ? "::1" : "127.0.0.1", static_cast<guint> (port));
  if (!socket || !g_socket_connect (socket.get (), address, stop, nullptr))
    return nullptr;
  return std::make_unique<Socket> (std::move (socket), stop);
}

Socket::Input
Socket::receive (std::string &bytes, gint64 deadline)
{
  if (!unread_.empty ()) {
    bytes = take_unread ();
    return Input::Some;
  }
  for (;;) {
    const gint64 left = deadline - g_get_monotonic_time ();
    if (left <= 0
        || !g_socket_condition_timed_wait (socket_.get (), G_IO_IN, left,
                                           stop_.get (), nullptr))
      return Input::Late;
    char buffer[16384];
    g_autoptr (GError) error = nullptr;
    const gssize count = g_socket_receive (socket_.get (), buffer,
                                           sizeof buffer, stop_.get (), &error);
    if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
      continue;
    if (count <= 0)
      return Input::End;
    bytes.assign (buffer, static_cast<std::size_t> (count));
    return Input::Some;
  }
}

std::optional<std::string>
Socket::read_up_to (std::string_view end, Milliseconds limit)
{
  const gint64 deadline = deadline_in (limit);
  std::string all, more;
  while (receive (more, deadline) == Input::Some) {
    all += more;
    const std::size_t found = all.find (end);
    if (found == std::string::npos)
      continue;
    unread (std::string_view (all).substr (found + end.size ()));
    all.resize (found + end.size ());
    return all;
  }
  return std::nullopt;
}

std::optional<std::string>
Socket::read_bytes (std::size_t count, Milliseconds limit)
{
  const gint64 deadline = deadline_in (limit);
  std::string all, more;
  while (all.size () < count) {
    if (receive (more, deadline) != Input::Some)
      return std::nullopt;
    all += more;
  }
  unread (std::string_view (all).substr (count));
  all.resize (count);
  return all;
}

std::optional<std::string>
Socket::read_all (Milliseconds limit)
{
  const gint64 deadline = deadline_in (limit);
  std::string all, more;
  Input input = Input::Some;
  while ((input = receive (more, deadline)) == Input::Some)
    all += more;
  return input == Input::End ? std::optional (all) : std::nullopt;
}

bool
Socket::write (std::string_view bytes, Milliseconds limit)
{
  const gint64 deadline = deadline_in (limit);
  while (!bytes.empty ()) {
    const gint64 left = deadline - g_get_monotonic_time ();
    if (left <= 0
        || !g_socket_condition_timed_wait (socket_.get (), G_IO_OUT, left,
                                           stop_.get (), nullptr))
      return false;
    const gssize count = g_socket_send (socket_.get (), bytes.data (),
                                        bytes.size (), stop_.get (), nullptr);
    if (count <= 0)
      return false;
    bytes.remove_prefix (static_cast<std::size_t> (count));
  }
  return true;
}

bool
Socket::wait_for_end (Milliseconds limit)
{
  const gint64 deadline = deadline_in (limit);
  std::string bytes;
  Input input = Input::Some;
  while (input == Input::Some)
    input = receive (bytes, deadline);
  return input == Input::End;
}

void
Socket::close ()
{
  g_socket_shutdown (socket_.get (), FALSE, TRUE, nullptr);
}

void
Socket::reset ()
{
  reset_connection (socket_.get ());
}

} // namespace sistest
