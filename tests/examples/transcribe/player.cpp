// SPDX-License-Identifier: LGPL-2.1-or-later
#include "player.h"

#include <array>
#include <cstring>
#include <glib-unix.h>

namespace transcribe {
namespace {

constexpr guint status_interval = 200; /* ms */
/* Times the sink's `timeout`, which itself ends a drain without progress. */
constexpr guint patience = 2;

void
stop_timer (guint &id)
{
  if (id != 0)
    g_source_remove (std::exchange (id, 0));
}

/* An EOS that is not the recording's own. */
void
send_cut (GstPad *pad)
{
  GstEvent *eos = gst_event_new_eos ();
  gst_structure_set (gst_event_writable_structure (eos), "cut", G_TYPE_BOOLEAN,
                     TRUE, nullptr);
  gst_pad_send_event (pad, eos);
}

bool
is_from_sis (GstMessage *message, const GstElement *sink)
{
  return GST_MESSAGE_SRC (message) == GST_OBJECT_CAST (sink);
}

/* By what a user would have to change. */
Exit
exit_of (const GError *error)
{
  const auto is = [error] (GQuark domain, int code) {
    return g_error_matches (error, domain, code) != FALSE;
  };
  if (is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED))
    return Exit::Credentials;
  if (is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS)
      || is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND)
      || is (GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT))
    return Exit::Settings;
  return Exit::Service;
}

std::string
seconds (guint64 time)
{
  std::array<char, 32> out;
  std::snprintf (out.data (), out.size (), "%.1f s",
                 double (time) / double (GST_SECOND));
  return out.data ();
}

std::string
text_field (const GstStructure *structure, const char *field)
{
  const char *text = gst_structure_get_string (structure, field);
  return printable (text != nullptr ? text : "");
}

} // namespace

Player::Player (const Options &options, StatusLine &status)
    : options_ (options), status_ (status),
      loop_ (g_main_loop_new (nullptr, FALSE))
{
}

Player::~Player ()
{
  stop_timer (drain_timer_);
  for (guint &signal : signals_)
    stop_timer (signal);
  if (pipeline_ != nullptr) {
    gst_element_set_state (pipeline_, GST_STATE_NULL);
    g_autoptr (GstBus) bus = gst_element_get_bus (pipeline_);
    gst_bus_remove_watch (bus);
    gst_object_unref (pipeline_);
  }
  g_main_loop_unref (loop_);
}

/* Building */

Verdict
Player::build (const std::string &endpoint)
{
  sink_ = gst_element_factory_make ("sissink", nullptr);
  if (sink_ == nullptr)
    return { Exit::Failed, "GStreamer does not find the plugin sis: install "
                           "it, or set GST_PLUGIN_PATH" };
  pipeline_ = gst_pipeline_new (nullptr);
  gst_bin_add (GST_BIN (pipeline_), sink_);
  set_defaults (endpoint);
  Verdict verdict = apply_settings (sink_, options_);
  return verdict.is_good () ? add_input () : verdict;
}

void
Player::set_defaults (const std::string &endpoint)
{
  g_object_set (sink_, "sync",
                gboolean (options_.is_live () || options_.is_true_speed),
                "interim-results", gboolean (status_.is_shown ()), nullptr);
  if (!endpoint.empty ())
    g_object_set (sink_, "endpoint", endpoint.c_str (), "project-id", "demo",
                  nullptr);
}

Verdict
Player::add_input ()
{
  Verdict verdict = options_.is_live () ? add_source () : add_recording ();
  if (!verdict.is_good ())
    return verdict;
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink_, "sink");
  gst_pad_add_probe (
      pad,
      GstPadProbeType (GST_PAD_PROBE_TYPE_BUFFER
                       | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      [] (GstPad *sink_pad, GstPadProbeInfo *info, gpointer data) {
        auto *self = static_cast<Player *> (data);
        if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_BUFFER)
          return self->on_buffer (sink_pad);
        self->on_event (GST_PAD_PROBE_INFO_EVENT (info));
        return GST_PAD_PROBE_OK;
      },
      this, nullptr);
  return {};
}

Verdict
Player::add_source ()
{
  /* Caps may be the last of them. */
  const std::string elements = options_.source + " ! identity";
  g_autoptr (GError) failure = nullptr;
  input_ = gst_parse_bin_from_description_full (
      elements.c_str (), TRUE, nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &failure);
  if (input_ == nullptr)
    return { Exit::Usage, "--source: " + printable (failure->message) };
  gst_bin_add (GST_BIN (pipeline_), input_);
  if (!gst_element_link (input_, sink_))
    return { Exit::Usage, "--source: it has no audio for sissink" };
  return {};
}

/* A recording's first audio is linked when it is known. */
Verdict
Player::add_recording ()
{
  input_ = gst_element_factory_make ("uridecodebin", nullptr);
  if (input_ == nullptr)
    return { Exit::Failed, "GStreamer's uridecodebin is not installed" };
  g_autoptr (GstCaps) audio = gst_caps_from_string ("audio/x-raw(ANY)");
  g_object_set (input_, "uri", options_.uri.c_str (), "caps", audio,
                "expose-all-streams", FALSE, nullptr);
  g_signal_connect (input_, "pad-added",
                    G_CALLBACK (+[] (GstElement *, GstPad *pad, Player *self) {
                      self->on_pad (pad);
                    }),
                    this);
  g_signal_connect (
      input_, "unknown-type",
      G_CALLBACK (+[] (GstElement *, GstPad *pad, GstCaps *caps, Player *self) {
        self->on_unknown (pad, caps);
      }),
      this);
  gst_bin_add (GST_BIN (pipeline_), input_);
  return {};
}

/* On a streaming thread */
void
Player::on_pad (GstPad *pad)
{
  g_autoptr (GstPad) sink_pad = gst_element_get_static_pad (sink_, "sink");
  if (!gst_pad_is_linked (sink_pad))
    gst_pad_link (pad, sink_pad);
}

/* On a streaming thread: a file, or a stream of one, that may have audio. */
void
Player::on_unknown (GstPad *pad, GstCaps *caps)
{
  g_autoptr (GstElement) parent = gst_pad_get_parent_element (pad);
  GstElementFactory *factory
      = parent != nullptr ? gst_element_get_factory (parent) : nullptr;
  const char *maker = factory != nullptr ? GST_OBJECT_NAME (factory) : "";
  const char *kind = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  const bool is_picture
      = g_str_has_prefix (kind, "video/") || g_str_has_prefix (kind, "image/");
  if (!is_picture || g_str_equal (maker, "typefind"))
    is_plugin_missing_ = true;
}

/* On a streaming thread: what came before the interruption is asked for, what
 * comes behind it is not. EOS returns when the last transcript is there. */
GstPadProbeReturn
Player::on_buffer (GstPad *pad)
{
  if (!is_stopping_)
    return GST_PAD_PROBE_OK;
  send_cut (pad);
  return GST_PAD_PROBE_DROP;
}

/* On a streaming thread: there is one EOS at most. */
void
Player::on_event (GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
    is_whole_ = gst_event_get_structure (event) == nullptr;
}

/* Running */

Verdict
Player::run (CaptionFile &captions)
{
  captions_ = &captions;
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline_);
  gst_bus_add_watch (
      bus,
      [] (GstBus *, GstMessage *message, gpointer self) -> gboolean {
        static_cast<Player *> (self)->on_message (message);
        return G_SOURCE_CONTINUE;
      },
      this);
  signals_ = { SIGINT, SIGTERM, SIGHUP };
  for (guint &signal : signals_)
    signal = g_unix_signal_add (
        int (signal),
        [] (gpointer self) -> gboolean {
          static_cast<Player *> (self)->interrupt ();
          return G_SOURCE_CONTINUE;
        },
        this);
  guint timer = 0;
  if (status_.is_shown ())
    timer = g_timeout_add (
        status_interval,
        [] (gpointer self) -> gboolean {
          static_cast<Player *> (self)->show_status ();
          return G_SOURCE_CONTINUE;
        },
        this);

  gst_element_set_state (pipeline_, GST_STATE_PLAYING);
  g_main_loop_run (loop_);

  stop_timer (timer);
  status_.clear ();
  return verdict_;
}

/* The first reason counts. */
void
Player::end (Exit status, std::string reason)
{
  if (verdict_.is_good ())
    verdict_ = { status, std::move (reason) };
  g_main_loop_quit (loop_);
}

void
Player::interrupt ()
{
  const bool was_stopping = is_stopping_.exchange (true);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink_, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  if (was_stopping || caps == nullptr) { /* again, or nothing came yet */
    end (Exit::Interrupted, "interrupted");
    return;
  }
  if (status_.is_shown ())
    say ("waiting for the last words; interrupt again to give up");
  drain ();
}

/* Both events wait for streaming threads, which may stall; this one may not.
 * The pipeline's is for what else a source feeds, and not for a demuxer, which
 * would take the sudden end of a file for an error. */
void
Player::drain ()
{
  gst_element_call_async (
      sink_,
      [] (GstElement *sink, gpointer) {
        g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
        send_cut (pad);
      },
      nullptr, nullptr);
  if (options_.is_live ())
    gst_element_call_async (
        pipeline_,
        [] (GstElement *pipeline, gpointer) {
          gst_element_send_event (pipeline, gst_event_new_eos ());
        },
        nullptr, nullptr);
  guint timeout = 0;
  g_object_get (sink_, "timeout", &timeout, nullptr);
  drain_limit_ = patience * timeout;
  drain_timer_ = g_timeout_add_seconds (
      drain_limit_,
      [] (gpointer self) -> gboolean {
        static_cast<Player *> (self)->give_up ();
        return G_SOURCE_CONTINUE;
      },
      this);
}

void
Player::give_up ()
{
  end (Exit::Interrupted, "interrupted; the last words did not come: gave up "
                          "after "
                              + std::to_string (drain_limit_) + " s");
}

void
Player::say (const std::string &text)
{
  status_.clear ();
  std::fprintf (stderr, "sis-transcribe: %s\n", text.c_str ());
}

/* What the service was given is all that can be known of its progress. */
void
Player::show_status ()
{
  const guint64 sent = stat ("audio-sent") - stat ("audio-replayed");
  gint64 duration = 0;
  std::array<char, 32> head;
  if (!options_.is_live ()
      && gst_element_query_duration (pipeline_, GST_FORMAT_TIME, &duration)
      && duration > 0)
    std::snprintf (head.data (), head.size (), "[%3u%%] ",
                   unsigned (MIN (100, sent * 100 / guint64 (duration))));
  else
    std::snprintf (head.data (), head.size (), "[%u:%02u] ",
                   unsigned (sent / GST_SECOND / 60),
                   unsigned (sent / GST_SECOND % 60));
  status_.show (head.data (), interim_);
}

guint64
Player::stat (const char *field) const
{
  g_autoptr (GstStructure) stats = nullptr;
  g_object_get (sink_, "stats", &stats, nullptr);
  guint64 value = 0;
  if (stats != nullptr)
    gst_structure_get_uint64 (stats, field, &value);
  return value;
}

/* Messages */

void
Player::on_message (GstMessage *message)
{
  switch (GST_MESSAGE_TYPE (message)) {
  case GST_MESSAGE_ELEMENT:
    if (is_from_sis (message, sink_))
      on_element (gst_message_get_structure (message));
    break;
  case GST_MESSAGE_ERROR:
    on_error (message);
    break;
  case GST_MESSAGE_WARNING:
    on_warning (message);
    break;
  case GST_MESSAGE_EOS:
    on_eos ();
    break;
  default:
    break;
  }
}

void
Player::on_element (const GstStructure *structure)
{
  const char *name = gst_structure_get_name (structure);
  if (std::strcmp (name, "sis-result") == 0) {
    on_result (structure);
  } else if (options_.is_verbose) {
    std::string line = name;
    for (const char *field : { "host", "trace_id", "event", "reason" })
      if (gst_structure_has_field (structure, field))
        line.append (" ").append (text_field (structure, field));
    say (line);
  }
}

/* A recording is read by its own time, which is where players put captions. */
void
Player::on_result (const GstStructure *result)
{
  gboolean is_final = FALSE;
  gst_structure_get_boolean (result, "is_final", &is_final);
  if (!is_final) {
    interim_ = text_field (result, "text");
    show_status ();
    return;
  }
  interim_.clear ();
  status_.clear ();
  if (!captions_->add (read_cue (result, options_.is_live () ? "running-time"
                                                             : "stream-time")))
    end (Exit::Failed, std::string ("cannot write: ") + g_strerror (errno));
}

void
Player::on_error (GstMessage *message)
{
  g_autoptr (GError) error = nullptr;
  g_autofree char *debug = nullptr;
  gst_message_parse_error (message, &error, &debug);
  const bool is_ours = is_from_sis (message, sink_);
  if (is_ours && options_.is_verbose)
    say (printable (debug != nullptr ? debug : ""));
  if (is_ours)
    end (exit_of (error), printable (error->message));
  else if (finds_no_audio (error))
    end (Exit::Input, "the recording has no audio");
  else
    end (Exit::Input, printable (error->message));
}

/* For pictures, which are not asked for, GStreamer looks for no plug-in, and
 * says that it lacks one. */
bool
Player::finds_no_audio (const GError *error) const
{
  return !options_.is_live () && !is_plugin_missing_
         && g_error_matches (error, GST_CORE_ERROR,
                             GST_CORE_ERROR_MISSING_PLUGIN);
}

/* Without a microphone GStreamer warns, and goes on with silence. */
void
Player::on_warning (GstMessage *message)
{
  g_autoptr (GError) warning = nullptr;
  gst_message_parse_warning (message, &warning, nullptr);
  const std::string text = printable (warning->message);
  g_autofree char *source = gst_object_get_name (GST_MESSAGE_SRC (message));
  if (g_str_has_prefix (source, "autoaudiosrc"))
    end (Exit::Input, text);
  else if (!options_.is_quiet)
    say ("warning: " + text);
}

void
Player::on_eos ()
{
  const guint64 missing = stat ("audio-dropped") + stat ("audio-unacknowledged")
                          + stat ("audio-buffered");
  const guint64 came = stat ("audio-in");
  if (missing > 0)
    end (Exit::Service, "the text is not complete: nothing is known of "
                            + seconds (missing) + " of the audio");
  else if (!is_whole_ && !options_.is_live ())
    end (Exit::Interrupted,
         "interrupted; the text ends after " + seconds (came) + " of audio");
  else
    end (Exit::Done);
}

} // namespace transcribe
