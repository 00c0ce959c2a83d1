// SPDX-License-Identifier: LGPL-2.1-or-later
#include "messages.h"

#include <algorithm>
#include <json-glib/json-glib.h>
#include <optional>

namespace sistest {

namespace {

/* json-glib recurses and would overflow its stack. */
bool
too_deep (std::string_view text)
{
  return std::ranges::count_if (text,
                                [] (char c) { return c == '{' || c == '['; })
         > 64;
}

std::optional<std::string>
string_of (JsonNode *node)
{
  if (node == nullptr || json_node_get_value_type (node) != G_TYPE_STRING)
    return std::nullopt;
  return json_node_get_string (node);
}

std::string
plain_value (JsonNode *node)
{
  if (const auto string = string_of (node))
    return *string;
  g_autofree char *json = json_to_string (node, FALSE);
  return json;
}

ServiceError
invalid (const std::string &key)
{
  return { "SIS.0032", "'" + key + "' is invalid" };
}

ServiceError
missing (const std::string &key)
{
  return { "SIS.0012", "'" + key + "' is missing" };
}

enum class Type { Text, Flag, Integer, Number, Texts };

struct Key
{
  const char *name;
  Type type;
  gint64 low = 0, high = 0;
};

constexpr Key keys[] = {
  { "audio_format", Type::Text },
  { "property", Type::Text },
  { "add_punc", Type::Flag },
  { "digit_norm", Type::Flag },
  { "interim_results", Type::Flag },
  { "need_word_info", Type::Flag },
  { "vad_head", Type::Integer, 0, 60000 },
  { "vad_tail", Type::Integer, 0, 3000 },
  { "max_seconds", Type::Integer, 1, 60 },
  { "vocabulary_id", Type::Text },
  { "vad_threshold", Type::Number },
  { "user_words", Type::Texts },
  { "need_smooth", Type::Flag },
};

bool
fits (const Key &key, JsonNode *node)
{
  switch (key.type) {
  case Type::Text:
    return string_of (node).has_value ();
  case Type::Flag: {
    const auto flag = string_of (node);
    return flag == "yes" || flag == "no";
  }
  case Type::Integer:
    return json_node_get_value_type (node) == G_TYPE_INT64
           && json_node_get_int (node) >= key.low
           && json_node_get_int (node) <= key.high;
  case Type::Number: {
    const GType type = json_node_get_value_type (node);
    return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
  }
  case Type::Texts: {
    if (!JSON_NODE_HOLDS_ARRAY (node))
      return false;
    JsonArray *array = json_node_get_array (node);
    for (guint i = 0; i < json_array_get_length (array); i++)
      if (!string_of (json_array_get_element (array, i)))
        return false;
    return true;
  }
  }
  return false;
}

std::optional<ServiceError>
check_keys (JsonObject *config, const RequestRules &rules,
            std::map<std::string, std::string> &values)
{
  std::optional<ServiceError> first;
  g_autoptr (GList) members = json_object_get_members (config);
  for (const GList *l = members; l != nullptr; l = l->next) {
    const auto *name = static_cast<const char *> (l->data);
    JsonNode *node = json_object_get_member (config, name);
    values[name] = plain_value (node);
    const auto *key
        = std::ranges::find (keys, std::string_view (name), &Key::name);
    const bool good
        = key == std::end (keys) ? !rules.strict_keys : fits (*key, node);
    if (!good && !first)
      first = invalid (name);
  }
  return first;
}

Request
read_start (JsonObject *config, const RequestRules &rules,
            std::map<std::string, std::string> &values)
{
  if (const auto bad = check_keys (config, rules, values))
    return *bad;
  for (const char *required : { "audio_format", "property" })
    if (!values.contains (required))
      return missing (required);

  const auto format = Format::from_name (values["audio_format"]);
  if (!format)
    return invalid ("audio_format");
  const std::string &property = values["property"];
  const bool narrow = property.find ("_8k_") != std::string::npos;
  const bool wide = property.find ("_16k_") != std::string::npos;
  if (narrow == wide)
    return invalid ("property");
  if (format->rate != (narrow ? 8000 : 16000))
    return ServiceError{ "SIS.0301", "audio_format does not fit the property" };
  if (const auto id = values.find ("vocabulary_id");
      id != values.end ()
      && std::ranges::find (rules.vocabularies, id->second)
             == rules.vocabularies.end ())
    return ServiceError{ "SIS.0201", "vocabulary is not found" };

  StartRequest start;
  start.format = *format;
  const auto is_yes = [&] (const char *key) {
    const auto value = values.find (key);
    return value != values.end () && value->second == "yes";
  };
  start.interim_results = is_yes ("interim_results");
  start.need_word_info = is_yes ("need_word_info");
  const auto number = [&] (const char *key, gint64 otherwise) {
    return json_object_get_int_member_with_default (config, key, otherwise);
  };
  const gint64 head = number ("vad_head", 10000);
  start.vad_head = Milliseconds (head == 0 ? 60000 : head);
  start.vad_tail = Milliseconds (number ("vad_tail", 500));
  start.max_sentence = std::chrono::seconds (number ("max_seconds", 30));
  return start;
}

Request
read_end (JsonObject *object)
{
  JsonNode *cancel = json_object_get_member (object, "cancel");
  if (cancel == nullptr)
    return EndRequest{};
  if (json_node_get_value_type (cancel) == G_TYPE_BOOLEAN)
    return EndRequest{ json_node_get_boolean (cancel) != FALSE };
  const auto text = string_of (cancel);
  if (text != "true" && text != "false")
    return invalid ("cancel");
  return EndRequest{ text == "true" };
}

} // namespace

Request
parse_request (const std::string &text, const RequestRules &rules,
               std::map<std::string, std::string> &config)
{
  const ServiceError not_json{ "SIS.0032", "invalid json" };
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  if (too_deep (text) || text.find ('\0') != std::string::npos
      || !json_parser_load_from_data (
          parser, text.data (), static_cast<gssize> (text.size ()), nullptr))
    return not_json;
  JsonNode *root = json_parser_get_root (parser);
  if (root == nullptr || !JSON_NODE_HOLDS_OBJECT (root))
    return not_json;

  JsonObject *object = json_node_get_object (root);
  JsonNode *command_node = json_object_get_member (object, "command");
  if (command_node == nullptr)
    return missing ("command");
  const auto command = string_of (command_node);
  if (command == "END")
    return read_end (object);
  if (command != "START")
    return invalid ("command");
  JsonNode *config_node = json_object_get_member (object, "config");
  if (config_node == nullptr)
    return missing ("config");
  if (!JSON_NODE_HOLDS_OBJECT (config_node))
    return invalid ("config");
  config.clear ();
  return read_start (json_node_get_object (config_node), rules, config);
}

} // namespace sistest
