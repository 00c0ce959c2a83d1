// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>

namespace sis {

enum class Encoding { Pcm16, Mulaw, Alaw };

/* What goes over the wire: mono audio, little endian where it matters, in one
 * of the service's `audio_format` values. Only 8000 and 16000 Hz exist. */
struct AudioFormat
{
  Encoding encoding = Encoding::Pcm16;
  int rate = 16000;

  bool operator== (const AudioFormat &) const = default;

  /* "pcm16k16bit", "ulaw8k8bit", … */
  const char *name () const noexcept
  {
    const bool narrow = rate == 8000;
    switch (encoding) {
    case Encoding::Mulaw:
      return narrow ? "ulaw8k8bit" : "ulaw16k8bit";
    case Encoding::Alaw:
      return narrow ? "alaw8k8bit" : "alaw16k8bit";
    case Encoding::Pcm16:
      break;
    }
    return narrow ? "pcm8k16bit" : "pcm16k16bit";
  }

  std::size_t sample_bytes () const noexcept
  {
    return encoding == Encoding::Pcm16 ? 2 : 1;
  }

  std::byte silence () const noexcept
  {
    switch (encoding) {
    case Encoding::Mulaw:
      return std::byte{ 0xFF };
    case Encoding::Alaw:
      return std::byte{ 0xD5 };
    case Encoding::Pcm16:
      break;
    }
    return std::byte{ 0 };
  }

  /* Limits of one binary message, from the service's "Sending Audio Data"
   * page: 160…32768 bytes at 8 kHz, 320…65536 bytes at 16 kHz. */
  std::size_t min_message_bytes () const noexcept
  {
    return rate == 8000 ? 160 : 320;
  }
  std::size_t max_message_bytes () const noexcept
  {
    return rate == 8000 ? 32768 : 65536;
  }
};

} // namespace sis
