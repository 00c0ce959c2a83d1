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
 * gets so much of a gap. */
constexpr Nanoseconds first_patience = std::chrono::seconds (1);
constexpr Nanoseconds least_patience = std::chrono::milliseconds (125);

/* Input that comes so soon afterwards had waited for it. */
constexpr Nanoseconds prompt = std::chrono::milliseconds (250);

Nanoseconds
step_of (Nanoseconds latency)
{
  constexpr Nanoseconds shortest = std::chrono::milliseconds (100);
  constexpr Nanoseconds longest = std::chrono::milliseconds (500);
  return std::clamp (latency / 16, shortest, longest);
}

/* In the segment's time, also beyond its ends. */
GstClockTime
position_of (const GstSegment &segment, Nanoseconds running)
{
  guint64 position = 0;
  if (gst_segment_position_from_running_time_full (
          &segment, GST_FORMAT_TIME,
          guint64 (std::max<gint64> (0, running.count ())), &position)
      == 1)
    return position;
  return segment.position;
}

/* What would end a cue of a subtitle file. */
std::string
harmless (std::string text)
{
  constexpr std::string_view arrow = "-->";
  constexpr std::string_view other = "→";
  for (std::size_t at = 0; (at = text.find (arrow, at)) != std::string::npos;)
    text.replace (at, arrow.size (), other);
  return text;
}

} // namespace

TextOutput::TextOutput (GstElement *element, GstPad *pad)
    : element_ (element), pad_ (pad)
{
}

TextOutput::~TextOutput () = default;

/* What a stream leaves behind. */
void
TextOutput::reset (State &state)
{
  state.late += state.track.late ();
  state.track = TextTrack (state.settings.lateness);
  state.has_failed = false;
  state.flow = GST_FLOW_OK;
  state.input_end = {};
  state.next_segment.reset ();
  state.segments.clear ();
  gst_segment_init (&state.segment, GST_FORMAT_TIME);
  state.events.clear ();
  state.eos.reset ();
  state.item.reset ();
  state.is_taking = state.is_held = state.is_all_sent = false;
  state.patience = std::min (first_patience, state.settings.timeout);
  state.nudged_at.reset ();
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
  state->stream_start.reset ();
  reset (*state);
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
  state_.lock ()->stream_start.reset (gst_event_ref (stream_start));
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
  state_.lock ()->next_segment = next;
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
  note_input (*state);
  const bool is_first = !state->track.has_begun ();
  if (auto next = std::exchange (state->next_segment, std::nullopt)) {
    next->start = is_first ? start : start + state->settings.lateness;
    state->segments.push_back (*next);
  }
  if (is_first)
    state->track.begin (start);
  else if (start > state->input_end)
    state->track.add_hole (state->input_end, start);
  state->input_end = std::max (state->input_end, end);
  if (state->has_failed)
    state->track.settle (state->input_end);
  changed (state);
}

void
TextOutput::take_gap (Nanoseconds start, Nanoseconds end, bool is_live)
{
  take_input (start, start, is_live);
  auto state = state_.lock ();
  state->is_taking = false;
  state->track.add_hole (std::min (start, state->input_end), end);
  state->input_end = std::max (state->input_end, end);
  if (state->has_failed)
    state->track.settle (state->input_end);
  changed (state);
}

/* It had waited for the gap that it got: the next time it gets one sooner. */
void
TextOutput::note_input (State &state)
{
  state.heard_at = Clock::now ();
  const auto nudged_at = std::exchange (state.nudged_at, std::nullopt);
  if (nudged_at && state.heard_at - *nudged_at < prompt)
    state.patience = std::max (least_patience, state.patience / 4);
}

void
TextOutput::begin_end ()
{
  state_.lock ()->is_taking = true;
}

void
TextOutput::finish (GstEvent *eos)
{
  auto state = state_.lock ();
  if (auto next = std::exchange (state->next_segment, std::nullopt))
    state->segments.push_back (*next);
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
      duration = transcript.span->duration;
      is_longest = note_delay (state, *start);
    }
    state->track.add (start, duration, harmless (transcript.text));
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
      = (state->is_live ? now () : state->input_end) - start;
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
  state->track.settle (now () - settings.latency - settings.lateness
                       + 2 * tick_of (settings.latency));
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
  state->patience = std::min (2 * state->patience, state->settings.timeout);
  state->heard_at = Clock::now ();
  state->nudged_at = state->heard_at;
}

/* What there is now; else how long to wait at most for it. */
std::variant<TextOutput::Output, std::optional<Nanoseconds>>
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

std::optional<TextOutput::Output>
TextOutput::wait_for_output ()
{
  auto state = state_.lock ();
  while (!state->is_flushing) {
    auto look = look_for_output (state);
    if (auto *output = std::get_if<Output> (&look))
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

TextOutput::Output
TextOutput::take_output (const Access &state)
{
  Output output;
  output.stream_start = std::move (state->stream_start);
  if (!state->item)
    state->item = state->track.next ();
  take_item (state, output);
  output.events = std::exchange (state->events, {});
  if (!output.item)
    output.eos = std::move (state->eos);
  output.segment = state->segment;
  return output;
}

/* Segments that the item reaches come before it; a gap that goes on into the
 * next one is cut there. Without an item it is the end, and all come. */
void
TextOutput::take_item (const Access &state, Output &output)
{
  auto *gap
      = state->item ? std::get_if<TextTrack::Gap> (&*state->item) : nullptr;
  auto &segments = state->segments;
  const auto start = [&] {
    return gap ? gap->start : std::get<TextTrack::Text> (*state->item).start;
  };
  while (!segments.empty ()
         && (!state->item || segments.front ().start <= start ())) {
    state->segment = segments.front ().segment;
    GstEvent *event = gst_event_new_segment (&state->segment);
    gst_event_set_seqnum (event, segments.front ().seqnum);
    output.segments.emplace_back (event);
    segments.pop_front ();
  }
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
    self->push (std::move (*output));
  else
    gst_pad_pause_task (self->pad_);
}

void
TextOutput::push (Output output)
{
  if (output.stream_start != nullptr
      && !push_stream_start (output.stream_start.get ()))
    keep (std::move (output.stream_start));
  for (auto *events : { &output.segments, &output.events })
    for (EventPtr &event : *events)
      gst_pad_push_event (pad_, event.release ());
  if (output.item) {
    const auto *gap = std::get_if<TextTrack::Gap> (&*output.item);
    if (gap != nullptr) {
      const GstClockTime start = position_of (output.segment, gap->start);
      const GstClockTime end = position_of (output.segment, gap->end);
      gst_pad_push_event (
          pad_,
          gst_event_new_gap (std::min (start, end),
                             std::max (start, end) - std::min (start, end)));
    } else {
      push_text (std::get<TextTrack::Text> (*output.item), output.segment);
    }
  }
  if (output.eos != nullptr)
    gst_pad_push_event (pad_, output.eos.release ());
}

/* A flush came first; it is still to come before all else. */
void
TextOutput::keep (EventPtr stream_start)
{
  auto state = state_.lock ();
  if (state->stream_start == nullptr)
    state->stream_start = std::move (stream_start);
}

/* The text is a stream of its own, in the group of the audio. */
bool
TextOutput::push_stream_start (GstEvent *of_input)
{
  g_autofree char *id = gst_pad_create_stream_id (pad_, element_, "transcript");
  GstEvent *event = gst_event_new_stream_start (id);
  guint group = GST_GROUP_ID_INVALID;
  if (gst_event_parse_group_id (of_input, &group))
    gst_event_set_group_id (event, group);
  gst_event_set_seqnum (event, gst_event_get_seqnum (of_input));
  gst_event_set_stream_flags (event, GST_STREAM_FLAG_SPARSE);
  if (!gst_pad_push_event (pad_, event) && GST_PAD_IS_FLUSHING (pad_))
    return false;

  GstCaps *caps = gst_pad_get_pad_template_caps (pad_);
  const bool is_pushed = gst_pad_push_event (pad_, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  return is_pushed || !GST_PAD_IS_FLUSHING (pad_);
}

void
TextOutput::push_text (const TextTrack::Text &text, const GstSegment &segment)
{
  GstBuffer *buffer
      = gst_buffer_new_memdup (text.text.data (), text.text.size ());
  const GstClockTime start = position_of (segment, text.start);
  const GstClockTime end = position_of (segment, text.end);
  GST_BUFFER_PTS (buffer) = std::min (start, end);
  GST_BUFFER_DURATION (buffer) = std::max (start, end) - std::min (start, end);
  const GstFlowReturn flow = gst_pad_push (pad_, buffer);
  if (flow == GST_FLOW_OK)
    gst_pad_push_event (
        pad_, gst_event_new_custom (
                  GST_EVENT_CUSTOM_DOWNSTREAM,
                  gst_structure_new_empty ("rstranscribe/final-transcript")));
  auto state = state_.lock ();
  if (!state->is_flushing)
    state->flow = flow;
  changed (state);
}

} // namespace sis
