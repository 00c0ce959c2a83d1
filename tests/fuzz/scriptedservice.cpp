// SPDX-License-Identifier: LGPL-2.1-or-later
#include "scriptedservice.h"

#include "sessioncheck.h"

namespace sisfuzz {

std::string
ScriptedService::result ()
{
  std::string text = R"({"resp_type":"RESULT","trace_id":"t","segments":[)";
  const auto count = in_.any (1, 3);
  /* Within what was sent, if it is not by mistake. */
  const auto sent = one_in (8) ? 8000 : model_.samples_sent () * 1000 / rate;
  for (int i = 0; i < count; i++) {
    const auto start = in_.any (0, sent);
    text += (i > 0 ? R"(,{"start_time":)" : R"({"start_time":)")
            + std::to_string (start);
    if (!one_in (8))
      text += R"(,"end_time":)"
              + std::to_string (start + in_.any (0, 1 + sent / 2));
    text += one_in (3) ? R"(,"is_final":false)" : R"(,"is_final":true)";
    text += R"(,"result":{"text":"word )" + std::to_string (in_.any (0, 3))
            + R"("}})";
  }
  return text + "]}";
}

/* Now and then it is a secret, as it is or in JSON's escapes. */
std::string
ScriptedService::trace ()
{
  std::string trace_id = "t";
  if (one_in (8))
    trace_id = world_.told;
  else if (one_in (8) && world_.told == secret_token)
    trace_id = escaped_token;
  return R"(,"trace_id":")" + trace_id + "\"";
}

std::string
ScriptedService::start_reply ()
{
  return R"({"resp_type":"START")" + trace () + "}";
}

std::string
ScriptedService::end_reply (const std::string &reason)
{
  return R"({"resp_type":"END","reason":")" + reason + "\"" + trace () + "}";
}

std::string
ScriptedService::event ()
{
  static constexpr const char *events[]
      = { "VOICE_START", "VOICE_END", "EXCEEDED_SILENCE", "EXCEEDED_AUDIO" };
  return R"({"resp_type":"EVENT","event":")"
         + std::string (events[in_.any (0, 3)]) + R"(","timestamp":)"
         + std::to_string (in_.any (0, 8000)) + trace () + "}";
}

std::string
ScriptedService::error ()
{
  static constexpr const char *codes[]
      = { "SIS.0032", "SIS.0304", "SIS.0311", "SIS.0312", "SIS.0100", "X" };
  return R"({"resp_type":")"
         + std::string (one_in (3) ? "FATAL_ERROR" : "ERROR")
         + R"(","error_code":")" + codes[in_.any (0, 5)] + "\"" + trace ()
         + R"(,"error_msg":"of )" + world_.told + "\"}";
}

std::string
ScriptedService::message ()
{
  static constexpr const char *reasons[] = { "NORMAL", "CANCEL", "ERROR", "" };
  switch (in_.any (0, 7)) {
  case 0:
    return start_reply ();
  case 1:
    return event ();
  case 2:
    return end_reply (reasons[in_.any (0, 3)]);
  case 3:
    return error ();
  case 4:
    return std::string (in_.take (std::size_t (in_.any (0, 255))));
  default:
    return result ();
  }
}

} // namespace sisfuzz
