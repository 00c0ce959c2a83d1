// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "audio.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <gio/gio.h>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace sistest {

using Task = std::function<void ()>;

struct Unref
{
  void operator() (gpointer object) const { g_object_unref (object); }
};
template <typename T> using ObjectPtr = std::unique_ptr<T, Unref>;

/* A thread with a main context of its own. */
class Loop
{
public:
  Loop ();
  ~Loop (); /* ends the thread; tasks that have not run are dropped */

  /* Any thread. Tasks run in order. */
  void post (Task task);
  /* From another thread: returns when the task has run. */
  void call (const Task &task);

  GMainContext *context () const { return context_; }

private:
  void run ();
  void run_posted ();

  GMainContext *const context_;
  std::mutex mutex_;
  std::vector<Task> posted_;
  bool stopping_ = false;
  std::thread thread_;
};

/* A source on a loop; starting it anew or destroying it stops it. All on the
 * loop's thread. */
class Source
{
public:
  Source () = default;
  ~Source () { stop (); }
  Source (const Source &) = delete;
  Source &operator= (const Source &) = delete;

  /* Once, after `delay`. */
  void start_timer (GMainContext *context, Milliseconds delay, Task task);
  /* Takes `source` over, whose callback gets a pollable stream; goes on until
   * stop(). */
  void start_pollable (GMainContext *context, GSource *source, Task task);
  void stop ();
  bool running () const { return source_ != nullptr; }

private:
  GSource *source_ = nullptr;
  Task task_;
};

/* Runs things in order, each after its own delay and after all before it: what
 * is due and has nobody ahead runs at once. On the loop's thread. */
class Agenda
{
public:
  explicit Agenda (GMainContext *context) : context_ (context) {}
  void then (Milliseconds delay, Task task);
  void clear ();

private:
  void run_due ();

  struct Entry
  {
    gint64 due;
    Task task;
  };
  GMainContext *const context_;
  std::deque<Entry> entries_;
  bool running_ = false;
  Source timer_;
};

/* A few threads for recognisers. */
class Workers
{
public:
  explicit Workers (unsigned threads);
  ~Workers (); /* what has not begun is dropped */
  void post (Task task);

private:
  void run ();

  std::mutex mutex_;
  std::condition_variable cond_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

} // namespace sistest
