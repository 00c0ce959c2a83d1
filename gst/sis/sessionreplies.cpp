// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the service says, and what it means for the session. */
#include "sis/sessioncore.h"

#include <algorithm>

namespace sis {

void
SessionCore::on_text_on_loop (std::string_view text)
{
  const auto keep = shared_from_this ();
  std::visit ([this] (const auto &message) { received_on_loop (message); },
              parse (text));
}

void
SessionCore::on_binary_on_loop (std::size_t length)
{
  const auto keep = shared_from_this ();
  received_on_loop (
      Malformed{ "a binary message of " + std::to_string (length) + " bytes" });
}

bool
SessionCore::is_telling () const noexcept
{
  return state_ == State::Streaming
         || (state_ == State::Ending && ending_ != Ending::Flushed);
}

void
SessionCore::received_on_loop (const StartReply &reply)
{
  if (state_ != State::Starting) {
    log ("START answered once more");
    return;
  }
  set_state (State::Streaming);
  trace_id_ = reply.trace_id;
  {
    auto s = shared.lock ();
    span_ = SessionSpan{ config_.rate, s->store.begin (), s->store.begin () };
    s->timeline.forget_before (span_.first);
  }
  covered_ = span_.first;
  is_open_ = tell_on_loop (Started{ trace_id_, session_ + 1 });
  if (is_open_)
    ++session_;
  watch_idle_on_loop ();
  step_on_loop ();
}

void
SessionCore::received_on_loop (const Result &result)
{
  if (!is_telling ())
    return;
  bool is_news = false;
  for (const Segment &segment : result.segments) {
    std::optional<Transcript> transcript;
    {
      auto s = shared.lock ();
      if (s->generation != generation_)
        return;
      transcript = transcripts_.take (
          segment, result.trace_id.empty () ? trace_id_ : result.trace_id,
          session_, span_, s->timeline);
    }
    if (segment.is_final && segment.end_time)
      cover_on_loop (span_.at (*segment.end_time));
    is_news = is_news || !is_repeated_on_loop (segment);
    if (transcript)
      tell_on_loop (*transcript);
  }
  if (is_news)
    drain_watch_.progress ();
}

/* What lies a minute before a final is not asked for any more. */
void
SessionCore::cover_on_loop (Position end)
{
  covered_ = std::max (covered_, end);
  shared.lock ()->timeline.forget_before (covered_ - 60 * config_.rate);
}

/* A service that says the same again and again does not get on. */
bool
SessionCore::is_repeated_on_loop (const Segment &segment)
{
  const bool is_repeated = segment.is_final == last_.is_final
                           && segment.start_time == last_.start_time
                           && segment.end_time == last_.end_time
                           && segment.text == last_.text;
  last_ = { .start_time = segment.start_time,
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
  const Position at
      = event.timestamp ? span_.at (*event.timestamp) : span_.sent;
  Occurrence occurrence{
    .trace_id = event.trace_id.empty () ? trace_id_ : event.trace_id,
    .session = session_,
    .event = event.event,
    .event_time = event.timestamp,
  };
  occurrence.times = shared.lock ()->timeline.at (at);
  tell_on_loop (occurrence);
  drain_watch_.progress ();

  const bool is_sentence_over
      = config_.mode == Mode::Sentence
        && (event.kind == ServiceEvent::Kind::VoiceEnd
            || event.kind == ServiceEvent::Kind::ExceededSilence);
  if (is_sentence_over && state_ == State::Streaming)
    end_on_loop (Ending::Sentence);
}

void
SessionCore::received_on_loop (const EndReply &reply)
{
  switch (state_) {
  case State::Ending:
    if (reply.reason == "ERROR" && ending_ != Ending::Flushed)
      fail_on_loop (
          Failure{ .kind = FailureKind::Service,
                   .text = "The service ended the session with an error that "
                           "it did not name. Try again; if it lasts, give the "
                           "trace_id to the service's support.",
                   .trace_id = trace_id_ },
          "ERROR");
    else
      over_on_loop (reply.reason.c_str ());
    break;
  case State::Streaming:
    fail_on_loop (
        Failure{ .kind = FailureKind::Lost,
                 .transience = Transience::Yes,
                 .text = "The service ended the session without being asked "
                         "(reason "
                         + (reply.reason.empty () ? "not given" : reply.reason)
                         + ")." },
        reply.reason.empty () ? "LOST" : reply.reason.c_str ());
    break;
  case State::Idle:
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
  if (state_ == State::Ending && ending_ == Ending::Flushed) {
    over_on_loop ("ERROR");
    return;
  }
  Failure failure = failure_of_reply (reply);
  if (failure.trace_id.empty ())
    failure.trace_id = trace_id_;
  fail_on_loop (std::move (failure), "ERROR");
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
  if (has_warned_ || !is_telling ())
    return;
  has_warned_ = true;
  tell_on_loop (Warning{ Failure{
      .kind = FailureKind::Malformed,
      .text = "The service sent a message that is not understood ("
              + malformed.reason + "). It is left out.",
      .trace_id = trace_id_,
      .session = session_,
  } });
}

} // namespace sis
