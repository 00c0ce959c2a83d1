// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/net/clock.h"
#include "sis/net/ioloop.h"
#include "sis/stream/timeline.h"

#include <functional>
#include <optional>

namespace sis {

/* The deadlines of the wait at the end of a stream: one for each time without
 * progress, one in all once END was sent. They stand still while nobody waits
 * (the pipeline is paused). On the loop. */
class DrainWatch
{
public:
  DrainWatch (IoLoop &loop, std::chrono::seconds timeout,
              std::function<void ()> give_up);

  /* Somebody waits, or nobody does. */
  void run (bool is_waiting);
  /* Audio left, or the service said something new; nothing more is expected for
   * `pause`. */
  void progress (Nanoseconds pause = {});
  /* END was sent for the first time: at the latest after `limit` of waiting it
   * is over, also where another session follows. */
  void limit (Nanoseconds limit);
  /* A session got on and was ended: the next one's END sets another limit. */
  void forget_limit ();
  void reset ();

private:
  void start_limit ();

  const std::chrono::seconds timeout_;
  const std::function<void ()> give_up_;
  bool is_running_ = false;
  std::optional<Nanoseconds> limit_left_;
  Clock::time_point limit_started_;
  Timer progress_timer_, limit_timer_;
};

} // namespace sis
