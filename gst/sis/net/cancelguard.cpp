// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/cancelguard.h"

namespace sis {

CancelGuard::CancelGuard (GCancellable *cancellable, Clock::duration limit)
    : cancellable_ (share (cancellable)), deadline_ (Clock::now () + limit),
      thread_ (g_thread_try_new ("sis-guard", &CancelGuard::run, this, nullptr))
{
  /* With no thread to be had, nobody may hold up the loop. */
  if (thread_ == nullptr)
    g_cancellable_cancel (cancellable);
}

CancelGuard::~CancelGuard ()
{
  *is_over_.lock () = true;
  over_.notify_all ();
  if (thread_ != nullptr)
    g_thread_join (thread_);
}

bool
CancelGuard::is_over_in_time ()
{
  auto is_over = is_over_.lock ();
  return is_over.wait_until (over_, deadline_, [&is_over] { return *is_over; });
}

void *
CancelGuard::run (void *data) noexcept
{
  auto *self = static_cast<CancelGuard *> (data);
  if (!self->is_over_in_time ())
    g_cancellable_cancel (self->cancellable_.get ());
  return nullptr;
}

} // namespace sis
