// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsissettings.h"

namespace sis {
namespace {

Failure
settings_failure (std::string text)
{
  return Failure{ .kind = FailureKind::Settings, .text = std::move (text) };
}

std::string
environment (const char *name)
{
  const char *value = g_getenv (name);
  return value != nullptr ? value : "";
}

std::variant<Endpoint, Failure>
find_endpoint (const Settings &settings)
{
  if (settings.endpoint.empty ()) {
    if (!is_valid_region (settings.region))
      return settings_failure ("region may only have small letters, digits and "
                               "'-', such as cn-north-4.");
    return endpoint_of_region (settings.region);
  }
  auto parsed = parse_endpoint (settings.endpoint);
  if (auto *endpoint = std::get_if<Endpoint> (&parsed))
    return std::move (*endpoint);
  return settings_failure (std::get<std::string> (parsed) + ".");
}

} // namespace

std::string
invalid_setting (const Settings &settings)
{
  const auto is_sendable = [] (const std::string &text) {
    return g_utf8_validate (text.data (), gssize (text.size ()), nullptr)
           && clean_text (text, max_label_length) == text;
  };
  if (settings.model.empty () || !is_sendable (settings.model))
    return "model is empty, too long, or has control characters.";
  if (!is_sendable (settings.vocabulary_id))
    return "vocabulary-id is too long or has control characters.";
  if (settings.mix_rows > 1)
    return "mix-matrix must have one row: the service takes one channel.";
  if (settings.max_seconds == 0)
    return "max-seconds must be 1 to 60, or -1.";
  if (settings.idle_timeout > 0 && settings.idle_timeout < GST_SECOND)
    return "idle-timeout must be 1 s to 15 s, or 0.";
  return {};
}

Nanoseconds
longest_fill (const Settings &settings)
{
  constexpr Nanoseconds at_most = std::chrono::seconds (15);
  return settings.idle_timeout > 0 ? Nanoseconds (settings.idle_timeout)
                                   : at_most;
}

StartConfig
start_config (const Settings &settings)
{
  const Settings defaults;
  StartConfig start;
  start.property = settings.model;
  if (settings.add_punc != defaults.add_punc)
    start.add_punc = settings.add_punc;
  if (settings.digit_norm != defaults.digit_norm)
    start.digit_norm = settings.digit_norm;
  if (settings.interim_results != defaults.interim_results)
    start.interim_results = settings.interim_results;
  if (settings.need_word_info != defaults.need_word_info)
    start.need_word_info = settings.need_word_info;
  start.vocabulary_id = settings.vocabulary_id;
  if (settings.mode == Mode::Short)
    return start;
  if (settings.vad_head >= 0)
    start.vad_head = settings.vad_head;
  if (settings.vad_tail >= 0)
    start.vad_tail = settings.vad_tail;
  if (settings.max_seconds > 0)
    start.max_seconds = settings.max_seconds;
  return start;
}

AudioSettings
audio_settings (const Settings &settings)
{
  return AudioSettings{ settings.model, settings.mix_matrix };
}

std::optional<Secret>
find_auth_token (const Settings &settings)
{
  const char *env = g_getenv ("SIS_AUTH_TOKEN");
  const std::string_view token = !settings.auth_token.empty ()
                                     ? settings.auth_token.value ()
                                     : std::string_view (env ? env : "");
  const auto header = trim_header_value (token);
  return header ? std::optional (Secret (*header)) : std::nullopt;
}

std::variant<Config, Failure>
make_config (const Settings &settings, const std::string &user_agent)
{
  const std::string invalid = invalid_setting (settings);
  if (!invalid.empty ())
    return settings_failure (invalid);
  const auto endpoint = find_endpoint (settings);
  if (const auto *failure = std::get_if<Failure> (&endpoint))
    return *failure;

  Config config;
  config.endpoint = std::get<Endpoint> (endpoint);
  config.project_id = settings.project_id.empty ()
                          ? environment ("HUAWEICLOUD_SDK_PROJECT_ID")
                          : settings.project_id;
  if (config.project_id.empty ())
    return settings_failure ("project-id is not set. Set it, or the "
                             "environment's HUAWEICLOUD_SDK_PROJECT_ID.");
  if (!is_valid_project_id (config.project_id))
    return settings_failure ("project-id may only have letters, digits, '_' "
                             "and '-'.");

  const std::optional<Secret> token = find_auth_token (settings);
  if (!token)
    return settings_failure ("auth-token has characters that no token has, "
                             "such as a line break in its middle.");
  if (token->empty () && config.endpoint.secure)
    return settings_failure ("No credentials: set auth-token, or the "
                             "environment's SIS_AUTH_TOKEN.");
  if (!token->empty () && !config.endpoint.may_carry_secrets ())
    return settings_failure ("Credentials are not sent over plain ws:// to "
                             "another machine. Use a wss:// endpoint.");

  config.auth_token = *token;
  config.mode = settings.mode;
  config.rate = audio_settings (settings).rate ();
  config.start = start_config (settings);
  config.user_agent = user_agent;
  config.chunk_duration = Nanoseconds (settings.chunk_duration);
  config.timeout = std::chrono::seconds (settings.timeout);
  config.keepalive_interval
      = std::chrono::seconds (settings.keepalive_interval);
  config.idle_timeout = Nanoseconds (settings.idle_timeout);
  return config;
}

std::string
useless_settings (const Settings &settings)
{
  const bool has_vad = settings.vad_head >= 0 || settings.vad_tail >= 0
                       || settings.max_seconds >= 0;
  if (settings.mode == Mode::Short && has_vad)
    return "vad-head, vad-tail and max-seconds have no effect in short mode "
           "and are not sent.";
  return {};
}

} // namespace sis
