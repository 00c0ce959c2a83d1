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

void *
CancelGuard::run (void *data) noexcept
{
  auto *self = static_cast<CancelGuard *> (data);
  auto is_over = self->is_over_.lock ();
  if (!is_over.wait_until (self->over_, self->deadline_,
                           [&is_over] { return *is_over; }))
    g_cancellable_cancel (self->cancellable_.get ());
  return nullptr;
}

} // namespace sis
