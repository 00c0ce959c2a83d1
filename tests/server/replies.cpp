// SPDX-License-Identifier: LGPL-2.1-or-later
#include "messages.h"

#include <json-glib/json-glib.h>
#include <memory>

namespace sistest {

namespace {

/* One JSON object, written from front to back. */
class Writer
{
public:
  explicit Writer (bool scalars_as_strings = false)
      : scalars_as_strings_ (scalars_as_strings)
  {
    json_builder_begin_object (builder_);
  }

  Writer (const char *resp_type, const std::string &trace_id,
          bool scalars_as_strings = false)
      : Writer (scalars_as_strings)
  {
    text ("resp_type", resp_type);
    if (!trace_id.empty ())
      text ("trace_id", trace_id);
  }

  ~Writer () { g_object_unref (builder_); }
  Writer (const Writer &) = delete;
  Writer &operator= (const Writer &) = delete;

  void text (const char *key, const std::string &value)
  {
    json_builder_set_member_name (builder_, key);
    json_builder_add_string_value (builder_, value.c_str ());
  }

  void time (const char *key, Milliseconds value)
  {
    if (scalars_as_strings_) {
      text (key, std::to_string (value.count ()));
      return;
    }
    json_builder_set_member_name (builder_, key);
    json_builder_add_int_value (builder_, value.count ());
  }

  void flag (const char *key, bool value)
  {
    if (scalars_as_strings_) {
      text (key, value ? "true" : "false");
      return;
    }
    json_builder_set_member_name (builder_, key);
    json_builder_add_boolean_value (builder_, value);
  }

  void number (const char *key, double value)
  {
    if (scalars_as_strings_) {
      char digits[G_ASCII_DTOSTR_BUF_SIZE];
      text (key, g_ascii_dtostr (digits, sizeof digits, value));
      return;
    }
    json_builder_set_member_name (builder_, key);
    json_builder_add_double_value (builder_, value);
  }

  template <typename Items, typename Each>
  void array (const char *key, const Items &items, Each each)
  {
    json_builder_set_member_name (builder_, key);
    json_builder_begin_array (builder_);
    for (const auto &item : items) {
      json_builder_begin_object (builder_);
      each (item);
      json_builder_end_object (builder_);
    }
    json_builder_end_array (builder_);
  }

  void begin (const char *key)
  {
    json_builder_set_member_name (builder_, key);
    json_builder_begin_object (builder_);
  }

  void end () { json_builder_end_object (builder_); }

  std::string done ()
  {
    json_builder_end_object (builder_);
    g_autoptr (JsonNode) root = json_builder_get_root (builder_);
    g_autofree char *json = json_to_string (root, FALSE);
    return json;
  }

private:
  JsonBuilder *const builder_ = json_builder_new ();
  const bool scalars_as_strings_;
};

} // namespace

std::string
start_message (const std::string &trace_id)
{
  return Writer ("START", trace_id).done ();
}

std::string
end_message (const std::string &trace_id, const std::string &reason)
{
  Writer writer ("END", trace_id);
  writer.text ("reason", reason);
  return writer.done ();
}

std::string
event_message (const std::string &trace_id, const std::string &event,
               Milliseconds timestamp)
{
  Writer writer ("EVENT", trace_id);
  writer.text ("event", event);
  writer.time ("timestamp", timestamp);
  return writer.done ();
}

std::string
error_message (const std::string &trace_id, const std::string &code,
               const std::string &message, bool is_fatal)
{
  Writer writer (is_fatal ? "FATAL_ERROR" : "ERROR", trace_id);
  writer.text ("error_code", code);
  writer.text ("error_msg", message);
  return writer.done ();
}

std::string
result_message (const std::string &trace_id,
                const std::vector<Segment> &segments, ResultStyle style)
{
  Writer writer ("RESULT", trace_id, style.scalars_as_strings);
  writer.array ("segments", segments, [&] (const Segment &segment) {
    writer.time ("start_time", segment.start);
    writer.time ("end_time", segment.end);
    writer.flag ("is_final", segment.is_final);
    if (segment.failed)
      return;
    writer.begin ("result");
    writer.text ("text", segment.text);
    writer.number ("score", segment.is_final ? segment.score : 0.0);
    if (style.words)
      writer.array ("word_info", segment.words, [&] (const Word &word) {
        writer.time ("start_time", word.start);
        writer.time ("end_time", word.end);
        writer.text ("word", word.text);
      });
    writer.end ();
  });
  return writer.done ();
}

std::string
gateway_body (const std::string &code, const std::string &message)
{
  Writer writer;
  writer.text ("error_code", code);
  writer.text ("error_msg", message);
  writer.text ("request_id", "0f1e2d3c4b5a69788796a5b4c3d2e1f0");
  return writer.done ();
}

} // namespace sistest
