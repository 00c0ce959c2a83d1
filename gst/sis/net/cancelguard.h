// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/glibptr.h"
#include "sis/base/guarded.h"
#include "sis/net/clock.h"

#include <gio/gio.h>

namespace sis {

/* Cancels once a time has passed, unless it is destroyed before; from a thread
 * of its own, for what may keep the loop from turning. */
class CancelGuard
{
public:
  CancelGuard (GCancellable *cancellable, Clock::duration limit);
  ~CancelGuard ();
  CancelGuard (const CancelGuard &) = delete;
  CancelGuard &operator= (const CancelGuard &) = delete;

private:
  static void *run (void *self) noexcept;
  bool is_over_in_time ();

  const GObjectPtr<GCancellable> cancellable_;
  const Clock::time_point deadline_;
  Guarded<bool> is_over_;
  Condition over_;
  GThread *const thread_;
};

} // namespace sis
