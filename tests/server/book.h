// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "behaviour.h"

#include <condition_variable>
#include <mutex>

namespace sistest {

/* The records of all connections: written by the server's threads, read by the
 * test's. */
template <typename Record> class BookOf
{
public:
  std::size_t open (Record record)
  {
    const std::lock_guard lock (mutex_);
    records_.push_back (std::move (record));
    changed_.notify_all ();
    return records_.size () - 1;
  }

  template <typename Change> void update (std::size_t index, Change change)
  {
    const std::lock_guard lock (mutex_);
    change (records_[index]);
    changed_.notify_all ();
  }

  Record at (std::size_t index) const
  {
    const std::lock_guard lock (mutex_);
    return records_[index];
  }

  std::vector<Record> all () const
  {
    const std::lock_guard lock (mutex_);
    return records_;
  }

  template <typename Predicate>
  bool wait (Predicate predicate, Milliseconds limit) const
  {
    std::unique_lock lock (mutex_);
    return changed_.wait_for (lock, limit,
                              [&] { return predicate (records_); });
  }

private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<Record> records_;
};

using Book = BookOf<Record>;

} // namespace sistest
