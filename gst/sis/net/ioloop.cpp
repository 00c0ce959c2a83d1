// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/ioloop.h"

#include "sis/base/guarded.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

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

/* So many bells are answered together, at most so often: each turn of the main
 * loop looks at the sources of all connections. */
constexpr std::size_t many_bells = 8;
constexpr std::chrono::milliseconds between_answers{ 3 };

} // namespace

/* What the loop has to do but for I/O: one source for the work, the bells and
 * the timers of all sinks. It outlives the IoLoop a little. */
class IoLoop::Agenda
{
public:
  explicit Agenda (GMainContext *context) : context_ (context) {}

  /* The source holds the agenda. */
  static void attach (const std::shared_ptr<Agenda> &agenda);

  /* Any thread. */
  void add (std::function<void ()> work);
  void add (const Bell &bell);
  void ring (Bell &bell) noexcept;

  /* The loop. */
  void remove (Bell &bell) noexcept;
  void add (Timer &timer) { timers_.emplace (timer.due_, &timer); }
  void remove (Timer &timer) noexcept
  {
    timers_.erase ({ timer.due_, &timer });
  }

private:
  struct Source
  {
    GSource base;
    std::shared_ptr<Agenda> agenda;
  };

  struct Inbox
  {
    std::vector<std::function<void ()>> work;
    std::vector<Bell *> rung;
    std::size_t bells = 0;
    /* The loop looks at the bells at `answer_at_`, whatever rings. */
    bool is_answering_later = false;
  };

  std::optional<Clock::time_point> next ();
  bool is_due (GSource *source);
  void run (GSource *source);
  void answer (Clock::time_point now);
  void wake () const;

  GMainContext *const context_; /* lives as long as the source */
  Guarded<Inbox> inbox_;
  std::set<std::pair<Clock::time_point, Timer *>> timers_;
  std::vector<Bell *> answered_;
  Clock::time_point answer_at_{};
};

/* GLib has one look at the clock for all sources. */
static Clock::time_point
time_of (GSource *source)
{
  return Clock::time_point (
      std::chrono::microseconds (g_source_get_time (source)));
}

void
IoLoop::Agenda::attach (const std::shared_ptr<Agenda> &agenda)
{
  static GSourceFuncs funcs = {
    [] (GSource *source, int *timeout) -> gboolean {
      Agenda &self = *reinterpret_cast<Source *> (source)->agenda;
      *timeout = -1;
      const auto next = self.next ();
      if (!next)
        return FALSE;
      const auto left = std::chrono::ceil<std::chrono::milliseconds> (
          *next - time_of (source));
      *timeout = int (CLAMP (left.count (), 0, G_MAXINT));
      return *timeout == 0;
    },
    [] (GSource *source) -> gboolean {
      return reinterpret_cast<Source *> (source)->agenda->is_due (source);
    },
    [] (GSource *source, GSourceFunc, void *) -> gboolean {
      const auto keep = reinterpret_cast<Source *> (source)->agenda;
      keep->run (source);
      return G_SOURCE_CONTINUE;
    },
    [] (GSource *source) {
      std::destroy_at (&reinterpret_cast<Source *> (source)->agenda);
    },
    nullptr,
    nullptr,
  };
  const GSourcePtr source (g_source_new (&funcs, sizeof (Source)));
  std::construct_at (&reinterpret_cast<Source *> (source.get ())->agenda,
                     agenda);
  g_source_set_static_name (source.get (), "sis-agenda");
  g_source_attach (source.get (), agenda->context_);
}

/* The loop need not be woken from its own calls. */
void
IoLoop::Agenda::wake () const
{
  if (!g_main_context_is_owner (context_))
    g_main_context_wakeup (context_);
}

void
IoLoop::Agenda::add (std::function<void ()> work)
{
  inbox_.lock ()->work.push_back (std::move (work));
  wake ();
}

void
IoLoop::Agenda::add (const Bell &)
{
  auto inbox = inbox_.lock ();
  inbox->rung.reserve (++inbox->bells);
}

void
IoLoop::Agenda::ring (Bell &bell) noexcept
{
  {
    auto inbox = inbox_.lock ();
    if (bell.is_removed_ || std::exchange (bell.is_rung_, true))
      return;
    inbox->rung.push_back (&bell);
    if (inbox->is_answering_later || inbox->rung.size () > 1)
      return;
  }
  wake ();
}

void
IoLoop::Agenda::remove (Bell &bell) noexcept
{
  auto inbox = inbox_.lock ();
  if (std::exchange (bell.is_removed_, true))
    return;
  inbox->bells--;
  std::erase (inbox->rung, &bell);
  std::ranges::replace (answered_, &bell, nullptr);
}

/* When there is something to do; in the past: now. */
std::optional<Clock::time_point>
IoLoop::Agenda::next ()
{
  std::optional<Clock::time_point> next;
  if (!timers_.empty ())
    next = timers_.begin ()->first;
  auto inbox = inbox_.lock ();
  const bool has_rung = !inbox->rung.empty () && !inbox->is_answering_later;
  if (!inbox->work.empty () || has_rung)
    return Clock::time_point{};
  if (inbox->is_answering_later)
    next = next ? std::min (*next, answer_at_) : answer_at_;
  return next;
}

bool
IoLoop::Agenda::is_due (GSource *source)
{
  const auto next = this->next ();
  return next && *next <= time_of (source);
}

void
IoLoop::Agenda::run (GSource *source)
{
  const auto now = time_of (source);
  for (auto &work : std::exchange (inbox_.lock ()->work, {}))
    std::exchange (work, {}) ();
  answer (now);
  while (!timers_.empty () && timers_.begin ()->first <= now)
    timers_.begin ()->second->fire ();
}

void
IoLoop::Agenda::answer (Clock::time_point now)
{
  {
    auto inbox = inbox_.lock ();
    if (inbox->is_answering_later && now < answer_at_)
      return;
    inbox->is_answering_later
        = !inbox->rung.empty () && inbox->bells >= many_bells;
    answer_at_ = now + between_answers;
    answered_.reserve (inbox->rung.capacity ());
    answered_.swap (inbox->rung);
    for (Bell *bell : answered_)
      bell->is_rung_ = false;
  }
  /* One may be removed by the answer to another. */
  for (std::size_t i = 0; i < answered_.size (); i++)
    if (answered_[i] != nullptr)
      answered_[i]->callback_ ();
  answered_.clear ();
}

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
      loop_ (g_main_loop_new (context_.get (), FALSE)),
      agenda_ (std::make_shared<Agenda> (context_.get ()))
{
  Agenda::attach (agenda_);
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
  agenda_->add (std::move (work));
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
Timer::start (std::chrono::nanoseconds delay, std::function<void ()> callback)
{
  stop ();
  callback_ = std::move (callback);
  is_running_ = true;
  due_ = Clock::now () + std::max (delay, std::chrono::nanoseconds::zero ());
  loop_.agenda_->add (*this);
}

void
Timer::start_in_step (std::chrono::seconds delay,
                      std::function<void ()> callback)
{
  stop ();
  callback_ = std::move (callback);
  is_running_ = true;
  source_.reset (g_timeout_source_new_seconds (guint (delay.count ())));
  g_source_set_priority (source_.get (), G_PRIORITY_DEFAULT - 1);
  g_source_set_static_name (source_.get (), name_);
  g_source_set_callback (
      source_.get (),
      [] (void *timer) -> gboolean {
        static_cast<Timer *> (timer)->fire ();
        return G_SOURCE_REMOVE;
      },
      this, nullptr);
  g_source_attach (source_.get (), loop_.context ());
}

void
Timer::stop () noexcept
{
  if (!std::exchange (is_running_, false))
    return;
  if (source_ != nullptr)
    g_source_destroy (source_.get ());
  else
    loop_.agenda_->remove (*this);
  source_.reset ();
}

void
Timer::fire ()
{
  stop ();
  /* The callback may destroy the timer, or start it again. */
  const auto callback = std::move (callback_);
  callback ();
}

Bell::Bell (IoLoop &loop, std::function<void ()> callback)
    : agenda_ (loop.agenda_), callback_ (std::move (callback))
{
  agenda_->add (*this);
}

void
Bell::ring () noexcept
{
  agenda_->ring (*this);
}

void
Bell::remove_on_loop () noexcept
{
  agenda_->remove (*this);
}

} // namespace sis
