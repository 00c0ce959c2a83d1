// SPDX-License-Identifier: LGPL-2.1-or-later

/**
 * SECTION:element-sissink
 * @title: sissink
 * @short_description: live transcripts from Huawei Cloud's speech recognition
 *
 * Takes raw audio of any format, and µ-law and A-law, streams it to the
 * real-time recognition of Huawei Cloud's Speech Interaction Service (SIS) and
 * posts what the service answers as element messages on the bus.
 *
 * All times in messages are #guint64 in nanoseconds: `timestamp` in the
 * buffers' time, `stream-time` and `running-time` in the pipeline's. Times
 * that bear the service's names are #gint64 in milliseconds since the start of
 * the service's session. A field that the service did not send is absent.
 *
 * `sis-connecting`, before each attempt to connect:
 *
 * * #guint `attempt`: counted from 1
 * * #gchararray `host`: the service's host
 *
 * `sis-start`, when the service is ready for audio:
 *
 * * #gchararray `trace_id`: the service's id, for its support
 * * #guint `session`: counted from 1 since READY
 *
 * `sis-result`, one for each segment of a result:
 *
 * * #gchararray `trace_id`, #guint `session`: as above
 * * #guint `segment`: 1 + the number of utterances finished before
 * * #gboolean `is_final`: %FALSE for a hypothesis that will be replaced
 * * #gboolean `interrupted`: present and %TRUE if no final will come for this
 *   utterance
 * * #gchararray `text`: all of the utterance
 * * #gdouble `score`: confidence, 0 to 1
 * * #gint64 `start_time`, `end_time`: in ms
 * * #guint64 `timestamp`, `stream-time`, `running-time`: of the first sample
 * * #guint64 `duration`
 * * #GstValueArray `words`: of #GstStructure `word` with #gchararray `word` and
 *   #guint64 `timestamp`, `stream-time`, `running-time`, `duration`
 *
 * `sis-event`, such as VOICE_START, VOICE_END, EXCEEDED_SILENCE:
 *
 * * #gchararray `trace_id`, #guint `session`: as above
 * * #gchararray `event`: the service's name of it
 * * #gint64 `event_time`: in ms
 * * #guint64 `running-time`, `timestamp`
 *
 * `sis-end`, exactly one for each `sis-start`, after all its results:
 *
 * * #gchararray `trace_id`, #guint `session`: as above
 * * #gchararray `reason`: NORMAL, CANCEL, ERROR, LOST (connection) or TIMEOUT
 *
 * Sessions that are lost, or near the service's limit, are followed by another
 * one, which begins at the first sample that no final covers: words come once,
 * and with their own times. #GstSisSink:reconnect says which failures are
 * passed over so, with a warning each; #GstSisSink:stats counts where all audio
 * went. Audio that has to be dropped as the network is too slow is told by a
 * warning, and by a QoS message, in #GST_FORMAT_TIME, at the end of each
 * episode.
 *
 * Errors and warnings carry a details structure `sis-error` with #gchararray
 * `resp_type`, `error_code`, `error_msg`, `trace_id`, #guint `session` (0
 * before the first `sis-start`) and, for a refused handshake, #guint
 * `http_status`.
 *
 * ## Example
 * |[
 * gst-launch-1.0 -m filesrc location=speech.wav ! decodebin ! sissink \
 *     endpoint=ws://127.0.0.1:8080 project-id=demo
 * ]|
 * Transcribes a file with a local sis-server. Without `endpoint`, and with
 * SIS_AUTH_TOKEN and HUAWEICLOUD_SDK_PROJECT_ID in the environment, the same
 * line asks the cloud service.
 */

#include "gstsissink.h"

#include "gstsisfeed.h"
#include "gstsishost.h"

#include <memory>
#include <utility>

GST_DEBUG_CATEGORY_STATIC (gst_sis_sink_debug);
#define GST_CAT_DEFAULT gst_sis_sink_debug

struct GstSisSinkState
{
  explicit GstSisSinkState (GstElement *element) : host (element) {}

  sis::SessionHost host;
  /* Of the streaming thread, or of state changes without one. */
  std::unique_ptr<sis::AudioFeed> feed;
};

struct _GstSisSink
{
  GstBaseSink parent;
  GstSisSinkState *state;
};

/* Behind those of the settings. */
static guint
stats_id ()
{
  return sis::count_properties () + 1;
}

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (SIS_AUDIO_CAPS));

#define gst_sis_sink_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE (GstSisSink, gst_sis_sink, GST_TYPE_BASE_SINK,
                         GST_DEBUG_CATEGORY_INIT (gst_sis_sink_debug, "sissink",
                                                  0, "SIS transcripts"))
GST_ELEMENT_REGISTER_DEFINE (sissink, "sissink", GST_RANK_NONE,
                             GST_TYPE_SIS_SINK)

static void
gst_sis_sink_set_property (GObject *object, guint id, const GValue *value,
                           GParamSpec *pspec)
{
  GstSisSink *self = GST_SIS_SINK (object);
  if (!self->state->host.set_property (id, *value, pspec->name))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

/* The base class has a property of this name, too; its fields are kept. */
static GstStructure *
gst_sis_sink_get_stats (GstSisSink *self)
{
  GObjectClass *base_class = G_OBJECT_CLASS (parent_class);
  GParamSpec *base = g_object_class_find_property (base_class, "stats");
  GValue value = G_VALUE_INIT;
  g_value_init (&value, GST_TYPE_STRUCTURE);
  base_class->get_property (G_OBJECT (self), base->param_id, &value, base);
  GstStructure *stats = gst_structure_copy (gst_value_get_structure (&value));
  g_value_unset (&value);
  gst_structure_set_name (stats, "application/x-sis-stats");
  self->state->host.add_stats (stats);
  return stats;
}

static void
gst_sis_sink_get_property (GObject *object, guint id, GValue *value,
                           GParamSpec *pspec)
{
  GstSisSink *self = GST_SIS_SINK (object);
  if (id == stats_id ())
    g_value_take_boxed (value, gst_sis_sink_get_stats (self));
  else if (!self->state->host.get_property (id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_sis_sink_restart (GstSisSink *self)
{
  if (const auto session = self->state->host.session ())
    session->restart ();
}

/* The base class waits for any signal: where PAUSED followed PLAYING before
 * this thread woke, it would go on while paused. */
static GstFlowReturn
gst_sis_sink_wait_for_playing (GstSisSink *self)
{
  GstFlowReturn ret;
  do
    ret = gst_base_sink_wait_preroll (GST_BASE_SINK (self));
  while (ret == GST_FLOW_OK && self->state->feed->session ().is_paused ());
  return ret;
}

/* Takes the snapshot of the settings: errors of these come before any
 * connection. */
static gboolean
gst_sis_sink_open (GstSisSink *self)
{
  auto session = self->state->host.open ();
  if (session == nullptr)
    return FALSE;
  self->state->feed = std::make_unique<sis::AudioFeed> (
      self->state->host.settings (), std::move (session),
      [self] { return gst_sis_sink_wait_for_playing (self); });
  return TRUE;
}

static void
gst_sis_sink_close (GstSisSink *self)
{
  self->state->feed.reset ();
  self->state->host.close ();
}

/* The streaming thread waits for this, not for what the base class signals: so
 * it never holds the preroll lock when that is wanted for PLAYING. */
static void
gst_sis_sink_unpause (GstSisSink *self, sis::Session &session)
{
  if (!session.is_paused ())
    return;
  GST_BASE_SINK_PREROLL_LOCK (self);
  session.pause (false);
  GST_BASE_SINK_PREROLL_BROADCAST (self);
  GST_BASE_SINK_PREROLL_UNLOCK (self);
}

static GstStateChangeReturn
gst_sis_sink_change_state (GstElement *element, GstStateChange transition)
{
  GstSisSink *self = GST_SIS_SINK (element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED
      && !gst_sis_sink_open (self))
    return GST_STATE_CHANGE_FAILURE;

  const auto session = self->state->host.session ();
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    session->pause (true);

  const GstStateChangeReturn ret
      = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
    gst_sis_sink_unpause (self, *session);
  const bool has_failed = ret == GST_STATE_CHANGE_FAILURE
                          && transition == GST_STATE_CHANGE_READY_TO_PAUSED;
  if (has_failed || transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_sis_sink_close (self);
  return ret;
}

static GstCaps *
gst_sis_sink_get_caps (GstBaseSink *bsink, GstCaps *filter)
{
  GstSisSink *self = GST_SIS_SINK (bsink);
  GstCaps *caps
      = sis::service_caps (sis::audio_settings (self->state->host.settings ()));
  if (filter == nullptr)
    return caps;
  GstCaps *filtered
      = gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (caps);
  return filtered;
}

static gboolean
gst_sis_sink_set_caps (GstBaseSink *bsink, GstCaps *caps)
{
  sis::AudioFeed *feed = GST_SIS_SINK (bsink)->state->feed.get ();
  return feed != nullptr && feed->set_caps (caps);
}

/* A live upstream is not held to the clock: it is right by itself. */
static void
gst_sis_sink_get_times (GstBaseSink *bsink, GstBuffer *buffer,
                        GstClockTime *start, GstClockTime *end)
{
  GstSisSink *self = GST_SIS_SINK (bsink);
  if (self->state->feed->is_live (GST_BASE_SINK_PAD (self)))
    *start = *end = GST_CLOCK_TIME_NONE;
  else
    GST_BASE_SINK_CLASS (parent_class)->get_times (bsink, buffer, start, end);
}

static GstFlowReturn
gst_sis_sink_render (GstBaseSink *bsink, GstBuffer *buffer)
{
  return GST_SIS_SINK (bsink)->state->feed->take (buffer, bsink->segment);
}

static GstFlowReturn
gst_sis_sink_wait_event (GstBaseSink *bsink, GstEvent *event)
{
  GstSisSink *self = GST_SIS_SINK (bsink);
  sis::AudioFeed &feed = *self->state->feed;
  if (GST_EVENT_TYPE (event) == GST_EVENT_GAP) {
    feed.skip (event);
    /* The base class would hold it to the clock all the same. */
    if (feed.is_live (GST_BASE_SINK_PAD (self)))
      return GST_FLOW_OK;
    return GST_BASE_SINK_CLASS (parent_class)->wait_event (bsink, event);
  }
  GstFlowReturn ret = GST_FLOW_OK;
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
    ret = feed.finish ();
  if (ret == GST_FLOW_OK)
    ret = GST_BASE_SINK_CLASS (parent_class)->wait_event (bsink, event);
  return ret == GST_FLOW_OK ? feed.drain () : ret;
}

static gboolean
gst_sis_sink_event (GstBaseSink *bsink, GstEvent *event)
{
  GstSisSink *self = GST_SIS_SINK (bsink);
  sis::AudioFeed *feed = self->state->feed.get ();
  const auto session = self->state->host.session ();
  const GstEventType type = GST_EVENT_TYPE (event);

  if (session != nullptr && type == GST_EVENT_FLUSH_START)
    session->flush_start ();
  if (feed != nullptr && type == GST_EVENT_SEGMENT)
    feed->begin_segment ();
  const gboolean ret = GST_BASE_SINK_CLASS (parent_class)->event (bsink, event);
  if (session != nullptr && type == GST_EVENT_FLUSH_STOP) {
    if (feed != nullptr)
      feed->flush ();
    session->flush_stop ();
  }
  return ret;
}

static gboolean
gst_sis_sink_unlock (GstBaseSink *bsink)
{
  if (const auto session = GST_SIS_SINK (bsink)->state->host.session ())
    session->interrupt (true);
  return TRUE;
}

static gboolean
gst_sis_sink_unlock_stop (GstBaseSink *bsink)
{
  if (const auto session = GST_SIS_SINK (bsink)->state->host.session ())
    session->interrupt (false);
  return TRUE;
}

static void
gst_sis_sink_finalize (GObject *object)
{
  GstSisSink *self = GST_SIS_SINK (object);
  delete self->state;
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_sis_sink_init (GstSisSink *self)
{
  self->state = new GstSisSinkState (GST_ELEMENT (self));
  gst_base_sink_set_last_sample_enabled (GST_BASE_SINK (self), FALSE);
}

static void
gst_sis_sink_class_init (GstSisSinkClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);

  object_class->set_property = gst_sis_sink_set_property;
  object_class->get_property = gst_sis_sink_get_property;
  object_class->finalize = gst_sis_sink_finalize;
  element_class->change_state = gst_sis_sink_change_state;
  sink_class->get_caps = gst_sis_sink_get_caps;
  sink_class->set_caps = gst_sis_sink_set_caps;
  sink_class->get_times = gst_sis_sink_get_times;
  sink_class->render = gst_sis_sink_render;
  sink_class->wait_event = gst_sis_sink_wait_event;
  sink_class->event = gst_sis_sink_event;
  sink_class->unlock = gst_sis_sink_unlock;
  sink_class->unlock_stop = gst_sis_sink_unlock_stop;

  sis::install_properties (object_class);
  g_object_class_install_property (
      object_class, stats_id (),
      g_param_spec_boxed (
          "stats", "Statistics",
          "What became of the audio, and of the sessions so far",
          GST_TYPE_STRUCTURE,
          GParamFlags (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
  /**
   * GstSisSink::restart:
   *
   * Replaces the running session of the service, so that properties that were
   * changed apply; without loss, in `continue` mode at the end of a sentence.
   */
  g_signal_new_class_handler (
      "restart", G_TYPE_FROM_CLASS (klass),
      GSignalFlags (G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
      G_CALLBACK (gst_sis_sink_restart), nullptr, nullptr, nullptr, G_TYPE_NONE,
      0);
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_set_static_metadata (
      element_class, "Huawei Cloud SIS transcriber sink", "Sink/Audio/Network",
      "Streams audio to Huawei Cloud's real-time speech recognition (SIS) and "
      "posts the transcripts on the bus",
      "The gst-sis authors");
}
