// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <chrono>

namespace sis {

/* Holds sending to a multiple of real time: what came late is made up for, but
 * only a little. Pure. */
class Pacer
{
public:
  using Time = std::chrono::steady_clock::time_point;
  using Nanoseconds = std::chrono::nanoseconds;

  /* Audio of `length` was sent `now`, `rate` times as fast as it plays. */
  void sent (Nanoseconds length, double rate, Time now) noexcept
  {
    constexpr std::chrono::milliseconds arrears{ 100 };
    const auto share
        = Nanoseconds (Nanoseconds::rep (double (length.count ()) / rate));
    next_ = std::max (next_, now - arrears) + share;
  }

  /* How long the next message has to wait; not positive: it may go. */
  Nanoseconds wait (Time now) const noexcept { return next_ - now; }

  /* Audio of `length` was sent without a limit; what follows is limited. */
  void start (Nanoseconds length, Time now) noexcept { next_ = now + length; }

  void reset () noexcept { next_ = Time{}; }

private:
  Time next_{};
};

} // namespace sis
