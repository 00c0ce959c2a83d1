// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsisfeed.h"

#include <utility>

namespace sis {

AudioFeed::AudioFeed (const Settings &settings,
                      std::shared_ptr<Session> session, Wait wait)
    : session_ (std::move (session)), wait_ (std::move (wait)),
      discards_ (settings.on_error == OnError::Discard),
      longest_fill_ (sis::longest_fill (settings)),
      input_ (audio_settings (settings))
{
}

/* Asks the session until it says yes or no; goes on after a pause where it was.
 */
template <typename Ask>
GstFlowReturn
AudioFeed::ask (Ask ask)
{
  while (true) {
    switch (ask ()) {
    case Session::Answer::Accepted:
      return GST_FLOW_OK;
    case Session::Answer::Closed:
      return GST_FLOW_ERROR;
    case Session::Answer::Interrupted:
      break;
    }
    const GstFlowReturn ret = wait_ ();
    if (ret != GST_FLOW_OK)
      return ret;
  }
}

GstFlowReturn
AudioFeed::offer (AudioBlock block)
{
  /* Nothing is asked of most buffers but their own audio. */
  if (block.bytes.empty () && !block.anchor)
    return GST_FLOW_OK;
  return ask ([&] { return session_->offer (block); });
}

GstFlowReturn
AudioFeed::drain ()
{
  tell_failure ();
  return ask ([this] { return session_->drain (); });
}

/* Tells it; audio may go on to come all the same, and is dropped then. */
GstFlowReturn
AudioFeed::fail (const Failure &failure)
{
  return session_->fail (failure) == Session::Answer::Accepted ? GST_FLOW_OK
                                                               : GST_FLOW_ERROR;
}

bool
AudioFeed::set_caps (GstCaps *caps)
{
  frames_ = frames_of (caps);
  auto failure = input_.set_caps (caps);
  has_format_ = !failure;
  if (failure && !discards_) {
    fail (*failure);
    return false;
  }
  /* Before PLAYING an error would hold the whole pipeline back. */
  failure_ = std::move (failure);
  if (!failure_ && input_.guesses_channels ()
      && !std::exchange (has_warned_channels_, true))
    session_->warn (
        { .kind = FailureKind::Format,
          .text = "The audio's channels have no positions; the mean of the "
                  "first two is sent. Set mix-matrix to choose." });
  return true;
}

/* Of caps that stop nothing. */
void
AudioFeed::tell_failure ()
{
  if (const auto failure = std::exchange (failure_, std::nullopt))
    fail (*failure);
}

/* Audio that cannot be taken, after an error that stops nothing. */
GstFlowReturn
AudioFeed::discard (GstBuffer *buffer)
{
  tell_failure ();
  session_->discard (frames_.length_of (buffer));
  return GST_FLOW_OK;
}

bool
AudioFeed::plays_backwards (const GstSegment &segment)
{
  if (segment.rate > 0)
    return false;
  if (!std::exchange (has_warned_rate_, true))
    session_->warn (
        { .kind = FailureKind::Format,
          .text = "Audio that plays backwards is not transcribed." });
  return true;
}

/* Audio that is missing is sent as silence, so that the service's clock goes
 * on; where too much is missing, another session of the service follows. */
GstFlowReturn
AudioFeed::fill_hole (Position missing)
{
  GstFlowReturn ret = offer (input_.drain ());
  if (input_.length_of (missing) > longest_fill_) {
    session_->break_off ();
    return ret;
  }
  while (ret == GST_FLOW_OK && missing > 0) {
    const AudioBlock silence = input_.fill (missing);
    missing -= AudioInput::samples_of (silence);
    ret = offer (silence);
  }
  return ret;
}

GstFlowReturn
AudioFeed::take (GstBuffer *buffer, const GstSegment &segment)
{
  if (plays_backwards (segment))
    return GST_FLOW_OK;
  if (!has_format_)
    return discard (buffer);

  GstFlowReturn ret = offer (input_.take_tail ());
  if (ret != GST_FLOW_OK)
    return ret;
  if (const auto missing = input_.hole_before (buffer, segment))
    ret = fill_hole (missing);
  if (ret != GST_FLOW_OK)
    return ret;
  auto converted = input_.convert (buffer, segment);
  if (const auto *failure = std::get_if<Failure> (&converted))
    return fail (*failure);
  if (const auto *audio = std::get_if<AudioBlock> (&converted))
    ret = offer (*audio);
  input_.release ();
  return ret;
}

/* Of a segment in time. */
static std::optional<AudioFeed::Place>
place_between (GstClockTime start, GstClockTime stop, const GstSegment &segment)
{
  guint64 first = 0;
  guint64 last = 0;
  if (!gst_segment_clip (&segment, GST_FORMAT_TIME, start, stop, &first, &last))
    return std::nullopt;
  const auto running = [&segment] (guint64 time) {
    return Nanoseconds (
        gst_segment_to_running_time (&segment, GST_FORMAT_TIME, time));
  };
  /* Backwards, the later one plays first. */
  return AudioFeed::Place{ std::min (running (first), running (last)),
                           std::max (running (first), running (last)) };
}

std::optional<AudioFeed::Place>
AudioFeed::place_of (GstBuffer *buffer, const GstSegment &segment) const
{
  const GstClockTime timestamp = input_.timestamp_of (buffer, segment);
  const GstClockTime stop
      = timestamp + GstClockTime (frames_.length_of (buffer).count ());
  if (segment.format != GST_FORMAT_TIME)
    return Place{ Nanoseconds (timestamp), Nanoseconds (stop) };
  return place_between (timestamp, stop, segment);
}

std::optional<AudioFeed::Place>
AudioFeed::place_of (GstEvent *gap, const GstSegment &segment)
{
  if (segment.format != GST_FORMAT_TIME)
    return std::nullopt;
  GstClockTime start = 0;
  GstClockTime duration = 0;
  gst_event_parse_gap (gap, &start, &duration);
  return place_between (
      start, GST_CLOCK_TIME_IS_VALID (duration) ? start + duration : start,
      segment);
}

void
AudioFeed::skip (GstEvent *gap)
{
  GstClockTime start = 0;
  GstClockTime duration = 0;
  gst_event_parse_gap (gap, &start, &duration);
  if (GST_CLOCK_TIME_IS_VALID (duration))
    input_.skip_to (start + duration);
}

void
AudioFeed::begin_segment ()
{
  input_.forget_time ();
  knows_upstream_ = false;
}

GstFlowReturn
AudioFeed::finish ()
{
  const GstFlowReturn ret = offer (input_.take_tail ());
  return ret == GST_FLOW_OK ? offer (input_.drain ()) : ret;
}

void
AudioFeed::flush ()
{
  input_.flush ();
}

bool
AudioFeed::is_live (GstPad *pad)
{
  if (std::exchange (knows_upstream_, true))
    return is_live_;
  GstQuery *query = gst_query_new_latency ();
  gboolean is_live = FALSE;
  if (gst_pad_peer_query (pad, query))
    gst_query_parse_latency (query, &is_live, nullptr, nullptr);
  gst_query_unref (query);
  is_live_ = is_live;
  session_->set_live (is_live_);
  return is_live_;
}

} // namespace sis
