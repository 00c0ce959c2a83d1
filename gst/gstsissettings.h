// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gstsisaudio.h"
#include "sis/session.h"

#include <gio/gio.h>
#include <gst/gst.h>
#include <memory>
#include <variant>

namespace sis {

enum class OnError { Stop, Discard };

/* Of a property that was set; never changed afterwards. */
using StructurePtr = std::shared_ptr<const GstStructure>;
using TlsDatabasePtr = std::shared_ptr<GTlsDatabase>;

/* `extra-headers`, which holds secrets: the structure itself is not kept. */
struct ExtraHeaders
{
  Headers headers;
  std::string problem; /* with the first that cannot be sent, as a sentence */
};

/* The properties, as they were set. Plain data; the element guards it. */
struct Settings
{
  std::string endpoint;
  std::string region = "cn-north-4";
  std::string project_id;
  std::string enterprise_project_id;
  Mode mode = Mode::Continue;
  std::string model = "chinese_16k_general";
  Secret auth_token;
  std::string access_key;
  Secret secret_key, security_token;
  std::string user_name, domain_name, iam_endpoint;
  Secret password;
  bool add_punc = false;
  bool digit_norm = true;
  bool interim_results = false;
  bool need_word_info = false;
  int vad_head = -1, vad_tail = -1; /* milliseconds; -1: not sent */
  int max_seconds = -1;
  std::string vocabulary_id;
  StructurePtr extra_config;
  GstClockTime chunk_duration = 100 * GST_MSECOND;
  double max_send_rate = 0; /* times real time; 0: no limit */
  GstClockTime max_buffer_duration = 30 * GST_SECOND;
  Leaky leaky = Leaky::Auto;
  Reconnect reconnect = Reconnect::Transport;
  int max_reconnects = -1; /* -1: by the circumstances */
  GstClockTime reconnect_delay = 200 * GST_MSECOND;
  GstClockTime max_reconnect_delay = 30 * GST_SECOND;
  GstClockTime replay_duration = 60 * GST_SECOND;
  GstClockTime max_session_duration = 0; /* 0: by mode */
  OnError on_error = OnError::Stop;
  guint timeout = 20;                          /* seconds */
  guint keepalive_interval = 15;               /* seconds; 0: off */
  GstClockTime idle_timeout = 10 * GST_SECOND; /* 0: off */
  std::vector<float> mix_matrix;               /* the first row */
  guint mix_rows = 0;
  Secret proxy; /* a URL, perhaps with user and password */
  TlsDatabasePtr tls_database;
  std::string ssl_ca_file;
  ExtraHeaders extra_headers;
  std::string user_agent = "sissink/" PACKAGE_VERSION;
};

/* Installs the properties, with ids 1…n, on an element's class. */
void install_properties (GObjectClass *klass);
guint count_properties ();

/* False: no such property. Write-only ones are never told. */
bool set_property (Settings &settings, guint id, const GValue &value);
bool get_property (const Settings &settings, guint id, GValue *value);

/* May be set while the element plays: to be handed to the session. */
bool is_for_next_session (guint id);

/* The longest hole in time that is sent as silence. */
Nanoseconds longest_fill (const Settings &settings);

AudioSettings audio_settings (const Settings &settings);

/* Where the service is, or a sentence. */
std::variant<Endpoint, std::string> find_endpoint (const Settings &settings);

/* Brings `tunables` up to date with the settings and the environment, and
 * returns a sentence about the first setting that cannot be: what belongs to it
 * stays as it was. Empty: all is well. */
std::string update_tunables (const Settings &settings, Tunables &tunables);

/* What a session needs, with the environment looked up, or the failure of a
 * setting that cannot be. */
std::variant<Config, Failure> make_config (const Settings &settings);

/* What is set but has no effect, a sentence each. */
std::vector<std::string> useless_settings (const Settings &settings);

} // namespace sis
