// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/iam.h"

#include "sis/protocol/json.h"
#include "sis/protocol/text.h"

#include <algorithm>

namespace sis {
namespace {

using BuilderPtr = GObjectPtr<JsonBuilder>;
using GeneratorPtr = GObjectPtr<JsonGenerator>;
using DateTimePtr = std::unique_ptr<GDateTime, Deleter<g_date_time_unref>>;

void
begin (JsonBuilder *builder, const char *name)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_object (builder);
}

void
add (JsonBuilder *builder, const char *name, const std::string &value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value.c_str ());
}

/* Nanoseconds would not reach the year 9999. */
using Time = std::chrono::sys_time<std::chrono::microseconds>;

std::optional<Time>
time_of (JsonObject *token, const char *name)
{
  const std::string text = json::text_member (token, name, max_label_length);
  const DateTimePtr time (
      g_date_time_new_from_iso8601 (text.c_str (), nullptr));
  if (time == nullptr)
    return {};
  return Time (
      std::chrono::seconds (g_date_time_to_unix (time.get ()))
      + std::chrono::microseconds (g_date_time_get_microsecond (time.get ())));
}

} // namespace

Secret
build_token_request (const Login &login, std::string_view project_id)
{
  const BuilderPtr owner (json_builder_new ());
  JsonBuilder *b = owner.get ();
  json_builder_begin_object (b);
  begin (b, "auth");
  begin (b, "identity");
  json_builder_set_member_name (b, "methods");
  json_builder_begin_array (b);
  json_builder_add_string_value (b, "password");
  json_builder_end_array (b);
  begin (b, "password");
  begin (b, "user");
  add (b, "name", login.user);
  add (b, "password", login.password.value ());
  begin (b, "domain");
  add (b, "name", login.domain);
  json_builder_end_object (b); /* domain */
  json_builder_end_object (b); /* user */
  json_builder_end_object (b); /* password */
  json_builder_end_object (b); /* identity */
  begin (b, "scope");
  begin (b, "project");
  add (b, "id", std::string (project_id));
  json_builder_end_object (b); /* project */
  json_builder_end_object (b); /* scope */
  json_builder_end_object (b); /* auth */
  json_builder_end_object (b);

  const json::NodePtr root (json_builder_get_root (b));
  const GeneratorPtr generator (json_generator_new ());
  json_generator_set_root (generator.get (), root.get ());
  return take_secret (
      GCharPtr (json_generator_to_data (generator.get (), nullptr)));
}

std::optional<std::chrono::milliseconds>
parse_token_lifetime (std::string_view body,
                      std::chrono::system_clock::time_point now) noexcept
{
  std::string problem;
  const json::NodePtr root = json::parse_object (body, problem);
  if (!root)
    return {};
  JsonObject *const token
      = json::object_member (json_node_get_object (root.get ()), "token");
  const auto expires = time_of (token, "expires_at");
  if (!expires)
    return {};
  const Time issued = time_of (token, "issued_at")
                          .value_or (std::chrono::floor<Time::duration> (now));
  return std::chrono::duration_cast<std::chrono::milliseconds> (
      std::clamp<Time::duration> (*expires - issued, Time::duration::zero (),
                                  longest_token_lifetime));
}

} // namespace sis
