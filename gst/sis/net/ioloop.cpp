// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/ioloop.h"

#include "sis/base/guarded.h"

namespace sis {
namespace {

/* Never destroyed: sinks may still be released while the process exits. */
Guarded<std::weak_ptr<IoLoop>> &
the_loop ()
{
  static auto *loop = new Guarded<std::weak_ptr<IoLoop>>;
  return *loop;
}

/* What the thread needs of its own, as it outlives the IoLoop a little. */
struct Thread
{
  GMainContextPtr context;
  GMainLoopPtr loop;
};

gboolean
run_work (void *data) noexcept
{
  (*static_cast<std::function<void ()> *> (data)) ();
  return G_SOURCE_REMOVE;
}

void
delete_work (void *data) noexcept
{
  delete static_cast<std::function<void ()> *> (data);
}

} // namespace

std::shared_ptr<IoLoop>
IoLoop::acquire ()
{
  auto current = the_loop ().lock ();
  if (auto loop = current->lock ())
    return loop;
  std::shared_ptr<IoLoop> loop (new IoLoop);
  *current = loop;
  return loop;
}

IoLoop::IoLoop ()
    : context_ (g_main_context_new ()),
      loop_ (g_main_loop_new (context_.get (), FALSE))
{
  auto *thread = new Thread{
    GMainContextPtr (g_main_context_ref (context_.get ())),
    GMainLoopPtr (g_main_loop_ref (loop_.get ())),
  };
  g_thread_unref (g_thread_new ("sis-io", &IoLoop::run, thread));
}

IoLoop::~IoLoop ()
{
  /* Quitting before the thread runs would have no effect. */
  g_autoptr (GSource) source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_LOW);
  g_source_set_callback (
      source,
      [] (void *data) -> gboolean {
        g_main_loop_quit (static_cast<GMainLoop *> (data));
        return G_SOURCE_REMOVE;
      },
      g_main_loop_ref (loop_.get ()),
      [] (void *data) { g_main_loop_unref (static_cast<GMainLoop *> (data)); });
  g_source_attach (source, context_.get ());
}

void *
IoLoop::run (void *data)
{
  const std::unique_ptr<Thread> thread (static_cast<Thread *> (data));
  GMainContext *context = thread->context.get ();
  g_main_context_push_thread_default (context);
  g_main_loop_run (thread->loop.get ());
  while (g_main_context_iteration (context, FALSE)) {
    /* What was ready when the loop ended still wants to clean up. */
  }
  g_main_context_pop_thread_default (context);
  return nullptr;
}

bool
IoLoop::is_current () const noexcept
{
  return g_main_context_is_owner (context_.get ());
}

void
IoLoop::invoke (std::function<void ()> work)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_static_name (source, "sis-invoke");
  g_source_set_callback (source, run_work,
                         new std::function<void ()> (std::move (work)),
                         delete_work);
  g_source_attach (source, context_.get ());
}

std::shared_ptr<HttpSession>
IoLoop::http_session_on_loop (const HttpSession::Settings &settings)
{
  std::erase_if (http_sessions_,
                 [] (const auto &session) { return session.expired (); });
  for (const auto &known : http_sessions_)
    if (auto session = known.lock (); session->settings () == settings)
      return session;
  auto session = std::make_shared<HttpSession> (settings);
  http_sessions_.push_back (session);
  return session;
}

void
Timer::attach (GSource *source, std::function<void ()> callback)
{
  stop ();
  callback_ = std::move (callback);
  source_.reset (source);
  g_source_set_static_name (source, name_);
  g_source_set_callback (source, &Timer::fire, this, nullptr);
  g_source_attach (source, loop_.context ());
}

void
Timer::start (std::chrono::nanoseconds delay, std::function<void ()> callback)
{
  const auto ms = std::chrono::ceil<std::chrono::milliseconds> (delay).count ();
  attach (g_timeout_source_new (guint (CLAMP (ms, 0, G_MAXINT))),
          std::move (callback));
}

void
Timer::start_in_step (std::chrono::seconds delay,
                      std::function<void ()> callback)
{
  GSource *source = g_timeout_source_new_seconds (guint (delay.count ()));
  g_source_set_priority (source, G_PRIORITY_DEFAULT + 1);
  attach (source, std::move (callback));
}

void
Timer::stop () noexcept
{
  if (source_ != nullptr)
    g_source_destroy (source_.get ());
  source_.reset ();
}

gboolean
Timer::fire (void *data) noexcept
{
  auto *self = static_cast<Timer *> (data);
  self->stop ();
  /* The callback may destroy the timer, or start it again. */
  const auto callback = std::move (self->callback_);
  callback ();
  return G_SOURCE_REMOVE;
}

Bell::Bell (IoLoop &loop, const char *name, std::function<void ()> callback)
    : callback_ (std::move (callback))
{
  static GSourceFuncs funcs = {
    nullptr,
    nullptr,
    [] (GSource *source, GSourceFunc function, gpointer data) -> gboolean {
      g_source_set_ready_time (source, -1);
      return function (data);
    },
    nullptr,
    nullptr,
    nullptr,
  };
  source_.reset (g_source_new (&funcs, sizeof (GSource)));
  g_source_set_static_name (source_.get (), name);
  g_source_set_callback (
      source_.get (),
      [] (void *data) -> gboolean {
        static_cast<Bell *> (data)->callback_ ();
        return G_SOURCE_CONTINUE;
      },
      this, nullptr);
  g_source_attach (source_.get (), loop.context ());
}

void
Bell::ring () noexcept
{
  g_source_set_ready_time (source_.get (), 0);
}

void
Bell::remove_on_loop () noexcept
{
  g_source_destroy (source_.get ());
}

} // namespace sis
