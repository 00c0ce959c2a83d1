// SPDX-License-Identifier: LGPL-2.1-or-later
#include "halfserver.h"

#include <sys/socket.h>
#include <utility>

namespace sistest {

namespace {

gint64
deadline_in (Milliseconds limit)
{
  return g_get_monotonic_time () + limit.count () * 1000;
}

/* The value of a header in a request's head. */
std::string
header_of (const std::string &head, const char *name)
{
  g_auto (GStrv) lines = g_strsplit (head.c_str (), "\r\n", -1);
  const std::string start = std::string (name) + ":";
  for (char **line = lines; *line != nullptr; line++)
    if (g_ascii_strncasecmp (*line, start.c_str (), start.size ()) == 0)
      return g_strstrip (*line + start.size ());
  return {};
}

} // namespace

HalfServer::Peer::Peer (ObjectPtr<GSocket> socket, GCancellable *stop)
    : socket_ (std::move (socket)),
      stop_ (static_cast<GCancellable *> (g_object_ref (stop)))
{
  g_socket_set_blocking (socket_.get (), FALSE);
}

HalfServer::Peer::Input
HalfServer::Peer::receive (std::string &bytes, gint64 deadline)
{
  const gint64 left = deadline - g_get_monotonic_time ();
  if (left <= 0
      || !g_socket_condition_timed_wait (socket_.get (), G_IO_IN, left,
                                         stop_.get (), nullptr))
    return Input::Late;
  char buffer[16384];
  const gssize count = g_socket_receive (socket_.get (), buffer, sizeof buffer,
                                         stop_.get (), nullptr);
  if (count <= 0)
    return Input::End;
  bytes.assign (buffer, static_cast<std::size_t> (count));
  return Input::Some;
}

std::optional<Frame>
HalfServer::Peer::read_frame (Milliseconds limit)
{
  const gint64 deadline = deadline_in (limit);
  Frame frame;
  for (;;) {
    switch (reader_.next (frame)) {
    case FrameReader::Outcome::Frame:
      return frame;
    case FrameReader::Outcome::Bad:
      return std::nullopt;
    case FrameReader::Outcome::More:
      break;
    }
    std::string bytes;
    if (receive (bytes, deadline) != Input::Some)
      return std::nullopt;
    reader_.add (bytes);
  }
}

bool
HalfServer::Peer::write (std::string_view bytes, Milliseconds limit)
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
HalfServer::Peer::write_frame (Opcode opcode, std::string_view payload,
                               bool fin)
{
  return write (encode_frame (opcode, payload, fin));
}

bool
HalfServer::Peer::wait_for_end (Milliseconds limit)
{
  const gint64 deadline = deadline_in (limit);
  std::string bytes;
  for (;;) {
    switch (receive (bytes, deadline)) {
    case Input::Some:
      break;
    case Input::End:
      return true;
    case Input::Late:
      return false;
    }
  }
}

void
HalfServer::Peer::close ()
{
  g_socket_shutdown (socket_.get (), FALSE, TRUE, nullptr);
}

void
HalfServer::Peer::reset ()
{
  const linger at_once{ .l_onoff = 1, .l_linger = 0 };
  setsockopt (g_socket_get_fd (socket_.get ()), SOL_SOCKET, SO_LINGER, &at_once,
              sizeof at_once);
  g_socket_close (socket_.get (), nullptr);
}

bool
HalfServer::Peer::read_request ()
{
  const gint64 deadline = deadline_in (usual_limit);
  std::string bytes;
  std::size_t end = std::string::npos;
  while ((end = request_.find ("\r\n\r\n")) == std::string::npos) {
    if (receive (bytes, deadline) != Input::Some)
      return false;
    request_.append (bytes);
  }
  reader_.add (std::string_view (request_).substr (end + 4));
  request_.resize (end);
  return true;
}

bool
HalfServer::Peer::upgrade ()
{
  return write ("HTTP/1.1 101 Switching Protocols\r\n"
                "Upgrade: websocket\r\n"
                "Connection: Upgrade\r\n"
                "Sec-WebSocket-Accept: "
                + accept_key (header_of (request_, "Sec-WebSocket-Key"))
                + "\r\n\r\n");
}

bool
HalfServer::start (bool upgrade, std::string *error)
{
  g_autoptr (GError) failure = nullptr;
  upgrade_ = upgrade;
  stop_.reset (g_cancellable_new ());
  listener_.reset (g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM,
                                 G_SOCKET_PROTOCOL_TCP, &failure));
  g_autoptr (GSocketAddress) any
      = g_inet_socket_address_new_from_string ("127.0.0.1", 0);
  g_autoptr (GSocketAddress) bound = nullptr;
  if (listener_ && g_socket_bind (listener_.get (), any, TRUE, &failure)
      && g_socket_listen (listener_.get (), &failure))
    bound = g_socket_get_local_address (listener_.get (), &failure);
  if (bound == nullptr) {
    if (error != nullptr)
      *error = failure->message;
    return false;
  }
  port_ = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (bound));
  thread_ = std::thread ([this] { run (); });
  return true;
}

void
HalfServer::run ()
{
  while (!g_cancellable_is_cancelled (stop_.get ())) {
    ObjectPtr<GSocket> socket (
        g_socket_accept (listener_.get (), stop_.get (), nullptr));
    if (!socket)
      continue;
    std::shared_ptr<Peer> peer (new Peer (std::move (socket), stop_.get ()));
    if (!peer->read_request () || (upgrade_ && !peer->upgrade ()))
      continue;
    const std::lock_guard lock (mutex_);
    ready_.push_back (std::move (peer));
    arrived_.notify_all ();
  }
}

void
HalfServer::stop ()
{
  if (!thread_.joinable ())
    return;
  g_cancellable_cancel (stop_.get ());
  thread_.join ();
  listener_.reset ();
  const std::lock_guard lock (mutex_);
  ready_.clear ();
}

std::string
HalfServer::url () const
{
  return "ws://127.0.0.1:" + std::to_string (port_);
}

std::shared_ptr<HalfServer::Peer>
HalfServer::accept (Milliseconds limit)
{
  std::unique_lock lock (mutex_);
  if (!arrived_.wait_for (lock, limit, [this] { return !ready_.empty (); }))
    return nullptr;
  auto peer = std::move (ready_.front ());
  ready_.pop_front ();
  return peer;
}

} // namespace sistest
