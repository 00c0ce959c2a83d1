// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/failure.h"
#include "sis/stream/timeline.h"

namespace sis {

enum class Reconnect { Never, Transport, Always };

/* Whether another attempt follows a failure, and when. Pure. */
class Reconnecting
{
public:
  struct Settings
  {
    Reconnect policy = Reconnect::Transport;
    int max_attempts = -1; /* -1: by the circumstances */
    Nanoseconds delay{ std::chrono::milliseconds (200) };
    Nanoseconds max_delay{ std::chrono::seconds (30) };
  };

  struct Circumstances
  {
    bool is_first_handshake = false; /* since the run began */
    bool was_started = false;        /* START was answered in this run */
    bool is_live = false;            /* upstream */
    bool is_draining = false;
  };

  explicit Reconnecting (const Settings &settings) : settings_ (settings) {}

  /* A failure came: may there be another attempt? Counts it. */
  bool try_again (const Failure &failure, const Circumstances &now);

  /* How long to wait before it: exponential with full jitter; `random` is
   * uniform in 0…1. */
  Nanoseconds delay (const Failure &failure, double random) const noexcept;

  /* The session got on: the next failure is the first one. */
  void reset () noexcept { attempts_ = before_drain_ = doubtful_ = 0; }

  int attempts () const noexcept { return attempts_; }

private:
  bool is_transient (const Failure &failure, const Circumstances &now) noexcept;
  bool has_attempts (const Circumstances &now) const noexcept;

  const Settings settings_;
  int attempts_ = 0;
  int before_drain_ = 0; /* of these */
  int doubtful_ = 0;     /* failures in a row that may or may not pass */
};

} // namespace sis
