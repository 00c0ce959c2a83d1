// SPDX-License-Identifier: LGPL-2.1-or-later
#include "audio.h"

namespace sistest {

namespace {

/* ITU-T G.711, expanded to 16 bits. */
std::int16_t
expand_mulaw (unsigned char code)
{
  const unsigned inverted = ~code & 0xFFu;
  const int mantissa = static_cast<int> ((inverted & 0x0F) << 3) + 0x84;
  const int magnitude = (mantissa << ((inverted >> 4) & 7)) - 0x84;
  return static_cast<std::int16_t> (inverted & 0x80 ? -magnitude : magnitude);
}

std::int16_t
expand_alaw (unsigned char code)
{
  const unsigned inverted = code ^ 0x55u;
  const unsigned exponent = (inverted >> 4) & 7;
  int magnitude = static_cast<int> ((inverted & 0x0F) << 4) + 8;
  if (exponent > 0)
    magnitude = (magnitude + 0x100) << (exponent - 1);
  return static_cast<std::int16_t> (inverted & 0x80 ? magnitude : -magnitude);
}

} // namespace

std::optional<Format>
Format::from_name (std::string_view name)
{
  static constexpr struct
  {
    std::string_view name;
    Format format;
  } formats[] = {
    { "pcm16k16bit", { Coding::Pcm16, 16000 } },
    { "pcm8k16bit", { Coding::Pcm16, 8000 } },
    { "ulaw16k8bit", { Coding::Mulaw, 16000 } },
    { "ulaw8k8bit", { Coding::Mulaw, 8000 } },
    { "alaw16k8bit", { Coding::Alaw, 16000 } },
    { "alaw8k8bit", { Coding::Alaw, 8000 } },
  };
  for (const auto &known : formats)
    if (known.name == name)
      return known.format;
  return std::nullopt;
}

std::uint64_t
Format::bytes_of (Milliseconds time) const
{
  return static_cast<std::uint64_t> (time.count ()) * (rate / 1000)
         * sample_bytes ();
}

Milliseconds
Format::time_of (std::uint64_t bytes) const
{
  return Milliseconds (bytes / sample_bytes () / (rate / 1000));
}

std::vector<std::int16_t>
Decoder::decode (std::string_view bytes)
{
  std::vector<std::int16_t> samples;
  samples.reserve (bytes.size () / format_.sample_bytes () + 1);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char> (c);
    switch (format_.coding) {
    case Format::Coding::Mulaw:
      samples.push_back (expand_mulaw (byte));
      break;
    case Format::Coding::Alaw:
      samples.push_back (expand_alaw (byte));
      break;
    case Format::Coding::Pcm16:
      if (low_byte_) {
        samples.push_back (static_cast<std::int16_t> (byte << 8 | *low_byte_));
        low_byte_.reset ();
      } else {
        low_byte_ = byte;
      }
      break;
    }
  }
  return samples;
}

} // namespace sistest
