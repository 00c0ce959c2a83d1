// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/glibptr.h"
#include "sis/net/clock.h"
#include "sis/net/iamtokens.h"

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

namespace sis {

/* The I/O thread: one for all sinks of the process, alive as long as somebody
 * holds it. It alone touches sockets and timers; functions that run on it are
 * named *_on_loop. This header, Connection and Clock are the seam at which a
 * test can put scripted time and bytes in place of the real ones. */
class IoLoop
{
public:
  /* Starts the thread if there is none. Any thread. */
  static std::shared_ptr<IoLoop> acquire ();

  /* The last holder's release ends the thread once its work at hand is done;
   * it is not waited for. */
  ~IoLoop ();
  IoLoop (const IoLoop &) = delete;
  IoLoop &operator= (const IoLoop &) = delete;

  GMainContext *context () const noexcept { return context_.get (); }
  bool is_current () const noexcept;

  /* Runs `work` on the loop, in the order of the calls. Any thread. */
  void invoke (std::function<void ()> work);

  /* On the loop. Requests of equal settings get the same one, as long as
   * somebody holds it; it is to be released on the loop. */
  std::shared_ptr<HttpSession>
  http_session_on_loop (const HttpSession::Settings &settings);

  /* On the loop. */
  IamTokens &tokens_on_loop () noexcept { return tokens_; }

private:
  friend class Timer;
  friend class Bell;
  class Agenda;

  IoLoop ();
  static void *run (void *data);

  GMainContextPtr context_;
  GMainLoopPtr loop_;
  std::shared_ptr<Agenda> agenda_;
  std::vector<std::weak_ptr<HttpSession>> http_sessions_;
  IamTokens tokens_;
};

/* Calls back on the loop, once, `delay` after start (). Used on the loop; the
 * owner destroys it there, and may do so from the callback. */
class Timer
{
public:
  explicit Timer (IoLoop &loop, const char *name) : loop_ (loop), name_ (name)
  {
  }
  ~Timer () { stop (); }
  Timer (const Timer &) = delete;
  Timer &operator= (const Timer &) = delete;

  /* Replaces a running one. */
  void start (std::chrono::nanoseconds delay, std::function<void ()> callback);
  /* After whole seconds, in step with all timers of whole seconds in GLib and
   * before those of them that are due at the same time. */
  void start_in_step (std::chrono::seconds delay,
                      std::function<void ()> callback);
  void stop () noexcept;
  bool is_running () const noexcept { return is_running_; }

private:
  friend class IoLoop::Agenda;
  void fire ();

  IoLoop &loop_;
  const char *name_;
  bool is_running_ = false;
  Clock::time_point due_{};
  GSourcePtr source_; /* if it is in step */
  std::function<void ()> callback_;
};

/* A bell that any thread may ring: the callback runs on the loop once for any
 * number of rings since it last ran. Ringing neither allocates nor blocks. Of
 * many bells, those that ring within a few milliseconds are answered together.
 */
class Bell
{
public:
  Bell (IoLoop &loop, std::function<void ()> callback);
  Bell (const Bell &) = delete;
  Bell &operator= (const Bell &) = delete;

  void ring () noexcept;
  /* No callback after this. On the loop. */
  void remove_on_loop () noexcept;

private:
  friend class IoLoop::Agenda;

  const std::shared_ptr<IoLoop::Agenda> agenda_;
  const std::function<void ()> callback_;
  bool is_rung_ = false, is_removed_ = false; /* guarded by the agenda's lock */
};

} // namespace sis
