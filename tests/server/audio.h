// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sistest {

using Milliseconds = std::chrono::milliseconds;

/* One of the service's `audio_format` values: mono, headerless. */
struct Format
{
  enum class Coding { Pcm16, Mulaw, Alaw };

  Coding coding = Coding::Pcm16;
  int rate = 16000;

  static std::optional<Format> from_name (std::string_view name);

  std::size_t sample_bytes () const { return coding == Coding::Pcm16 ? 2 : 1; }

  /* The service's limits on one binary message. */
  std::size_t min_message () const { return rate == 8000 ? 160 : 320; }
  std::size_t max_message () const { return rate == 8000 ? 32768 : 65536; }

  std::uint64_t bytes_of (Milliseconds time) const;
  Milliseconds time_of (std::uint64_t bytes) const;
};

/* The wire's bytes as 16-bit samples at the format's own rate. A sample that is
 * cut between two messages is put together again. */
class Decoder
{
public:
  explicit Decoder (Format format) : format_ (format) {}
  std::vector<std::int16_t> decode (std::string_view bytes);

private:
  Format format_;
  std::optional<unsigned char> low_byte_;
};

} // namespace sistest
