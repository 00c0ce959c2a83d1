// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/message.h"

#include "sis/protocol/json.h"

#include <algorithm>
#include <cmath>

namespace sis {

namespace {

using ObjectPtr = std::unique_ptr<JsonObject, Deleter<json_object_unref>>;
using GeneratorPtr = GObjectPtr<JsonGenerator>;

/* No session lasts longer than 5 h; what lies beyond a day is no time. */
constexpr double max_time
    = std::chrono::duration_cast<Milliseconds> (std::chrono::hours (24))
          .count ();

std::string
to_string (ObjectPtr object)
{
  json::NodePtr root (
      json_node_init_object (json_node_alloc (), object.get ()));
  GeneratorPtr generator (json_generator_new ());
  json_generator_set_root (generator.get (), root.get ());
  gsize length = 0;
  const GCharPtr text (json_generator_to_data (generator.get (), &length));
  return std::string (text.get (), length);
}

void
set_text (JsonObject *object, const char *name, const std::string &value)
{
  const GCharPtr valid (
      g_utf8_make_valid (value.data (), static_cast<gssize> (value.size ())));
  json_object_set_string_member (object, name, valid.get ());
}

void
set_flag (JsonObject *object, const char *name, std::optional<bool> value)
{
  if (value)
    json_object_set_string_member (object, name, *value ? "yes" : "no");
}

void
set_number (JsonObject *object, const char *name, std::optional<int> value)
{
  if (value)
    json_object_set_int_member (object, name, *value);
}

json::NodePtr
node_of (const StartConfig::Scalar &value)
{
  json::NodePtr node (json_node_alloc ());
  if (const auto *flag = std::get_if<bool> (&value)) {
    json_node_init_string (node.get (), *flag ? "yes" : "no");
  } else if (const auto *integer = std::get_if<std::int64_t> (&value)) {
    json_node_init_int (node.get (), *integer);
  } else if (const auto *number = std::get_if<double> (&value)) {
    /* JSON has no other numbers. */
    if (!std::isfinite (*number))
      return nullptr;
    json_node_init_double (node.get (), *number);
  } else {
    const std::string &text = std::get<std::string> (value);
    const GCharPtr valid (
        g_utf8_make_valid (text.data (), static_cast<gssize> (text.size ())));
    json_node_init_string (node.get (), valid.get ());
  }
  return node;
}

struct ExtraSetter
{
  JsonObject *object;
  const char *name;

  void operator() (const std::vector<StartConfig::Scalar> &values) const
  {
    JsonArray *const array = json_array_new ();
    for (const StartConfig::Scalar &value : values)
      if (json::NodePtr node = node_of (value))
        json_array_add_element (array, node.release ());
    json_object_set_array_member (object, name, array);
  }
  void operator() (const auto &value) const
  {
    if (json::NodePtr node = node_of (value))
      json_object_set_member (object, name, node.release ());
  }
};

std::string
label (JsonObject *object, const char *name)
{
  return json::text_member (object, name, max_label_length);
}

std::optional<Milliseconds>
time_member (JsonObject *object, const char *name)
{
  const auto number = json::number_member (object, name);
  if (!number || *number < 0 || *number > max_time)
    return {};
  return Milliseconds (static_cast<std::int64_t> (*number));
}

std::vector<Word>
words_of (JsonArray *array)
{
  std::vector<Word> words;
  const unsigned length = array ? json_array_get_length (array) : 0;
  words.reserve (std::min<std::size_t> (length, max_words));
  for (unsigned i = 0; i < length && words.size () < max_words; ++i) {
    if (JsonObject *const object = json::object_element (array, i))
      words.push_back ({ label (object, "word"),
                         time_member (object, "start_time"),
                         time_member (object, "end_time") });
  }
  return words;
}

Segment
segment_of (JsonObject *object)
{
  Segment segment;
  segment.start_time = time_member (object, "start_time");
  segment.end_time = time_member (object, "end_time");
  segment.is_final = json::flag_member (object, "is_final");
  if (JsonObject *const result = json::object_member (object, "result")) {
    segment.has_result = true;
    segment.text = json::text_member (result, "text", max_text_length);
    segment.score = json::number_member (result, "score");
    if (segment.score && (*segment.score < 0 || *segment.score > 1))
      segment.score.reset ();
    segment.words = words_of (json::array_member (result, "word_info"));
  }
  return segment;
}

ServerMessage
result_of (JsonObject *object)
{
  JsonArray *const array = json::array_member (object, "segments");
  if (!array && json::has_member (object, "segments"))
    return Malformed{ "a RESULT whose segments are no array" };
  Result result{ label (object, "trace_id"), {} };
  const unsigned length = array ? json_array_get_length (array) : 0;
  result.segments.reserve (length);
  for (unsigned i = 0; i < length; ++i) {
    if (JsonObject *const segment = json::object_element (array, i))
      result.segments.push_back (segment_of (segment));
  }
  if (length > 0 && result.segments.empty ())
    return Malformed{ "a RESULT whose segments are no objects" };
  return result;
}

struct KnownEvent
{
  ServiceEvent::Kind kind;
  const char *name;
};

/* The service's pages spell the event of silence in several ways; the kind is
 * told by what all of them share. */
KnownEvent
known_event (const std::string &name)
{
  using Kind = ServiceEvent::Kind;
  const GCharPtr upper (g_ascii_strup (name.c_str (), -1));
  const std::string_view view (upper.get ());
  const auto has = [view] (const char *part) {
    return view.find (part) != std::string_view::npos;
  };
  if (view == "VOICE_START")
    return { Kind::VoiceStart, "VOICE_START" };
  if (view == "VOICE_END")
    return { Kind::VoiceEnd, "VOICE_END" };
  if (view.starts_with ("EXCEED") && (has ("SIL") || has ("SLI")))
    return { Kind::ExceededSilence, "EXCEEDED_SILENCE" };
  if (view.starts_with ("EXCEED") && has ("AUD"))
    return { Kind::ExceededAudio, "EXCEEDED_AUDIO" };
  return { Kind::Other, nullptr };
}

ServerMessage
event_of (JsonObject *object)
{
  ServiceEvent event;
  event.trace_id = label (object, "trace_id");
  event.event = label (object, "event");
  event.timestamp = time_member (object, "timestamp");
  const KnownEvent known = known_event (event.event);
  event.kind = known.kind;
  if (known.name)
    event.event = known.name;
  return event;
}

ServerMessage
error_of (JsonObject *object, std::string resp_type)
{
  ErrorReply reply;
  reply.fatal = resp_type == "FATAL_ERROR";
  reply.resp_type = std::move (resp_type);
  reply.trace_id = label (object, "trace_id");
  reply.error_code = label (object, "error_code");
  reply.error_msg = label (object, "error_msg");
  return reply;
}

/* A message without resp_type, as the gateway sends it. */
ServerMessage
untyped_of (JsonObject *object)
{
  ServerMessage message = error_of (object, {});
  const auto &reply = std::get<ErrorReply> (message);
  if (reply.error_code.empty () && reply.error_msg.empty ())
    return Unknown{};
  return message;
}

std::string
first_label (JsonObject *object, std::initializer_list<const char *> names)
{
  for (const char *name : names) {
    if (std::string text = label (object, name); !text.empty ())
      return text;
  }
  return {};
}

} // namespace

bool
is_start_key (std::string_view name) noexcept
{
  constexpr std::string_view keys[]
      = { "audio_format",  "property",      "add_punc",    "digit_norm",
          "vad_head",      "vad_tail",      "max_seconds", "interim_results",
          "vocabulary_id", "need_word_info" };
  return std::ranges::find (keys, name) != std::end (keys);
}

std::string
build_start (const StartConfig &config)
{
  JsonObject *const keys = json_object_new ();
  ObjectPtr start (json_object_new ());
  json_object_set_string_member (start.get (), "command", "START");
  json_object_set_object_member (start.get (), "config", keys);

  json_object_set_string_member (keys, "audio_format",
                                 config.audio_format.name ());
  set_text (keys, "property", config.property);
  set_flag (keys, "add_punc", config.add_punc);
  set_flag (keys, "digit_norm", config.digit_norm);
  set_number (keys, "vad_head", config.vad_head);
  set_number (keys, "vad_tail", config.vad_tail);
  set_number (keys, "max_seconds", config.max_seconds);
  set_flag (keys, "interim_results", config.interim_results);
  if (!config.vocabulary_id.empty ())
    set_text (keys, "vocabulary_id", config.vocabulary_id);
  set_flag (keys, "need_word_info", config.need_word_info);
  for (const auto &[name, value] : config.extra) {
    if (!json_object_has_member (keys, name.c_str ()))
      std::visit (ExtraSetter{ keys, name.c_str () }, value);
  }
  return to_string (std::move (start));
}

std::string
build_end (bool cancel)
{
  ObjectPtr end (json_object_new ());
  json_object_set_string_member (end.get (), "command", "END");
  json_object_set_boolean_member (end.get (), "cancel", cancel);
  return to_string (std::move (end));
}

ServerMessage
parse (std::string_view text) noexcept
{
  std::string problem;
  const json::NodePtr root = json::parse_object (text, problem);
  if (!root)
    return Malformed{ std::move (problem) };
  JsonObject *const object = json_node_get_object (root.get ());
  std::string type = label (object, "resp_type");
  if (type == "RESULT")
    return result_of (object);
  if (type == "EVENT")
    return event_of (object);
  if (type == "START")
    return StartReply{ label (object, "trace_id") };
  if (type == "END")
    return EndReply{ label (object, "trace_id"), label (object, "reason") };
  if (type == "ERROR" || type == "FATAL_ERROR")
    return error_of (object, std::move (type));
  if (type.empty ())
    return untyped_of (object);
  return Unknown{ std::move (type) };
}

std::optional<ErrorBody>
parse_error_body (std::string_view text) noexcept
{
  std::string problem;
  const json::NodePtr root = json::parse_object (text, problem);
  if (!root)
    return {};
  JsonObject *const outer = json_node_get_object (root.get ());
  JsonObject *const inner = json::object_member (outer, "error");
  ErrorBody body;
  for (JsonObject *object : { outer, inner }) {
    if (body.error_code.empty ())
      body.error_code = first_label (object, { "error_code", "code" });
    if (body.error_msg.empty ())
      body.error_msg = first_label (object, { "error_msg", "message" });
    if (body.request_id.empty ())
      body.request_id = first_label (object, { "request_id" });
  }
  if (body.error_code.empty () && body.error_msg.empty ()
      && body.request_id.empty ())
    return {};
  return body;
}

} // namespace sis
