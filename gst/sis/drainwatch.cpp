// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/drainwatch.h"

namespace sis {

DrainWatch::DrainWatch (IoLoop &loop, std::chrono::seconds timeout,
                        std::function<void ()> give_up)
    : timeout_ (timeout), give_up_ (std::move (give_up)),
      progress_timer_ (loop, "sis-progress"), limit_timer_ (loop, "sis-limit")
{
}

void
DrainWatch::run (bool is_waiting)
{
  if (is_waiting == is_running_)
    return;
  is_running_ = is_waiting;
  if (is_waiting) {
    progress ();
    start_limit ();
  } else {
    progress_timer_.stop ();
    limit_timer_.stop ();
    if (limit_left_)
      *limit_left_ -= Clock::now () - limit_started_;
  }
}

void
DrainWatch::progress (Nanoseconds pause)
{
  if (is_running_)
    progress_timer_.start (timeout_ + pause, give_up_);
}

void
DrainWatch::limit (Nanoseconds limit)
{
  if (limit_left_)
    return;
  limit_left_ = limit;
  start_limit ();
}

void
DrainWatch::forget_limit ()
{
  limit_left_.reset ();
  limit_timer_.stop ();
}

void
DrainWatch::start_limit ()
{
  limit_started_ = Clock::now ();
  if (is_running_ && limit_left_)
    limit_timer_.start (*limit_left_, give_up_);
}

void
DrainWatch::reset ()
{
  is_running_ = false;
  limit_left_.reset ();
  progress_timer_.stop ();
  limit_timer_.stop ();
}

} // namespace sis
