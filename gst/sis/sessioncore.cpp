// SPDX-License-Identifier: LGPL-2.1-or-later
/* From one state to the next, and sending. */
#include "sis/sessioncore.h"

#include <algorithm>
#include <cstring>

namespace sis {
namespace {

/* Messages to a service that takes all at once, before others have a turn. */
constexpr int most_at_once = 16;

/* Results are late by seconds, not by minutes. */
constexpr std::size_t max_sent_at = 256;

/* New audio that shows that the service works again. */
constexpr std::chrono::seconds recovered_after{ 30 };

/* The service's own values where START does not tell it others. */
constexpr std::chrono::seconds default_vad_head{ 10 };
constexpr std::chrono::seconds default_sentence{ 30 };

/* The service ends a session that hears nothing for 20 s. */
constexpr std::chrono::seconds longest_hold{ 17 };
/* Until audio follows what was held up. */
constexpr std::chrono::seconds moment{ 2 };

} // namespace

Shared::Shared (const Config &config)
    : store ({ .rate = config.rate,
               .chunk = config.chunk_duration,
               .max_waiting = config.max_buffer_duration,
               .max_replay = config.replay_duration }),
      timeline (config.rate), tunables (config.tunables)
{
}

SessionCore::SessionCore (const Config &config,
                          std::shared_ptr<sis::Listener> listener)
    : shared (config), config_ (config), listener_ (std::move (listener)),
      loop_ (IoLoop::acquire ()), bell_ (*loop_, [this] { step_on_loop (); }),
      reconnecting_ (config.reconnect), limit_ (first_limit (config)),
      idle_timer_ (*loop_, "sis-idle"), reply_timer_ (*loop_, "sis-reply"),
      limit_timer_ (*loop_, "sis-limit"), pace_timer_ (*loop_, "sis-pace"),
      overflow_timer_ (*loop_, "sis-overflow"),
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
  case State::Waiting:
    return "waiting";
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
    return to == State::Connecting || to == State::Waiting
           || to == State::Failed;
  case State::Waiting:
    return to == State::Connecting || to == State::Idle || to == State::Failed;
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
  if (state == state_)
    return;
  g_assert (is_legal (state_, state));
  log (std::string (name (state_)) + " -> " + name (state));
  state_ = state;
  idle_timer_.stop ();
  reply_timer_.stop ();
  limit_timer_.stop ();
  pace_timer_.stop ();
  shared.lock ()->stats.state = name (state);
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
      self->stop_on_loop (failure, "ERROR");
  });
}

void
SessionCore::shut_down_on_loop ()
{
  tell_end_on_loop ("CANCEL");
  bell_.remove_on_loop ();
  for (Timer *timer : { &idle_timer_, &reply_timer_, &limit_timer_,
                        &pace_timer_, &overflow_timer_ })
    timer->stop ();
  drain_watch_.reset ();
  drop_connection_on_loop ();
  http_.reset ();
  iam_http_.reset ();
  shared.lock ()->shut_down = true;
  changed.notify_all ();
}

SessionCore::View
SessionCore::view (Shared &s) const
{
  const auto ready = s.store.ready_format ();
  s.wants_audio = !ready;
  return View{
    .generation = s.generation,
    .ready = ready,
    .empty = s.store.empty (),
    .eos = s.eos,
    .draining = s.draining,
    .at_break = s.store.is_at_break (),
    .will_break = s.store.is_broken_off (),
    .idle = config_.idle_timeout.count () > 0 && Clock::now () >= idle_at (s),
    .restart = s.restart,
    .overflows = s.overflow.samples > 0,
    .is_live = s.is_live,
    .max_send_rate = s.tunables.max_send_rate,
    .before_eviction = s.store.before_eviction (),
  };
}

/* The one place that decides what comes next. */
void
SessionCore::step_on_loop ()
{
  const auto keep = shared_from_this ();
  const View now = view (*shared.lock ());
  if (now.generation != generation_)
    flush_on_loop (now.generation);
  if (now.overflows)
    watch_overflow_on_loop ();

  if (now.restart)
    note_restart_on_loop ();

  switch (state_) {
  case State::Idle:
  case State::Waiting:
    begin_on_loop (now);
    break;
  case State::Streaming:
    stream_on_loop (now);
    break;
  case State::Connecting:
  case State::Starting:
  case State::Ending:
  case State::Failed:
    break;
  }
  drain_watch_.run (now.draining && state_ != State::Failed);
  tell_progress_on_loop ();
}

/* A session that is still to start has the new settings anyhow. */
void
SessionCore::note_restart_on_loop ()
{
  shared.lock ()->restart = false;
  const bool is_running
      = state_ == State::Starting || state_ == State::Streaming;
  if (is_running && !current_.restart_at)
    current_.restart_at = current_.map.length ();
}

void
SessionCore::begin_on_loop (const View &now)
{
  if (!now.ready) {
    set_state (State::Idle);
    if (now.eos && now.empty)
      drained_on_loop ();
    return;
  }
  if (awaits_credentials_on_loop ())
    return;
  auto earliest = not_before_;
  if (last_start_ != Clock::time_point{})
    earliest = std::max<Clock::time_point> (
        earliest, last_start_ + config_.reconnect.delay);
  const auto wait = earliest - Clock::now ();
  if (wait <= Clock::duration::zero ()) {
    connect_on_loop (*now.ready);
    return;
  }
  set_state (State::Waiting);
  if (!reply_timer_.is_running ())
    reply_timer_.start (wait, [this] { step_on_loop (); });
}

/* Until there is nothing to send. False: what there is has to wait. */
bool
SessionCore::send_what_may_go_on_loop (View &now)
{
  for (int sent = 0; can_send_on_loop (now) && !must_roll_over_on_loop ();
       sent++) {
    const auto wait = wait_on_loop (now);
    if (wait > Nanoseconds::zero ()) {
      if (!pace_timer_.is_running ())
        pace_timer_.start (wait, [this] { step_on_loop (); });
      return false;
    }
    if (sent == most_at_once || !connection_->is_writable ()) {
      connection_->want_writable ();
      return false;
    }
    if (!send_on_loop (now))
      return false;
  }
  return true;
}

void
SessionCore::stream_on_loop (View now)
{
  const Position before = current_.map.length ();
  const bool is_all_sent = send_what_may_go_on_loop (now);
  /* Once for all that made room: waking a thread costs more than a message. */
  if (current_.map.length () != before)
    changed.notify_all ();
  if (!is_all_sent)
    return;
  if (must_roll_over_on_loop ()) {
    roll_over_on_loop ();
  } else if (now.ready
             || (now.empty && (now.eos || now.idle || now.will_break))) {
    current_.is_last = now.eos && !now.ready;
    current_.is_idle = now.empty && !now.eos && now.idle;
    end_on_loop ();
  }
}

/* When the lack of audio ends the session. Who holds up the stream has longer,
 * and what comes after that a moment; but the service's patience has an end. */
Clock::time_point
SessionCore::idle_at (const Shared &s) const
{
  if (s.waiting_for_room)
    return Clock::now () + config_.idle_timeout;
  const auto usual = s.last_audio + config_.idle_timeout;
  const auto latest = s.last_audio + longest_hold;
  const auto held = s.held ? latest : std::min (s.released + moment, latest);
  return std::max<Clock::time_point> (usual, held);
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
    left = idle_at (*s) - Clock::now ();
    if (left <= Clock::duration::zero ())
      s->store.seal ();
  }
  if (left <= Clock::duration::zero ()) {
    step_on_loop ();
    left = config_.idle_timeout / 4;
  }
  if (state_ == State::Streaming)
    idle_timer_.start (left, [this] {
      const auto keep = shared_from_this ();
      watch_idle_on_loop ();
    });
}

void
SessionCore::connect_on_loop (AudioFormat format)
{
  set_state (State::Connecting);
  last_start_ = Clock::now ();
  current_ = Current{ .format = format };
  tell_on_loop (Connecting{ ++attempt_, config_.endpoint.host });
  authorize_on_loop ();
}

void
SessionCore::on_open_on_loop ()
{
  note_proxies_on_loop ();
  set_state (State::Starting);
  last_start_ = Clock::now ();
  StartConfig start = shared.lock ()->tunables.start;
  start.audio_format = current_.format;
  current_.longest_sentence = default_sentence;
  if (start.max_seconds)
    current_.longest_sentence = std::chrono::seconds (*start.max_seconds);
  current_.vad_head = default_vad_head;
  if (start.vad_head.value_or (0) > 0)
    current_.vad_head = Milliseconds (*start.vad_head);
  connection_->send_text (build_start (start));
  reply_timer_.start (config_.timeout, [this] {
    const auto keep = shared_from_this ();
    failed_on_loop (
        Failure{ .kind = FailureKind::Open,
                 .cause = FailureCause::Timeout,
                 .transience = Transience::Yes,
                 .text = "The service did not answer START in time (timeout). "
                         "Try again later, or set timeout higher." },
        "TIMEOUT");
  });
}

/* Does what is ready belong to this session? */
bool
SessionCore::can_send_on_loop (const View &now) const noexcept
{
  return now.ready && *now.ready == current_.format && !current_.is_padded
         && (!now.at_break || current_.map.length () == 0);
}

/* Must what was sent stay in the store until it is covered? A file can wait. */
bool
SessionCore::is_kept_on_loop (const View &now) const noexcept
{
  return !now.is_live && config_.mode == Mode::Continue
         && config_.reconnect.policy != Reconnect::Never
         && config_.replay_duration.count () > 0;
}

bool
SessionCore::would_evict_on_loop (const View &now) const noexcept
{
  return is_kept_on_loop (now)
         && now.before_eviction
                < time_to_samples (config_.chunk_duration, config_.rate);
}

/* Audio that is kept is given up only for a service that is known to be there:
 * one that vanished is noticed late, and its system takes bytes until then. */
bool
SessionCore::must_hear_on_loop (const View &now)
{
  if (config_.keepalive_interval.count () == 0 || !would_evict_on_loop (now)) {
    current_.full_since.reset ();
    return false;
  }
  if (!current_.full_since) {
    current_.full_since = Clock::now ();
    connection_->ping_often ();
    drain_watch_.progress (2 * config_.keepalive_interval);
  }
  const auto heard = connection_->last_heard ();
  return heard < *current_.full_since
         || Clock::now () - heard > 2 * Connection::ping_interval;
}

/* A multiple of real time; 0: none. A file does not outrun what can be kept for
 * another attempt, and silence does not stall it. */
double
SessionCore::rate_limit_on_loop (const View &now) const noexcept
{
  if (!would_evict_on_loop (now))
    return now.max_send_rate;
  return now.max_send_rate > 0 ? std::min (now.max_send_rate, 1.0) : 1.0;
}

/* What is next may go when this is not positive. */
Nanoseconds
SessionCore::wait_on_loop (const View &now)
{
  if (must_hear_on_loop (now))
    return config_.chunk_duration;
  return rate_limit_on_loop (now) > 0 ? pacer_.wait (Clock::now ())
                                      : Nanoseconds::zero ();
}

void
SessionCore::on_writable_on_loop ()
{
  step_on_loop ();
}

/* `now` is what it looks like afterwards: one look a message, as the streaming
 * thread wants the lock as often. False: there is nothing to send after all. */
bool
SessionCore::send_on_loop (View &now)
{
  const Position chunk = time_to_samples (config_.chunk_duration, config_.rate);
  const double rate = rate_limit_on_loop (now);
  Position most = config_.rate;
  if (rate > 0)
    most = chunk;
  else if (is_kept_on_loop (now))
    most = std::max (chunk, now.before_eviction);
  const std::size_t least = current_.format.min_message_bytes ();
  std::optional<AudioPiece> piece;
  Position fresh = 0;
  {
    auto s = shared.lock ();
    if (s->generation != generation_)
      return false;
    const Position replayed = s->store.replayed ();
    piece = s->store.next (current_.format, std::min (most, room_on_loop ()));
    if (!piece)
      return false;
    fresh = piece->samples () - (s->store.replayed () - replayed);
    s->stats.bytes_sent += std::max (piece->bytes.size (), least);
    now = view (*s);
  }
  if (piece->bytes.size () >= least) {
    connection_->send_audio (piece->bytes);
  } else {
    /* Only the last message can be so short: padding has no place in time,
     * what comes after it would lie in the wrong one. */
    current_.is_padded = true;
    std::byte padded[320];
    std::memset (padded, int (current_.format.silence ()), least);
    std::memcpy (padded, piece->bytes.data (), piece->bytes.size ());
    connection_->send_audio ({ padded, least });
  }
  if (rate > 0)
    pacer_.sent (samples_to_time (piece->samples (), config_.rate), rate,
                 Clock::now ());
  else
    pacer_.start (config_.chunk_duration, Clock::now ());
  count_sent_on_loop (*piece, fresh);
  return true;
}

void
SessionCore::count_sent_on_loop (const AudioPiece &piece, Position fresh)
{
  current_.map.sent (piece.first, piece.end ());
  current_.sent_at.emplace_back (current_.map.length (), Clock::now ());
  if (current_.sent_at.size () > max_sent_at)
    current_.sent_at.pop_front ();
  fresh_ += fresh;
  if (samples_to_time (fresh_, config_.rate) >= recovered_after)
    recovered_on_loop ();
  if (fresh > 0)
    idle_failures_ = 0;
  drain_watch_.progress ();
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
  if (const auto *warning = std::get_if<Warning> (&event))
    listener_->on_event (Warning{ masked_on_loop (warning->failure) });
  else if (const auto *failure = std::get_if<Failure> (&event))
    listener_->on_event (masked_on_loop (*failure));
  else
    listener_->on_event (event);
  shared.lock ()->delivering = false;
  changed.notify_all ();
  return true;
}

void
SessionCore::tell_progress_on_loop ()
{
  if (!config_.tells_progress || state_ == State::Failed)
    return;
  Progress progress;
  {
    auto s = shared.lock ();
    progress.covered = s->timeline.at (s->store.covered ()).running_time;
    progress.is_all_sent = !s->store.ready_format ();
  }
  if (progress_ != progress && tell_on_loop (progress))
    progress_ = progress;
}

void
SessionCore::tell_transcript_on_loop (const Transcript &transcript)
{
  if (!tell_on_loop (transcript))
    return;
  auto s = shared.lock ();
  (transcript.is_final ? s->stats.finals : s->stats.interims)++;
}

void
SessionCore::tell_end_on_loop (const std::string &reason)
{
  if (std::exchange (current_.is_open, false))
    tell_on_loop (Ended{ current_.trace_id, session_, reason });
}

} // namespace sis
