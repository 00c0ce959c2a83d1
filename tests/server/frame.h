// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sistest {

/* WebSocket frames (RFC 6455) as the service's side sees them: those that come
 * are masked, those that go are not. */
enum class Opcode : std::uint8_t {
  Continuation = 0,
  Text = 1,
  Binary = 2,
  Close = 8,
  Ping = 9,
  Pong = 10
};

struct Frame
{
  Opcode opcode = Opcode::Text;
  std::string payload; /* unmasked */
  bool fin = true;
};

std::string encode_frame (Opcode opcode, std::string_view payload,
                          bool fin = true);

/* The payload of a close frame, and back (0 where there is no code). */
std::string close_payload (int code, std::string_view reason = {});
int close_code (std::string_view payload);

/* Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
std::string accept_key (std::string_view key);

/* Bytes in, frames out. */
class FrameReader
{
public:
  enum class Outcome { Frame, More, Bad };

  void add (std::string_view bytes) { buffer_.append (bytes); }

  /* Bad: no mask, reserved bits, or more than `max_payload`. */
  Outcome next (Frame &frame);

private:
  static constexpr std::size_t max_payload = 16 << 20;
  std::string buffer_;
};

} // namespace sistest
