// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/guarded.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace sis {

/* Frees the loop from a peer that sends without a pause: libsoup reads a
 * connection, and queues an answer to each ping, for as long as there is
 * something to read, and nothing else of the loop runs. Whoever has to do with
 * the loop looks; if a turn of it has lasted too long, a thread that lives no
 * longer than that turn finds the connection that is being read, and cuts it;
 * unless it is the only one, and still tells something.
 *
 * Of a peer that pauses, it cuts a message that has no end: libsoup bounds a
 * frame, but not the message that frames make up. */
class Watchdog : public std::enable_shared_from_this<Watchdog>
{
public:
  /* The more answers to pings are in libsoup's queue, the longer each takes:
   * after 2 s one read of pings did not end in 15 s. */
  static constexpr std::chrono::milliseconds longest_turn{ 500 };

  /* Watched for as long as somebody holds it. */
  class Watched
  {
  public:
    /* The loop. */
    void note_message () noexcept;
    bool is_cut () const noexcept { return reason_ != nullptr; }
    const char *reason () const noexcept { return reason_; }

  private:
    friend class Watchdog;
    int fd_ = -1;
    std::uint64_t cookie_ = 0; /* the kernel's name of the socket */
    /* What had come with the last message; null: nothing is known. */
    std::optional<std::uint64_t> heard_;
    std::atomic<std::uint64_t> messages_{ 0 };
    std::atomic<const char *> reason_{ nullptr };
  };

  /* The loop. */
  void begin_turn () noexcept;
  void end_turn () noexcept;
  std::shared_ptr<Watched> add (int fd);

  /* How long a turn has lasted; zero between turns. Any thread. */
  std::chrono::microseconds turn_length () const noexcept;
  /* Any thread; cheap. */
  void look ();
  /* As look(), for a turn of any length: nobody may come by once more. */
  void keep_looking ();

private:
  class Findings;

  void patrol () noexcept;
  void watch ();
  std::vector<std::shared_ptr<Watched>> watched ();

  std::atomic<std::int64_t> turn_{ 0 }; /* when it began; 0: none */
  std::int64_t patrolled_at_ = 0;
  std::atomic<bool> is_watching_{ false };
  Guarded<std::vector<std::weak_ptr<Watched>>> watched_;
};

} // namespace sis
