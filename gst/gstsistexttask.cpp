// SPDX-License-Identifier: LGPL-2.1-or-later
/* The task of the text output: what goes out, and when. */
#include "gstsistextoutput.h"

#include <algorithm>
#include <utility>

namespace sis {
namespace {

/* A live stream looks at the clock so often, and is ahead of what is due by as
 * much, so that nothing is late by the way from here to there. */
constexpr Nanoseconds longest_tick = std::chrono::milliseconds (50);

Nanoseconds
tick_of (Nanoseconds latency)
{
  constexpr Nanoseconds shortest = std::chrono::milliseconds (1);
  return std::clamp (latency / 8, shortest, longest_tick);
}

} // namespace

Nanoseconds
TextOutput::longest_patience (Nanoseconds timeout)
{
  return 2 * timeout;
}

Nanoseconds
TextOutput::step_of (Nanoseconds latency)
{
  constexpr Nanoseconds shortest = std::chrono::milliseconds (100);
  constexpr Nanoseconds longest = std::chrono::milliseconds (500);
  return std::clamp (latency / 16, shortest, longest);
}

bool
TextOutput::is_fatal (GstFlowReturn flow)
{
  return flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS;
}

/* Of use in PLAYING only. */
Nanoseconds
TextOutput::now () const
{
  const GstClockTime time = gst_element_get_current_running_time (element_);
  return GST_CLOCK_TIME_IS_VALID (time) ? Nanoseconds (time)
                                        : Nanoseconds::zero ();
}

/* Of a live stream, all before this moment less the latency is due; a tick at a
 * time. */
void
TextOutput::keep_up (const Access &state)
{
  const auto &settings = state->settings;
  const Nanoseconds tick = tick_of (settings.latency);
  const Nanoseconds due = now () - state->upstream_latency - settings.latency
                          - settings.lateness + 2 * tick;
  if (due >= state->track.position () + tick)
    state->track.settle (due);
}

/* When what feeds it is taken to be held up, as video may be that has to wait
 * for its text; unless that is so for another reason. */
std::optional<TextOutput::Clock::time_point>
TextOutput::stalls_at (const Access &state)
{
  const bool may_stall = !state->is_live && !state->is_taking && !state->is_held
                         && !state->has_failed && !state->eos
                         && state->is_all_sent && state->track.has_begun ()
                         && state->track.position () < state->input_end;
  if (!may_stall)
    return std::nullopt;
  return state->heard_at + state->patience;
}

void
TextOutput::nudge (const Access &state)
{
  state->track.settle (
      std::min (state->input_end,
                state->track.position () + step_of (state->settings.latency)));
  if (state->nudge && !state->nudge->is_answered)
    state->patience = std::min (2 * state->patience,
                                longest_patience (state->settings.timeout));
  state->heard_at = Clock::now ();
  state->nudge = Nudge{ state->heard_at, state->input_end };
}

/* What there is now; else how long to wait at most for it. */
std::variant<TextPusher::Output, std::optional<Nanoseconds>>
TextOutput::look_for_output (const Access &state)
{
  std::optional<Nanoseconds> wait;
  const bool is_timed = state->is_live && state->is_playing
                        && state->track.has_begun () && !state->eos
                        && !state->has_ended;
  if (is_timed) {
    keep_up (state);
    wait = tick_of (state->settings.latency);
  } else if (const auto at = stalls_at (state)) {
    wait = *at - Clock::now ();
    if (*wait <= Nanoseconds::zero ()) {
      nudge (state);
      wait = state->patience;
    }
  }
  if (has_output (state))
    return take_output (state);
  return wait;
}

bool
TextOutput::has_output (const Access &state) noexcept
{
  if (!state->track.has_begun ())
    return state->eos != nullptr;
  return state->stream_start != nullptr || state->item || !state->track.empty ()
         || state->eos != nullptr
         || (!state->stretches.empty ()
             && state->stretches.front ().start <= reached (state));
}

std::optional<TextPusher::Output>
TextOutput::wait_for_output ()
{
  auto state = state_.lock ();
  while (!state->is_flushing) {
    auto look = look_for_output (state);
    if (auto *output = std::get_if<TextPusher::Output> (&look))
      return std::move (*output);
    const auto is_woken
        = [&, changes = state->changes] { return state->changes != changes; };
    if (const auto wait = std::get<std::optional<Nanoseconds>> (look))
      state.wait_for (changed_, *wait, is_woken);
    else
      state.wait (changed_, is_woken);
  }
  return std::nullopt;
}

TextPusher::Output
TextOutput::take_output (const Access &state)
{
  TextPusher::Output output;
  output.stream_start = std::move (state->stream_start);
  if (!state->item)
    state->item = state->track.next ();
  take_item (state, output);
  if (!output.item && state->stretches.empty ()) {
    output.eos = std::move (state->eos);
    state->has_ended = output.eos != nullptr;
  }
  output.segment = state->segment;
  return output;
}

/* Up to where what goes out next has come; all is out before. */
Nanoseconds
TextOutput::reached (const Access &state) noexcept
{
  if (!state->item)
    return state->eos != nullptr
               ? Nanoseconds::max ()
               : state->track.position () + state->settings.lateness;
  const auto start = [] (const auto &item) { return item.start; };
  return std::visit (start, *state->item);
}

/* Segments that are reached come first, one stream after the other; a gap that
 * goes on into the next one is cut there. */
void
TextOutput::take_item (const Access &state, TextPusher::Output &output)
{
  auto &stretches = state->stretches;
  while (!stretches.empty () && stretches.front ().start <= reached (state)) {
    Stretch &next = stretches.front ();
    if (next.stream_start != nullptr) {
      if (output.stream_start != nullptr || !output.events.empty ())
        return;
      output.stream_start = std::move (next.stream_start);
    }
    if (next.event == nullptr) {
      state->segment = next.segment;
      next.event.reset (gst_event_new_segment (&state->segment));
      gst_event_set_seqnum (next.event.get (), next.seqnum);
    }
    output.events.push_back (std::move (next.event));
    stretches.pop_front ();
  }
  auto *gap
      = state->item ? std::get_if<TextTrack::Gap> (&*state->item) : nullptr;
  if (gap != nullptr && !stretches.empty ()
      && stretches.front ().start < gap->end) {
    output.item = TextTrack::Gap{ gap->start, stretches.front ().start };
    gap->start = stretches.front ().start;
  } else {
    output.item = std::exchange (state->item, std::nullopt);
  }
}

void
TextOutput::run (void *data) noexcept
{
  auto *self = static_cast<TextOutput *> (data);
  if (auto output = self->wait_for_output ())
    self->note (self->pusher_.push (std::move (*output)));
  else
    gst_pad_pause_task (self->pad_);
}

void
TextOutput::note (TextPusher::Result result)
{
  if (result.stream_start != nullptr)
    keep (std::move (result.stream_start));
  if (result.flow && note_flow (*result.flow))
    GST_ELEMENT_FLOW_ERROR (element_, *result.flow);
}

/* A flush came first; it is still to come before all else. */
void
TextOutput::keep (EventPtr stream_start)
{
  auto state = state_.lock ();
  if (state->stream_start == nullptr)
    state->stream_start = std::move (stream_start);
}

/* Whether there is nobody left to return it to. */
bool
TextOutput::note_flow (GstFlowReturn flow)
{
  auto state = state_.lock ();
  if (state->is_flushing)
    return false;
  const auto before = std::exchange (state->flow, flow);
  changed (state);
  if (before == GST_FLOW_OK)
    state->is_flow_told = state->is_ending;
  return state->is_ending && before == GST_FLOW_OK && is_fatal (flow);
}

} // namespace sis
