// SPDX-License-Identifier: LGPL-2.1-or-later
#include "scriptednet.h"

#include "fuzz.h"

#include <glib.h>

using sisfuzz::World;

namespace sisfuzz {

World &
World::get ()
{
  static World world;
  return world;
}

void
World::reset ()
{
  *this = World ();
  now_ += std::chrono::hours (1);
  /* The jitter of the back-off. */
  g_random_set_seed (1);
}

void
World::check_empty () const
{
  fuzz_check (loop_.expired ());
  fuzz_check (alarms_.empty ());
  fuzz_check (bells_.empty ());
  fuzz_check (work_.empty ());
  fuzz_check (peer_.connection == nullptr);
  fuzz_check (!token_);
}

void
World::on_loop (const std::function<void ()> &work)
{
  depth_++;
  work ();
  depth_--;
}

bool
World::run_loop ()
{
  bool has_run = false;
  for (int i = 0; !work_.empty () || !rung_.empty (); i++) {
    fuzz_check (i < 10000);
    has_run = true;
    if (!work_.empty ()) {
      const auto work = std::move (work_.front ());
      work_.pop_front ();
      on_loop (work);
    } else {
      const auto bell = bells_.find (rung_.begin ()->first);
      rung_.erase (rung_.begin ());
      const auto callback = bell->second;
      on_loop (callback);
    }
  }
  return has_run;
}

void
World::start_timer (const sis::Timer *timer, std::chrono::nanoseconds delay,
                    std::function<void ()> fire)
{
  /* As long as GLib's timers: whole milliseconds. */
  const auto ms = std::chrono::ceil<std::chrono::milliseconds> (delay);
  const auto due = now_
                   + std::clamp<std::chrono::milliseconds> (
                       ms, std::chrono::milliseconds (0),
                       std::chrono::milliseconds (G_MAXINT));
  alarms_.emplace (due, Alarm{ timer, std::move (fire) });
}

void
World::stop_timer (const sis::Timer *timer)
{
  std::erase_if (alarms_, [timer] (const auto &alarm) {
    return alarm.second.timer == timer;
  });
}

void
World::fire (Alarms::iterator alarm)
{
  now_ = std::max (now_, alarm->first);
  const auto fire = std::move (alarm->second.fire);
  alarms_.erase (alarm);
  on_loop (fire);
  run_loop ();
}

void
World::pass (std::chrono::nanoseconds time)
{
  const auto until = now_ + time;
  run_loop ();
  for (int i = 0; !alarms_.empty () && alarms_.begin ()->first <= until; i++) {
    fuzz_check (i < 100000);
    fire (alarms_.begin ());
  }
  now_ = std::max (now_, until);
}

bool
World::pass_to_next_timer ()
{
  if (alarms_.empty ())
    return false;
  fire (alarms_.begin ());
  return true;
}

bool
World::is_connecting () const
{
  return peer_.connection != nullptr && !peer_.is_open && !peer_.is_over;
}

bool
World::is_open () const
{
  return peer_.connection != nullptr && peer_.is_open;
}

bool
World::accept ()
{
  if (!is_connecting ())
    return false;
  peer_.is_open = true;
  heard ();
  on_loop ([this] { peer_.listener->on_open_on_loop (); });
  return true;
}

/* Nothing is to be heard of a connection after it. */
bool
World::tell_last (const sis::Failure &failure)
{
  peer_.is_open = false;
  peer_.is_over = true;
  on_loop ([&] { peer_.listener->on_closed_on_loop (failure); });
  return true;
}

bool
World::refuse (const sis::Failure &failure)
{
  return is_connecting () && tell_last (failure);
}

bool
World::lose ()
{
  return is_open ()
         && tell_last ({ .kind = sis::FailureKind::Lost,
                         .cause = sis::FailureCause::Lost,
                         .transience = sis::Transience::Yes,
                         .text = "The connection was lost." });
}

bool
World::say (std::string_view text)
{
  if (!is_open ())
    return false;
  heard ();
  on_loop ([&] { peer_.listener->on_text_on_loop (text); });
  return true;
}

bool
World::say_binary (std::size_t length)
{
  if (!is_open ())
    return false;
  heard ();
  on_loop ([&] { peer_.listener->on_binary_on_loop (length); });
  return true;
}

void
World::audio_came (std::span<const std::byte> audio)
{
  peer_.room = std::max (0, peer_.room - 1);
  on_audio (audio);
}

bool
World::take ()
{
  if (!is_open () || !std::exchange (peer_.wants_writable, false))
    return false;
  /* More than a session sends at once, or less, or some that is left over. */
  peer_.room = 1 + peer_.taken++ % 6;
  on_loop ([this] { peer_.listener->on_writable_on_loop (); });
  return true;
}

/* A peer that answers pings is heard all the time. */
void
World::heard ()
{
  if (peer_.hear)
    peer_.hear (answers_pings_ ? sis::Clock::time_point::max () : now_);
}

void
World::answer_pings (bool answers)
{
  answers_pings_ = answers;
  heard ();
}

bool
World::answer_token (const sis::IamTokens::Answer &answer)
{
  if (!token_)
    return false;
  on_loop (
      [&, callback = std::exchange (token_, nullptr)] { callback (answer); });
  return true;
}

} // namespace sisfuzz

namespace sis {

/* Time */

Clock::time_point
Clock::now () noexcept
{
  return World::get ().now ();
}

void
Condition::wait (std::unique_lock<std::mutex> &lock)
{
  fuzz_check (!World::get ().is_on_loop ());
  lock.unlock ();
  World::get ().while_waiting ();
  lock.lock ();
}

bool
Condition::wait_until (std::unique_lock<std::mutex> &lock,
                       Clock::time_point time)
{
  fuzz_check (!World::get ().is_on_loop ());
  lock.unlock ();
  const bool has_run = World::get ().run_loop ();
  if (!has_run)
    World::get ().pass (time - Clock::now ());
  lock.lock ();
  return has_run;
}

/* The loop */

IoLoop::IoLoop () {}
IoLoop::~IoLoop () = default;

std::shared_ptr<IoLoop>
IoLoop::acquire ()
{
  World &world = World::get ();
  auto loop = world.loop_.lock ();
  if (loop == nullptr)
    world.loop_ = loop = std::shared_ptr<IoLoop> (new IoLoop);
  return loop;
}

bool
IoLoop::is_current () const noexcept
{
  return World::get ().is_on_loop ();
}

void
IoLoop::invoke (std::function<void ()> work)
{
  World::get ().work_.push_back (std::move (work));
}

std::shared_ptr<HttpSession>
IoLoop::http_session_on_loop (const HttpSession::Settings &)
{
  fuzz_check (is_current ());
  return nullptr;
}

void
Timer::start (std::chrono::nanoseconds delay, std::function<void ()> callback)
{
  stop ();
  callback_ = std::move (callback);
  is_running_ = true;
  World::get ().start_timer (this, delay, [this] { fire (); });
}

void
Timer::start_in_step (std::chrono::seconds delay,
                      std::function<void ()> callback)
{
  start (delay, std::move (callback));
}

void
Timer::stop () noexcept
{
  if (std::exchange (is_running_, false))
    World::get ().stop_timer (this);
}

void
Timer::fire ()
{
  stop ();
  const auto callback = std::move (callback_);
  callback ();
}

Bell::Bell (IoLoop &, std::function<void ()> callback)
    : callback_ (std::move (callback))
{
  World::get ().bells_[this] = [this] { callback_ (); };
}

void
Bell::ring () noexcept
{
  World &world = World::get ();
  if (world.bells_.contains (this))
    world.rung_[this] = true;
}

void
Bell::remove_on_loop () noexcept
{
  World &world = World::get ();
  fuzz_check (world.is_on_loop ());
  world.bells_.erase (this);
  world.rung_.erase (this);
}

/* The connection */

struct Connection::Attempt
{
};

HttpRequest::HttpRequest (IoLoop &loop, std::shared_ptr<HttpSession> session,
                          Settings settings)
    : settings_ (std::move (settings)), session_ (std::move (session)),
      timeout_ (loop, "handshake")
{
}

HttpRequest::~HttpRequest () = default;

Connection::Connection (std::shared_ptr<IoLoop> loop, const Settings &settings,
                        Listener &listener)
    : loop_ (std::move (loop)), listener_ (listener),
      keepalive_ (settings.keepalive),
      handshake_ (*loop_, settings.http, { .url = settings.url }),
      attempt_ (nullptr), bad_news_ (*loop_, "bad news"),
      keepalive_timer_ (*loop_, "keepalive")
{
  World &world = World::get ();
  fuzz_check (world.is_on_loop ());
  fuzz_check (world.peer_.connection == nullptr);
  world.peer_ = { .connection = this,
                  .listener = &listener,
                  .hear = [this] (auto time) { last_heard_ = time; } };
  world.told.clear ();
  for (const Header &header : settings.headers)
    if (header.name == "X-Auth-Token")
      world.told = header.value.value ();
  world.on_handshake (settings);
  bad_news_.start (settings.timeout, [&world] {
    world.refuse ({ .kind = FailureKind::Open,
                    .cause = FailureCause::Timeout,
                    .transience = Transience::Yes,
                    .text = "The handshake timed out." });
  });
}

Connection::~Connection ()
{
  World &world = World::get ();
  fuzz_check (world.is_on_loop () && world.peer_.connection == this);
  world.peer_ = {};
}

void
Connection::close_on_loop (std::unique_ptr<Connection> connection)
{
  fuzz_check (connection != nullptr);
}

bool
Connection::is_open () const noexcept
{
  return World::get ().is_open ();
}

void
Connection::send_text (const std::string &text)
{
  fuzz_check (World::get ().is_on_loop ());
  if (is_open ())
    World::get ().on_text (text);
}

void
Connection::send_audio (std::span<const std::byte> audio)
{
  fuzz_check (World::get ().is_on_loop ());
  if (is_open ())
    World::get ().audio_came (audio);
}

bool
Connection::is_writable () noexcept
{
  return World::get ().is_writable ();
}

void
Connection::want_writable ()
{
  World::get ().peer_.wants_writable = is_open ();
}

void
Connection::ping_often ()
{
}

/* IAM */

class IamTokens::Fetch
{
};

IamTokens::Waiter::Waiter (std::shared_ptr<Fetch> fetch, Callback callback)
    : fetch_ (std::move (fetch)), callback_ (std::move (callback))
{
}

IamTokens::Waiter::~Waiter ()
{
  World::get ().token_ = nullptr;
}

Secret
IamTokens::find (const Request &)
{
  return World::get ().known_token.value_or (Secret ());
}

void
IamTokens::forget (const Secret &)
{
  World::get ().known_token.reset ();
}

std::unique_ptr<IamTokens::Waiter>
IamTokens::fetch (const std::shared_ptr<IoLoop> &, const Request &request,
                  Callback callback)
{
  World::get ().told = request.login.password.value ();
  fuzz_check (World::get ().is_on_loop () && !World::get ().token_);
  World::get ().token_ = callback;
  return std::make_unique<Waiter> (std::make_shared<Fetch> (),
                                   std::move (callback));
}

} // namespace sis
