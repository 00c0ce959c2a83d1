// SPDX-License-Identifier: LGPL-2.1-or-later
#include "session.h"

#include <algorithm>
#include <glib.h>
#include <utility>

namespace sistest {

using namespace std::chrono_literals;

namespace {

/* A client may send faster than a slow recogniser hears. */
constexpr Milliseconds clogged_above = 30s, clear_below = 15s;

constexpr Milliseconds longest_continuous = 5h, longest_other = 60s;

std::string
new_trace_id ()
{
  g_autofree char *uuid = g_uuid_string_random ();
  return uuid;
}

/* For the log. */
std::string
printable (const std::string &text)
{
  g_autofree char *escaped = g_strescape (text.c_str (), nullptr);
  return escaped;
}

Action
wrong (std::string message)
{
  return error ("SIS.0032", std::move (message));
}

} // namespace

Session::Session (Surroundings surroundings, const Behaviour &behaviour,
                  Mode mode, ObjectPtr<GIOStream> stream,
                  ObjectPtr<GSocket> socket)
    : surroundings_ (std::move (surroundings)), behaviour_ (behaviour),
      mode_ (mode), trace_id_ (new_trace_id ()),
      agenda_ (surroundings_.loop.context ()),
      wire_ (surroundings_.loop.context (), std::move (stream),
             std::move (socket), *this)
{
  wire_.set_pongs (behaviour_.pongs);
  watch_client ();
}

Session::~Session ()
{
  if (ear_)
    ear_->drop ();
}

/* What the client sends. */

void
Session::on_text (std::string text)
{
  watch_client ();
  std::map<std::string, std::string> config;
  const RequestRules rules{ behaviour_.strict_keys, behaviour_.vocabularies };
  const Request request = parse_request (text, rules, config);
  record ([&] (Record &record) {
    if (behaviour_.keep_messages)
      record.texts.push_back (text);
    record.starts += std::holds_alternative<StartRequest> (request);
    record.ends += std::holds_alternative<EndRequest> (request);
    if (!config.empty ())
      record.config = config;
  });
  log ("received " + printable (text));
  std::visit ([this] (const auto &known) { take (known); }, request);
}

void
Session::on_binary (std::string bytes)
{
  watch_client ();
  record ([&] (Record &record) {
    if (behaviour_.keep_messages)
      record.chunks.push_back (static_cast<std::uint32_t> (bytes.size ()));
    record.audio_bytes += bytes.size ();
    record.audio_digest = fnv1a (bytes, record.audio_digest);
    const auto room = behaviour_.keep_audio
                      - std::min (behaviour_.keep_audio, record.audio.size ());
    record.audio.append (bytes, 0, room);
  });
  switch (state_) {
  case State::Idle:
    on_violation (ended_ ? "audio after END" : "audio before START");
    fail (wrong ("audio without START"));
    break;
  case State::Starting:
    on_violation ("audio before START was answered");
    take_audio (std::move (bytes));
    break;
  case State::Started:
    take_audio (std::move (bytes));
    break;
  case State::Ending:
    on_violation ("audio after END");
    break;
  case State::Over:
    break;
  }
}

void
Session::on_ping ()
{
  record ([] (Record &record) { record.pings += 1; });
}

void
Session::on_close_frame (int code)
{
  record ([&] (Record &record) { record.close_code = code; });
}

void
Session::on_violation (std::string what)
{
  log ("violation: " + what);
  record ([&] (Record &record) { record.violations.push_back (what); });
}

void
Session::on_gone ()
{
  gone_ = true;
  leave_session (State::Over);
  client_timer_.stop ();
  hold_timer_.stop ();
  log ("gone");
  record ([] (Record &record) { record.gone = true; });
  surroundings_.forget ();
}

void
Session::take (const StartRequest &request)
{
  if (state_ != State::Idle && state_ != State::Over) {
    on_violation ("START twice");
    fail (wrong ("START twice"));
    return;
  }
  start_ = request;
  state_ = State::Starting;
  trace_id_ = new_trace_id ();
  session_bytes_ = 0;
  exceeded_ = speech_ = ended_ = false;
  utterance_ = {};
  decoder_.emplace (request.format);
  const Listening listening{ request.format.rate, request.interim_results,
                             request.vad_tail, request.max_sentence };
  ear_ = std::make_shared<Ear> (
      surroundings_.loop, surroundings_.workers, behaviour_.recognizer,
      listening, [this] (Ear::Report report) { hear (std::move (report)); });
  perform (behaviour_.start, [this] {
    if (state_ == State::Starting)
      state_ = State::Started;
    record ([] (Record &record) {
      record.started = true;
      record.ended = false;
    });
    send_text (start_message (trace_id ()));
  });
}

void
Session::take (const EndRequest &request)
{
  record ([&] (Record &record) { record.cancelled = request.cancel; });
  switch (state_) {
  case State::Idle:
  case State::Ending:
    on_violation (state_ == State::Idle ? "END without START" : "END twice");
    fail (wrong ("END without START"));
    return;
  case State::Over:
    return;
  case State::Starting:
  case State::Started:
    break;
  }
  state_ = State::Ending;
  if (request.cancel) {
    leave_session (State::Ending);
    perform (behaviour_.end, [this] { send_end ("CANCEL"); });
  } else if (ear_) {
    ear_->finish ();
  } else {
    finish ();
  }
}

void
Session::take (const ServiceError &request)
{
  on_violation (request.code + " " + request.message);
  fail (error (request.code, request.message));
}

void
Session::take_audio (std::string bytes)
{
  const Format &format = start_.format;
  if (bytes.size () < format.min_message ()
      || bytes.size () > format.max_message ()) {
    on_violation ("message of " + std::to_string (bytes.size ()) + " bytes");
    fail (wrong ("audio message size is invalid"));
    return;
  }
  const auto longest = behaviour_.max_session.value_or (
      mode_ == Mode::Continue ? longest_continuous : longest_other);
  const std::uint64_t limit = format.bytes_of (longest);
  const bool exceeds = session_bytes_ + bytes.size () > limit;
  const std::uint64_t room = limit - std::min (limit, session_bytes_);
  session_bytes_ += bytes.size ();
  if (exceeds)
    bytes.resize (std::min<std::uint64_t> (room, bytes.size ()));
  if (ear_ && !bytes.empty ()) {
    ear_->feed (decoder_->decode (bytes));
    update_reading ();
  }
  if (exceeds && !std::exchange (exceeded_, true))
    exceed_audio ();

  const auto &actions = behaviour_.actions;
  while (next_action_ < actions.size ()
         && actions[next_action_].position <= format.time_of (session_bytes_))
    act (actions[next_action_++].action);
}

void
Session::exceed_audio ()
{
  if (behaviour_.exceeded_is_error)
    fail (error ("SIS.0311", "audio too long"));
  else
    send_event ("EXCEEDED_AUDIO", start_.format.time_of (session_bytes_));
}

/* What the recogniser hears. */

void
Session::hear (Ear::Report report)
{
  speech_ |= report.findings.speech;
  switch (mode_) {
  case Mode::Short:
    hear_utterance (std::move (report.findings));
    break;
  case Mode::Sentence:
    hear_sentence (std::move (report.findings), report.position);
    break;
  case Mode::Continue:
    hear_sentences (std::move (report.findings));
    break;
  }
  if (report.finished || !ear_)
    finish ();
  update_reading ();
}

/* short-stream: one utterance, whatever the recogniser made of it. */
void
Session::hear_utterance (Findings findings)
{
  std::optional<Segment> interim;
  for (Segment &segment : findings.segments) {
    if (segment.text.empty ())
      continue;
    Segment whole = utterance_;
    if (whole.text.empty ())
      whole.start = segment.start;
    else
      whole.text.push_back (' ');
    whole.text += segment.text;
    whole.end = segment.end;
    whole.score = segment.score;
    whole.words.insert (whole.words.end (), segment.words.begin (),
                        segment.words.end ());
    if (segment.is_final)
      utterance_ = whole;
    interim = std::move (whole);
  }
  if (interim && start_.interim_results && state_ != State::Ending) {
    interim->is_final = false;
    send_result ({ std::move (*interim) });
  }
}

/* sentence-stream: up to the end of the first sentence. */
void
Session::hear_sentence (Findings findings, Milliseconds position)
{
  if (findings.speech)
    send_event ("VOICE_START", position);
  std::vector<Segment> segments;
  for (Segment &segment : findings.segments) {
    const bool is_final = segment.is_final, is_empty = segment.text.empty ();
    if (!is_empty)
      segments.push_back (std::move (segment));
    if (!is_final)
      continue;
    if (!segments.empty ())
      send_result (segments);
    end_sentence (is_empty ? "EXCEEDED_SILENCE" : "VOICE_END", position);
    return;
  }
  if (!segments.empty ())
    send_result (segments);
  if (!speech_ && position >= start_.vad_head)
    end_sentence ("EXCEEDED_SILENCE", position);
}

/* continue-stream: everything. */
void
Session::hear_sentences (Findings findings)
{
  std::erase_if (findings.segments,
                 [] (const Segment &segment) { return segment.text.empty (); });
  if (!findings.segments.empty ())
    send_result (findings.segments);
}

void
Session::end_sentence (const char *event, Milliseconds position)
{
  ear_->drop ();
  ear_.reset ();
  send_event (event, position);
  agenda_.then (0ms, [this] { act_all (behaviour_.after_sentence); });
}

/* All was heard that END asked for. */
void
Session::finish ()
{
  if (state_ != State::Ending)
    return;
  ear_.reset ();
  if (!utterance_.text.empty ())
    send_result ({ std::exchange (utterance_, {}) });
  perform (behaviour_.end, [this] { send_end ("NORMAL"); });
}

/* What the behaviour asks for. */

void
Session::perform (const Reply &reply, const Task &answer)
{
  agenda_.then (reply.delay, [this, &reply, answer] {
    act_all (reply.before);
    if (reply.answer)
      answer ();
    act_all (reply.after);
  });
}

void
Session::act_all (const std::vector<Action> &actions)
{
  for (const Action &action : actions)
    act (action);
}

void
Session::act (const Action &action)
{
  if (gone_)
    return;
  switch (action.kind) {
  case Action::Kind::Text:
    send_text (action.text);
    break;
  case Action::Kind::Binary:
    wire_.send (Opcode::Binary, action.text);
    break;
  case Action::Kind::Raw:
    wire_.send_raw (action.text);
    break;
  case Action::Kind::Result:
    send_text (result_text (action.segments));
    break;
  case Action::Kind::Error:
    fail (action);
    break;
  case Action::Kind::Fatal:
    fail_for_good (action);
    break;
  case Action::Kind::End:
    leave_session (State::Over);
    send_text (end_message (trace_id (), action.text));
    break;
  case Action::Kind::Close:
    leave_session (State::Over);
    wire_.close (action.close_code);
    break;
  case Action::Kind::Reset:
    wire_.reset ();
    break;
  case Action::Kind::HangUp:
    leave_session (State::Over);
    client_timer_.stop ();
    wire_.hang_up ();
    break;
  case Action::Kind::StopReading:
    hold_reading (action.duration);
    break;
  case Action::Kind::Vanish:
    leave_session (State::Over);
    client_timer_.stop ();
    wire_.vanish ();
    break;
  }
}

/* ERROR: alone without a session; in one it is followed by END. */
void
Session::fail (const Action &action)
{
  const bool in_session = state_ == State::Started || state_ == State::Ending;
  if (state_ != State::Over)
    leave_session (in_session ? State::Over : State::Idle);
  send_text (error_message (trace_id (action.trace_id), action.code,
                            action.text, false));
  if (in_session && action.followed)
    send_text (end_message (trace_id (), "ERROR"));
}

void
Session::fail_for_good (const Action &action)
{
  leave_session (State::Over);
  client_timer_.stop ();
  send_text (error_message (trace_id (action.trace_id), action.code,
                            action.text, true));
  if (action.followed)
    wire_.close (action.close_code);
}

/* Nothing of it is heard or answered any more. */
void
Session::leave_session (State state)
{
  state_ = state;
  agenda_.clear ();
  if (ear_)
    ear_->drop ();
  ear_.reset ();
  utterance_ = {};
  if (!gone_)
    update_reading ();
}

/* What the client gets. */

void
Session::send_text (const std::string &text)
{
  if (gone_)
    return;
  log ("sent " + text);
  if (behaviour_.keep_messages)
    record ([&] (Record &record) { record.replies.push_back (text); });
  wire_.send (Opcode::Text, text);
}

std::string
Session::result_text (const std::vector<Segment> &segments) const
{
  return result_message (
      trace_id (), segments,
      { start_.need_word_info, behaviour_.scalars_as_strings });
}

void
Session::send_result (const std::vector<Segment> &segments)
{
  const bool again = behaviour_.repeat_finals
                     && std::ranges::any_of (segments, &Segment::is_final);
  agenda_.then (behaviour_.result_delay,
                [this, text = result_text (segments), again] {
                  send_text (text);
                  if (again)
                    send_text (text);
                });
}

void
Session::send_event (const char *event, Milliseconds position)
{
  agenda_.then (0ms,
                [this, text = event_message (trace_id (), event, position)] {
                  send_text (text);
                });
}

void
Session::send_end (const std::string &reason)
{
  state_ = State::Idle;
  ended_ = true;
  record ([] (Record &record) { record.ended = true; });
  send_text (end_message (trace_id (), reason));
}

/* Time and flow. */

void
Session::watch_client ()
{
  if (behaviour_.timeout > 0ms)
    client_timer_.start_timer (surroundings_.loop.context (),
                               behaviour_.timeout,
                               [this] { client_is_silent (); });
}

void
Session::client_is_silent ()
{
  /* Not its fault if we do not read, or owe it results. */
  if (held_ || clogged_ || (ear_ && ear_->busy ()))
    watch_client ();
  else
    fail_for_good (fatal ("SIS.0304", "wait voice timeout"));
}

void
Session::hold_reading (Milliseconds duration)
{
  held_ = true;
  update_reading ();
  if (duration == 0ms)
    return;
  hold_timer_.start_timer (surroundings_.loop.context (), duration, [this] {
    held_ = false;
    update_reading ();
  });
}

void
Session::update_reading ()
{
  const Milliseconds backlog = ear_ ? ear_->backlog () : 0ms;
  clogged_ = backlog > (clogged_ ? clear_below : clogged_above);
  wire_.set_reading (!held_ && !clogged_);
}

void
Session::log (const std::string &text) const
{
  if (surroundings_.log)
    surroundings_.log (text);
}

const std::string &
Session::trace_id (bool wanted) const
{
  static const std::string none;
  return wanted && behaviour_.trace_ids ? trace_id_ : none;
}

template <typename Change>
void
Session::record (Change change)
{
  surroundings_.book.update (surroundings_.index, change);
}

} // namespace sistest
