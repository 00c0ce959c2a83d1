// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reads the messages of sissink, and the details of its errors.
 *
 *   bus-client PIPELINE
 *
 * The pipeline is written as for gst-launch-1.0, such as
 *   "filesrc location=speech.wav ! decodebin ! sissink project-id=…" */
#include <cstdio>
#include <gst/gst.h>
#include <initializer_list>

namespace {

/* The text of one utterance, and where in the stream it was said. */
void
print_result (const GstStructure *result)
{
  gboolean is_final = FALSE;
  guint64 start = 0;
  guint64 duration = 0;
  gst_structure_get_boolean (result, "is_final", &is_final);
  gst_structure_get_uint64 (result, "running-time", &start);
  gst_structure_get_uint64 (result, "duration", &duration);
  if (is_final)
    std::printf ("%8.3f - %8.3f  %s\n", double (start) / GST_SECOND,
                 double (start + duration) / GST_SECOND,
                 gst_structure_get_string (result, "text"));
}

/* Errors of other elements have no such details. */
void
print_error (GstMessage *message)
{
  g_autoptr (GError) error = nullptr;
  const GstStructure *details = nullptr;
  gst_message_parse_error (message, &error, nullptr);
  gst_message_parse_error_details (message, &details);
  std::fprintf (stderr, "%s\n", error->message);
  if (details == nullptr || !gst_structure_has_name (details, "sis-error"))
    return;
  if (g_error_matches (error, GST_RESOURCE_ERROR,
                       GST_RESOURCE_ERROR_NOT_AUTHORIZED))
    std::fprintf (stderr, "Ask the user for other credentials.\n");
  for (const char *field : { "error_code", "trace_id", "request_id" })
    if (gst_structure_has_field (details, field))
      std::fprintf (stderr, "%s: %s\n", field,
                    gst_structure_get_string (details, field));
}

/* Until the last transcript was there, or something failed. */
bool
listen (GstBus *bus)
{
  constexpr auto types = GstMessageType (GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS
                                         | GST_MESSAGE_ERROR);
  for (;;) {
    g_autoptr (GstMessage) message
        = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, types);
    switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      if (gst_message_has_name (message, "sis-result"))
        print_result (gst_message_get_structure (message));
      break;
    case GST_MESSAGE_ERROR:
      print_error (message);
      return false;
    default:
      return true;
    }
  }
}

} // namespace

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_autoptr (GError) error = nullptr;
  g_autoptr (GstElement) pipeline
      = argc == 2 ? gst_parse_launch_full (argv[1], nullptr,
                                           GST_PARSE_FLAG_FATAL_ERRORS, &error)
                  : nullptr;
  if (pipeline == nullptr) {
    std::fprintf (stderr, "%s\n",
                  error != nullptr ? error->message : "bus-client PIPELINE");
    return 2;
  }
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  const bool is_good = listen (bus);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return is_good ? 0 : 1;
}
