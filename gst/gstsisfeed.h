// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gstsisaudio.h"
#include "gstsissettings.h"

#include <functional>

namespace sis {

/* The audio side of an element: takes what comes in on its sink pad, converts
 * it, fills its holes, and offers it to the session. Streaming thread. */
class AudioFeed
{
public:
  /* Called when the session was told to let go of the thread: GST_FLOW_OK to go
   * on where it was, else what the stream is to return. */
  using Wait = std::function<GstFlowReturn ()>;

  AudioFeed (const Settings &settings, std::shared_ptr<Session> session,
             Wait wait);
  AudioFeed (const AudioFeed &) = delete;
  AudioFeed &operator= (const AudioFeed &) = delete;

  Session &session () const noexcept { return *session_; }

  /* False: the caps are wrong, and that was told. */
  bool set_caps (GstCaps *caps);

  GstFlowReturn take (GstBuffer *buffer, const GstSegment &segment);

  /* The running time of a buffer that is about to be taken; nothing if all of
   * it lies outside the segment. */
  struct Place
  {
    Nanoseconds start, end;
  };
  std::optional<Place> place_of (GstBuffer *buffer,
                                 const GstSegment &segment) const;
  static std::optional<Place> place_of (GstEvent *gap,
                                        const GstSegment &segment);

  /* Audio without timestamps goes on behind a GAP, and anew in a segment. */
  void skip (GstEvent *gap);
  void begin_segment ();

  /* The end of the stream: all that is held back goes to the session; then the
   * last transcripts are waited for. */
  GstFlowReturn finish ();
  GstFlowReturn drain ();

  /* All of before is forgotten. */
  void flush ();

  /* Is audio made as it comes? Asked of `pad`'s peer once a segment. */
  bool is_live (GstPad *pad);

private:
  template <typename Ask> GstFlowReturn ask (Ask ask);
  GstFlowReturn offer (AudioBlock block);
  GstFlowReturn fill_hole (Position missing);
  GstFlowReturn discard (GstBuffer *buffer);
  GstFlowReturn fail (const Failure &failure);
  void tell_failure ();
  bool plays_backwards (const GstSegment &segment);

  const std::shared_ptr<Session> session_;
  const Wait wait_;
  const bool discards_; /* after an error; else the stream stops */
  const Nanoseconds longest_fill_;
  AudioInput input_;
  Frames frames_;
  bool has_format_ = false;        /* the input takes audio */
  std::optional<Failure> failure_; /* of caps, to be told, if it discards */
  bool knows_upstream_ = false;
  bool is_live_ = false;
  bool has_warned_rate_ = false;
  bool has_warned_channels_ = false;
};

} // namespace sis
