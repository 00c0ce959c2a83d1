// SPDX-License-Identifier: LGPL-2.1-or-later
/* How sessions end, and what becomes of the audio that they did not cover. */
#include "sis/sessioncore.h"

#include <algorithm>
#include <cmath>
#include <glib.h>
#include <limits>

namespace sis {
namespace {

/* An END cancel:true is answered at once, or not waited for. */
constexpr std::chrono::seconds cancel_limit{ 1 };

/* A little before the service's own: 5 h, and 60 s in the other modes. */
constexpr std::chrono::minutes longest_continuous{ 4 * 60 + 55 };
constexpr std::chrono::seconds longest_other{ 58 };

/* A limit below is not believed. */
constexpr std::chrono::seconds shortest_limit{ 1 };

/* An overflow is over when nothing was dropped for so long. */
constexpr std::chrono::seconds overflow_quiet{ 1 };

/* How far results may reach back. */
constexpr std::chrono::seconds look_back{ 60 };

std::string
to_text (Nanoseconds time)
{
  const double seconds = double (time.count ()) / 1e9;
  const double rounded = double (std::llround (seconds * 10)) / 10;
  std::string text = std::to_string (rounded);
  text.resize (text.find ('.') + 2);
  return text + " s";
}

} // namespace

Nanoseconds
SessionCore::first_limit (const Config &config) noexcept
{
  if (config.max_session_duration.count () > 0)
    return config.max_session_duration;
  return config.mode == Mode::Continue ? Nanoseconds (longest_continuous)
                                       : Nanoseconds (longest_other);
}

/* The service stops earlier than is known, and says so by an error in place of
 * a result: the same again would not get on. False: it is no use. */
bool
SessionCore::lower_limit_on_loop ()
{
  current_.was_too_long = true;
  if (current_.watermark.value () > current_.map.first ())
    return true;
  const Nanoseconds half = std::min (limit_, current_.map.duration ()) / 2;
  if (half < shortest_limit)
    return false;
  limit_ = half - half % config_.chunk_duration;
  log ("sessions are limited to " + to_text (limit_));
  return true;
}

Nanoseconds
SessionCore::used_on_loop () const
{
  return std::max<Nanoseconds> (current_.map.duration (),
                                Clock::now () - current_.started);
}

/* What may still be sent in this session. */
Position
SessionCore::room_on_loop () const noexcept
{
  return time_to_samples (limit_, config_.rate) - current_.map.length ();
}

bool
SessionCore::must_roll_over_on_loop () const
{
  const bool is_full
      = room_on_loop () < config_.rate / 100 || used_on_loop () >= limit_;
  if (is_full || !current_.restart_at)
    return is_full;
  const Position since = current_.map.length () - *current_.restart_at;
  return config_.mode != Mode::Continue
         || samples_to_time (since, config_.rate) >= current_.longest_sentence;
}

/* Where all that is not covered can be sent again there is nothing to wait for.
 */
void
SessionCore::roll_over_on_loop ()
{
  const bool is_kept = !shared.lock ()->store.has_evicted ();
  if (config_.mode == Mode::Continue && is_kept
      && current_.watermark.had_final ())
    cancel_on_loop ();
  else
    end_on_loop ();
}

void
SessionCore::flush_on_loop (unsigned generation)
{
  transcripts_.forget_open ();
  progress_.reset ();
  overflow_timer_.stop ();
  drain_watch_.reset ();
  switch (state_) {
  case State::Waiting:
  case State::Connecting:
  case State::Starting:
    drop_connection_on_loop ();
    set_state (State::Idle);
    break;
  case State::Streaming:
    cancel_on_loop ();
    break;
  case State::Ending:
    current_.ending = Ending::Cancelled;
    tell_end_on_loop ("CANCEL");
    reply_timer_.start (cancel_limit, [this] { over_on_loop ({}, false); });
    break;
  case State::Idle:
  case State::Failed:
    break;
  }
  generation_ = generation;
}

/* END cancel:true: what was not covered is for the next session. */
void
SessionCore::cancel_on_loop ()
{
  set_state (State::Ending);
  current_.ending = Ending::Cancelled;
  connection_->send_text (build_end (true));
  avoid_third_start_on_loop ();
  tell_evicted_on_loop (leave_on_loop ("CANCEL"));
  reply_timer_.start (cancel_limit, [this] { over_on_loop ({}, false); });
}

/* At the end of the stream: all that is not covered may take its own time. */
void
SessionCore::limit_drain_on_loop ()
{
  Position uncovered = 0;
  {
    auto s = shared.lock ();
    if (!s->eos)
      return;
    uncovered = s->store.uncovered ();
  }
  drain_watch_.limit (3 * config_.timeout
                      + samples_to_time (uncovered, config_.rate));
}

/* END cancel:false: the last results are waited for. */
void
SessionCore::end_on_loop ()
{
  set_state (State::Ending);
  connection_->send_text (build_end (false));
  limit_drain_on_loop ();
  /* An END before the last is not the end of the wait: more is to be heard. */
  drain_watch_.progress (current_.is_last ? Nanoseconds::zero ()
                                          : config_.timeout);
  if (current_.is_last)
    return;
  reply_timer_.start (config_.timeout, [this] {
    const auto keep = shared_from_this ();
    drain_watch_.progress ();
    failed_on_loop (
        Failure{ .kind = FailureKind::Lost,
                 .cause = FailureCause::Lost,
                 .transience = Transience::Yes,
                 .text = "The service did not answer END in time (timeout)." },
        "TIMEOUT");
  });
}

/* A service that ends sessions well, but neither says a word nor hears silence,
 * is not asked about the same audio for ever. */
void
SessionCore::avoid_third_start_on_loop ()
{
  const Position at = current_.watermark.value ();
  const bool is_stuck = at == current_.map.first ()
                        && current_.map.length () > 0 && !current_.was_too_long;
  if (is_stuck && stuck_at_ == at) {
    auto s = shared.lock ();
    if (s->generation == generation_)
      s->store.cover (at
                      + time_to_samples (config_.chunk_duration, config_.rate));
  }
  stuck_at_ = is_stuck ? at : -1;
}

/* Nothing more is told of the session; the next one begins where it had not
 * got. Returns the audio that would be needed and is no longer kept. */
Stretch
SessionCore::leave_on_loop (const std::string &reason)
{
  for (const Transcript &transcript :
       transcripts_.interrupt_before (current_.watermark.value ()))
    tell_transcript_on_loop (transcript);
  tell_end_on_loop (reason);
  if (current_.map.length () > 0)
    log ("samples " + std::to_string (current_.map.first ()) + " to "
         + std::to_string (current_.map.end ())
         + " were sent, recognised up to "
         + std::to_string (current_.watermark.value ()));
  auto s = shared.lock ();
  if (s->generation != generation_)
    return {};
  const Stretch lost = s->store.lose_evicted ();
  s->store.rewind ();
  return lost;
}

/* The service's session is over, as it should be. `is_normal`: it heard all
 * that was sent. */
void
SessionCore::over_on_loop (std::string reason, bool is_normal)
{
  const auto keep = shared_from_this ();
  if (current_.ending == Ending::InOrder) {
    if (is_normal) {
      current_.watermark.ended (current_.map.end ());
      recovered_on_loop ();
      idle_failures_ = 0;
    }
    cover_on_loop ();
    if (current_.watermark.value () > current_.map.first ())
      drain_watch_.forget_limit ();
    avoid_third_start_on_loop ();
    tell_evicted_on_loop (leave_on_loop (reason));
  }
  /* The distance that sessions keep is nobody's fault. */
  drain_watch_.progress (std::max<Nanoseconds> (
      last_start_ + config_.reconnect.delay - Clock::now (),
      Nanoseconds::zero ()));
  Connection::close_on_loop (std::move (connection_));
  set_state (State::Idle);
  step_on_loop ();
}

/* A service may close after a sentence; that is as good as END if the sentence
 * came. */
void
SessionCore::on_closed_on_loop (Failure failure)
{
  const auto keep = shared_from_this ();
  const bool is_ending = state_ == State::Ending;
  const bool is_cancelled = is_ending && current_.ending == Ending::Cancelled;
  const bool has_sentence
      = is_ending && current_.is_sentence_over
        && current_.watermark.value () > current_.map.first ();
  failure.trace_id = current_.trace_id;
  if (is_cancelled || has_sentence)
    over_on_loop ("LOST", false);
  else
    failed_on_loop (std::move (failure), "LOST");
}

/* A connection, or a session in it, failed: another one follows, or an error.
 */
void
SessionCore::failed_on_loop (Failure failure, const char *reason)
{
  const auto keep = shared_from_this ();
  note_proxies_on_loop ();
  if (renew_on_loop (failure)) {
    start_over_on_loop (reason, std::nullopt);
    return;
  }
  if (may_await_credentials_on_loop (failure)) {
    await_credentials_on_loop (std::move (failure), reason);
    return;
  }
  Reconnecting::Circumstances now{ .is_first_handshake = attempt_ == 1,
                                   .was_started = session_ > 0 };
  {
    auto s = shared.lock ();
    now.is_live = s->is_live;
    now.is_draining = s->draining;
  }
  if (!reconnecting_.try_again (failure, now)) {
    stop_on_loop (std::move (failure), reason);
    return;
  }
  const auto delay = reconnecting_.delay (failure, g_random_double ());
  log ("another attempt in " + to_text (delay));
  not_before_ = Clock::now () + delay;
  failure.text += " Trying again (attempt "
                  + std::to_string (reconnecting_.attempts ()) + ").";
  start_over_on_loop (reason, std::move (failure));
}

void
SessionCore::await_credentials_on_loop (Failure failure, const char *reason)
{
  refusal_ = Refusal{ failure, Clock::now () + config_.timeout };
  failure.text += " Waiting " + to_text (config_.timeout)
                  + " for auth-token to be set anew.";
  start_over_on_loop (reason, std::move (failure));
}

/* What the last session did not cover is for another one. */
void
SessionCore::start_over_on_loop (const char *reason,
                                 std::optional<Failure> warning)
{
  fresh_ = 0;
  const bool was_idle_end = state_ == State::Ending && current_.is_idle;
  drop_connection_on_loop ();
  set_state (State::Idle);
  const Stretch evicted = leave_on_loop (reason);
  shared.lock ()->stats.reconnects++;
  if (warning) {
    warning->session = session_;
    tell_on_loop (Warning{ std::move (*warning) });
  }
  tell_evicted_on_loop (evicted);
  if (was_idle_end && ++idle_failures_ > 1)
    let_go_on_loop ();
  step_on_loop ();
}

/* The error that ends the run. */
void
SessionCore::stop_on_loop (Failure failure, const char *reason)
{
  finish_overflow_on_loop ();
  for (const Transcript &transcript :
       transcripts_.interrupt_before (std::numeric_limits<Position>::max ()))
    tell_transcript_on_loop (transcript);
  tell_end_on_loop (reason);
  drop_connection_on_loop ();
  set_state (State::Failed);
  failure.session = session_;
  tell_on_loop (failure);
  {
    auto s = shared.lock ();
    s->failed = true;
    s->store.lose_evicted ();
    s->store.clear ();
  }
  changed.notify_all ();
  drain_watch_.reset ();
}

/* Audio at the end of which nobody answers is not sent for ever. */
void
SessionCore::let_go_on_loop ()
{
  Stretch lost;
  {
    auto s = shared.lock ();
    if (s->generation != generation_)
      return;
    lost = s->store.let_go ();
  }
  tell_lost_on_loop (lost, "the service did not answer END after it, twice");
}

void
SessionCore::tell_evicted_on_loop (Stretch evicted)
{
  tell_lost_on_loop (evicted, "it is older than replay-duration");
}

void
SessionCore::tell_lost_on_loop (Stretch lost, const char *why)
{
  if (lost.samples == 0)
    return;
  const Nanoseconds at = shared.lock ()->timeline.at (lost.first).running_time;
  tell_on_loop (Warning{ Failure{
      .kind = FailureKind::Lost,
      .text = "Audio that was sent may not have been recognised, and is not "
              "sent again: "
              + to_text (samples_to_time (lost.samples, config_.rate))
              + " from running time " + to_text (at) + " on (" + why + ").",
      .trace_id = current_.trace_id,
      .session = session_,
  } });
}

/* The service works: what fails from now on is something new. */
void
SessionCore::recovered_on_loop () noexcept
{
  reconnecting_.reset ();
  renewed_ = false;
}

void
SessionCore::cover_on_loop ()
{
  const Position at = current_.watermark.value ();
  {
    auto s = shared.lock ();
    if (s->generation != generation_ || at <= s->store.covered ())
      return;
    s->store.cover (at);
    s->timeline.forget_before (at - time_to_samples (look_back, config_.rate));
  }
  recovered_on_loop ();
}

/* Nothing more is to be expected: what came is all there is. */
void
SessionCore::give_up_drain_on_loop ()
{
  const auto keep = shared_from_this ();
  drain_watch_.reset ();
  if (session_ == 0) {
    stop_on_loop (
        Failure{ .kind = FailureKind::Open,
                 .cause = FailureCause::Timeout,
                 .text = "The service did not answer in time (timeout). Check "
                         "endpoint and the network." },
        "TIMEOUT");
    return;
  }
  tell_on_loop (Warning{ Failure{
      .kind = FailureKind::Drain,
      .text = "The service did not send its last transcripts in time "
              "(timeout). The end of the stream may be missing.",
      .trace_id = current_.trace_id,
      .session = session_,
  } });
  for (const Transcript &transcript :
       transcripts_.interrupt_before (std::numeric_limits<Position>::max ()))
    tell_transcript_on_loop (transcript);
  tell_end_on_loop ("TIMEOUT");
  drop_connection_on_loop ();
  set_state (State::Idle);
  {
    auto s = shared.lock ();
    if (s->generation == generation_) {
      s->store.lose_evicted ();
      s->store.clear ();
    }
  }
  step_on_loop ();
}

void
SessionCore::drained_on_loop ()
{
  finish_overflow_on_loop ();
  drain_watch_.reset ();
  {
    auto s = shared.lock ();
    /* A flush may have passed since the decision. */
    if (s->generation != generation_ || !s->eos || !s->store.empty ())
      return;
    s->drained = true;
  }
  changed.notify_all ();
}

/* The store ran over: told when it begins and when it is over. */
void
SessionCore::watch_overflow_on_loop ()
{
  if (overflow_timer_.is_running () || state_ == State::Failed)
    return;
  const bool drops_new = config_.leaky == Leaky::Upstream;
  tell_on_loop (Warning{ Failure{
      .kind = FailureKind::Busy,
      .text = std::string ("The service, or the network, is too slow: the ")
              + (drops_new ? "newest" : "oldest")
              + " audio is dropped. See max-buffer-duration and leaky.",
      .trace_id = current_.trace_id,
      .session = session_,
  } });
  check_overflow_on_loop ();
}

void
SessionCore::check_overflow_on_loop ()
{
  const auto left
      = shared.lock ()->last_overflow + overflow_quiet - Clock::now ();
  if (left <= Clock::duration::zero ()) {
    finish_overflow_on_loop ();
    return;
  }
  overflow_timer_.start (left, [this] {
    const auto keep = shared_from_this ();
    check_overflow_on_loop ();
  });
}

void
SessionCore::finish_overflow_on_loop ()
{
  overflow_timer_.stop ();
  Overflow overflow;
  {
    auto s = shared.lock ();
    const Stretch gone = std::exchange (s->overflow, {});
    if (gone.samples == 0)
      return;
    const AudioAccount account = s->store.account ();
    overflow.times = s->overflow_times;
    overflow.dropped = samples_to_time (gone.samples, config_.rate);
    overflow.processed = samples_to_time (
        account.in + account.filled - account.dropped, config_.rate);
    overflow.is_live = s->is_live;
  }
  tell_on_loop (overflow);
}

} // namespace sis
