// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/audioformat.h"
#include "sis/protocol/text.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/* The service's messages: JSON text both ways, audio as binary.
 *
 *   client                                   service
 *     | ---- WebSocket handshake ------------> |
 *     | <--- 101 ----------------------------- |
 *     | ---- {"command":"START","config":…} -> |
 *     | <--- START --------------------------- |
 *     | ==== audio (binary) =================> |   RESULT and EVENT come at
 *     | <--- RESULT, EVENT ------------------- |   any time from here on
 *     | ---- {"command":"END","cancel":…} ---> |
 *     | <--- RESULT … ------------------------ |
 *     | <--- END ----------------------------- |
 *     | ---- close --------------------------> |
 *
 * ERROR may come in place of START's answer (nothing follows) or in a session
 * (END with reason ERROR follows, or nothing, or a close). FATAL_ERROR may come
 * at any time; the service then closes.
 *
 * Sources: the service's API pages sis_03_0030 to 0039. Pure functions, usable
 * on any thread. */
namespace sis {

using Milliseconds = std::chrono::milliseconds;

/* The START keys. What is not set is not sent. */
struct StartConfig
{
  /* Further keys of the user's own: the service's flags are the strings "yes"
   * and "no", sent for bool. */
  using Scalar = std::variant<bool, std::int64_t, double, std::string>;
  using Extra = std::variant<bool, std::int64_t, double, std::string,
                             std::vector<Scalar>>;

  AudioFormat audio_format;
  std::string property;
  std::optional<bool> add_punc, digit_norm, interim_results, need_word_info;
  std::optional<int> vad_head, vad_tail; /* milliseconds */
  std::optional<int> max_seconds;
  std::string vocabulary_id; /* empty: not sent */
  std::vector<std::pair<std::string, Extra>> extra;
};

std::string build_start (const StartConfig &config);

/* A START key that a field of its own stands for. */
bool is_start_key (std::string_view name) noexcept;

/* cancel: the service drops what it has not recognised yet. */
std::string build_end (bool cancel);

/* Strings are valid UTF-8 without control or unseen characters, clipped as
 * below. A field the service left out is empty, or nullopt where 0 is a value.
 */
struct Word
{
  std::string word;
  std::optional<Milliseconds> start_time, end_time;
};

struct Segment
{
  std::optional<Milliseconds> start_time, end_time; /* from session start */
  bool is_final = false;
  bool has_result = false; /* false: `result` was absent, recognition failed */
  std::string text;
  std::optional<double> score;
  std::vector<Word> words;
};

struct StartReply
{
  std::string trace_id;
};

struct Result
{
  std::string trace_id;
  std::vector<Segment> segments; /* as sent, finals and interims mixed */
};

struct ServiceEvent
{
  enum class Kind {
    VoiceStart,
    VoiceEnd,
    ExceededSilence,
    ExceededAudio,
    Other
  };
  std::string trace_id;
  Kind kind = Kind::Other;
  std::string event; /* in the spelling of the service's table */
  std::optional<Milliseconds> timestamp; /* from session start */
};

struct EndReply
{
  std::string trace_id;
  std::string reason; /* NORMAL, CANCEL, ERROR; empty if absent */
};

struct ErrorReply
{
  bool fatal = false;    /* FATAL_ERROR: the service closes */
  std::string resp_type; /* empty for a gateway body, which has none */
  std::string trace_id, error_code, error_msg;
};

/* JSON of a kind that is not known; to be ignored. */
struct Unknown
{
  std::string resp_type;
};

/* Not a message at all; `reason` is for the log and the user. */
struct Malformed
{
  std::string reason;
};

using ServerMessage = std::variant<StartReply, Result, ServiceEvent, EndReply,
                                   ErrorReply, Unknown, Malformed>;

/* Limits on what is taken from the service; those on texts are in text.h. */
constexpr std::size_t max_message_length = 1 << 20;
constexpr int max_message_depth = 16;
constexpr std::size_t max_words = 4096;

/* Total: every byte sequence gives one of the alternatives. What is not JSON by
 * the letter is Malformed, but control characters within strings are let pass.
 * Numbers and booleans that come as strings are read as what they mean. Times
 * (below 0, above a day) and scores (outside 0…1) out of range count as absent;
 * nothing is said of their order. What is not an object among segments or words
 * is left out; a RESULT of nothing else is Malformed. */
ServerMessage parse (std::string_view text) noexcept;

/* The JSON body of a refused request, of the gateway or of IAM. */
struct ErrorBody
{
  std::string error_code, error_msg, request_id;
};

/* Null for any other body: HTML of a proxy, JSON without an error. */
std::optional<ErrorBody> parse_error_body (std::string_view text) noexcept;

} // namespace sis
