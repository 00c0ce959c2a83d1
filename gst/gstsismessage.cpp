// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsismessage.h"

namespace {

struct DomainAndCode
{
  GQuark domain;
  gint code;
};

DomainAndCode
domain_and_code (sis::FailureKind kind)
{
  switch (kind) {
  case sis::FailureKind::NotAuthorized:
    return { GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED };
  case sis::FailureKind::Settings:
    return { GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS };
  case sis::FailureKind::NotFound:
    return { GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND };
  case sis::FailureKind::Format:
    return { GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT };
  case sis::FailureKind::Lost:
    return { GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE };
  case sis::FailureKind::Busy:
    return { GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY };
  case sis::FailureKind::Open:
  case sis::FailureKind::Drain:
    return { GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE };
  case sis::FailureKind::Malformed:
    return { GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE };
  case sis::FailureKind::Service:
    break;
  }
  return { GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED };
}

guint64
clock_time (sis::Nanoseconds time)
{
  return time.count () < 0 ? GST_CLOCK_TIME_NONE : guint64 (time.count ());
}

/* What the service left out is not in the structure either. */
void
set_text (GstStructure *structure, const char *field, const std::string &text)
{
  if (!text.empty ())
    gst_structure_set (structure, field, G_TYPE_STRING, text.c_str (), nullptr);
}

void
set_ms (GstStructure *structure, const char *field,
        const std::optional<sis::Milliseconds> &time)
{
  if (time)
    gst_structure_set (structure, field, G_TYPE_INT64, gint64 (time->count ()),
                       nullptr);
}

void
set_span (GstStructure *structure, const std::optional<sis::Span> &span)
{
  if (!span)
    return;
  const sis::Times &start = span->start;
  gst_structure_set (structure, "timestamp", G_TYPE_UINT64,
                     clock_time (start.timestamp), "stream-time", G_TYPE_UINT64,
                     clock_time (start.stream_time), "running-time",
                     G_TYPE_UINT64, clock_time (start.running_time), "duration",
                     G_TYPE_UINT64, clock_time (span->duration), nullptr);
}

void
set_words (GstStructure *structure, const std::vector<sis::TimedWord> &words)
{
  if (words.empty ())
    return;
  GValue array = G_VALUE_INIT;
  gst_value_array_init (&array, guint (words.size ()));
  for (const sis::TimedWord &word : words) {
    GstStructure *entry = gst_structure_new_empty ("word");
    set_text (entry, "word", word.word);
    set_span (entry, word.span);
    GValue value = G_VALUE_INIT;
    g_value_init (&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&value, entry);
    gst_value_array_append_and_take_value (&array, &value);
  }
  gst_structure_take_value (structure, "words", &array);
}

GstStructure *
to_structure (const sis::Connecting &event)
{
  return gst_structure_new ("sis-connecting", "attempt", G_TYPE_UINT,
                            event.attempt, "host", G_TYPE_STRING,
                            event.host.c_str (), nullptr);
}

GstStructure *
to_structure (const sis::Started &event)
{
  GstStructure *structure = gst_structure_new (
      "sis-start", "session", G_TYPE_UINT, event.session, nullptr);
  set_text (structure, "trace_id", event.trace_id);
  return structure;
}

GstStructure *
to_structure (const sis::Transcript &event)
{
  GstStructure *structure = gst_structure_new (
      "sis-result", "session", G_TYPE_UINT, event.session, "segment",
      G_TYPE_UINT, event.number, "is_final", G_TYPE_BOOLEAN, event.is_final,
      "text", G_TYPE_STRING, event.text.c_str (), nullptr);
  set_text (structure, "trace_id", event.trace_id);
  if (event.interrupted)
    gst_structure_set (structure, "interrupted", G_TYPE_BOOLEAN, TRUE, nullptr);
  if (event.score)
    gst_structure_set (structure, "score", G_TYPE_DOUBLE, *event.score,
                       nullptr);
  set_ms (structure, "start_time", event.start_time);
  set_ms (structure, "end_time", event.end_time);
  set_span (structure, event.span);
  set_words (structure, event.words);
  return structure;
}

GstStructure *
to_structure (const sis::Occurrence &event)
{
  GstStructure *structure = gst_structure_new (
      "sis-event", "session", G_TYPE_UINT, event.session, "running-time",
      G_TYPE_UINT64, clock_time (event.times.running_time), "timestamp",
      G_TYPE_UINT64, clock_time (event.times.timestamp), nullptr);
  set_text (structure, "event", event.event);
  set_text (structure, "trace_id", event.trace_id);
  set_ms (structure, "event_time", event.event_time);
  return structure;
}

GstStructure *
to_structure (const sis::Ended &event)
{
  GstStructure *structure = gst_structure_new (
      "sis-end", "session", G_TYPE_UINT, event.session, "reason", G_TYPE_STRING,
      event.reason.c_str (), nullptr);
  set_text (structure, "trace_id", event.trace_id);
  return structure;
}

GstStructure *
details_of (const sis::Failure &failure)
{
  GstStructure *details = gst_structure_new (
      "sis-error", "session", G_TYPE_UINT, failure.session, nullptr);
  set_text (details, "resp_type", failure.resp_type);
  set_text (details, "error_code", failure.error_code);
  set_text (details, "error_msg", failure.error_msg);
  set_text (details, "trace_id", failure.trace_id);
  set_text (details, "request_id", failure.request_id);
  if (failure.http_status != 0)
    gst_structure_set (details, "http_status", G_TYPE_UINT, failure.http_status,
                       nullptr);
  return details;
}

/* One overload an alternative: a new one does not compile until it is here. */
template <typename T>
void
post (GstElement *element, const T &event)
{
  gst_element_post_message (
      element,
      gst_message_new_element (GST_OBJECT (element), to_structure (event)));
}

/* As `dropped` is in time, so is what was not. */
void
post (GstElement *element, const sis::Overflow &overflow)
{
  GstMessage *message = gst_message_new_qos (
      GST_OBJECT (element), overflow.is_live,
      clock_time (overflow.times.running_time),
      clock_time (overflow.times.stream_time),
      clock_time (overflow.times.timestamp), clock_time (overflow.dropped));
  gst_message_set_qos_stats (message, GST_FORMAT_TIME,
                             clock_time (overflow.processed),
                             clock_time (overflow.dropped));
  gst_element_post_message (element, message);
}

/* Not for the bus. */
void
post (GstElement *, const sis::Progress &)
{
}

void
post (GstElement *element, const sis::Warning &warning)
{
  gst_sis_post_failure (element, GST_MESSAGE_WARNING, warning.failure);
}

void
post (GstElement *element, const sis::Failure &failure)
{
  gst_sis_post_failure (element, GST_MESSAGE_ERROR, failure);
}

} // namespace

void
gst_sis_post_event (GstElement *element, const sis::Event &event)
{
  std::visit ([element] (const auto &e) { post (element, e); }, event);
}

void
gst_sis_post_failure (GstElement *element, GstMessageType type,
                      const sis::Failure &failure)
{
  const auto [domain, code] = domain_and_code (failure.kind);
  const std::string debug = sis::describe (failure);
  gst_element_message_full_with_details (
      element, type, domain, code, g_strdup (failure.text.c_str ()),
      g_strdup (debug.c_str ()), __FILE__, __func__, __LINE__,
      details_of (failure));
}

void
gst_sis_add_stats (GstStructure *structure, const sis::Stats &stats)
{
  const auto time = [&stats] (sis::Position samples) {
    return clock_time (sis::samples_to_time (samples, stats.rate));
  };
  const sis::AudioAccount &audio = stats.audio;
  gst_structure_set (
      structure, "state", G_TYPE_STRING, stats.state, "sessions", G_TYPE_UINT,
      stats.sessions, "reconnects", G_TYPE_UINT, stats.reconnects, "bytes-sent",
      G_TYPE_UINT64, guint64 (stats.bytes_sent), "results", G_TYPE_UINT64,
      guint64 (stats.finals + stats.interims), "finals", G_TYPE_UINT64,
      guint64 (stats.finals), "interims", G_TYPE_UINT64,
      guint64 (stats.interims), "malformed", G_TYPE_UINT64,
      guint64 (stats.malformed), "last-result-latency", G_TYPE_UINT64,
      clock_time (stats.last_result_latency), nullptr);
  gst_structure_set (
      structure, "audio-in", G_TYPE_UINT64, time (audio.in), "audio-filled",
      G_TYPE_UINT64, time (audio.filled), "audio-buffered", G_TYPE_UINT64,
      time (audio.waiting), "audio-sent", G_TYPE_UINT64, time (audio.sent),
      "audio-unacknowledged", G_TYPE_UINT64, time (audio.unacknowledged),
      "audio-acknowledged", G_TYPE_UINT64, time (audio.acknowledged),
      "audio-evicted", G_TYPE_UINT64, time (audio.evicted), "audio-dropped",
      G_TYPE_UINT64, time (audio.dropped), "audio-replayed", G_TYPE_UINT64,
      time (audio.replayed), nullptr);
  set_text (structure, "trace_id", stats.trace_id);
}
