// SPDX-License-Identifier: LGPL-2.1-or-later
#include "halfserver.h"

#include <utility>

namespace sistest {

namespace {

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
    : socket_ (std::move (socket), stop)
{
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
    if (socket_.receive (bytes, deadline) != Socket::Input::Some)
      return std::nullopt;
    reader_.add (bytes);
  }
}

bool
HalfServer::Peer::write_frame (Opcode opcode, std::string_view payload,
                               bool fin)
{
  return write (encode_frame (opcode, payload, fin));
}

bool
HalfServer::Peer::read_request ()
{
  const auto head = socket_.read_up_to ("\r\n\r\n");
  request_ = head ? head->substr (0, head->size () - 4) : "";
  return head.has_value ();
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
  port_ = 0;
  listener_ = listen_on_loopback (port_, &failure);
  if (!listener_) {
    if (error != nullptr)
      *error = failure->message;
    return false;
  }
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
