// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

namespace sischeck {
namespace {

std::size_t
count_entries (const char *folder)
{
  std::size_t count = 0;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, nullptr);
  while (dir != nullptr && g_dir_read_name (dir) != nullptr)
    count++;
  return count;
}

} // namespace

Milliseconds
patience ()
{
  const char *factor = std::getenv ("CK_TIMEOUT_MULTIPLIER");
  return 15s * (factor != nullptr ? std::max (1, std::atoi (factor)) : 1);
}

bool
measures_memory ()
{
  return patience () == 15s;
}

Pipeline::Pipeline (const std::string &launch)
{
  GError *error = nullptr;
  pipeline_ = gst_parse_launch (launch.c_str (), &error);
  fail_unless (pipeline_ != nullptr && error == nullptr, "%s: %s",
               launch.c_str (), error != nullptr ? error->message : "");
  sink_ = gst_bin_get_by_name (GST_BIN (pipeline_), "sink");
  fail_unless (sink_ != nullptr);
  source_ = gst_bin_get_by_name (GST_BIN (pipeline_), "src");
  bus_ = gst_element_get_bus (pipeline_);
}

Pipeline::~Pipeline ()
{
  gst_element_set_state (pipeline_, GST_STATE_NULL);
  messages_.clear ();
  gst_object_unref (sink_);
  gst_clear_object (&source_);
  gst_object_unref (bus_);
  gst_object_unref (pipeline_);
}

GstStateChangeReturn
Pipeline::set_state (GstState state)
{
  return gst_element_set_state (pipeline_, state);
}

void
Pipeline::play ()
{
  fail_if (set_state (GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE);
}

GstMessage *
Pipeline::wait_for (const Predicate &predicate, Milliseconds limit)
{
  const auto deadline = std::chrono::steady_clock::now () + limit;
  while (true) {
    const auto left
        = std::max (0ns, std::chrono::nanoseconds (
                             deadline - std::chrono::steady_clock::now ()));
    GstMessage *message
        = gst_bus_timed_pop (bus_, GstClockTime (left.count ()));
    if (message == nullptr)
      return nullptr;
    messages_.emplace_back (message);
    if (predicate (message))
      return message;
  }
}

GstMessage *
Pipeline::wait_for (GstMessageType types, Milliseconds limit)
{
  return wait_for (
      [types] (GstMessage *message) {
        return (GST_MESSAGE_TYPE (message) & types) != 0;
      },
      limit);
}

GstMessage *
Pipeline::wait_for_element_message (const char *name, Milliseconds limit)
{
  return wait_for (
      [name] (GstMessage *message) {
        return GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT
               && gst_message_has_name (message, name);
      },
      limit);
}

bool
Pipeline::wait_for_eos ()
{
  const GstMessage *message
      = wait_for (GstMessageType (GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  return message != nullptr && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
}

void
Pipeline::collect ()
{
  while (GstMessage *message = gst_bus_pop (bus_))
    messages_.emplace_back (message);
}

std::vector<const GstStructure *>
Pipeline::named (const char *name) const
{
  std::vector<const GstStructure *> structures;
  for (const MessagePtr &message : messages_)
    if (GST_MESSAGE_TYPE (message.get ()) == GST_MESSAGE_ELEMENT
        && gst_message_has_name (message.get (), name))
      structures.push_back (gst_message_get_structure (message.get ()));
  return structures;
}

std::vector<GstMessage *>
Pipeline::from_sink (GstMessageType type) const
{
  std::vector<GstMessage *> found;
  for (const MessagePtr &message : messages_)
    if (GST_MESSAGE_TYPE (message.get ()) == type
        && GST_MESSAGE_SRC (message.get ()) == GST_OBJECT (sink_))
      found.push_back (message.get ());
  return found;
}

std::string
Pipeline::finals () const
{
  std::string all;
  for (const GstStructure *result : named ("sis-result")) {
    if (!flag_of (result, "is_final"))
      continue;
    if (!all.empty ())
      all += ' ';
    all += text_of (result, "text");
  }
  return all;
}

void
Pipeline::push (const std::vector<std::int16_t> &samples,
                GstClockTime timestamp)
{
  push_bytes (samples.data (), samples.size () * sizeof samples[0], timestamp);
}

void
Pipeline::push_bytes (const void *data, gsize size, GstClockTime timestamp)
{
  fail_unless (source_ != nullptr);
  GstBuffer *buffer = gst_buffer_new_memdup (data, size);
  GST_BUFFER_PTS (buffer) = timestamp;
  GstFlowReturn flow = GST_FLOW_OK;
  g_signal_emit_by_name (source_, "push-buffer", buffer, &flow);
  gst_buffer_unref (buffer);
}

void
Pipeline::end ()
{
  GstFlowReturn flow = GST_FLOW_OK;
  g_signal_emit_by_name (source_, "end-of-stream", &flow);
}

void
assert_same_text (const std::string &actual, const std::string &expected)
{
  fail_unless (actual == expected, "'%s' is not '%s'", actual.c_str (),
               expected.c_str ());
}

std::string
text_of (const GstStructure *structure, const char *field)
{
  const char *text = gst_structure_get_string (structure, field);
  fail_unless (text != nullptr, "no string %s", field);
  return text;
}

guint
uint_of (const GstStructure *structure, const char *field)
{
  guint value = 0;
  fail_unless (gst_structure_get_uint (structure, field, &value), "no guint %s",
               field);
  return value;
}

gint64
int64_of (const GstStructure *structure, const char *field)
{
  gint64 value = 0;
  fail_unless (gst_structure_get_int64 (structure, field, &value),
               "no gint64 %s", field);
  return value;
}

guint64
time_of (const GstStructure *structure, const char *field)
{
  guint64 value = 0;
  fail_unless (gst_structure_get_uint64 (structure, field, &value),
               "no guint64 %s", field);
  return value;
}

bool
flag_of (const GstStructure *structure, const char *field)
{
  gboolean value = FALSE;
  fail_unless (gst_structure_get_boolean (structure, field, &value),
               "no gboolean %s", field);
  return value;
}

Problem::Problem (GstMessage *message) : details (nullptr)
{
  g_autoptr (GError) error = nullptr;
  g_autofree char *debug_text = nullptr;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, &debug_text);
    gst_message_parse_error_details (message, &details);
  } else {
    gst_message_parse_warning (message, &error, &debug_text);
    gst_message_parse_warning_details (message, &details);
  }
  domain = error->domain;
  code = error->code;
  text = error->message;
  debug = debug_text != nullptr ? debug_text : "";
}

Problem
only_error_of_sink (Pipeline &pipeline)
{
  fail_unless (pipeline.wait_for ([&] (GstMessage *message) {
    return GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR
           && GST_MESSAGE_SRC (message) == GST_OBJECT (pipeline.source ());
  }) != nullptr);
  pipeline.collect ();
  pipeline.set_state (GST_STATE_NULL);
  const auto errors = pipeline.from_sink (GST_MESSAGE_ERROR);
  assert_equals_int (errors.size (), 1);
  return Problem (errors[0]);
}

std::vector<std::int16_t>
indexed_audio (std::size_t first, std::size_t count, int rate)
{
  std::vector<std::int16_t> samples (count);
  const std::size_t block = std::size_t (rate) / 100;
  for (std::size_t i = 0; i < count; i++)
    samples[i] = std::int16_t ((first + i) / block % 32768);
  return samples;
}

void
push_in_pieces (Pipeline &pipeline, std::size_t samples, GstClockTime first)
{
  static constexpr std::size_t sizes[] = { 160, 1, 4801, 333, 16000, 7 };
  std::size_t at = 0;
  for (std::size_t i = 0; at < samples; i++) {
    const std::size_t n = std::min (sizes[i % 6], samples - at);
    pipeline.push (indexed_audio (at, n), i == 0 ? first : GST_CLOCK_TIME_NONE);
    at += n;
  }
}

GstClockTime
samples_to_ns (std::size_t samples)
{
  return gst_util_uint64_scale (samples, GST_SECOND, 16000);
}

Census
take_census ()
{
  return Census{ count_entries ("/proc/self/task"),
                 count_entries ("/proc/self/fd") };
}

/* Nothing signals the end of a thread that nobody joins: hence a look now and
 * then, with a condition that nobody rings. */
template <typename Predicate>
static bool
look_until (Predicate predicate)
{
  const auto deadline = std::chrono::steady_clock::now () + patience ();
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock (mutex);
  while (!predicate ()) {
    if (std::chrono::steady_clock::now () >= deadline)
      return false;
    never.wait_for (lock, 10ms);
  }
  return true;
}

bool
wait_for_census (const Census &wanted)
{
  return look_until ([&wanted] {
    const Census now = take_census ();
    return now.threads <= wanted.threads && now.files <= wanted.files;
  });
}

/* The threads of that name, by the kernel; a new one bears its parent's name
 * for a moment. */
static std::size_t
count_threads (const char *name)
{
  std::size_t count = 0;
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, nullptr);
  while (const char *entry = g_dir_read_name (dir)) {
    const std::string path = std::string ("/proc/self/task/") + entry + "/comm";
    g_autofree char *comm = nullptr;
    if (g_file_get_contents (path.c_str (), &comm, nullptr, nullptr))
      count += std::string (g_strchomp (comm)) == name;
  }
  return count;
}

bool
wait_for_io_threads (std::size_t count)
{
  return look_until ([count] { return count_threads ("sis-io") == count; });
}

std::string
launch_line (const std::string &url, const std::string &properties)
{
  return "appsrc name=src format=time caps=audio/x-raw,format=S16LE,"
         "rate=16000,channels=1,layout=interleaved ! sissink name=sink "
         "sync=false project-id=demo endpoint="
         + url + " " + properties;
}

} // namespace sischeck
