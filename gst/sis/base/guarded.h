// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace sis {

/* A value and its lock as one object: the value can be reached only through
 * an Access, and a helper that needs the lock takes the Access as proof.
 *
 *   auto s = settings_.lock ();
 *   s->endpoint = endpoint;
 */
template <typename T> class Guarded
{
public:
  class Access
  {
  public:
    T *operator->() const { return value_; }
    T &operator* () const { return *value_; }

    /* Waits with the lock released. The predicate names every reason to wake.
     */
    template <typename Condition, typename Predicate>
    void wait (Condition &condition, Predicate predicate)
    {
      while (!predicate ())
        condition.wait (lock_);
    }

    /* As wait(), at most for `limit`; false if the predicate is still false. */
    template <typename Predicate>
    bool wait_for (std::condition_variable &cond,
                   std::chrono::nanoseconds limit, Predicate predicate)
    {
      return cond.wait_for (lock_, limit, predicate);
    }

    /* As wait(), up to a time of the condition's own clock. */
    template <typename Condition, typename Time, typename Predicate>
    bool wait_until (Condition &condition, Time time, Predicate predicate)
    {
      while (!predicate ())
        if (!condition.wait_until (lock_, time))
          return predicate ();
      return true;
    }

  private:
    friend class Guarded;
    Access (std::mutex &mutex, T &value) : lock_ (mutex), value_ (&value) {}

    std::unique_lock<std::mutex> lock_;
    T *value_;
  };

  template <typename... Args>
  explicit Guarded (Args &&...args) : value_ (std::forward<Args> (args)...)
  {
  }
  Guarded (const Guarded &) = delete;
  Guarded &operator= (const Guarded &) = delete;

  [[nodiscard]] Access lock () { return Access (mutex_, value_); }

private:
  std::mutex mutex_;
  T value_;
};

} // namespace sis
