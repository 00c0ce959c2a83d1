// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/stream/texttrack.h"

#include <deque>
#include <gst/gst.h>
#include <memory>
#include <optional>

namespace sis {

struct EventUnref
{
  void operator() (GstEvent *event) const noexcept { gst_event_unref (event); }
};
using EventPtr = std::unique_ptr<GstEvent, EventUnref>;

/* Makes events and buffers of what is in a stream of text. The pad's task. */
class TextPusher
{
public:
  /* Both outlive it. */
  TextPusher (GstElement *element, GstPad *pad) : element_ (element), pad_ (pad)
  {
  }

  /* What goes out, in this order. */
  struct Output
  {
    EventPtr stream_start; /* of the input */
    std::deque<EventPtr> events;
    std::optional<TextTrack::Item> item;
    EventPtr eos;
    GstSegment segment; /* that the item is in */
  };
  struct Result
  {
    EventPtr stream_start;             /* given back: a flush came first */
    std::optional<GstFlowReturn> flow; /* of a text */
  };
  Result push (Output output) const;

private:
  bool push_stream_start (GstEvent *of_input) const;
  GstFlowReturn push_text (const TextTrack::Text &text,
                           const GstSegment &segment) const;

  GstElement *const element_;
  GstPad *const pad_;
};

} // namespace sis
