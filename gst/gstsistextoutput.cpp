// SPDX-License-Identifier: LGPL-2.1-or-later
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

/* Without input for so long, what feeds it may be held up for want of text, and
 * gets a step of a gap. As another transcriber of the pipeline may hold it up
 * for `timeout`, too, this is longer, until it has proved to be so. */
constexpr Nanoseconds least_patience = std::chrono::milliseconds (125);

Nanoseconds
longest_patience (Nanoseconds timeout)
{
  return 2 * timeout;
}

/* Input that comes so soon after a step had waited for it, unless it is more
 * than so many steps. */
constexpr Nanoseconds prompt = std::chrono::milliseconds (250);
constexpr int most_steps = 4;

Nanoseconds
step_of (Nanoseconds latency)
{
  constexpr Nanoseconds shortest = std::chrono::milliseconds (100);
  constexpr Nanoseconds longest = std::chrono::milliseconds (500);
  return std::clamp (latency / 16, shortest, longest);
}

} // namespace

TextOutput::TextOutput (GstElement *element, GstPad *pad)
    : element_ (element), pad_ (pad), pusher_ (element, pad)
{
}

TextOutput::~TextOutput () = default;

/* What a stream leaves behind. */
void
TextOutput::reset (State &state)
{
  state.late += state.track.late ();
  state.track = TextTrack (state.settings.lateness);
  state.flow = GST_FLOW_OK;
  state.input_end = {};
  for (Stretch &stretch : state.segments)
    if (stretch.stream_start != nullptr)
      state.stream_start = std::move (stretch.stream_start);
  state.next_segment.reset ();
  state.segments.clear ();
  gst_segment_init (&state.segment, GST_FORMAT_TIME);
  state.events.clear ();
  state.eos.reset ();
  state.item.reset ();
  state.is_taking = state.is_ending = state.is_all_sent = false;
  state.patience = longest_patience (state.settings.timeout);
  state.nudge.reset ();
}

void
TextOutput::changed (const Access &state)
{
  state->changes++;
  changed_.notify_all ();
}

void
TextOutput::open (const Settings &settings)
{
  auto state = state_.lock ();
  state->settings = settings;
  state->longest_delay = {};
  reset (*state);
  state->next_stream_start.reset ();
  state->stream_start.reset ();
  state->has_failed = state->is_held = false;
  state->upstream_latency = {};
  state->late = 0;
}

void
TextOutput::close ()
{
  auto state = state_.lock ();
  state->is_flushing = true;
  changed (state);
}

void
TextOutput::set_playing (bool is_playing)
{
  auto state = state_.lock ();
  state->is_playing = is_playing;
  state->is_held = !is_playing;
  changed (state);
}

void
TextOutput::set_upstream_latency (Nanoseconds latency)
{
  state_.lock ()->upstream_latency = latency;
}

bool
TextOutput::activate (bool is_active)
{
  {
    auto state = state_.lock ();
    state->is_active = is_active;
    state->is_flushing = !is_active;
    changed (state);
  }
  if (!is_active)
    return gst_pad_stop_task (pad_);
  resume ();
  return true;
}

void
TextOutput::flush_start ()
{
  close ();
}

void
TextOutput::wait_for_task ()
{
  gst_pad_pause_task (pad_);
}

/* The pad may have been deactivated since. */
void
TextOutput::flush_stop ()
{
  auto state = state_.lock ();
  reset (*state);
  state->is_flushing = !state->is_active;
}

void
TextOutput::resume ()
{
  auto state = state_.lock ();
  if (state->is_active)
    gst_pad_start_task (pad_, &TextOutput::run, this, nullptr);
}

void
TextOutput::begin_stream (GstEvent *stream_start)
{
  state_.lock ()->next_stream_start.reset (gst_event_ref (stream_start));
}

/* Of a stream that has no time, time is made. */
void
TextOutput::begin_segment (GstEvent *segment)
{
  const GstSegment *of_input = nullptr;
  gst_event_parse_segment (segment, &of_input);
  Stretch next{ .segment = *of_input,
                .seqnum = gst_event_get_seqnum (segment) };
  if (of_input->format != GST_FORMAT_TIME)
    gst_segment_init (&next.segment, GST_FORMAT_TIME);
  state_.lock ()->next_segment = std::move (next);
}

/* The first stream begins with the first output; others wait for their turn. */
void
TextOutput::begin_stretch (State &state, Nanoseconds start)
{
  if (!state.track.has_begun () && state.next_stream_start != nullptr)
    state.stream_start = std::move (state.next_stream_start);
  auto next = std::exchange (state.next_segment, std::nullopt);
  if (!next)
    return;
  next->start = start;
  next->stream_start = std::move (state.next_stream_start);
  state.segments.push_back (std::move (*next));
}

void
TextOutput::forward (GstEvent *event)
{
  auto state = state_.lock ();
  state->events.emplace_back (gst_event_ref (event));
  changed (state);
}

void
TextOutput::take_input (Nanoseconds start, Nanoseconds end, bool is_live)
{
  auto state = state_.lock ();
  state->is_live = is_live;
  state->is_taking = true;
  const bool is_first = !state->track.has_begun ();
  begin_stretch (*state, is_first ? start : start + state->settings.lateness);
  if (is_first)
    state->track.begin (start);
  else if (start > state->input_end)
    state->track.add_hole (state->input_end, start);
  note_input (*state, end);
  changed (state);
}

void
TextOutput::take_gap (Nanoseconds start, Nanoseconds end, bool is_live)
{
  take_input (start, start, is_live);
  auto state = state_.lock ();
  state->is_taking = false;
  state->track.add_hole (std::min (start, state->input_end), end);
  note_input (*state, end);
  changed (state);
}

/* If it had waited for the gap that it got, the next time it gets one sooner.
 */
void
TextOutput::note_input (State &state, Nanoseconds end)
{
  state.input_end = std::max (state.input_end, end);
  state.heard_at = Clock::now ();
  if (state.has_failed)
    state.track.settle (state.input_end);
  if (!state.nudge)
    return;
  const Nanoseconds step = step_of (state.settings.latency);
  if (state.input_end - state.nudge->input_end > most_steps * step) {
    state.patience = longest_patience (state.settings.timeout);
    state.nudge.reset ();
  } else if (!std::exchange (state.nudge->is_answered, true)
             && state.heard_at - state.nudge->at < prompt) {
    state.patience = std::max (least_patience, state.patience / 4);
  }
}

void
TextOutput::begin_end ()
{
  auto state = state_.lock ();
  state->is_taking = state->is_ending = true;
}

void
TextOutput::finish (GstEvent *eos)
{
  auto state = state_.lock ();
  begin_stretch (*state, Nanoseconds::max ());
  state->track.settle (state->input_end);
  state->eos.reset (gst_event_ref (eos));
  changed (state);
}

GstFlowReturn
TextOutput::wait_for_text ()
{
  auto state = state_.lock ();
  const auto taken_at = Clock::now ();
  while (true) {
    if (state->is_flushing)
      return GST_FLOW_FLUSHING;
    const Nanoseconds behind = state->input_end - state->track.position ();
    const bool is_in_time = state->is_live || !state->track.has_begun ()
                            || behind <= state->settings.latency;
    if (state->flow != GST_FLOW_OK || is_in_time)
      break;
    const auto has_changed
        = [&, changes = state->changes] { return state->changes != changes; };
    const auto left = std::max (state->sent_at, taken_at)
                      + state->settings.timeout - Clock::now ();
    if (!state->is_all_sent) {
      state.wait (changed_, has_changed);
    } else if (left > Clock::duration::zero ()) {
      state.wait_for (changed_, left, has_changed);
    } else {
      state->track.settle (state->input_end);
      changed (state);
    }
  }
  state->is_taking = false;
  state->heard_at = Clock::now ();
  changed (state);
  return state->flow;
}

/* The I/O thread */

void
TextOutput::on_event (const Event &event)
{
  if (const auto *transcript = std::get_if<Transcript> (&event)) {
    const bool has_words
        = transcript->text.find_first_not_of (' ') != std::string::npos;
    if (transcript->is_final && has_words)
      take_text (*transcript);
  } else if (const auto *progress = std::get_if<Progress> (&event)) {
    take_progress (*progress);
  } else if (std::holds_alternative<Failure> (event)) {
    auto state = state_.lock ();
    state->has_failed = true;
    state->track.settle (state->input_end);
    changed (state);
  }
}

void
TextOutput::take_text (const Transcript &transcript)
{
  bool is_longest = false;
  {
    auto state = state_.lock ();
    std::optional<Nanoseconds> start;
    Nanoseconds duration{};
    if (transcript.span && transcript.span->start.running_time != no_time) {
      start = transcript.span->start.running_time;
      if (transcript.span->running_end > *start)
        duration = transcript.span->running_end - *start;
      is_longest = note_delay (state, *start);
    }
    state->track.add (start, duration, transcript.text);
    changed (state);
  }
  if (is_longest)
    g_object_notify (G_OBJECT (element_), "max-observed-delay");
}

/* From when something begins to be said until its text is here: what `latency`
 * has to be for it. */
bool
TextOutput::note_delay (const Access &state, Nanoseconds start)
{
  const Nanoseconds delay
      = (state->is_live ? now () - state->upstream_latency : state->input_end)
        - start;
  if (delay <= state->longest_delay)
    return false;
  state->longest_delay = delay;
  return true;
}

void
TextOutput::take_progress (const Progress &progress)
{
  auto state = state_.lock ();
  if (progress.covered != no_time)
    state->track.settle (progress.covered);
  state->heard_at = Clock::now ();
  if (!std::exchange (state->is_all_sent, progress.is_all_sent))
    state->sent_at = state->heard_at;
  changed (state);
}

Nanoseconds
TextOutput::longest_delay ()
{
  return state_.lock ()->longest_delay;
}

unsigned
TextOutput::late ()
{
  auto state = state_.lock ();
  return state->late + state->track.late ();
}

/* The task */

/* Of use in PLAYING only. */
Nanoseconds
TextOutput::now () const
{
  const GstClockTime time = gst_element_get_current_running_time (element_);
  return GST_CLOCK_TIME_IS_VALID (time) ? Nanoseconds (time)
                                        : Nanoseconds::zero ();
}

/* Of a live stream, all before this moment less the latency is due. */
void
TextOutput::keep_up (const Access &state)
{
  const auto &settings = state->settings;
  state->track.settle (now () - state->upstream_latency - settings.latency
                       - settings.lateness + 2 * tick_of (settings.latency));
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
                        && state->track.has_begun () && !state->eos;
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
  return state->stream_start != nullptr || !state->events.empty ()
         || state->item || !state->track.empty () || state->eos != nullptr;
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
  output.events = std::exchange (state->events, {});
  if (!output.item && state->segments.empty ())
    output.eos = std::move (state->eos);
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
  auto &segments = state->segments;
  while (!segments.empty () && segments.front ().start <= reached (state)) {
    Stretch &next = segments.front ();
    if (next.stream_start != nullptr) {
      if (output.stream_start != nullptr || !output.segments.empty ())
        return;
      output.stream_start = std::move (next.stream_start);
    }
    state->segment = next.segment;
    GstEvent *event = gst_event_new_segment (&state->segment);
    gst_event_set_seqnum (event, next.seqnum);
    output.segments.emplace_back (event);
    segments.pop_front ();
  }
  auto *gap
      = state->item ? std::get_if<TextTrack::Gap> (&*state->item) : nullptr;
  if (gap != nullptr && !segments.empty ()
      && segments.front ().start < gap->end) {
    output.item = TextTrack::Gap{ gap->start, segments.front ().start };
    gap->start = segments.front ().start;
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
  return state->is_ending && before == GST_FLOW_OK
         && (flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS);
}

} // namespace sis
