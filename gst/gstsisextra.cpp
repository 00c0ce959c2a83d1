// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsisextra.h"

#include <cmath>
#include <optional>

namespace sis {
namespace {

std::optional<StartConfig::Scalar>
integer_of (const GValue *value)
{
  GValue integer = G_VALUE_INIT;
  g_value_init (&integer, G_TYPE_INT64);
  if (!g_value_transform (value, &integer))
    return {};
  if (G_VALUE_HOLDS_UINT64 (value)
      && g_value_get_uint64 (value) > guint64 (G_MAXINT64))
    return {};
  return StartConfig::Scalar (std::int64_t (g_value_get_int64 (&integer)));
}

std::optional<StartConfig::Scalar>
text_of (const GValue *value)
{
  const char *text = g_value_get_string (value);
  if (text == nullptr || !g_utf8_validate (text, -1, nullptr))
    return {};
  return StartConfig::Scalar (std::string (text));
}

std::optional<StartConfig::Scalar>
number_of (double number)
{
  if (!std::isfinite (number))
    return {};
  return StartConfig::Scalar (number);
}

std::optional<StartConfig::Scalar>
scalar_of (const GValue *value)
{
  switch (G_VALUE_TYPE (value)) {
  case G_TYPE_BOOLEAN:
    return StartConfig::Scalar (bool (g_value_get_boolean (value)));
  case G_TYPE_INT:
  case G_TYPE_UINT:
  case G_TYPE_LONG:
  case G_TYPE_ULONG:
  case G_TYPE_INT64:
  case G_TYPE_UINT64:
    return integer_of (value);
  case G_TYPE_FLOAT:
    return number_of (g_value_get_float (value));
  case G_TYPE_DOUBLE:
    return number_of (g_value_get_double (value));
  case G_TYPE_STRING:
    return text_of (value);
  default:
    return {};
  }
}

/* Lists and arrays of GStreamer have the same elements under other names. */
std::optional<std::vector<StartConfig::Scalar>>
list_of (const GValue *value)
{
  const bool is_array = GST_VALUE_HOLDS_ARRAY (value);
  if (!is_array && !GST_VALUE_HOLDS_LIST (value))
    return {};
  const guint size = is_array ? gst_value_array_get_size (value)
                              : gst_value_list_get_size (value);
  std::vector<StartConfig::Scalar> list;
  for (guint i = 0; i < size; i++) {
    auto scalar = scalar_of (is_array ? gst_value_array_get_value (value, i)
                                      : gst_value_list_get_value (value, i));
    if (!scalar)
      return {};
    list.push_back (std::move (*scalar));
  }
  return list;
}

std::optional<StartConfig::Extra>
extra_of (const GValue *value)
{
  if (auto scalar = scalar_of (value))
    return std::visit (
        [] (auto &&one) { return StartConfig::Extra (std::move (one)); },
        std::move (*scalar));
  if (auto list = list_of (value))
    return StartConfig::Extra (std::move (*list));
  return {};
}

} // namespace

ExtraConfig
read_extra_config (const GstStructure *structure)
{
  ExtraConfig config;
  const int size = structure ? gst_structure_n_fields (structure) : 0;
  for (int i = 0; i < size; i++) {
    const std::string name
        = gst_structure_nth_field_name (structure, guint (i));
    auto extra = extra_of (gst_structure_get_value (structure, name.c_str ()));
    if (is_start_key (name))
      config.owned += (config.owned.empty () ? "" : ", ") + name;
    else if (extra)
      config.keys.emplace_back (name, std::move (*extra));
    else if (config.problem.empty ())
      config.problem = "extra-config: " + name
                       + " is no boolean, number, string or list of these.";
  }
  if (!config.owned.empty ())
    config.owned = "extra-config has keys that are not sent as properties "
                   "stand for them: "
                   + config.owned + ".";
  return config;
}

ExtraHeaders
read_extra_headers (const GstStructure *structure)
{
  ExtraHeaders extra;
  const int size = structure ? gst_structure_n_fields (structure) : 0;
  for (int i = 0; i < size && extra.problem.empty (); i++) {
    const std::string name
        = gst_structure_nth_field_name (structure, guint (i));
    const GValue *value = gst_structure_get_value (structure, name.c_str ());
    const char *text
        = G_VALUE_HOLDS_STRING (value) ? g_value_get_string (value) : nullptr;
    const auto trimmed = text ? trim_header_value (text) : std::nullopt;
    if (is_reserved_header (name))
      extra.problem = "extra-headers must not set " + name + ".";
    else if (!is_valid_header_name (name))
      extra.problem = "extra-headers has a name that no header can have.";
    else if (!trimmed)
      extra.problem
          = "extra-headers: " + name + " is no string that a header can have.";
    else
      extra.headers.push_back ({ name, Secret (*trimmed) });
  }
  return extra;
}

} // namespace sis
