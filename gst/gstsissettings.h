// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gstsisaudio.h"
#include "sis/session.h"

#include <gst/gst.h>
#include <variant>

namespace sis {

/* The properties, as they were set. Plain data; the element guards it. */
struct Settings
{
  std::string endpoint;
  std::string region = "cn-north-4";
  std::string project_id;
  Mode mode = Mode::Continue;
  std::string model = "chinese_16k_general";
  Secret auth_token;
  bool add_punc = false;
  bool digit_norm = true;
  bool interim_results = false;
  bool need_word_info = false;
  int vad_head = -1, vad_tail = -1; /* milliseconds; -1: not sent */
  int max_seconds = -1;
  std::string vocabulary_id;
  GstClockTime chunk_duration = 100 * GST_MSECOND;
  guint timeout = 20;                          /* seconds */
  guint keepalive_interval = 15;               /* seconds; 0: off */
  GstClockTime idle_timeout = 10 * GST_SECOND; /* 0: off */
  std::vector<float> mix_matrix;               /* the first row */
  guint mix_rows = 0;
};

/* Installs the properties, with ids 1…n, on an element's class. */
void install_properties (GObjectClass *klass);

/* False: no such property. Write-only ones are never told. */
bool set_property (Settings &settings, guint id, const GValue &value);
bool get_property (const Settings &settings, guint id, GValue *value);

/* May be set while the element plays: to be handed to the session. */
bool is_for_next_session (guint id);

/* The longest hole in time that is sent as silence. */
Nanoseconds longest_fill (const Settings &settings);

StartConfig start_config (const Settings &settings);
AudioSettings audio_settings (const Settings &settings);

/* The token that is to be sent, trimmed: the property, or else the
 * environment's SIS_AUTH_TOKEN. Empty if there is none, nullopt if no header
 * can hold it. */
std::optional<Secret> find_auth_token (const Settings &settings);

/* A sentence about the first setting that cannot be sent; empty: none. */
std::string invalid_setting (const Settings &settings);

/* What a session needs, with the environment looked up, or the failure of a
 * setting that cannot be. `user_agent` names the element. */
std::variant<Config, Failure> make_config (const Settings &settings,
                                           const std::string &user_agent);

/* What is set but has no effect, as a sentence; empty: nothing. */
std::string useless_settings (const Settings &settings);

} // namespace sis
