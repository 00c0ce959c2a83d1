// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <condition_variable>

namespace sis {

/* The monotonic time by which sessions measure. Any thread. With Condition,
 * IoLoop and Connection it is the seam at which a test can put scripted time in
 * place of the real one. */
struct Clock
{
  using duration = std::chrono::steady_clock::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr bool is_steady = true;

  static time_point now () noexcept;
};

/* What a thread waits for by that time; for Guarded. */
class Condition
{
public:
  void wait (std::unique_lock<std::mutex> &lock);
  /* False once the time is past. */
  bool wait_until (std::unique_lock<std::mutex> &lock, Clock::time_point time);
  void notify_all () noexcept { condition_.notify_all (); }

private:
  std::condition_variable condition_;
};

} // namespace sis
