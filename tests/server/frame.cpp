// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame.h"

#include <glib.h>

namespace sistest {

namespace {

void
append_big_endian (std::string &out, std::uint64_t value, int bytes)
{
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out.push_back (static_cast<char> (value >> shift & 0xFF));
}

std::uint64_t
big_endian (std::string_view bytes)
{
  std::uint64_t value = 0;
  for (const char c : bytes)
    value = value << 8 | static_cast<unsigned char> (c);
  return value;
}

} // namespace

std::string
encode_frame (Opcode opcode, std::string_view payload, bool fin)
{
  std::string out;
  out.reserve (payload.size () + 10);
  out.push_back (
      static_cast<char> ((fin ? 0x80 : 0) | static_cast<int> (opcode)));
  if (payload.size () < 126) {
    out.push_back (static_cast<char> (payload.size ()));
  } else if (payload.size () < 65536) {
    out.push_back (126);
    append_big_endian (out, payload.size (), 2);
  } else {
    out.push_back (127);
    append_big_endian (out, payload.size (), 8);
  }
  return out.append (payload);
}

std::string
close_payload (int code, std::string_view reason)
{
  std::string payload;
  if (code != 0)
    append_big_endian (payload, static_cast<std::uint64_t> (code), 2);
  return payload.append (reason);
}

int
close_code (std::string_view payload)
{
  return payload.size () < 2
             ? 0
             : static_cast<int> (big_endian (payload.substr (0, 2)));
}

std::string
accept_key (std::string_view key)
{
  g_autoptr (GChecksum) sha1 = g_checksum_new (G_CHECKSUM_SHA1);
  const std::string salted
      = std::string (key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  g_checksum_update (sha1, reinterpret_cast<const guchar *> (salted.data ()),
                     static_cast<gssize> (salted.size ()));
  guint8 digest[20];
  gsize length = sizeof digest;
  g_checksum_get_digest (sha1, digest, &length);
  g_autofree char *base64 = g_base64_encode (digest, length);
  return base64;
}

FrameReader::Outcome
FrameReader::next (Frame &frame)
{
  const std::string_view all (buffer_);
  if (all.size () < 2)
    return Outcome::More;
  const auto first = static_cast<unsigned char> (all[0]);
  const auto second = static_cast<unsigned char> (all[1]);
  if ((first & 0x70) != 0 || (second & 0x80) == 0)
    return Outcome::Bad;

  const int short_length = second & 0x7F;
  const std::size_t length_bytes = short_length == 127   ? 8
                                   : short_length == 126 ? 2
                                                         : 0;
  const std::size_t head = 2 + length_bytes + 4;
  if (all.size () < head)
    return Outcome::More;
  const std::uint64_t length = length_bytes == 0
                                   ? short_length
                                   : big_endian (all.substr (2, length_bytes));
  if (length > max_payload)
    return Outcome::Bad;
  if (all.size () - head < length)
    return Outcome::More;

  const std::string_view mask = all.substr (head - 4, 4);
  frame.opcode = static_cast<Opcode> (first & 0x0F);
  frame.fin = (first & 0x80) != 0;
  frame.payload.assign (all.substr (head, length));
  for (std::size_t i = 0; i < frame.payload.size (); i++)
    frame.payload[i] = static_cast<char> (frame.payload[i] ^ mask[i % 4]);
  buffer_.erase (0, head + length);
  return Outcome::Frame;
}

} // namespace sistest
