// SPDX-License-Identifier: LGPL-2.1-or-later
#include "loop.h"

#include <algorithm>
#include <utility>

namespace sistest {

Loop::Loop () : context_ (g_main_context_new ()), thread_ ([this] { run (); })
{
}

Loop::~Loop ()
{
  {
    const std::lock_guard lock (mutex_);
    stopping_ = true;
  }
  g_main_context_wakeup (context_);
  thread_.join ();
  g_main_context_unref (context_);
}

void
Loop::run ()
{
  g_main_context_push_thread_default (context_);
  for (;;) {
    run_posted ();
    {
      const std::lock_guard lock (mutex_);
      if (stopping_)
        break;
    }
    g_main_context_iteration (context_, TRUE);
  }
  /* What GIO still had to deliver holds references. */
  while (g_main_context_iteration (context_, FALSE)) {
  }
  g_main_context_pop_thread_default (context_);
}

void
Loop::run_posted ()
{
  std::vector<Task> tasks;
  {
    const std::lock_guard lock (mutex_);
    tasks.swap (posted_);
  }
  for (const Task &task : tasks)
    task ();
}

void
Loop::post (Task task)
{
  {
    const std::lock_guard lock (mutex_);
    posted_.push_back (std::move (task));
  }
  g_main_context_wakeup (context_);
}

void
Loop::call (const Task &task)
{
  std::mutex mutex;
  std::condition_variable cond;
  bool done = false;
  post ([&] {
    task ();
    const std::lock_guard lock (mutex);
    done = true;
    cond.notify_one ();
  });
  std::unique_lock lock (mutex);
  cond.wait (lock, [&] { return done; });
}

void
Source::start_timer (GMainContext *context, Milliseconds delay, Task task)
{
  stop ();
  task_ = std::move (task);
  source_ = g_timeout_source_new (static_cast<guint> (delay.count ()));
  g_source_set_callback (
      source_,
      [] (gpointer data) -> gboolean {
        auto *self = static_cast<Source *> (data);
        const Task due = std::move (self->task_);
        self->stop ();
        due (); /* may destroy the source */
        return G_SOURCE_REMOVE;
      },
      this, nullptr);
  g_source_attach (source_, context);
}

void
Source::start_pollable (GMainContext *context, GSource *source, Task task)
{
  stop ();
  task_ = std::move (task);
  source_ = source;
  const GPollableSourceFunc ready = [] (GObject *, gpointer data) -> gboolean {
    const Task now = static_cast<Source *> (data)->task_;
    now (); /* may stop or destroy the source */
    return G_SOURCE_CONTINUE;
  };
  g_source_set_callback (source_, G_SOURCE_FUNC (ready), this, nullptr);
  g_source_attach (source_, context);
}

void
Source::stop ()
{
  if (source_ == nullptr)
    return;
  g_source_destroy (source_);
  g_source_unref (std::exchange (source_, nullptr));
  task_ = nullptr;
}

void
Agenda::then (Milliseconds delay, Task task)
{
  const gint64 due = g_get_monotonic_time () + delay.count () * 1000;
  entries_.push_back (
      { entries_.empty () ? due : std::max (due, entries_.back ().due),
        std::move (task) });
  run_due ();
}

void
Agenda::clear ()
{
  entries_.clear ();
  timer_.stop ();
}

void
Agenda::run_due ()
{
  if (running_)
    return; /* a task of ours added another */
  running_ = true;
  while (!entries_.empty ()
         && entries_.front ().due <= g_get_monotonic_time ()) {
    const Task task = std::move (entries_.front ().task);
    entries_.pop_front ();
    task ();
  }
  running_ = false;
  if (entries_.empty ())
    return;
  const gint64 wait = entries_.front ().due - g_get_monotonic_time ();
  timer_.start_timer (context_,
                      Milliseconds (std::max<gint64> (wait, 0) / 1000 + 1),
                      [this] { run_due (); });
}

Workers::Workers (unsigned threads)
{
  for (unsigned i = 0; i < threads; i++)
    threads_.emplace_back ([this] { run (); });
}

Workers::~Workers ()
{
  {
    const std::lock_guard lock (mutex_);
    stopping_ = true;
  }
  cond_.notify_all ();
  for (std::thread &thread : threads_)
    thread.join ();
}

void
Workers::post (Task task)
{
  {
    const std::lock_guard lock (mutex_);
    tasks_.push_back (std::move (task));
  }
  cond_.notify_one ();
}

void
Workers::run ()
{
  for (;;) {
    Task task;
    {
      std::unique_lock lock (mutex_);
      cond_.wait (lock, [this] { return stopping_ || !tasks_.empty (); });
      if (stopping_)
        return;
      task = std::move (tasks_.front ());
      tasks_.pop_front ();
    }
    task ();
  }
}

} // namespace sistest
