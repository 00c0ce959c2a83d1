// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsistextoutput.h"

#include <algorithm>
#include <utility>

namespace sis {
namespace {

/* Without input for so long, what feeds it may be held up for want of text, and
 * gets a step of a gap. As another transcriber of the pipeline may hold it up
 * for `timeout`, too, this is longer, until it has proved to be so. */
constexpr Nanoseconds least_patience = std::chrono::milliseconds (125);

/* Input that comes so soon after a step had waited for it, unless it is more
 * than so many steps. */
constexpr Nanoseconds prompt = std::chrono::milliseconds (250);
constexpr int most_steps = 4;

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
  state.is_flow_told = true;
  state.input_end = {};
  for (Stretch &stretch : state.stretches)
    if (stretch.stream_start != nullptr)
      state.stream_start = std::move (stretch.stream_start);
  state.next_segment.reset ();
  state.next_events.clear ();
  state.stretches.clear ();
  gst_segment_init (&state.segment, GST_FORMAT_TIME);
  state.eos.reset ();
  state.item.reset ();
  state.is_taking = state.is_ending = state.has_ended = false;
  state.is_all_sent = true; /* until the session says that it is not */
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

Nanoseconds
TextOutput::latency ()
{
  return state_.lock ()->settings.latency;
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

/* To start the task is a message on the bus. The pad may be deactivated
 * meanwhile. */
void
TextOutput::resume ()
{
  if (!state_.lock ()->is_active)
    return;
  gst_pad_start_task (pad_, &TextOutput::run, this, nullptr);
  if (!state_.lock ()->is_active)
    gst_pad_stop_task (pad_);
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
  auto state = state_.lock ();
  /* Text is as much later, and none of it is to lie outside. */
  if (next.segment.rate > 0 && GST_CLOCK_TIME_IS_VALID (next.segment.stop))
    next.segment.stop
        += guint64 (state->settings.lateness.count () * next.segment.rate);
  state->next_segment = std::move (next);
}

/* The first stream begins with the first output; others wait for their turn. */
void
TextOutput::begin_stretch (State &state, Nanoseconds start)
{
  if (!state.track.has_begun () && state.next_stream_start != nullptr)
    state.stream_start = std::move (state.next_stream_start);
  if (auto next = std::exchange (state.next_segment, std::nullopt)) {
    next->start = start;
    next->stream_start = std::move (state.next_stream_start);
    state.stretches.push_back (std::move (*next));
  }
  for (EventPtr &event : std::exchange (state.next_events, {}))
    state.stretches.push_back ({ .start = start, .event = std::move (event) });
}

/* Behind the text of what came before it. */
void
TextOutput::forward (GstEvent *event)
{
  auto state = state_.lock ();
  if (!state->track.has_begun () || state->next_segment) {
    state->next_events.emplace_back (gst_event_ref (event));
    return;
  }
  state->stretches.push_back (
      { .start = state->input_end + state->settings.lateness,
        .event = EventPtr (gst_event_ref (event)) });
  changed (state);
}

void
TextOutput::take_input (Nanoseconds start, Nanoseconds end, bool is_live)
{
  auto state = state_.lock ();
  state->is_live = is_live;
  state->is_taking = true;
  state->has_ended = false;
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

/* What the next element returned since can be returned to nobody any more. */
void
TextOutput::begin_end ()
{
  GstFlowReturn flow = GST_FLOW_OK;
  {
    auto state = state_.lock ();
    state->is_taking = state->is_ending = true;
    if (!std::exchange (state->is_flow_told, true))
      flow = state->flow;
  }
  if (is_fatal (flow))
    GST_ELEMENT_FLOW_ERROR (element_, flow);
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

bool
TextOutput::is_behind (const Access &state) noexcept
{
  return !state->is_live && state->track.has_begun ()
         && state->input_end - state->track.position ()
                > state->settings.latency;
}

bool
TextOutput::is_behind ()
{
  return is_behind (state_.lock ());
}

GstFlowReturn
TextOutput::wait_for_text ()
{
  auto state = state_.lock ();
  const auto taken_at = Clock::now ();
  while (true) {
    if (state->is_flushing)
      return GST_FLOW_FLUSHING;
    if (state->flow != GST_FLOW_OK || !is_behind (state))
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
  state->is_flow_told = true;
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
      is_longest = (!state->is_live || state->is_playing)
                   && note_delay (state, *start);
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

} // namespace sis
