// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/sessioncore.h"

#include <algorithm>
#include <cstring>

namespace sis {
namespace {

/* Two sessions never start closer together. */
constexpr std::chrono::milliseconds start_distance{ 200 };

/* An END cancel:true is answered at once, or not waited for. */
constexpr std::chrono::seconds cancel_limit{ 1 };

using Clock = std::chrono::steady_clock;

} // namespace

Shared::Shared (const Config &config)
    : store ({ .rate = config.rate,
               .chunk = config.chunk_duration,
               .max_waiting = config.max_buffer_duration }),
      timeline (config.rate), start (config.start),
      auth_token (config.auth_token)
{
}

SessionCore::SessionCore (const Config &config,
                          std::shared_ptr<sis::Listener> listener)
    : shared (config), config_ (config), listener_ (std::move (listener)),
      loop_ (IoLoop::acquire ()),
      bell_ (*loop_, "sis-session", [this] { step_on_loop (); }),
      idle_timer_ (*loop_, "sis-idle"), reply_timer_ (*loop_, "sis-reply"),
      drain_watch_ (*loop_, config.timeout,
                    [this] { give_up_drain_on_loop (); })
{
}

const char *
SessionCore::name (State state) noexcept
{
  switch (state) {
  case State::Idle:
    return "idle";
  case State::Connecting:
    return "connecting";
  case State::Starting:
    return "starting";
  case State::Streaming:
    return "streaming";
  case State::Ending:
    return "ending";
  case State::Failed:
    break;
  }
  return "failed";
}

bool
SessionCore::is_legal (State from, State to) noexcept
{
  switch (from) {
  case State::Idle:
    return to == State::Connecting || to == State::Failed;
  case State::Connecting:
    return to == State::Starting || to == State::Idle || to == State::Failed;
  case State::Starting:
    return to == State::Streaming || to == State::Idle || to == State::Failed;
  case State::Streaming:
    return to == State::Ending || to == State::Idle || to == State::Failed;
  case State::Ending:
    return to == State::Idle || to == State::Failed;
  case State::Failed:
    break;
  }
  return false;
}

void
SessionCore::set_state (State state)
{
  g_assert (is_legal (state_, state));
  log (std::string (name (state_)) + " -> " + name (state));
  state_ = state;
  idle_timer_.stop ();
  reply_timer_.stop ();
}

void
SessionCore::shut_down ()
{
  loop_->invoke ([self = shared_from_this ()] { self->shut_down_on_loop (); });
}

void
SessionCore::warn (const Failure &failure)
{
  loop_->invoke ([self = shared_from_this (), failure] {
    self->tell_on_loop (Warning{ failure });
  });
}

void
SessionCore::fail (const Failure &failure)
{
  loop_->invoke ([self = shared_from_this (), failure] {
    if (self->state_ != State::Failed && !self->shared.lock ()->closed)
      self->fail_on_loop (failure, "ERROR");
  });
}

void
SessionCore::shut_down_on_loop ()
{
  tell_end_on_loop ("CANCEL");
  bell_.remove_on_loop ();
  idle_timer_.stop ();
  reply_timer_.stop ();
  drain_watch_.reset ();
  connection_.reset ();
  shared.lock ()->shut_down = true;
  changed.notify_all ();
}

SessionCore::View
SessionCore::view ()
{
  auto s = shared.lock ();
  return View{
    .generation = s->generation,
    .ready = s->store.ready_format (),
    .empty = s->store.empty (),
    .eos = s->eos,
    .draining = s->draining,
    .at_break = s->store.is_at_break (),
    .idle = config_.idle_timeout.count () > 0
            && Clock::now () - s->last_audio >= config_.idle_timeout,
  };
}

/* Does what is ready belong to this session? */
bool
SessionCore::can_send_on_loop (const View &now) const noexcept
{
  return now.ready && *now.ready == format_ && !is_padded_
         && (!now.at_break || span_.sent == span_.first);
}

/* The one place that decides what comes next. */
void
SessionCore::step_on_loop ()
{
  const auto keep = shared_from_this ();
  const View now = view ();
  if (now.generation != generation_)
    flush_on_loop (now.generation);

  switch (state_) {
  case State::Idle:
    if (now.ready)
      connect_on_loop (*now.ready);
    else if (now.eos && now.empty)
      drained_on_loop ();
    break;
  case State::Streaming:
    if (can_send_on_loop (now)) {
      connection_->want_writable ();
    } else if (now.ready || (now.empty && (now.eos || now.idle))) {
      is_last_ = now.eos && !now.ready;
      end_on_loop (Ending::InOrder);
    }
    break;
  case State::Connecting:
  case State::Starting:
  case State::Ending:
  case State::Failed:
    break;
  }
  drain_watch_.run (now.draining
                    && (state_ == State::Streaming || state_ == State::Ending));
}

/* A message that waits to be filled is sent as it is, and the session ended. */
void
SessionCore::watch_idle_on_loop ()
{
  if (config_.idle_timeout.count () == 0)
    return;
  Clock::duration left;
  {
    auto s = shared.lock ();
    left = s->last_audio + config_.idle_timeout - Clock::now ();
    if (s->waiting_for_room)
      left = config_.idle_timeout;
    if (left <= Clock::duration::zero ())
      s->store.seal ();
  }
  if (left <= Clock::duration::zero ())
    step_on_loop ();
  if (state_ == State::Streaming)
    idle_timer_.start (
        std::max<Clock::duration> (left, config_.idle_timeout / 4), [this] {
          const auto keep = shared_from_this ();
          watch_idle_on_loop ();
        });
}

void
SessionCore::connect_on_loop (AudioFormat format)
{
  const auto wait = last_start_ + start_distance - Clock::now ();
  if (last_start_ != Clock::time_point{} && wait > Clock::duration::zero ()) {
    if (!reply_timer_.is_running ())
      reply_timer_.start (wait, [this] { step_on_loop (); });
    return;
  }
  set_state (State::Connecting);
  last_start_ = Clock::now ();
  format_ = format;
  ending_ = Ending::InOrder;
  has_warned_ = false;
  is_last_ = is_padded_ = false;
  trace_id_.clear ();
  drain_watch_.reset ();

  Connection::Settings settings{
    .url = config_.endpoint.url (config_.project_id, config_.mode),
    .user_agent = config_.user_agent,
    .timeout = config_.timeout,
    .keepalive = config_.keepalive_interval,
  };
  if (config_.endpoint.may_carry_secrets ())
    settings.auth_token = shared.lock ()->auth_token;
  tell_on_loop (Connecting{ ++attempt_, config_.endpoint.host });
  connection_ = std::make_unique<Connection> (loop_, settings, *this);
}

void
SessionCore::on_open_on_loop ()
{
  set_state (State::Starting);
  StartConfig start = shared.lock ()->start;
  start.audio_format = format_;
  connection_->send_text (build_start (start));
  reply_timer_.start (config_.timeout, [this] {
    const auto keep = shared_from_this ();
    fail_on_loop (
        Failure{ .kind = FailureKind::Open,
                 .transience = Transience::Yes,
                 .text = "The service did not answer START in time (timeout). "
                         "Try again later, or set timeout higher." },
        "TIMEOUT");
  });
}

void
SessionCore::on_writable_on_loop ()
{
  const auto keep = shared_from_this ();
  if (state_ != State::Streaming)
    return;
  if (!can_send_on_loop (view ())) {
    step_on_loop ();
    return;
  }
  std::optional<AudioPiece> piece;
  {
    auto s = shared.lock ();
    if (s->generation == generation_)
      piece = s->store.next (format_);
  }
  if (piece) {
    const std::size_t least = format_.min_message_bytes ();
    if (piece->bytes.size () >= least) {
      connection_->send_audio (piece->bytes);
    } else {
      /* Only the last message can be so short: padding has no place in time,
       * what comes after it would lie in the wrong one. */
      is_padded_ = true;
      std::byte padded[320];
      std::memset (padded, int (format_.silence ()), least);
      std::memcpy (padded, piece->bytes.data (), piece->bytes.size ());
      connection_->send_audio ({ padded, least });
    }
    span_.sent = piece->end ();
    changed.notify_all ();
    drain_watch_.progress ();
  }
  step_on_loop ();
}

void
SessionCore::on_closed_on_loop (Failure failure)
{
  const auto keep = shared_from_this ();
  if (state_ == State::Ending && ending_ != Ending::InOrder)
    over_on_loop ("LOST");
  else
    fail_on_loop (std::move (failure), "LOST");
}

void
SessionCore::flush_on_loop (unsigned generation)
{
  transcripts_.forget_open ();
  switch (state_) {
  case State::Connecting:
  case State::Starting:
    connection_.reset ();
    set_state (State::Idle);
    break;
  case State::Streaming:
    end_on_loop (Ending::Flushed);
    break;
  case State::Ending:
    ending_ = Ending::Flushed;
    tell_end_on_loop ("CANCEL");
    reply_timer_.start (cancel_limit, [this] { over_on_loop ("CANCEL"); });
    break;
  case State::Idle:
  case State::Failed:
    break;
  }
  generation_ = generation;
}

void
SessionCore::end_on_loop (Ending ending)
{
  const bool cancel = ending == Ending::Flushed;
  set_state (State::Ending);
  ending_ = ending;
  connection_->send_text (build_end (cancel));
  if (cancel) {
    tell_end_on_loop ("CANCEL");
    reply_timer_.start (cancel_limit, [this] { over_on_loop ("CANCEL"); });
    return;
  }
  drain_watch_.limit (3 * config_.timeout
                      + samples_to_time (span_.sent - covered_, config_.rate));
  drain_watch_.progress ();
  if (is_last_)
    return;
  reply_timer_.start (config_.timeout, [this] {
    const auto keep = shared_from_this ();
    fail_on_loop (
        Failure{ .kind = FailureKind::Lost,
                 .transience = Transience::Yes,
                 .text
                 = "The service did not answer END in time (timeout). The "
                   "last transcripts of the session may be missing." },
        "TIMEOUT");
  });
}

/* The service's session is over, as it should be. */
void
SessionCore::over_on_loop (const char *reason)
{
  const auto keep = shared_from_this ();
  for (const Transcript &transcript : transcripts_.interrupt ())
    tell_on_loop (transcript);
  tell_end_on_loop (*reason != '\0' ? reason : "NORMAL");
  Connection::close_on_loop (std::move (connection_));
  set_state (State::Idle);
  step_on_loop ();
}

void
SessionCore::fail_on_loop (Failure failure, const char *reason)
{
  for (const Transcript &transcript : transcripts_.interrupt ())
    tell_on_loop (transcript);
  tell_end_on_loop (reason);
  connection_.reset ();
  set_state (State::Failed);
  failure.session = session_;
  tell_on_loop (failure);
  {
    auto s = shared.lock ();
    s->failed = true;
    s->store.clear ();
  }
  changed.notify_all ();
  drain_watch_.reset ();
}

/* Nothing more is to be expected: what came is all there is. */
void
SessionCore::give_up_drain_on_loop ()
{
  const auto keep = shared_from_this ();
  drain_watch_.reset ();
  tell_on_loop (Warning{ Failure{
      .kind = FailureKind::Drain,
      .text = "The service did not send its last transcripts in time "
              "(timeout). The end of the stream may be missing.",
      .trace_id = trace_id_,
      .session = session_,
  } });
  for (const Transcript &transcript : transcripts_.interrupt ())
    tell_on_loop (transcript);
  tell_end_on_loop ("TIMEOUT");
  connection_.reset ();
  set_state (State::Idle);
  {
    auto s = shared.lock ();
    if (s->generation == generation_)
      s->store.clear ();
  }
  step_on_loop ();
}

void
SessionCore::drained_on_loop ()
{
  {
    auto s = shared.lock ();
    /* A flush may have passed since the decision. */
    if (s->generation != generation_ || !s->eos || !s->store.empty ())
      return;
    s->drained = true;
  }
  changed.notify_all ();
}

bool
SessionCore::tell_on_loop (const Event &event)
{
  const bool is_end = std::holds_alternative<Ended> (event);
  const bool is_of_any_time = is_end || std::holds_alternative<Failure> (event);
  {
    auto s = shared.lock ();
    if ((s->closed && !is_end)
        || (s->generation != generation_ && !is_of_any_time))
      return false;
    s->delivering = true;
  }
  listener_->on_event (event);
  shared.lock ()->delivering = false;
  changed.notify_all ();
  return true;
}

void
SessionCore::tell_end_on_loop (const std::string &reason)
{
  if (std::exchange (is_open_, false))
    tell_on_loop (Ended{ trace_id_, session_, reason });
}

} // namespace sis
