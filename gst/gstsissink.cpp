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

#include "gstsisaudio.h"
#include "gstsismessage.h"
#include "gstsissettings.h"
#include "sis/base/guarded.h"
#include "sis/session.h"

#include <memory>
#include <mutex>
#include <utility>

GST_DEBUG_CATEGORY_STATIC (gst_sis_sink_debug);
#define GST_CAT_DEFAULT gst_sis_sink_debug

namespace {

/* Carries the session's words to the element as long as that lives. */
class SinkListener final : public sis::Listener
{
public:
  explicit SinkListener (GstSisSink *sink) { g_weak_ref_init (&sink_, sink); }
  ~SinkListener () override { g_weak_ref_clear (&sink_); }
  SinkListener (const SinkListener &) = delete;
  SinkListener &operator= (const SinkListener &) = delete;

  void on_event (const sis::Event &event) override
  {
    g_autoptr (GstElement) sink = get ();
    if (sink != nullptr)
      gst_sis_post_event (sink, event);
  }

  void on_log (const std::string &line) override
  {
    g_autoptr (GstElement) sink = get ();
    if (sink != nullptr)
      GST_DEBUG_OBJECT (sink, "%s", line.c_str ());
  }

private:
  GstElement *get ()
  {
    return static_cast<GstElement *> (g_weak_ref_get (&sink_));
  }

  GWeakRef sink_;
};

/* What application threads and the streaming thread share. */
struct Common
{
  sis::Settings settings;
  sis::Settings active; /* of the session: without what changes in READY only */
  std::shared_ptr<sis::Session> session; /* from READY→PAUSED to →READY */
};

/* What belongs to the streaming thread, or to state changes without one. */
struct Streaming
{
  std::unique_ptr<sis::AudioInput> input;
  std::shared_ptr<sis::Session> session;
  bool knows_upstream = false;
  bool is_live = false; /* upstream; then nothing is held to the clock */
  bool has_warned_rate = false;
  bool has_warned_channels = false;
  sis::Nanoseconds longest_fill{}; /* a longer hole only moves time */
};

} // namespace

struct GstSisSinkState
{
  std::atomic<bool> has_failed
      = false;        /* the one error of the run was posted */
  std::mutex writers; /* one property at a time; before all other locks */
  sis::Guarded<Common> common;
  Streaming streaming;
};

struct _GstSisSink
{
  GstBaseSink parent;
  GstSisSinkState *state;
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (
        "audio/x-mulaw, rate = (int) { 8000, 16000 }, channels = (int) 1; "
        "audio/x-alaw, rate = (int) { 8000, 16000 }, channels = (int) 1; "
        "audio/x-raw, format = (string) " GST_AUDIO_FORMATS_ALL ", "
        "rate = (int) [ 1, 1536000 ], channels = (int) [ 1, 64 ], "
        "layout = (string) { interleaved, non-interleaved }"));

#define gst_sis_sink_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE (GstSisSink, gst_sis_sink, GST_TYPE_BASE_SINK,
                         GST_DEBUG_CATEGORY_INIT (gst_sis_sink_debug, "sissink",
                                                  0, "SIS transcripts"))
GST_ELEMENT_REGISTER_DEFINE (sissink, "sissink", GST_RANK_NONE,
                             GST_TYPE_SIS_SINK)

/* A session that may be used without the lock: it is never called under it. */
static std::shared_ptr<sis::Session>
gst_sis_sink_get_session (GstSisSink *self)
{
  return self->state->common.lock ()->session;
}

/* A property that the session takes while it lives. */
static void
gst_sis_sink_update_session (GstSisSink *self, sis::Session &session,
                             const sis::Settings &settings, const char *name)
{
  const std::string invalid = sis::invalid_setting (settings);
  const auto token = sis::find_auth_token (settings);
  if (!invalid.empty () || !token) {
    GST_WARNING_OBJECT (self, "%s is not valid and stays without effect", name);
    return;
  }
  session.set_start (sis::start_config (settings));
  session.set_auth_token (*token);
}

static void
gst_sis_sink_set_property (GObject *object, guint id, const GValue *value,
                           GParamSpec *pspec)
{
  GstSisSink *self = GST_SIS_SINK (object);
  const std::lock_guard writer (self->state->writers);
  sis::Settings active;
  std::shared_ptr<sis::Session> session;
  {
    auto common = self->state->common.lock ();
    if (!sis::set_property (common->settings, id, *value)) {
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      return;
    }
    if (common->session == nullptr || !sis::is_for_next_session (id))
      return;
    sis::set_property (common->active, id, *value);
    active = common->active;
    session = common->session;
  }
  gst_sis_sink_update_session (self, *session, active, pspec->name);
}

static void
gst_sis_sink_get_property (GObject *object, guint id, GValue *value,
                           GParamSpec *pspec)
{
  GstSisSink *self = GST_SIS_SINK (object);
  if (!sis::get_property (self->state->common.lock ()->settings, id, value))
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

/* Takes the snapshot of the settings: errors of these come before any
 * connection. */
static gboolean
gst_sis_sink_open (GstSisSink *self)
{
  const sis::Settings settings = self->state->common.lock ()->settings;
  const auto config = sis::make_config (settings, "sissink/" PACKAGE_VERSION);
  if (const auto *failure = std::get_if<sis::Failure> (&config)) {
    gst_sis_post_failure (GST_ELEMENT (self), GST_MESSAGE_ERROR, *failure);
    return FALSE;
  }
  const std::string useless = sis::useless_settings (settings);
  if (!useless.empty ())
    gst_sis_post_failure (
        GST_ELEMENT (self), GST_MESSAGE_WARNING,
        sis::Failure{ .kind = sis::FailureKind::Settings, .text = useless });

  auto session = std::make_shared<sis::Session> (
      std::get<sis::Config> (config), std::make_shared<SinkListener> (self));
  self->state->streaming = Streaming{
    .input = std::make_unique<sis::AudioInput> (sis::audio_settings (settings)),
    .session = session,
    .longest_fill = sis::longest_fill (settings),
  };
  auto common = self->state->common.lock ();
  common->active = settings;
  common->session = std::move (session);
  return TRUE;
}

static void
gst_sis_sink_close (GstSisSink *self)
{
  std::shared_ptr<sis::Session> session
      = std::exchange (self->state->common.lock ()->session, nullptr);
  self->state->streaming = Streaming{};
  if (session != nullptr)
    session->close ();
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

  const auto session = gst_sis_sink_get_session (self);
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
  sis::Settings settings;
  {
    auto common = self->state->common.lock ();
    settings = common->session != nullptr ? common->active : common->settings;
  }
  GstCaps *caps = sis::service_caps (sis::audio_settings (settings));
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
  GstSisSink *self = GST_SIS_SINK (bsink);
  Streaming &streaming = self->state->streaming;
  if (streaming.input == nullptr)
    return FALSE;
  if (const auto failure = streaming.input->set_caps (caps)) {
    streaming.session->fail (*failure);
    return FALSE;
  }
  if (streaming.input->guesses_channels ()
      && !std::exchange (streaming.has_warned_channels, true))
    streaming.session->warn (
        { .kind = sis::FailureKind::Format,
          .text = "The audio's channels have no positions; the mean of the "
                  "first two is sent. Set mix-matrix to choose." });
  return TRUE;
}

/* A live upstream is not held to the clock: it is right by itself. */
static void
gst_sis_sink_ask_upstream (GstSisSink *self)
{
  Streaming &streaming = self->state->streaming;
  GstQuery *query = gst_query_new_latency ();
  streaming.knows_upstream = true;
  streaming.is_live = false;
  if (gst_pad_peer_query (GST_BASE_SINK_PAD (self), query)) {
    gboolean is_live = FALSE;
    gst_query_parse_latency (query, &is_live, nullptr, nullptr);
    streaming.is_live = is_live;
  }
  gst_query_unref (query);
}

static void
gst_sis_sink_get_times (GstBaseSink *bsink, GstBuffer *buffer,
                        GstClockTime *start, GstClockTime *end)
{
  GstSisSink *self = GST_SIS_SINK (bsink);
  if (!self->state->streaming.knows_upstream)
    gst_sis_sink_ask_upstream (self);
  if (self->state->streaming.is_live)
    *start = *end = GST_CLOCK_TIME_NONE;
  else
    GST_BASE_SINK_CLASS (parent_class)->get_times (bsink, buffer, start, end);
}

/* The base class waits for any signal: where PAUSED followed PLAYING before
 * this thread woke, it would go on while paused. */
static GstFlowReturn
gst_sis_sink_wait_for_playing (GstSisSink *self)
{
  GstFlowReturn ret;
  do
    ret = gst_base_sink_wait_preroll (GST_BASE_SINK (self));
  while (ret == GST_FLOW_OK && self->state->streaming.session->is_paused ());
  return ret;
}

/* Asks the session until it says yes or no; goes on after a pause where it was.
 */
template <typename Ask>
static GstFlowReturn
gst_sis_sink_ask (GstSisSink *self, Ask ask)
{
  while (true) {
    switch (ask (*self->state->streaming.session)) {
    case sis::Session::Answer::Accepted:
      return GST_FLOW_OK;
    case sis::Session::Answer::Closed:
      return GST_FLOW_ERROR;
    case sis::Session::Answer::Interrupted:
      break;
    }
    const GstFlowReturn ret = gst_sis_sink_wait_for_playing (self);
    if (ret != GST_FLOW_OK)
      return ret;
  }
}

static GstFlowReturn
gst_sis_sink_offer (GstSisSink *self, sis::AudioBlock block)
{
  return gst_sis_sink_ask (
      self, [&] (sis::Session &session) { return session.offer (block); });
}

static bool
gst_sis_sink_plays_backwards (GstSisSink *self)
{
  if (GST_BASE_SINK (self)->segment.rate > 0)
    return false;
  Streaming &streaming = self->state->streaming;
  if (!std::exchange (streaming.has_warned_rate, true))
    streaming.session->warn (
        { .kind = sis::FailureKind::Format,
          .text = "Audio that plays backwards is not transcribed." });
  return true;
}

/* Audio that is missing is sent as silence, so that the service's clock goes
 * on; where too much is missing, another session of the service follows. */
static GstFlowReturn
gst_sis_sink_fill_hole (GstSisSink *self, sis::Position missing)
{
  Streaming &streaming = self->state->streaming;
  GstFlowReturn ret = gst_sis_sink_offer (self, streaming.input->drain ());
  const sis::Nanoseconds length = streaming.input->length_of (missing);
  GST_DEBUG_OBJECT (self, "a hole of %" GST_TIME_FORMAT,
                    GST_TIME_ARGS (length.count ()));
  if (length > streaming.longest_fill) {
    streaming.session->break_off ();
    return ret;
  }
  while (ret == GST_FLOW_OK && missing > 0) {
    const sis::AudioBlock silence = streaming.input->fill (missing);
    missing -= streaming.input->samples_of (silence);
    ret = gst_sis_sink_offer (self, silence);
  }
  return ret;
}

static GstFlowReturn
gst_sis_sink_render (GstBaseSink *bsink, GstBuffer *buffer)
{
  GstSisSink *self = GST_SIS_SINK (bsink);
  Streaming &streaming = self->state->streaming;
  if (gst_sis_sink_plays_backwards (self))
    return GST_FLOW_OK;

  GstFlowReturn ret = gst_sis_sink_offer (self, streaming.input->take_tail ());
  if (ret != GST_FLOW_OK)
    return ret;
  if (const auto missing
      = streaming.input->hole_before (buffer, bsink->segment))
    ret = gst_sis_sink_fill_hole (self, missing);
  if (ret != GST_FLOW_OK)
    return ret;
  auto converted = streaming.input->convert (buffer, bsink->segment);
  if (const auto *failure = std::get_if<sis::Failure> (&converted)) {
    streaming.session->fail (*failure);
    return GST_FLOW_ERROR;
  }
  if (const auto *input = std::get_if<sis::AudioInput::Input> (&converted)) {
    streaming.session->anchor (input->anchor);
    ret = gst_sis_sink_offer (self, input->audio);
  }
  streaming.input->release ();
  return ret;
}

static GstFlowReturn
gst_sis_sink_wait_event (GstBaseSink *bsink, GstEvent *event)
{
  GstSisSink *self = GST_SIS_SINK (bsink);
  Streaming &streaming = self->state->streaming;
  const bool is_gap = GST_EVENT_TYPE (event) == GST_EVENT_GAP;
  if (is_gap) {
    GstClockTime start = 0;
    GstClockTime duration = 0;
    gst_event_parse_gap (event, &start, &duration);
    if (GST_CLOCK_TIME_IS_VALID (duration))
      streaming.input->skip_to (start + duration);
  }
  if (is_gap && !streaming.knows_upstream)
    gst_sis_sink_ask_upstream (self);
  if (is_gap && streaming.is_live)
    return GST_FLOW_OK;
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    for (const auto &block :
         { streaming.input->take_tail (), streaming.input->drain () }) {
      const GstFlowReturn ret = gst_sis_sink_offer (self, block);
      if (ret != GST_FLOW_OK)
        return ret;
    }
  }
  const GstFlowReturn ret
      = GST_BASE_SINK_CLASS (parent_class)->wait_event (bsink, event);
  if (ret != GST_FLOW_OK || is_gap)
    return ret;
  return gst_sis_sink_ask (
      self, [] (sis::Session &session) { return session.drain (); });
}

static gboolean
gst_sis_sink_event (GstBaseSink *bsink, GstEvent *event)
{
  GstSisSink *self = GST_SIS_SINK (bsink);
  Streaming &streaming = self->state->streaming;
  const auto session = gst_sis_sink_get_session (self);
  const GstEventType type = GST_EVENT_TYPE (event);

  if (session != nullptr && type == GST_EVENT_FLUSH_START)
    session->flush_start ();
  if (streaming.input != nullptr && type == GST_EVENT_SEGMENT) {
    streaming.input->forget_time ();
    streaming.knows_upstream = false;
  }
  const gboolean ret = GST_BASE_SINK_CLASS (parent_class)->event (bsink, event);
  if (session != nullptr && type == GST_EVENT_FLUSH_STOP) {
    if (streaming.input != nullptr)
      streaming.input->flush ();
    session->flush_stop ();
  }
  return ret;
}

static gboolean
gst_sis_sink_unlock (GstBaseSink *bsink)
{
  if (const auto session = gst_sis_sink_get_session (GST_SIS_SINK (bsink)))
    session->interrupt (true);
  return TRUE;
}

static gboolean
gst_sis_sink_unlock_stop (GstBaseSink *bsink)
{
  if (const auto session = gst_sis_sink_get_session (GST_SIS_SINK (bsink)))
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
  self->state = new GstSisSinkState;
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
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_set_static_metadata (
      element_class, "Huawei Cloud SIS transcriber sink", "Sink/Audio/Network",
      "Streams audio to Huawei Cloud's real-time speech recognition (SIS) and "
      "posts the transcripts on the bus",
      "The gst-sis authors");
}
