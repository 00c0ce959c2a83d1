// SPDX-License-Identifier: LGPL-2.1-or-later
/* A service to measure clients with: a thread a connection, which drops the
 * audio and has a final for every two seconds of it. Prints its port, and at
 * the end of its input one line of JSON. */
#include "bench.h"
#include "frame.h"
#include "tlsfront.h"

#include <arpa/inet.h>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace {

constexpr std::size_t result_bytes = 20 * bench::chunk_bytes;

/* What is known of all connections. */
struct Account
{
  std::mutex mutex;
  std::condition_variable closed;
  std::size_t open = 0, connections = 0, bytes = 0, messages = 0;
  std::vector<std::int64_t> to_wire_ns;
  std::int64_t cut_ns = 0, reconnect_ns = 0;
};

Account account;
int cut_after_s = 0;

class Connection
{
public:
  explicit Connection (int socket) : socket_ (socket) {}
  ~Connection () { close (socket_); }
  Connection (const Connection &) = delete;
  Connection &operator= (const Connection &) = delete;

  void run ()
  {
    if (!shake_hands ())
      return;
    while (take_frame ()) {
    }
    const std::lock_guard lock (account.mutex);
    account.connections++;
    account.bytes += audio_;
    account.messages += messages_;
    account.to_wire_ns.insert (account.to_wire_ns.end (), to_wire_ns_.begin (),
                               to_wire_ns_.end ());
  }

private:
  struct Header
  {
    unsigned opcode = 0;
    std::size_t length = 0, size = 0;
    unsigned char mask[4] = {};
  };

  bool fill ()
  {
    if (begin_ > 0) {
      std::memmove (buffer_.get (), buffer_.get () + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    const ssize_t n = read (socket_, buffer_.get () + end_, capacity - end_);
    end_ += std::size_t (std::max<ssize_t> (0, n));
    return n > 0;
  }

  bool need (std::size_t bytes)
  {
    while (end_ - begin_ < bytes)
      if (bytes > capacity || !fill ())
        return false;
    return true;
  }

  const unsigned char *data () const { return buffer_.get () + begin_; }

  bool shake_hands ()
  {
    std::string request;
    while (request.find ("\r\n\r\n") == std::string::npos) {
      if (!fill ())
        return false;
      request.append (reinterpret_cast<const char *> (data ()), end_ - begin_);
      begin_ = end_;
    }
    constexpr std::string_view name = "Sec-WebSocket-Key: ";
    const std::size_t at = request.find (name) + name.size ();
    const std::string key = request.substr (at, request.find ('\r', at) - at);
    const std::string answer = "HTTP/1.1 101 Switching Protocols\r\n"
                               "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: "
                               + sistest::accept_key (key) + "\r\n\r\n";
    return write_all (answer);
  }

  bool write_all (std::string_view bytes)
  {
    return send (socket_, bytes.data (), bytes.size (), MSG_NOSIGNAL)
           == ssize_t (bytes.size ());
  }

  bool reply (sistest::Opcode opcode, std::string_view payload)
  {
    return write_all (sistest::encode_frame (opcode, payload));
  }

  bool read_header (Header &header)
  {
    if (!need (2))
      return false;
    header.opcode = data ()[0] & 15;
    header.length = data ()[1] & 127;
    header.size = 2;
    const std::size_t more = header.length == 126   ? 2
                             : header.length == 127 ? 8
                                                    : 0;
    if (!need (2 + more))
      return false;
    if (more > 0)
      header.length = 0;
    for (std::size_t i = 0; i < more; i++)
      header.length = header.length << 8 | data ()[2 + i];
    header.size += more;
    if (!need (header.size + sizeof header.mask))
      return false;
    std::memcpy (header.mask, data () + header.size, sizeof header.mask);
    header.size += sizeof header.mask;
    return need (header.size + header.length);
  }

  bool take_frame ()
  {
    Header header;
    if (!read_header (header))
      return false;
    const unsigned char *payload = data () + header.size;
    begin_ += header.size + header.length;
    switch (sistest::Opcode (header.opcode)) {
    case sistest::Opcode::Binary:
      return take_audio (header, payload);
    case sistest::Opcode::Text:
      return take_text (header, payload);
    case sistest::Opcode::Ping:
      return reply (sistest::Opcode::Pong,
                    unmasked (header, payload, 0, header.length));
    case sistest::Opcode::Close:
      reply (sistest::Opcode::Close, {});
      return false;
    default:
      return true;
    }
  }

  static std::string unmasked (const Header &header,
                               const unsigned char *payload, std::size_t from,
                               std::size_t count)
  {
    std::string text (count, '\0');
    for (std::size_t i = 0; i < count; i++)
      text[i] = char (payload[from + i] ^ header.mask[(from + i) & 3]);
    return text;
  }

  bool take_text (const Header &header, const unsigned char *payload)
  {
    const bool is_end
        = unmasked (header, payload, 0, header.length).find ("\"END\"")
          != std::string::npos;
    return reply (sistest::Opcode::Text,
                  is_end ? R"({"resp_type":"END","trace_id":"bench",)"
                           R"("reason":"NORMAL"})"
                         : R"({"resp_type":"START","trace_id":"bench"})");
  }

  bool take_audio (const Header &header, const unsigned char *payload)
  {
    const std::int64_t now = bench::now_ns ();
    const std::size_t before = audio_;
    if (audio_ == 0)
      note_begin (now);
    audio_ += header.length;
    messages_++;
    constexpr std::size_t chunk = bench::chunk_bytes;
    for (std::size_t at = (before + chunk - 1) / chunk * chunk;
         at + sizeof (std::int64_t) <= audio_; at += chunk) {
      std::int64_t stamp = 0;
      std::memcpy (
          &stamp, unmasked (header, payload, at - before, sizeof stamp).data (),
          sizeof stamp);
      if (stamp > 0 && stamp <= now)
        to_wire_ns_.push_back (now - stamp);
    }
    if (must_cut ())
      return false;
    return audio_ - told_ < result_bytes || tell_result ();
  }

  bool tell_result ()
  {
    char text[256];
    const int length = g_snprintf (
        text, sizeof text,
        R"({"resp_type":"RESULT","trace_id":"bench","segments":[{)"
        R"("start_time":%zu,"end_time":%zu,"is_final":true,"result":{)"
        R"("text":"%)" G_GINT64_FORMAT R"( ns","score":0.5}}]})",
        told_ / 32, audio_ / 32, bench::now_ns ());
    told_ = audio_;
    return reply (sistest::Opcode::Text, { text, std::size_t (length) });
  }

  static void note_begin (std::int64_t now)
  {
    const std::lock_guard lock (account.mutex);
    if (account.cut_ns > 0 && account.reconnect_ns == 0)
      account.reconnect_ns = now - account.cut_ns;
  }

  /* By RST, the first connection only. */
  bool must_cut () const
  {
    if (cut_after_s == 0
        || audio_ < std::size_t (cut_after_s) * 10 * bench::chunk_bytes)
      return false;
    const std::lock_guard lock (account.mutex);
    if (account.cut_ns > 0)
      return false;
    const linger at_once{ 1, 0 };
    setsockopt (socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    account.cut_ns = bench::now_ns ();
    return true;
  }

  static constexpr std::size_t capacity = 1 << 18;
  const int socket_;
  const std::unique_ptr<unsigned char[]> buffer_{
    std::make_unique_for_overwrite<unsigned char[]> (capacity)
  };
  std::size_t begin_ = 0, end_ = 0;
  std::size_t audio_ = 0, told_ = 0, messages_ = 0;
  std::vector<std::int64_t> to_wire_ns_;
};

int
listen_on_loopback (int *port)
{
  const int socket = ::socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto *generic = reinterpret_cast<sockaddr *> (&address);
  if (bind (socket, generic, length) != 0 || listen (socket, 1024) != 0
      || getsockname (socket, generic, &length) != 0)
    return -1;
  *port = ntohs (address.sin_port);
  return socket;
}

void
attend (int socket)
{
  Connection (socket).run ();
  const std::lock_guard lock (account.mutex);
  account.open--;
  account.closed.notify_one ();
}

void
serve (int listener)
{
  while (true) {
    const int socket = accept4 (listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0)
      continue;
    const int on = 1;
    setsockopt (socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    {
      const std::lock_guard lock (account.mutex);
      account.open++;
    }
    std::thread (attend, socket).detach ();
  }
}

/* The clients are gone, but what they sent last may still be on its way. */
void
tell_account ()
{
  std::unique_lock lock (account.mutex);
  account.closed.wait_for (lock, std::chrono::seconds (2),
                           [] { return account.open == 0; });
  const std::string reconnect
      = account.reconnect_ns > 0
            ? std::to_string (double (account.reconnect_ns) * 1e-6)
            : "null";
  std::printf (
      "{\"connections\":%zu,\"open\":%zu,\"bytes\":%zu,"
      "\"messages\":%zu,\"to_wire_us\":%s,\"reconnect_ms\":%s}\n",
      account.connections, account.open, account.bytes, account.messages,
      bench::microseconds (account.to_wire_ns).c_str (), reconnect.c_str ());
  std::fflush (stdout);
}

} // namespace

int
main (int argc, char **argv)
{
  gboolean tls = FALSE;
  const GOptionEntry entries[]
      = { { "tls", 0, 0, G_OPTION_ARG_NONE, &tls, "wss:// instead of ws://",
            nullptr },
          { "cut-after", 0, 0, G_OPTION_ARG_INT, &cut_after_s,
            "Cut the first connection after that much audio", "SECONDS" },
          {} };
  bench::parse (&argc, &argv, entries,
                "Takes audio until the end of its standard input.");
  int port = 0;
  const int listener = listen_on_loopback (&port);
  if (listener < 0) {
    std::perror ("drain-server");
    return 1;
  }
  std::thread (serve, listener).detach ();
  std::optional<sistest::TlsFront> front;
  if (tls) {
    front.emplace (TEST_DATA "/tls/good.pem");
    if (!front->start (port))
      return 1;
  }
  std::printf ("%s\n",
               tls ? front->url ().c_str ()
                   : ("ws://127.0.0.1:" + std::to_string (port)).c_str ());
  std::fflush (stdout);
  while (std::getchar () != EOF) {
  }
  tell_account ();
  /* Threads are in accept (), and maybe in read (). */
  _exit (0);
}
