// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "recognizer.h"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/* The service's side of the messages, written from its documentation and not
 * from the client's code. */
namespace sistest {

struct StartRequest
{
  Format format;
  bool interim_results = false, need_word_info = false;
  Milliseconds vad_head{ 10000 }, vad_tail{ 500 }, max_sentence{ 30000 };
};

struct EndRequest
{
  bool cancel = false;
};

struct ServiceError
{
  std::string code, message;
};

using Request = std::variant<StartRequest, EndRequest, ServiceError>;

struct RequestRules
{
  bool strict_keys = true;
  std::span<const std::string> vocabularies;
};

/* `config` gets START's keys as they came, good or bad: strings as they are,
 * other values as JSON. */
Request parse_request (const std::string &text, const RequestRules &rules,
                       std::map<std::string, std::string> &config);

/* An empty trace_id is left out. */
std::string start_message (const std::string &trace_id);
std::string end_message (const std::string &trace_id,
                         const std::string &reason);
std::string event_message (const std::string &trace_id,
                           const std::string &event, Milliseconds timestamp);
std::string error_message (const std::string &trace_id, const std::string &code,
                           const std::string &message, bool is_fatal);

struct ResultStyle
{
  bool words = false;
  bool scalars_as_strings = false;
};
std::string result_message (const std::string &trace_id,
                            const std::vector<Segment> &segments,
                            ResultStyle style = {});

/* The gateway's body of a refused handshake. */
std::string gateway_body (const std::string &code, const std::string &message);

} // namespace sistest
