// SPDX-License-Identifier: LGPL-2.1-or-later
/* What pipelines with sissink cost, and with fakesink in its place. Prints one
 * line of JSON. */
#include "bench.h"

#include <gst/audio/audio.h>
#include <gst/gst.h>

#include <memory>
#include <mutex>
#include <set>

namespace {

struct Options
{
  char *url = nullptr;
  char *properties = nullptr;
  int sinks = 1;
  int seconds = 3600;
  int warm_up = 3;
  int reconnects = 0;
  gboolean fakesink = FALSE, paced = FALSE, spread = FALSE, latency = FALSE,
           wide = FALSE;
  char *before = nullptr;
} options;

/* Of all sinks. */
struct Account
{
  std::mutex mutex;
  std::vector<std::int64_t> to_bus_ns;
  bool is_measuring = false;
  int errors = 0, warnings = 0;
};

Account account;

bool
is_measuring ()
{
  const std::lock_guard lock (account.mutex);
  return account.is_measuring;
}

std::string
description ()
{
  std::string line
      = std::string ("audiotestsrc name=source wave=")
        /* Silence is flagged as a gap, which converters leave out. */
        + (options.wide ? "sine" : "silence") + " num-buffers="
        + std::to_string (options.paced ? -1 : options.seconds * 10)
        + (options.paced ? " is-live=true" : "");
  line += options.wide
              ? " samplesperbuffer=4800 ! audio/x-raw,format=F32LE,rate=48000,"
                "channels=2,layout=interleaved ! "
              : " samplesperbuffer=1600 ! audio/x-raw,format=S16LE,rate=16000,"
                "channels=1,layout=interleaved ! ";
  if (options.before != nullptr)
    line += std::string (options.before) + " ! ";
  if (options.fakesink)
    return line + "fakesink name=sink sync=false";
  line += "sissink name=sink project-id=bench sync=false endpoint=";
  line += options.url;
  if (g_str_has_prefix (options.url, "wss:"))
    line += " ssl-ca-file=" TEST_DATA "/tls/ca.pem auth-token=bench";
  return line + " " + (options.properties ? options.properties : "");
}

GstPadProbeReturn
stamp_buffer (GstPad *, GstPadProbeInfo *info, void *)
{
  GstBuffer *buffer
      = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  info->data = buffer;
  GstMapInfo map;
  if (gst_buffer_map (buffer, &map, GST_MAP_WRITE)) {
    bench::stamp (map.data, is_measuring () ? bench::now_ns () : 0);
    gst_buffer_unmap (buffer, &map);
  }
  return GST_PAD_PROBE_OK;
}

void
note_fault (GstMessage *message)
{
  const bool is_error = GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR;
  g_autoptr (GError) error = nullptr;
  if (is_error)
    gst_message_parse_error (message, &error, nullptr);
  else
    gst_message_parse_warning (message, &error, nullptr);
  std::fprintf (stderr, "sinks: %s: %s\n", is_error ? "error" : "warning",
                error->message);
  const std::lock_guard lock (account.mutex);
  (is_error ? account.errors : account.warnings)++;
}

/* Nobody reads the bus of a paced pipeline; what is posted is looked at here.
 */
GstBusSyncReply
look_at (GstBus *, GstMessage *message, void *)
{
  const std::int64_t now = bench::now_ns ();
  const GstMessageType type = GST_MESSAGE_TYPE (message);
  if (type == GST_MESSAGE_ERROR || type == GST_MESSAGE_WARNING)
    note_fault (message);
  if (options.latency && gst_message_has_name (message, "sis-result")) {
    const char *text = gst_structure_get_string (
        gst_message_get_structure (message), "text");
    const std::lock_guard lock (account.mutex);
    if (account.is_measuring)
      account.to_bus_ns.push_back (now - bench::time_in (text));
  }
  if (type == GST_MESSAGE_EOS || type == GST_MESSAGE_ERROR)
    return GST_BUS_PASS;
  gst_message_unref (message);
  return GST_BUS_DROP;
}

GstElement *
make_pipeline ()
{
  g_autoptr (GError) error = nullptr;
  GstElement *pipeline = gst_parse_launch (description ().c_str (), &error);
  if (error != nullptr) {
    std::fprintf (stderr, "sinks: %s\n", error->message);
    std::exit (1);
  }
  GstBus *bus = gst_element_get_bus (pipeline);
  gst_bus_set_sync_handler (bus, look_at, nullptr, nullptr);
  gst_object_unref (bus);
  if (options.latency) {
    GstElement *source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
    GstPad *pad = gst_element_get_static_pad (source, "src");
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, stamp_buffer, nullptr,
                       nullptr);
    gst_object_unref (pad);
    gst_object_unref (source);
  }
  return pipeline;
}

/* Of all sinks; the last is of the one that has most. */
struct Stats
{
  guint64 dropped = 0, stored = 0;
  guint reconnects = 0;
  int streaming = 0;
  guint64 most_buffered = 0;
};

void
add_stats (GstElement *pipeline, Stats &stats)
{
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  GstStructure *own = nullptr;
  g_object_get (sink, "stats", &own, nullptr);
  guint64 dropped = 0;
  guint64 buffered = 0;
  guint64 unacknowledged = 0;
  guint reconnects = 0;
  gst_structure_get (own, "audio-dropped", G_TYPE_UINT64, &dropped,
                     "audio-buffered", G_TYPE_UINT64, &buffered,
                     "audio-unacknowledged", G_TYPE_UINT64, &unacknowledged,
                     "reconnects", G_TYPE_UINT, &reconnects, nullptr);
  stats.dropped += dropped;
  stats.stored += buffered + unacknowledged;
  stats.reconnects += reconnects;
  stats.streaming
      += g_strcmp0 (gst_structure_get_string (own, "state"), "streaming") == 0;
  stats.most_buffered = std::max (stats.most_buffered, buffered);
  gst_structure_free (own);
  gst_object_unref (sink);
}

Stats
stats_of (const std::vector<GstElement *> &pipelines)
{
  Stats stats;
  if (!options.fakesink)
    for (GstElement *pipeline : pipelines)
      add_stats (pipeline, stats);
  return stats;
}

/* One phase each, evenly spread over the period of the buffers, in whichever
 * order they come round: who missed his would have to wait for a period. */
void
play_spread (const std::vector<GstElement *> &pipelines)
{
  constexpr std::int64_t period = 100 * GST_MSECOND;
  const std::int64_t start = bench::now_ns ();
  std::set<std::int64_t> phases;
  for (std::size_t i = 0; i < pipelines.size (); i++)
    phases.insert (period * std::int64_t (i)
                   / std::int64_t (pipelines.size ()));
  for (GstElement *pipeline : pipelines) {
    const std::int64_t now = (bench::now_ns () - start) % period;
    auto phase = phases.lower_bound (now);
    const std::int64_t wait = phase != phases.end ()
                                  ? *phase - now
                                  : *(phase = phases.begin ()) + period - now;
    g_usleep (gulong (wait / 1000));
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    phases.erase (phase);
  }
}

/* A live source has its buffers at multiples of their length after it was
 * started: at the same instants for all of them, as all channels of one capture
 * card do, or evenly spread. */
void
play (const std::vector<GstElement *> &pipelines)
{
  /* Takes the most of the time, and would blur the instants. */
  if (options.paced)
    for (GstElement *pipeline : pipelines)
      gst_element_set_state (pipeline, GST_STATE_PAUSED);
  if (options.spread)
    return play_spread (pipelines);
  for (GstElement *pipeline : pipelines)
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
}

/* In real time; looks once a second for the sink that has most to send. */
Stats
watch (const std::vector<GstElement *> &pipelines)
{
  Stats stats;
  for (int i = 0; i < options.seconds; i++) {
    g_usleep (G_USEC_PER_SEC);
    const guint64 most_buffered = stats.most_buffered;
    stats = stats_of (pipelines);
    stats.most_buffered = std::max (stats.most_buffered, most_buffered);
  }
  return stats;
}

void
wait_for_eos (GstElement *pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, GST_CLOCK_TIME_NONE,
      GstMessageType (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  gst_message_unref (message);
  gst_object_unref (bus);
}

struct Figures
{
  double cpu = 0;
  long rss = 0;
  int threads = 0;
  Stats stats;
};

Figures
measure (const std::vector<GstElement *> &pipelines)
{
  Figures figures;
  double cpu_before = bench::cpu_seconds ();
  play (pipelines);
  if (options.paced) {
    g_usleep (gulong (options.warm_up) * G_USEC_PER_SEC);
    {
      const std::lock_guard lock (account.mutex);
      account.is_measuring = true;
    }
    cpu_before = bench::cpu_seconds ();
    figures.stats = watch (pipelines);
  } else {
    for (GstElement *pipeline : pipelines)
      wait_for_eos (pipeline);
    figures.stats = stats_of (pipelines);
  }
  figures.cpu = bench::cpu_seconds () - cpu_before;
  figures.rss = bench::rss_kb ();
  figures.threads = bench::count_threads ();
  return figures;
}

/* Whether all went as it was asked for; says so, if not. */
bool
is_as_asked (const Stats &stats)
{
  if (options.fakesink)
    return account.errors == 0;
  const int silent = options.paced ? options.sinks - stats.streaming : 0;
  const bool is_good = silent == 0 && stats.dropped == 0 && account.errors == 0
                       && account.warnings == options.reconnects
                       && int (stats.reconnects) == options.reconnects;
  if (!is_good)
    std::fprintf (stderr,
                  "sinks: %d of %d sinks do not stream, %u reconnects, "
                  "%d errors, %d warnings, %" G_GUINT64_FORMAT " ms dropped\n",
                  silent, options.sinks, stats.reconnects, account.errors,
                  account.warnings, stats.dropped / GST_MSECOND);
  return is_good;
}

void
print (const Figures &figures)
{
  const Stats &stats = figures.stats;
  const double hours = double (options.seconds) / 3600 * options.sinks;
  std::printf (
      "{\"program\":\"%s\",\"sinks\":%d,\"streaming\":%d,"
      "\"cpu_per_audio_hour\":%.4f,\"rss_kb\":%ld,\"threads\":%d,"
      "\"stored_kb\":%" G_GUINT64_FORMAT ",\"dropped_ms\":%" G_GUINT64_FORMAT
      ",\"reconnects\":%u,\"most_buffered_ms\":%" G_GUINT64_FORMAT
      ",\"to_bus_us\":%s}\n",
      options.fakesink ? "fakesink" : "sissink", options.sinks, stats.streaming,
      figures.cpu / hours, figures.rss, figures.threads,
      stats.stored / GST_MSECOND * 32 / 1024, stats.dropped / GST_MSECOND,
      stats.reconnects, stats.most_buffered / GST_MSECOND,
      bench::microseconds (account.to_bus_ns).c_str ());
}

} // namespace

int
main (int argc, char **argv)
{
  const GOptionEntry entries[]
      = { { "url", 0, 0, G_OPTION_ARG_STRING, &options.url, "Of the server",
            "URL" },
          { "fakesink", 0, 0, G_OPTION_ARG_NONE, &options.fakesink,
            "In place of sissink", nullptr },
          { "sinks", 0, 0, G_OPTION_ARG_INT, &options.sinks, "So many", "N" },
          { "seconds", 0, 0, G_OPTION_ARG_INT, &options.seconds,
            "Of audio; with --paced what is measured", "S" },
          { "warm-up", 0, 0, G_OPTION_ARG_INT, &options.warm_up,
            "With --paced: seconds before that", "S" },
          { "reconnects", 0, 0, G_OPTION_ARG_INT, &options.reconnects,
            "Asked for, of the server; without, any is a failure", "N" },
          { "paced", 0, 0, G_OPTION_ARG_NONE, &options.paced,
            "A live source, in real time", nullptr },
          { "spread", 0, 0, G_OPTION_ARG_NONE, &options.spread,
            "With --paced: not all at the same instants", nullptr },
          { "latency", 0, 0, G_OPTION_ARG_NONE, &options.latency,
            "Measure it, with --paced", nullptr },
          { "wide", 0, 0, G_OPTION_ARG_NONE, &options.wide,
            "48 kHz, stereo, float instead of 16 kHz, mono, 16 bit", nullptr },
          { "before", 0, 0, G_OPTION_ARG_STRING, &options.before,
            "Elements before the sink", "LAUNCH LINE" },
          { "properties", 0, 0, G_OPTION_ARG_STRING, &options.properties,
            "More of the sink", "NAME=VALUE …" },
          {} };
  bench::parse (&argc, &argv, entries, "Pipelines that end in sissink.");
  gst_init (nullptr, nullptr);

  std::vector<GstElement *> pipelines;
  for (int i = 0; i < options.sinks; i++)
    pipelines.push_back (make_pipeline ());
  const Figures figures = measure (pipelines);
  for (GstElement *pipeline : pipelines) {
    gst_element_set_state (pipeline, GST_STATE_NULL);
    gst_object_unref (pipeline);
  }
  const std::lock_guard lock (account.mutex);
  print (figures);
  return is_as_asked (figures.stats) ? 0 : 1;
}
