// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the service says, and what it means for the session. */
#include "sis/sessioncore.h"

#include <algorithm>

namespace sis {
namespace {

/* Of the session's limit: from here on a final is waited for, to lose nothing
 * by the change. */
constexpr double nearly = 0.95;

} // namespace

void
SessionCore::on_text_on_loop (std::string_view text)
{
  receive_on_loop (parse (text));
}

void
SessionCore::on_binary_on_loop (std::size_t length)
{
  receive_on_loop (
      Malformed{ "a binary message of " + std::to_string (length) + " bytes" });
}

void
SessionCore::receive_on_loop (ServerMessage message)
{
  const auto keep = shared_from_this ();
  /* What is to shut it down may be in line behind many more messages. */
  if (shared.lock ()->closed) {
    shut_down_on_loop ();
    return;
  }
  mask_on_loop (message);
  std::visit ([this] (const auto &said) { received_on_loop (said); }, message);
}

bool
SessionCore::is_telling () const noexcept
{
  return state_ == State::Streaming
         || (state_ == State::Ending && current_.ending == Ending::InOrder);
}

void
SessionCore::received_on_loop (const StartReply &reply)
{
  if (state_ != State::Starting) {
    log ("START answered once more");
    return;
  }
  set_state (State::Streaming);
  current_.trace_id = reply.trace_id;
  current_.started = Clock::now ();
  {
    auto s = shared.lock ();
    const Position at = s->store.next_position ();
    current_.map = SessionMap (config_.rate, at);
    current_.watermark = Watermark (
        { .mode = config_.mode,
          .message = time_to_samples (config_.chunk_duration, config_.rate),
          .vad_head = time_to_samples (current_.vad_head, config_.rate) },
        at);
    s->timeline.forget_before (std::min (at, s->store.begin ()));
  }
  transcripts_.start_session (session_ + 1);
  current_.is_open = tell_on_loop (Started{ current_.trace_id, session_ + 1 });
  if (current_.is_open) {
    auto s = shared.lock ();
    s->stats.sessions = ++session_;
    s->stats.trace_id = current_.trace_id;
  }
  limit_timer_.start (limit_, [this] { step_on_loop (); });
  watch_idle_on_loop ();
  step_on_loop ();
}

void
SessionCore::received_on_loop (const Result &result)
{
  if (!is_telling ())
    return;
  bool is_news = false;
  bool has_final = false;
  for (const Segment &segment : result.segments) {
    std::optional<Transcript> transcript;
    {
      auto s = shared.lock ();
      if (s->generation != generation_)
        return;
      transcript = transcripts_.take (
          segment,
          result.trace_id.empty () ? current_.trace_id : result.trace_id,
          current_.map, current_.watermark.value (), s->timeline);
    }
    has_final |= segment.is_final;
    is_news = is_news || (transcript && !is_repeated_on_loop (segment));
    measure_latency_on_loop (segment);
    if (transcript)
      tell_transcript_on_loop (*transcript);
  }
  if (is_news)
    drain_watch_.progress ();
  read_watermark_on_loop (result);
  progress_.reset ();
  const bool is_nearly_full
      = double (used_on_loop ().count ()) >= nearly * double (limit_.count ());
  if (has_final && state_ == State::Streaming && config_.mode == Mode::Continue
      && (is_nearly_full || current_.restart_at))
    roll_over_on_loop ();
  step_on_loop ();
}

/* Once all of a RESULT is told. */
void
SessionCore::read_watermark_on_loop (const Result &result)
{
  bool has_final = false;
  std::optional<Position> end;
  for (const Segment &segment : result.segments) {
    has_final |= segment.is_final;
    if (segment.is_final && segment.end_time)
      end = std::max (end.value_or (0),
                      current_.map.end_at (*segment.end_time));
  }
  current_.watermark.read_result (has_final, end, transcripts_.first_open (),
                                  current_.map.end ());
  cover_on_loop ();
}

/* How long ago the last sample of the segment was sent. */
void
SessionCore::measure_latency_on_loop (const Segment &segment)
{
  if (!segment.end_time)
    return;
  const Position end = time_to_samples (*segment.end_time, config_.rate);
  const auto sent = std::ranges::lower_bound (
      current_.sent_at, end, {},
      &std::pair<Position, Clock::time_point>::first);
  if (sent != current_.sent_at.end ())
    shared.lock ()->stats.last_result_latency = Clock::now () - sent->second;
}

/* A service that says the same again and again does not get on. */
bool
SessionCore::is_repeated_on_loop (const Segment &segment)
{
  Segment &last = current_.last;
  const bool is_repeated = segment.is_final == last.is_final
                           && segment.start_time == last.start_time
                           && segment.end_time == last.end_time
                           && segment.text == last.text;
  last = { .start_time = segment.start_time,
           .end_time = segment.end_time,
           .is_final = segment.is_final,
           .text = segment.text };
  return is_repeated;
}

void
SessionCore::received_on_loop (const ServiceEvent &event)
{
  if (!is_telling ())
    return;
  const bool is_placed
      = event.timestamp && current_.map.contains (*event.timestamp);
  const Position at
      = is_placed ? current_.map.at (*event.timestamp) : current_.map.end ();
  Occurrence occurrence{
    .trace_id = event.trace_id.empty () ? current_.trace_id : event.trace_id,
    .session = session_,
    .event = event.event,
    .event_time = event.timestamp,
  };
  occurrence.times = shared.lock ()->timeline.at (at);
  tell_on_loop (occurrence);
  drain_watch_.progress ();
  act_on_event_on_loop (event);
}

/* In the other modes the events of sentence mode may come, and mean nothing. */
void
SessionCore::act_on_event_on_loop (const ServiceEvent &event)
{
  const Position sent = current_.map.end ();
  const bool is_sentence = config_.mode == Mode::Sentence;
  switch (event.kind) {
  case ServiceEvent::Kind::VoiceEnd:
    current_.watermark.voice_end (sent);
    current_.is_sentence_over |= is_sentence;
    break;
  case ServiceEvent::Kind::ExceededSilence:
    current_.watermark.exceeded_silence (
        event.timestamp && current_.map.contains (*event.timestamp)
            ? std::optional (current_.map.end_at (*event.timestamp))
            : std::nullopt,
        sent);
    current_.is_sentence_over |= is_sentence;
    cover_on_loop ();
    break;
  case ServiceEvent::Kind::ExceededAudio:
    current_.watermark.exceeded_audio ();
    break;
  case ServiceEvent::Kind::VoiceStart:
  case ServiceEvent::Kind::Other:
    return;
  }
  const bool is_over = current_.is_sentence_over
                       || event.kind == ServiceEvent::Kind::ExceededAudio;
  if (is_over && state_ == State::Streaming)
    end_on_loop ();
}

void
SessionCore::received_on_loop (const EndReply &reply)
{
  const bool is_normal = reply.reason == "NORMAL" || reply.reason.empty ();
  switch (state_) {
  case State::Ending:
    if (reply.reason == "ERROR" && current_.ending == Ending::InOrder)
      failed_on_loop (
          Failure{ .kind = FailureKind::Service,
                   .cause = FailureCause::Error,
                   .text = "The service ended the session with an error that "
                           "it did not name. Try again; if it lasts, give the "
                           "trace_id to the service's support.",
                   .trace_id = current_.trace_id },
          "ERROR");
    else
      over_on_loop (reply.reason.empty () ? "NORMAL" : reply.reason, is_normal);
    break;
  case State::Streaming:
    failed_on_loop (
        Failure{ .kind = FailureKind::Lost,
                 .cause = FailureCause::Lost,
                 .transience = Transience::Yes,
                 .text = "The service ended the session without being asked "
                         "(reason "
                         + (reply.reason.empty () ? "not given" : reply.reason)
                         + ").",
                 .trace_id = current_.trace_id },
        reply.reason.empty () ? "LOST" : reply.reason.c_str ());
    break;
  case State::Idle:
  case State::Waiting:
  case State::Connecting:
  case State::Starting:
  case State::Failed:
    log ("END without a session");
    break;
  }
}

void
SessionCore::received_on_loop (const ErrorReply &reply)
{
  if (state_ == State::Ending && current_.ending == Ending::Cancelled) {
    over_on_loop ({}, false);
    return;
  }
  Failure failure = failure_of_reply (reply);
  if (failure.trace_id.empty ())
    failure.trace_id = current_.trace_id;
  const bool is_in_session
      = state_ == State::Streaming || state_ == State::Ending;
  if (is_in_session && failure.error_code == audio_too_long
      && lower_limit_on_loop ()) {
    log ("audio beyond the session's limit: another session follows");
    current_.watermark.exceeded_audio ();
    set_state (State::Ending);
    over_on_loop ("ERROR", false);
    return;
  }
  failed_on_loop (std::move (failure), "ERROR");
}

void
SessionCore::received_on_loop (const Unknown &unknown)
{
  log ("message of unknown resp_type '" + unknown.resp_type + "'");
}

void
SessionCore::received_on_loop (const Malformed &malformed)
{
  log ("unintelligible message: " + malformed.reason);
  shared.lock ()->stats.malformed++;
  if (current_.has_warned || !is_telling ())
    return;
  current_.has_warned = true;
  tell_on_loop (Warning{ Failure{
      .kind = FailureKind::Malformed,
      .text = "The service sent a message that is not understood ("
              + malformed.reason + "). It is left out.",
      .trace_id = current_.trace_id,
      .session = session_,
  } });
}

} // namespace sis
