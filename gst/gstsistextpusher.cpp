// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsistextpusher.h"

#include <algorithm>
#include <utility>

namespace sis {
namespace {

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

TextPusher::Result
TextPusher::push (Output output) const
{
  Result result;
  if (output.stream_start != nullptr
      && !push_stream_start (output.stream_start.get ()))
    result.stream_start = std::move (output.stream_start);
  for (EventPtr &event : output.events)
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
      result.flow = push_text (std::get<TextTrack::Text> (*output.item),
                               output.segment);
    }
  }
  if (output.eos != nullptr)
    gst_pad_push_event (pad_, output.eos.release ());
  return result;
}

/* The text is a stream of its own, in the group of the audio. */
bool
TextPusher::push_stream_start (GstEvent *of_input) const
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

GstFlowReturn
TextPusher::push_text (const TextTrack::Text &text,
                       const GstSegment &segment) const
{
  const std::string safe = harmless (text.text);
  GstBuffer *buffer = gst_buffer_new_memdup (safe.data (), safe.size ());
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
  return flow;
}

} // namespace sis
