// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsissettings.h"

#include "gstsiscredentials.h"
#include "gstsisextra.h"
#include "gstsistrust.h"

#include <algorithm>

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

/* A year is as good as for ever, and sums of it fit. */
Nanoseconds
duration (GstClockTime time)
{
  constexpr GstClockTime year = 365 * 24 * 3600 * GST_SECOND;
  return Nanoseconds (std::min (time, year));
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
  start.extra = read_extra_config (settings.extra_config.get ()).keys;
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

/* A sentence about the first setting that cannot be sent; empty: none. */
std::string
invalid_setting (const Settings &settings)
{
  const auto is_sendable = [] (const std::string &text) {
    return g_utf8_validate (text.data (), gssize (text.size ()), nullptr)
           && clean_text (text, max_label_length) == text;
  };
  if (settings.model.empty () || !is_sendable (settings.model))
    return "model is empty, too long, or has control or unseen characters.";
  if (!is_sendable (settings.vocabulary_id))
    return "vocabulary-id is too long or has control or unseen characters.";
  if (settings.mix_rows > 1)
    return "mix-matrix must have one row: the service takes one channel.";
  if (settings.max_seconds == 0)
    return "max-seconds must be 1 to 60, or -1.";
  if (settings.idle_timeout > 0 && settings.idle_timeout < GST_SECOND)
    return "idle-timeout must be 1 s to 15 s, or 0.";
  if (settings.max_session_duration > 0
      && settings.max_session_duration < 100 * GST_MSECOND)
    return "max-session-duration must be 100 ms or more, or 0.";
  return read_extra_config (settings.extra_config.get ()).problem;
}

/* A sentence about the first setting of the network that cannot be; else what
 * it comes to. */
std::variant<Transport, std::string>
make_transport (const Settings &settings)
{
  Transport transport;
  if (!settings.proxy.empty ()) {
    auto parsed = parse_proxy (settings.proxy);
    if (const auto *problem = std::get_if<std::string> (&parsed))
      return *problem + ".";
    transport.proxy = std::move (std::get<Proxy> (parsed));
  }
  if (settings.tls_database != nullptr && !settings.ssl_ca_file.empty ())
    return "tls-database and ssl-ca-file are both set; set one of them.";
  transport.tls_database = settings.tls_database;
  if (settings.ssl_ca_file.empty ())
    return transport;
  g_autoptr (GError) error = nullptr;
  transport.tls_database = load_trust (settings.ssl_ca_file, &error);
  if (transport.tls_database == nullptr)
    return "ssl-ca-file cannot be used: "
           + clean_text (error->message, max_label_length) + ".";
  return transport;
}

} // namespace

std::variant<Endpoint, std::string>
find_endpoint (const Settings &settings)
{
  if (settings.endpoint.empty ()) {
    if (!is_valid_region (settings.region))
      return "region may only have small letters, digits and '-', such as "
             "cn-north-4.";
    return endpoint_of_region (settings.region);
  }
  auto parsed = parse_endpoint (settings.endpoint);
  if (auto *problem = std::get_if<std::string> (&parsed))
    *problem += ".";
  return parsed;
}

Nanoseconds
longest_fill (const Settings &settings)
{
  constexpr Nanoseconds at_most = std::chrono::seconds (15);
  return settings.idle_timeout > 0 ? Nanoseconds (settings.idle_timeout)
                                   : at_most;
}

AudioSettings
audio_settings (const Settings &settings)
{
  return AudioSettings{ settings.model, settings.mix_matrix };
}

std::string
update_tunables (const Settings &settings, Tunables &tunables)
{
  std::string problem = invalid_setting (settings);
  if (problem.empty ()) {
    tunables.start = start_config (settings);
    tunables.max_send_rate = settings.max_send_rate;
  }
  const auto project = trim_header_value (settings.enterprise_project_id);
  if (project)
    tunables.enterprise_project_id = *project;
  else if (problem.empty ())
    problem = "enterprise-project-id has characters that no header may have.";

  auto credentials = find_credentials (settings);
  if (auto *found = std::get_if<Credentials> (&credentials))
    tunables.credentials = std::move (*found);
  else if (problem.empty ())
    problem = std::get<std::string> (credentials);
  return problem;
}

std::variant<Config, Failure>
make_config (const Settings &settings)
{
  Config config;
  const auto endpoint = find_endpoint (settings);
  if (const auto *problem = std::get_if<std::string> (&endpoint))
    return settings_failure (*problem);
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
  const std::string problem = update_tunables (settings, config.tunables);
  if (!problem.empty ())
    return settings_failure (problem);
  auto transport = make_transport (settings);
  if (const auto *wrong = std::get_if<std::string> (&transport))
    return settings_failure (*wrong);
  config.transport = std::move (std::get<Transport> (transport));
  if (!settings.extra_headers.problem.empty ())
    return settings_failure (settings.extra_headers.problem);
  config.extra_headers = settings.extra_headers.headers;
  const auto user_agent = trim_header_value (settings.user_agent);
  if (!user_agent || user_agent->empty ())
    return settings_failure ("user-agent is empty, or has characters that no "
                             "header may have.");
  config.user_agent = *user_agent;

  config.mode = settings.mode;
  config.rate = audio_settings (settings).rate ();
  config.chunk_duration = duration (settings.chunk_duration);
  config.timeout = std::chrono::seconds (settings.timeout);
  config.keepalive_interval
      = std::chrono::seconds (settings.keepalive_interval);
  config.idle_timeout = duration (settings.idle_timeout);
  config.max_buffer_duration = duration (settings.max_buffer_duration);
  config.replay_duration = duration (settings.replay_duration);
  config.leaky = settings.leaky;
  config.reconnect = { .policy = settings.reconnect,
                       .max_attempts = settings.max_reconnects,
                       .delay = duration (settings.reconnect_delay),
                       .max_delay = duration (settings.max_reconnect_delay) };
  config.max_session_duration = duration (settings.max_session_duration);
  config.discards_after_error = settings.on_error == OnError::Discard;
  return config;
}

std::vector<std::string>
useless_settings (const Settings &settings)
{
  std::vector<std::string> sentences;
  const bool has_vad = settings.vad_head >= 0 || settings.vad_tail >= 0
                       || settings.max_seconds >= 0;
  if (settings.mode == Mode::Short && has_vad)
    sentences.push_back ("vad-head, vad-tail and max-seconds have no effect in "
                         "short mode and are not sent.");
  const std::string owned
      = read_extra_config (settings.extra_config.get ()).owned;
  if (!owned.empty ())
    sentences.push_back (owned);
  return sentences;
}

} // namespace sis
