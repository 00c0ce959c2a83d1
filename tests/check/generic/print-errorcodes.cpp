// SPDX-License-Identifier: LGPL-2.1-or-later
/* Prints what applications can meet: first each kind of failure with the
 * domain and code that it is posted with, then the table of the service's
 * codes. Tab-separated, for readme.py. */
#include "gstsismessage.h"

#include <array>
#include <cstdio>
#include <limits>
#include <string>

namespace {

struct Kind
{
  sis::FailureKind kind;
  const char *name;
};

using enum sis::FailureKind;

constexpr std::array kinds{
  Kind{ NotAuthorized, "not authorized" },
  Kind{ Settings, "settings" },
  Kind{ NotFound, "not found" },
  Kind{ Format, "format" },
  Kind{ Lost, "lost" },
  Kind{ Busy, "busy" },
  Kind{ Open, "open" },
  Kind{ Service, "service" },
  Kind{ Malformed, "malformed" },
  Kind{ Drain, "drain" },
};

const char *
name_of (sis::FailureKind kind)
{
  for (const Kind &row : kinds)
    if (row.kind == kind)
      return row.name;
  return "?";
}

const char *
name_of (sis::Transience transience)
{
  switch (transience) {
  case sis::Transience::No:
    return "no";
  case sis::Transience::Yes:
    return "yes";
  case sis::Transience::Maybe:
    return "maybe";
  case sis::Transience::Renew:
    break;
  }
  return "renew";
}

/* Such as RESOURCE/NOT_FOUND, taken from a message as it is really posted. */
std::string
posted_as (sis::FailureKind kind)
{
  g_autoptr (GstElement) bin = gst_pipeline_new (nullptr);
  g_autoptr (GstBus) bus = gst_element_get_bus (bin);
  gst_sis_post_failure (bin, GST_MESSAGE_ERROR,
                        sis::Failure{ .kind = kind, .text = "Text." });
  g_autoptr (GstMessage) message
      = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = nullptr;
  gst_message_parse_error (message, &error, nullptr);

  const bool is_stream = error->domain == GST_STREAM_ERROR;
  auto *values = static_cast<GEnumClass *> (g_type_class_ref (
      is_stream ? GST_TYPE_STREAM_ERROR : GST_TYPE_RESOURCE_ERROR));
  g_autofree char *code
      = g_ascii_strup (g_enum_get_value (values, error->code)->value_nick, -1);
  g_type_class_unref (values);
  g_strdelimit (code, "-", '_');
  return std::string (is_stream ? "STREAM/" : "RESOURCE/") + code;
}

/* As the service writes them: "SIS.0031", "SIS.0201–0208", "HTTP 404". */
std::string
codes_of (const sis::ErrorCode &row)
{
  if (row.family == "HTTP") {
    if (row.first == std::numeric_limits<int>::min ())
      return "HTTP other";
    std::string codes = "HTTP " + std::to_string (row.first);
    if (row.last != row.first)
      codes += "–" + std::to_string (row.last);
    return codes;
  }
  char text[64];
  const std::string family (row.family);
  g_snprintf (text, sizeof text, "%s.%04d", family.c_str (), row.first);
  std::string codes = text;
  if (row.last != row.first) {
    g_snprintf (text, sizeof text, "–%04d", row.last);
    codes += text;
  }
  if (row.http_status != 0)
    codes += " (HTTP " + std::to_string (row.http_status) + "xx)";
  return codes;
}

} // namespace

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  for (const Kind &row : kinds)
    std::printf ("kind\t%s\t%s\n", row.name, posted_as (row.kind).c_str ());
  for (const sis::ErrorCode &row : sis::error_codes ())
    std::printf ("code\t%s\t%s\t%s\t%s\t%s\n", codes_of (row).c_str (),
                 name_of (row.kind), posted_as (row.kind).c_str (),
                 name_of (row.transience), std::string (row.advice).c_str ());
  return 0;
}
