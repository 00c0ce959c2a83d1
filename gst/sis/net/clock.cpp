// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/clock.h"

namespace sis {

Clock::time_point
Clock::now () noexcept
{
  return std::chrono::steady_clock::now ();
}

void
Condition::wait (std::unique_lock<std::mutex> &lock)
{
  condition_.wait (lock);
}

bool
Condition::wait_until (std::unique_lock<std::mutex> &lock,
                       Clock::time_point time)
{
  return condition_.wait_until (lock, time) == std::cv_status::no_timeout;
}

} // namespace sis
