// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sessioncheck.h"

#include "fuzz.h"

#include <cstring>

namespace sisfuzz {
namespace {

using namespace sis;

const std::vector<std::byte> &
all_bytes ()
{
  static const std::vector<std::byte> bytes = [] {
    std::vector<std::byte> made (2 * longest_stream);
    std::uint32_t state = 1;
    /* None that stands for silence, so that padding can be told from it. */
    for (std::byte &byte : made) {
      state = state * 1664525 + 1013904223;
      byte = std::byte (1 + (state >> 24) % 254);
    }
    return made;
  }();
  return bytes;
}

bool
contains (const std::string &text, const char *part)
{
  return text.find (part) != std::string::npos;
}

} // namespace

std::span<const std::byte>
stream_of (AudioFormat format, Position first, Position samples)
{
  const std::size_t size = format.sample_bytes ();
  return std::span (all_bytes ())
      .subspan (std::size_t (first) * size, std::size_t (samples) * size);
}

void
WireCheck::connect (World &world)
{
  world.on_handshake = [this] (const Connection::Settings &settings) {
    on_handshake (settings);
  };
  world.on_text = [this] (const std::string &text) { on_text (text); };
  world.on_audio = [this] (auto audio) { on_audio (audio); };
}

void
WireCheck::offered (AudioFormat format, Position first, Position samples)
{
  if (!offered_.empty () && offered_.back ().format == format
      && offered_.back ().end == first)
    offered_.back ().end += samples;
  else
    offered_.push_back ({ format, first, first + samples });
}

void
WireCheck::on_handshake (const Connection::Settings &settings)
{
  has_start_ = is_started_ = is_ended_ = is_padded_ = false;
  model_.session_begins ();
  fuzz_check (settings.url.starts_with ("ws://127.0.0.1"));
}

void
WireCheck::on_text (const std::string &text)
{
  if (contains (text, "\"command\":\"START\"")) {
    fuzz_check (!has_start_);
    has_start_ = true;
    format_ = contains (text, pcm.name ()) ? pcm : mulaw;
    fuzz_check (contains (text, format_.name ()));
    return;
  }
  fuzz_check (contains (text, "\"command\":\"END\""));
  fuzz_check (has_start_ && is_started_ && !is_ended_);
  is_ended_ = true;
  model_.end_sent (contains (text, "\"cancel\":true"));
}

void
WireCheck::said (const ServerMessage &message)
{
  is_started_ |= has_start_ && std::holds_alternative<StartReply> (message);
  model_.said (message);
}

bool
WireCheck::is_at (std::span<const std::byte> audio, Position at) const
{
  const auto samples = Position (audio.size () / format_.sample_bytes ());
  if (at < 0 || at + samples > longest_stream)
    return false;
  return std::ranges::equal (audio, stream_of (format_, at, samples));
}

Position
WireCheck::search (std::span<const std::byte> audio, Position from) const
{
  const auto size = Position (format_.sample_bytes ());
  const std::size_t head = std::min<std::size_t> (audio.size (), 16);
  for (const Offered &offered : offered_) {
    const Position first = std::max (offered.first, from);
    if (offered.format != format_ || first >= offered.end)
      continue;
    const auto all = stream_of (format_, first, offered.end - first);
    const auto *at = all.data ();
    while (const void *found
           = memmem (at, std::size_t (all.data () + all.size () - at),
                     audio.data (), head)) {
      at = static_cast<const std::byte *> (found);
      const Position place = first + (at - all.data ()) / size;
      if ((at - all.data ()) % size == 0 && is_at (audio, place))
        return place;
      at++;
    }
  }
  return -1;
}

/* Little audio looks like other audio: first where it probably is. */
Position
WireCheck::place_of (std::span<const std::byte> audio,
                     StreamModel::Window window) const
{
  for (const Position place : { window.first, window.last })
    if (is_at (audio, place))
      return place;
  return search (audio, window.first);
}

void
WireCheck::on_audio (std::span<const std::byte> audio)
{
  fuzz_check (is_started_ && !is_ended_ && !is_padded_);
  fuzz_check (audio.size () >= format_.min_message_bytes ());
  fuzz_check (audio.size () <= format_.max_message_bytes ());
  const std::size_t size = audio.size ();
  while (audio.back () == format_.silence ())
    audio = audio.first (audio.size () - 1);
  is_padded_ = audio.size () < size;
  fuzz_check (!is_padded_ || size == format_.min_message_bytes ());
  const StreamModel::Window window = model_.next ();
  const Position at = place_of (audio, window);
  /* It was offered, and was not covered before. */
  fuzz_check (at >= window.first);
  /* Nothing was left out that the service should have heard. */
  fuzz_check (at <= window.last);
  model_.sent (at, at + Position (audio.size () / format_.sample_bytes ()));
}

void
EventCheck::check_text (const std::string &text, std::size_t limit)
{
  fuzz_check (is_clean (text, limit));
  fuzz_check (!contains (text, secret_token));
  fuzz_check (!contains (text, secret_key));
}

void
EventCheck::on_event (const Event &event)
{
  fuzz_check (World::get ().is_on_loop ());
  fuzz_check (!is_closed || std::holds_alternative<Ended> (event));
  std::visit ([this] (const auto &what) { check (what); }, event);
  if (prank)
    std::exchange (prank, nullptr) ();
}

void
EventCheck::on_log (const std::string &line)
{
  check_text (line);
}

void
EventCheck::check (const Connecting &connecting)
{
  fuzz_check (!has_failed_ && !is_open_);
  fuzz_check (connecting.attempt > attempts_);
  attempts_ = connecting.attempt;
}

void
EventCheck::check (const Started &started)
{
  fuzz_check (!has_failed_ && !is_open_);
  fuzz_check (started.session > sessions_ && started.session <= attempts_);
  sessions_ = started.session;
  is_open_ = true;
  check_text (started.trace_id);
}

void
EventCheck::check (const Transcript &transcript)
{
  fuzz_check (!has_failed_ && is_open_);
  fuzz_check (transcript.session == sessions_);
  fuzz_check (transcript.number > finals_);
  check_text (transcript.text, max_text_length);
  check_text (transcript.trace_id);
  if (transcript.is_final)
    finals_ = transcript.number;
  if (transcript.is_final && !transcript.interrupted && transcript.start_time
      && transcript.end_time)
    fuzz_check (told_
                    .insert ({ transcript.session, *transcript.start_time,
                               *transcript.end_time, transcript.text })
                    .second);
  model_.told (transcript);
  if (transcript.span)
    fuzz_check (transcript.span->duration >= Nanoseconds::zero ());
  for (const TimedWord &word : transcript.words) {
    check_text (word.word, max_text_length);
    fuzz_check (!word.span || word.span->duration >= Nanoseconds::zero ());
  }
}

void
EventCheck::check (const Occurrence &occurrence)
{
  fuzz_check (!has_failed_ && is_open_ && occurrence.session == sessions_);
  check_text (occurrence.event);
  check_text (occurrence.trace_id);
}

void
EventCheck::check (const Ended &ended)
{
  fuzz_check (is_open_ && ended.session == sessions_);
  is_open_ = false;
  check_text (ended.reason);
  check_text (ended.trace_id);
  for (const char *reason : { "NORMAL", "CANCEL", "ERROR", "LOST", "TIMEOUT" })
    if (ended.reason == reason)
      return;
  fuzz_check (!ended.reason.empty ());
}

void
EventCheck::check (const Overflow &overflow)
{
  fuzz_check (!has_failed_);
  fuzz_check (overflow.dropped > Nanoseconds::zero ());
  fuzz_check (overflow.processed >= Nanoseconds::zero ());
}

void
EventCheck::check (const Progress &)
{
  fuzz_check (!has_failed_);
}

void
EventCheck::check (const Warning &warning)
{
  check_text (warning.failure.text);
  check_text (warning.failure.error_msg);
  check_text (warning.failure.trace_id);
  if (contains (warning.failure.text, "did not answer END after it, twice"))
    model_.gave_up_sent ();
  if (warning.failure.kind == FailureKind::Drain)
    on_given_up ();
}

void
EventCheck::check (const Failure &failure)
{
  fuzz_check (!has_failed_ && !is_open_);
  has_failed_ = true;
  fuzz_check (!failure.text.empty ());
  check_text (failure.text);
  check_text (failure.error_code);
  check_text (failure.error_msg);
  check_text (failure.trace_id);
}

} // namespace sisfuzz
