// SPDX-License-Identifier: LGPL-2.1-or-later
#include "behaviour.h"

#include <glib.h>

namespace sistest {

Action
send_text (std::string text)
{
  return { .kind = Action::Kind::Text, .text = std::move (text) };
}

Action
send_binary (std::string bytes)
{
  return { .kind = Action::Kind::Binary, .text = std::move (bytes) };
}

Action
send_raw (std::string bytes)
{
  return { .kind = Action::Kind::Raw, .text = std::move (bytes) };
}

Action
send_result (std::vector<Segment> segments)
{
  return { .kind = Action::Kind::Result, .segments = std::move (segments) };
}

Action
error (std::string code, std::string message)
{
  return { .kind = Action::Kind::Error,
           .text = std::move (message),
           .code = std::move (code) };
}

Action
fatal (std::string code, std::string message, int close_code)
{
  return { .kind = Action::Kind::Fatal,
           .text = std::move (message),
           .code = std::move (code),
           .close_code = close_code };
}

Action
end (std::string reason)
{
  return { .kind = Action::Kind::End, .text = std::move (reason) };
}

Action
close_with (int close_code)
{
  return { .kind = Action::Kind::Close, .close_code = close_code };
}

Action
reset ()
{
  return { .kind = Action::Kind::Reset };
}

Action
hang_up ()
{
  return { .kind = Action::Kind::HangUp };
}

Action
stop_reading (Milliseconds duration)
{
  return { .kind = Action::Kind::StopReading, .duration = duration };
}

Action
vanish ()
{
  return { .kind = Action::Kind::Vanish };
}

Action
without_trace_id (Action action)
{
  action.trace_id = false;
  return action;
}

Action
unfollowed (Action action)
{
  action.followed = false;
  return action;
}

std::string
Record::header (std::string_view name) const
{
  const std::string wanted (name);
  for (const auto &[key, value] : headers)
    if (g_ascii_strcasecmp (key.c_str (), wanted.c_str ()) == 0)
      return value;
  return {};
}

std::vector<std::int16_t>
Record::samples () const
{
  return Decoder ({}).decode (audio);
}

std::uint64_t
fnv1a (std::string_view bytes, std::uint64_t start)
{
  for (const char c : bytes)
    start = (start ^ static_cast<unsigned char> (c)) * 0x100000001b3;
  return start;
}

} // namespace sistest
