// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "stage.h"
#include "textlog.h"

namespace sischeck {

/* A transcriber without a source. */
inline std::string
fed_line (const std::string &url, const std::string &properties = {})
{
  return transcriber (url, properties) + "! fakesink sync=false async=false";
}

/* A pad in place of a source: whoever pushes sees what comes of it. */
class Feed
{
public:
  explicit Feed (const Pipeline &pipeline)
      : pad_ (gst_pad_new ("feed", GST_PAD_SRC))
  {
    gst_pad_set_active (pad_, TRUE);
    GstPad *sink = gst_element_get_static_pad (pipeline.sink (), "sink");
    fail_unless (gst_pad_link (pad_, sink) == GST_PAD_LINK_OK);
    gst_object_unref (sink);
    fail_unless (push (gst_event_new_stream_start ("feed")));
    g_autoptr (GstCaps) caps = gst_caps_from_string (
        "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved");
    fail_unless (push (gst_event_new_caps (caps)));
    begin_segment ();
  }
  ~Feed ()
  {
    gst_pad_set_active (pad_, FALSE);
    gst_object_unref (pad_);
  }
  Feed (const Feed &) = delete;
  Feed &operator= (const Feed &) = delete;

  bool push (GstEvent *event) { return gst_pad_push_event (pad_, event); }

  /* Plays on from there. */
  void begin_segment (double rate = 1.0, int ms = 0)
  {
    GstSegment segment;
    gst_segment_init (&segment, GST_FORMAT_TIME);
    segment.rate = rate;
    segment.start = segment.time = segment.base
        = GstClockTime (ms) * GST_MSECOND;
    fail_unless (push (gst_event_new_segment (&segment)));
  }

  GstFlowReturn push (int first_ms, int ms)
  {
    const auto audio = indexed_audio (std::size_t (first_ms) * per_ms,
                                      std::size_t (ms) * per_ms);
    GstBuffer *buffer = gst_buffer_new_memdup (audio.data (),
                                               audio.size () * sizeof audio[0]);
    GST_BUFFER_PTS (buffer) = GstClockTime (first_ms) * GST_MSECOND;
    return gst_pad_push (pad_, buffer);
  }

  /* Audio in buffers of 100 ms. */
  void play (int from_ms, int to_ms)
  {
    for (int ms = from_ms; ms < to_ms; ms += 100)
      fail_unless (push (ms, 100) == GST_FLOW_OK);
  }

private:
  GstPad *const pad_;
};

} // namespace sischeck
