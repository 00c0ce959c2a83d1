// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/stream/reconnect.h"

#include <algorithm>
#include <cmath>

namespace sis {
namespace {

/* Attempts before the error where `max-reconnects` is -1 but not without
 * limit. */
constexpr int some_attempts = 10;

/* Of failures that may or may not pass, so many in a row are passed over. */
constexpr int max_doubtful = 2;

/* What the gateway asks for when it throttles (429), and for the service's own
 * limit of sessions; not for one that is down (503). */
constexpr std::chrono::seconds busy_delay{ 2 };

} // namespace

/* The table of what is tried again: by what failed, and when. */
bool
Reconnecting::is_transient (const Failure &failure,
                            const Circumstances &now) noexcept
{
  const bool passes = failure.transience == Transience::Yes
                      || (failure.transience == Transience::Maybe
                          && doubtful_ < max_doubtful);
  const bool always = settings_.policy == Reconnect::Always;
  switch (failure.cause) {
  case FailureCause::Local:
  case FailureCause::Tls:
    return false;
  case FailureCause::TlsBroken:
    return now.was_started;
  case FailureCause::Connect:
    return always || !now.is_first_handshake;
  case FailureCause::Lost:
  case FailureCause::Timeout:
    return true;
  case FailureCause::Refusal:
    if (failure.http_status >= 300 && failure.http_status < 400)
      return always;
    return passes
           && (failure.http_status >= 500 || failure.http_status == 408
               || failure.http_status == 429);
  case FailureCause::Error:
    return passes;
  case FailureCause::FatalError:
    return passes && always;
  }
  return false;
}

/* The end of the stream has attempts of its own. */
bool
Reconnecting::has_attempts (const Circumstances &now) const noexcept
{
  if (settings_.max_attempts >= 0)
    return attempts_ < settings_.max_attempts;
  if (now.is_draining)
    return attempts_ - before_drain_ < some_attempts;
  return (now.was_started && now.is_live) || attempts_ < some_attempts;
}

bool
Reconnecting::try_again (const Failure &failure, const Circumstances &now)
{
  if (settings_.policy == Reconnect::Never || !is_transient (failure, now)
      || !has_attempts (now))
    return false;
  attempts_++;
  if (!now.is_draining)
    before_drain_ = attempts_;
  doubtful_ = failure.transience == Transience::Maybe ? doubtful_ + 1 : 0;
  return true;
}

Nanoseconds
Reconnecting::delay (const Failure &failure, double random) const noexcept
{
  const double most
      = double (std::max (settings_.delay, settings_.max_delay).count ());
  const double doubled = std::ldexp (double (settings_.delay.count ()),
                                     std::max (attempts_, 1) - 1);
  /* A year is as good as for ever, and fits. */
  constexpr double for_ever = 365.0 * 24 * 3600 * 1e9;
  const Nanoseconds delay (
      Nanoseconds::rep (std::min ({ doubled, most, for_ever }) * random));
  return failure.kind == FailureKind::Busy && failure.http_status != 503
             ? std::max<Nanoseconds> (delay, busy_delay)
             : delay;
}

} // namespace sis
