// SPDX-License-Identifier: LGPL-2.1-or-later

/**
 * SECTION:element-sistranscriber
 * @title: sistranscriber
 * @short_description: text from Huawei Cloud's speech recognition
 * @see_also: sissink
 *
 * Takes what #GstSisSink takes, has its action signal `restart` and its
 * properties, but for those of #GstBaseSink, and posts the same messages; and
 * pushes each final result as a buffer of `text/x-raw, format=utf8`, with its
 * place in the stream and its length. In between are GAP events, so that the
 * stream of text has no hole and what combines it with video never waits for
 * long:
 *
 * * Of a live stream, text and gaps are at most #GstSisTranscriber:latency
 *   behind the audio, which is part of the pipeline's latency. A final that
 *   comes later is pushed at once, moved behind what went out and as short as
 *   it has to be to move nothing else, and counted in the field `text-late` of
 *   #GstSisTranscriber:stats. #GstSisTranscriber:max-observed-delay tells what
 *   latency would have been enough.
 * * Any other stream is held up where its text is further behind than that,
 *   until the service has said something of it, or nothing for
 *   #GstSisTranscriber:timeout, at most 15 s. Where instead the audio stops
 *   coming for twice that long, as it does beside video that waits for text
 *   with a queue too short before it, gaps go out in small steps, and text may
 *   be late.
 *
 * After each buffer comes a custom downstream event
 * `rstranscribe/final-transcript`, as from the transcribers of gst-plugins-rs.
 * Interim results are only on the bus.
 *
 * A line of text cannot end a cue of a subtitle file: line breaks and control
 * characters are not in it, and `-->` is written as an arrow.
 *
 * ## Example
 * |[
 * gst-launch-1.0 filesrc location=speech.wav ! decodebin ! sistranscriber \
 *     endpoint=ws://127.0.0.1:8080 project-id=demo ! fdsink
 * ]|
 * Writes what a local sis-server understands of a file; nothing separates the
 * sentences.
 */

#include "gstsistranscriber.h"

#include "gstsisfeed.h"
#include "gstsishost.h"
#include "gstsistextoutput.h"

GST_DEBUG_CATEGORY_STATIC (gst_sis_transcriber_debug);
#define GST_CAT_DEFAULT gst_sis_transcriber_debug

namespace {

constexpr guint default_latency = 8000;

/* Sooner than the session is ended for want of audio. */
constexpr std::chrono::seconds longest_wait{ 15 };

/* What sissink does not have. */
struct TextSettings
{
  guint latency = default_latency, lateness = 0; /* ms */
  bool passthrough_on_error = false;
  std::string language_code;
};

} // namespace

struct GstSisTranscriberState
{
  GstSisTranscriberState (GstElement *element, GstPad *src_pad)
      : output (element, src_pad),
        host (element,
              [this] (const sis::Event &event) { output.on_event (event); })
  {
  }

  sis::Guarded<TextSettings> settings;
  sis::TextOutput output;
  sis::SessionHost host;
  /* Of the streaming thread, or of state changes without one. */
  std::unique_ptr<sis::AudioFeed> feed;
  GstSegment segment;
};

struct _GstSisTranscriber
{
  GstElement parent;
  GstPad *sink_pad, *src_pad;
  GstSisTranscriberState *state;
};

/* Behind those that it shares with sissink. */
enum {
  PROP_LATENCY = 1,
  PROP_LATENESS,
  PROP_LANGUAGE_CODE,
  PROP_MAX_OBSERVED_DELAY,
  PROP_PASSTHROUGH_ON_ERROR,
  PROP_STATS
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (SIS_AUDIO_CAPS));

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("text/x-raw, format = (string) utf8"));

#define gst_sis_transcriber_parent_class parent_class
G_DEFINE_TYPE_WITH_CODE (GstSisTranscriber, gst_sis_transcriber,
                         GST_TYPE_ELEMENT,
                         GST_DEBUG_CATEGORY_INIT (gst_sis_transcriber_debug,
                                                  "sistranscriber", 0,
                                                  "SIS text"))
GST_ELEMENT_REGISTER_DEFINE (sistranscriber, "sistranscriber", GST_RANK_NONE,
                             GST_TYPE_SIS_TRANSCRIBER)

/* Properties */

static void
gst_sis_transcriber_set_property (GObject *object, guint id,
                                  const GValue *value, GParamSpec *pspec)
{
  GstSisTranscriberState *state = GST_SIS_TRANSCRIBER (object)->state;
  if (state->host.set_property (id, *value, pspec->name))
    return;
  auto settings = state->settings.lock ();
  switch (id - sis::count_properties ()) {
  case PROP_LATENCY:
    settings->latency = g_value_get_uint (value);
    break;
  case PROP_LATENESS:
    settings->lateness = g_value_get_uint (value);
    break;
  case PROP_LANGUAGE_CODE: {
    const char *code = g_value_get_string (value);
    settings->language_code = code != nullptr ? code : "";
    break;
  }
  case PROP_PASSTHROUGH_ON_ERROR:
    settings->passthrough_on_error = g_value_get_boolean (value);
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static GstStructure *
gst_sis_transcriber_get_stats (GstSisTranscriber *self)
{
  GstStructure *stats
      = gst_structure_new ("application/x-sis-stats", "text-late", G_TYPE_UINT,
                           self->state->output.late (), nullptr);
  self->state->host.add_stats (stats);
  return stats;
}

static void
gst_sis_transcriber_get_property (GObject *object, guint id, GValue *value,
                                  GParamSpec *pspec)
{
  GstSisTranscriber *self = GST_SIS_TRANSCRIBER (object);
  if (self->state->host.get_property (id, value))
    return;
  auto settings = self->state->settings.lock ();
  switch (id - sis::count_properties ()) {
  case PROP_LATENCY:
    g_value_set_uint (value, settings->latency);
    break;
  case PROP_LATENESS:
    g_value_set_uint (value, settings->lateness);
    break;
  case PROP_LANGUAGE_CODE:
    g_value_set_string (value, settings->language_code.empty ()
                                   ? nullptr
                                   : settings->language_code.c_str ());
    break;
  case PROP_MAX_OBSERVED_DELAY:
    g_value_set_uint (
        value,
        guint (self->state->output.longest_delay ().count () / GST_MSECOND));
    break;
  case PROP_PASSTHROUGH_ON_ERROR:
    g_value_set_boolean (value, settings->passthrough_on_error);
    break;
  case PROP_STATS:
    g_value_take_boxed (value, gst_sis_transcriber_get_stats (self));
    break;
  default:
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
  }
}

static void
gst_sis_transcriber_restart (GstSisTranscriber *self)
{
  if (const auto session = self->state->host.session ())
    session->restart ();
}

/* State changes */

static gboolean
gst_sis_transcriber_open (GstSisTranscriber *self)
{
  GstSisTranscriberState *state = self->state;
  const TextSettings text = *state->settings.lock ();
  auto session = state->host.open (text.passthrough_on_error);
  if (session == nullptr)
    return FALSE;
  const sis::Settings settings = state->host.settings ();
  state->output.open (
      { .latency = std::chrono::milliseconds (text.latency),
        .lateness = std::chrono::milliseconds (text.lateness),
        .timeout
        = std::min (longest_wait, std::chrono::seconds (settings.timeout)) });
  /* Whoever has to let go of the streaming thread stops the stream. */
  state->feed = std::make_unique<sis::AudioFeed> (
      settings, std::move (session), [] { return GST_FLOW_FLUSHING; });
  gst_segment_init (&state->segment, GST_FORMAT_TIME);
  return TRUE;
}

/* Lets go of all threads, so that the pads can be deactivated. */
static void
gst_sis_transcriber_release (GstSisTranscriber *self)
{
  if (const auto session = self->state->host.session ())
    session->interrupt (true);
  self->state->output.close ();
}

static void
gst_sis_transcriber_close (GstSisTranscriber *self)
{
  self->state->host.close ();
  self->state->feed.reset ();
}

static GstStateChangeReturn
gst_sis_transcriber_change_state (GstElement *element,
                                  GstStateChange transition)
{
  GstSisTranscriber *self = GST_SIS_TRANSCRIBER (element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED
      && !gst_sis_transcriber_open (self))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED)
    self->state->output.set_playing (false);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_sis_transcriber_release (self);

  const GstStateChangeReturn ret
      = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING)
    self->state->output.set_playing (true);
  const bool has_failed = ret == GST_STATE_CHANGE_FAILURE
                          && transition == GST_STATE_CHANGE_READY_TO_PAUSED;
  if (has_failed || transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_sis_transcriber_close (self);
  return ret;
}

static gboolean
gst_sis_transcriber_activate_src (GstPad *, GstObject *parent, GstPadMode mode,
                                  gboolean is_active)
{
  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  return GST_SIS_TRANSCRIBER (parent)->state->output.activate (is_active);
}

/* What comes in */

static GstFlowReturn
gst_sis_transcriber_wait_for_text (GstSisTranscriberState *state)
{
  if (!state->output.is_behind ())
    return state->output.wait_for_text ();
  sis::Session &session = state->feed->session ();
  session.hold (true);
  const GstFlowReturn ret = state->output.wait_for_text ();
  session.hold (false);
  return ret;
}

static GstFlowReturn
gst_sis_transcriber_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstSisTranscriberState *state = GST_SIS_TRANSCRIBER (parent)->state;
  sis::AudioFeed &feed = *state->feed;
  const bool is_live = feed.is_live (pad);
  if (const auto place = feed.place_of (buffer, state->segment)) {
    if (state->segment.rate > 0)
      state->output.take_input (place->start, place->end, is_live);
    else
      state->output.take_gap (place->start, place->end, is_live);
  }
  const GstFlowReturn ret = feed.take (buffer, state->segment);
  gst_buffer_unref (buffer);
  return ret == GST_FLOW_OK ? gst_sis_transcriber_wait_for_text (state) : ret;
}

/* A gap in the audio is one in the text; where it holds text up it is not, as
 * nothing is said in it. */
static void
gst_sis_transcriber_take_gap (GstSisTranscriberState *state, GstPad *pad,
                              GstEvent *event)
{
  state->feed->skip (event);
  if (const auto place = state->feed->place_of (event, state->segment))
    state->output.take_gap (place->start, place->end,
                            state->feed->is_live (pad));
  gst_sis_transcriber_wait_for_text (state);
}

/* The end of the stream comes behind its last text, in whatever way that ends;
 * not where the stream was stopped. */
static void
gst_sis_transcriber_finish (GstSisTranscriberState *state, GstEvent *eos)
{
  state->output.begin_end ();
  GstFlowReturn ret = state->feed->finish ();
  if (ret == GST_FLOW_OK)
    ret = state->feed->drain ();
  if (ret != GST_FLOW_FLUSHING)
    state->output.finish (eos);
}

static gboolean
gst_sis_transcriber_flush_start (GstSisTranscriber *self, GstPad *pad,
                                 GstEvent *event)
{
  GstSisTranscriberState *state = self->state;
  /* First of all: what the session drops is no news for the text. */
  state->output.flush_start ();
  if (const auto session = state->host.session ())
    session->flush_start ();
  const gboolean ret = gst_pad_event_default (pad, GST_OBJECT (self), event);
  state->output.wait_for_task ();
  return ret;
}

static gboolean
gst_sis_transcriber_flush_stop (GstSisTranscriber *self, GstPad *pad,
                                GstEvent *event)
{
  GstSisTranscriberState *state = self->state;
  const auto session = state->host.session ();
  if (session == nullptr)
    return gst_pad_event_default (pad, GST_OBJECT (self), event);
  state->output.wait_for_task ();
  state->feed->flush ();
  session->flush_stop ();
  gst_segment_init (&state->segment, GST_FORMAT_TIME);
  state->output.flush_stop ();
  const gboolean ret = gst_pad_event_default (pad, GST_OBJECT (self), event);
  state->output.resume ();
  return ret;
}

static gboolean
gst_sis_transcriber_take_segment (GstSisTranscriberState *state,
                                  GstEvent *event)
{
  gst_event_copy_segment (event, &state->segment);
  state->feed->begin_segment ();
  state->output.begin_segment (event);
  return TRUE;
}

static gboolean
gst_sis_transcriber_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSisTranscriber *self = GST_SIS_TRANSCRIBER (parent);
  GstSisTranscriberState *state = self->state;
  const GstEventType type = GST_EVENT_TYPE (event);
  if (type == GST_EVENT_FLUSH_START)
    return gst_sis_transcriber_flush_start (self, pad, event);
  if (type == GST_EVENT_FLUSH_STOP)
    return gst_sis_transcriber_flush_stop (self, pad, event);
  if ((gst_event_type_get_flags (type) & GST_EVENT_TYPE_SERIALIZED) == 0)
    return gst_pad_event_default (pad, parent, event);

  const sis::EventPtr keep (event);
  if (state->feed == nullptr)
    return FALSE;
  switch (type) {
  case GST_EVENT_STREAM_START:
    state->output.begin_stream (event);
    return TRUE;
  case GST_EVENT_CAPS: {
    GstCaps *caps = nullptr;
    gst_event_parse_caps (event, &caps);
    return state->feed->set_caps (caps);
  }
  case GST_EVENT_SEGMENT:
    return gst_sis_transcriber_take_segment (state, event);
  case GST_EVENT_GAP:
    gst_sis_transcriber_take_gap (state, pad, event);
    return TRUE;
  case GST_EVENT_EOS:
    gst_sis_transcriber_finish (state, event);
    return TRUE;
  case GST_EVENT_TAG: /* of the audio */
    return TRUE;
  case GST_EVENT_SEGMENT_DONE: /* the last text of it comes first */
    state->feed->finish ();
    state->feed->session ().break_off ();
    state->output.forward (event);
    return TRUE;
  default:
    state->output.forward (event);
    return TRUE;
  }
}

/* Queries, and what comes back */

static gboolean
gst_sis_transcriber_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_CAPS)
    return gst_pad_query_default (pad, parent, query);
  GstSisTranscriber *self = GST_SIS_TRANSCRIBER (parent);
  GstCaps *filter = nullptr;
  gst_query_parse_caps (query, &filter);
  GstCaps *caps
      = sis::service_caps (sis::audio_settings (self->state->host.settings ()));
  if (filter != nullptr) {
    GstCaps *filtered
        = gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref (caps);
    caps = filtered;
  }
  gst_query_set_caps_result (query, caps);
  gst_caps_unref (caps);
  return TRUE;
}

/* While it is open, as it was then. */
static GstClockTime
gst_sis_transcriber_latency (GstSisTranscriber *self)
{
  GstSisTranscriberState *state = self->state;
  if (state->host.session () != nullptr)
    return GstClockTime (state->output.latency ().count ());
  return state->settings.lock ()->latency * GST_MSECOND;
}

/* Text is that late; and nothing is lost however late it gets. */
static gboolean
gst_sis_transcriber_query_latency (GstSisTranscriber *self, GstQuery *query)
{
  if (!gst_pad_peer_query (self->sink_pad, query))
    return FALSE;
  gboolean is_live = FALSE;
  GstClockTime shortest = 0;
  gst_query_parse_latency (query, &is_live, &shortest, nullptr);
  self->state->output.set_upstream_latency (
      sis::Nanoseconds (is_live ? gint64 (shortest) : 0));
  if (is_live)
    shortest += gst_sis_transcriber_latency (self);
  gst_query_set_latency (query, is_live, shortest, GST_CLOCK_TIME_NONE);
  return TRUE;
}

static gboolean
gst_sis_transcriber_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    return gst_sis_transcriber_query_latency (GST_SIS_TRANSCRIBER (parent),
                                              query);
  return gst_pad_query_default (pad, parent, query);
}

/* How late text is shown does not matter to the audio. */
static gboolean
gst_sis_transcriber_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) != GST_EVENT_QOS)
    return gst_pad_event_default (pad, parent, event);
  gst_event_unref (event);
  return TRUE;
}

/* The class */

static void
gst_sis_transcriber_finalize (GObject *object)
{
  GstSisTranscriber *self = GST_SIS_TRANSCRIBER (object);
  delete self->state;
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_sis_transcriber_init (GstSisTranscriber *self)
{
  self->sink_pad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sink_pad, gst_sis_transcriber_chain);
  gst_pad_set_event_function (self->sink_pad, gst_sis_transcriber_sink_event);
  gst_pad_set_query_function (self->sink_pad, gst_sis_transcriber_sink_query);
  gst_element_add_pad (GST_ELEMENT (self), self->sink_pad);

  self->src_pad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_activatemode_function (self->src_pad,
                                     gst_sis_transcriber_activate_src);
  gst_pad_set_event_function (self->src_pad, gst_sis_transcriber_src_event);
  gst_pad_set_query_function (self->src_pad, gst_sis_transcriber_src_query);
  gst_pad_use_fixed_caps (self->src_pad);
  gst_element_add_pad (GST_ELEMENT (self), self->src_pad);

  self->state = new GstSisTranscriberState (GST_ELEMENT (self), self->src_pad);
}

static void
gst_sis_transcriber_install_properties (GObjectClass *klass)
{
  const auto install = [klass] (guint id, GParamSpec *spec) {
    g_object_class_install_property (klass, sis::count_properties () + id,
                                     spec);
  };
  constexpr auto ready = GParamFlags (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS
                                      | GST_PARAM_MUTABLE_READY);
  constexpr auto read = GParamFlags (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  sis::install_properties (klass);
  install (PROP_LATENCY,
           g_param_spec_uint ("latency", "Latency",
                              "How far the text may be behind the audio, in ms",
                              0, G_MAXUINT, default_latency, ready));
  install (PROP_LATENESS,
           g_param_spec_uint ("lateness", "Lateness",
                              "By how much the time of all text is later than "
                              "that of the audio, in ms",
                              0, G_MAXUINT, 0, ready));
  install (PROP_LANGUAGE_CODE,
           g_param_spec_string ("language-code", "Language code",
                                "Kept for who asks; the language is that of "
                                "the model",
                                nullptr, ready));
  install (PROP_MAX_OBSERVED_DELAY,
           g_param_spec_uint ("max-observed-delay", "Maximum observed delay",
                              "Longest time from when something began to be "
                              "said until its text was there, in ms",
                              0, G_MAXUINT, 0, read));
  install (PROP_PASSTHROUGH_ON_ERROR,
           g_param_spec_boolean ("passthrough-on-error", "Passthrough on error",
                                 "An error is a warning, and the text a gap "
                                 "from then on",
                                 FALSE, ready));
  install (PROP_STATS,
           g_param_spec_boxed (
               "stats", "Statistics",
               "What became of the audio, and of the sessions so far",
               GST_TYPE_STRUCTURE, read));
}

static void
gst_sis_transcriber_class_init (GstSisTranscriberClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = gst_sis_transcriber_set_property;
  object_class->get_property = gst_sis_transcriber_get_property;
  object_class->finalize = gst_sis_transcriber_finalize;
  element_class->change_state = gst_sis_transcriber_change_state;

  gst_sis_transcriber_install_properties (object_class);
  /**
   * GstSisTranscriber::restart:
   *
   * As of sissink.
   */
  g_signal_new_class_handler (
      "restart", G_TYPE_FROM_CLASS (klass),
      GSignalFlags (G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
      G_CALLBACK (gst_sis_transcriber_restart), nullptr, nullptr, nullptr,
      G_TYPE_NONE, 0);
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (
      element_class, "Huawei Cloud SIS transcriber", "Audio/Text/Filter",
      "Turns audio into text by Huawei Cloud's real-time speech recognition "
      "(SIS)",
      "The gst-sis authors");
}
