// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/audioformat.h"
#include "sis/stream/timeline.h"

#include <algorithm>
#include <span>
#include <vector>

/* Audio whose bytes tell where in the stream they belong. */
namespace audiobytes {

constexpr sis::AudioFormat pcm{ sis::Encoding::Pcm16, 16000 };
constexpr sis::AudioFormat mulaw{ sis::Encoding::Mulaw, 16000 };

inline std::vector<std::byte>
make (sis::AudioFormat format, sis::Position first, sis::Position samples)
{
  const auto size = sis::Position (format.sample_bytes ());
  std::vector<std::byte> bytes;
  bytes.reserve (std::size_t (samples * size));
  for (sis::Position i = first * size; i < (first + samples) * size; i++)
    bytes.push_back (std::byte (std::uint32_t (i) * 2654435761U >> 24));
  return bytes;
}

inline bool
are_of (sis::AudioFormat format, sis::Position first,
        std::span<const std::byte> bytes)
{
  const auto samples = sis::Position (bytes.size () / format.sample_bytes ());
  return std::ranges::equal (bytes, make (format, first, samples));
}

} // namespace audiobytes
