// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/watchdog.h"

#include "sis/protocol/message.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <fcntl.h>
#include <glib.h>
#include <map>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
/* For TCP_INFO; what libc has of it is too short. */
#include <linux/tcp.h>
#include <netinet/in.h>

namespace sis {
namespace {

constexpr std::chrono::microseconds between_looks
    = std::chrono::milliseconds (50);

/* A turn that is merely long may read many connections, each once. */
constexpr int many_reads = 3;

/* Often enough for what may come meanwhile, and seldom enough for hundreds. */
constexpr std::chrono::microseconds between_patrols
    = std::chrono::milliseconds (250);

/* More than the kernel may have kept for us while the loop was busy. */
constexpr std::uint64_t max_unheard = 16 * max_message_length;

/* Null: the kernel does not tell. */
std::optional<std::uint64_t>
bytes_received (int fd) noexcept
{
  tcp_info info{};
  socklen_t size = sizeof info;
  constexpr std::size_t least = offsetof (tcp_info, tcpi_bytes_received)
                                + sizeof info.tcpi_bytes_received;
  if (getsockopt (fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || size < least)
    return std::nullopt;
  return info.tcpi_bytes_received;
}

std::uint64_t
cookie_of (int fd) noexcept
{
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  getsockopt (fd, SOL_SOCKET, SO_COOKIE, &cookie, &size);
  return cookie;
}

/* Another descriptor of a socket that the loop may close at any moment: it is
 * of that very socket, or of none. */
class Socket
{
public:
  Socket (int fd, std::uint64_t cookie) : fd_ (fcntl (fd, F_DUPFD_CLOEXEC, 0))
  {
    if (fd_ >= 0 && (cookie == 0 || cookie_of (fd_) != cookie))
      close (std::exchange (fd_, -1));
  }
  ~Socket ()
  {
    if (fd_ >= 0)
      close (fd_);
  }
  Socket (const Socket &) = delete;
  Socket &operator= (const Socket &) = delete;

  std::optional<std::uint64_t> bytes_read () const noexcept
  {
    int unread = 0;
    const auto received = bytes_received (fd_);
    if (!received || ioctl (fd_, FIONREAD, &unread) != 0)
      return std::nullopt;
    return *received - std::uint64_t (unread);
  }

  /* What came already is taken away: the loop would read it to its end. */
  void cut () const noexcept
  {
    std::array<std::byte, 65536> rest;
    shutdown (fd_, SHUT_RDWR);
    for (int i = 0; i < 1024; i++)
      if (recv (fd_, rest.data (), rest.size (), MSG_DONTWAIT) <= 0)
        return;
  }

private:
  int fd_;
};

} // namespace

void
Watchdog::begin_turn () noexcept
{
  if (turn_ != 0)
    return;
  const std::int64_t now = g_get_monotonic_time ();
  turn_ = now;
  if (now - patrolled_at_ >= between_patrols.count ()) {
    patrolled_at_ = now;
    patrol ();
  }
}

void
Watchdog::Watched::note_message () noexcept
{
  messages_++;
  heard_ = bytes_received (fd_);
}

void
Watchdog::patrol () noexcept
{
  for (const auto &one : watched ()) {
    const auto received = bytes_received (one->fd_);
    if (!received || !one->heard_ || *received - *one->heard_ <= max_unheard)
      continue;
    one->reason_ = "a message without an end";
    Socket (one->fd_, one->cookie_).cut ();
  }
}

void
Watchdog::end_turn () noexcept
{
  turn_ = 0;
}

std::shared_ptr<Watchdog::Watched>
Watchdog::add (int fd)
{
  auto one = std::make_shared<Watched> ();
  one->fd_ = fd;
  one->cookie_ = cookie_of (fd);
  auto all = watched_.lock ();
  std::erase_if (*all, [] (const auto &old) { return old.expired (); });
  all->push_back (one);
  return one;
}

std::vector<std::shared_ptr<Watchdog::Watched>>
Watchdog::watched ()
{
  std::vector<std::shared_ptr<Watched>> held;
  auto all = watched_.lock ();
  for (const auto &one : *all)
    if (auto watched = one.lock ())
      held.push_back (std::move (watched));
  return held;
}

std::chrono::microseconds
Watchdog::turn_length () const noexcept
{
  const std::int64_t turn = turn_;
  return std::chrono::microseconds (turn == 0 ? 0
                                              : g_get_monotonic_time () - turn);
}

void
Watchdog::look ()
{
  if (turn_length () >= longest_turn)
    keep_looking ();
}

void
Watchdog::keep_looking ()
{
  if (turn_ == 0 || is_watching_.exchange (true))
    return;
  auto *self = new std::shared_ptr<Watchdog> (shared_from_this ());
  g_autoptr (GThread) thread = g_thread_try_new (
      "sis-watchdog",
      [] (void *data) -> void * {
        const std::unique_ptr<std::shared_ptr<Watchdog>> watchdog (
            static_cast<std::shared_ptr<Watchdog> *> (data));
        (*watchdog)->watch ();
        return nullptr;
      },
      self, nullptr);
  if (thread != nullptr)
    return;
  delete self;
  is_watching_ = false;
}

/* What the looks of one turn have found. */
class Watchdog::Findings
{
public:
  /* Whether it has been read again and again. */
  bool is_in_the_way (const std::shared_ptr<Watched> &one,
                      std::uint64_t bytes_read, bool is_alone)
  {
    const std::uint64_t messages = one->messages_;
    auto [entry, is_new] = seen_.try_emplace (one);
    auto &[last_bytes, last_messages, reads] = entry->second;
    const bool is_read = std::exchange (last_bytes, bytes_read) != bytes_read;
    const bool tells = std::exchange (last_messages, messages) != messages;
    if (is_new || !is_read || (is_alone && tells))
      return false;
    return ++reads >= many_reads;
  }

private:
  struct Seen
  {
    std::uint64_t bytes_read = 0, messages = 0;
    int reads = 0;
  };
  std::map<std::shared_ptr<Watched>, Seen> seen_;
};

void
Watchdog::watch ()
{
  Findings findings;
  for (const std::int64_t turn = turn_; turn != 0 && turn_ == turn;) {
    g_usleep (gulong (between_looks.count ()));
    if (turn_length () < longest_turn)
      continue;
    const auto all = watched ();
    for (const auto &one : all) {
      const Socket socket (one->fd_, one->cookie_);
      const auto bytes_read = socket.bytes_read ();
      if (!bytes_read || turn_ != turn
          || !findings.is_in_the_way (one, *bytes_read, all.size () == 1))
        continue;
      one->reason_ = "it sent more, without a pause, than can be read";
      socket.cut ();
    }
  }
  is_watching_ = false;
}

} // namespace sis
