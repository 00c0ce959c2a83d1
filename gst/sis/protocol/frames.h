// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sis {

/* Counts what the frames of a WebSocket (RFC 6455, 5.2) are beyond whole
 * messages, from the bytes as they come, in pieces of any size. Frames that the
 * RFC forbids are counted as they read: to refuse them is the WebSocket's. */
class FrameCounter
{
public:
  void add (std::span<const std::byte> bytes) noexcept;

  std::uint64_t pings () const noexcept { return pings_; }
  std::uint64_t pongs () const noexcept { return pongs_; }
  /* Bytes of the message under way, with its frames' headers, once the header
   * of a frame is known; 0: there is none. */
  std::uint64_t unfinished () const noexcept { return unfinished_; }

private:
  std::size_t header_length () const noexcept;
  void begin_frame () noexcept;

  std::array<std::uint8_t, 14> header_{};
  std::size_t header_size_ = 0;
  std::uint64_t payload_left_ = 0;
  std::uint64_t pings_ = 0, pongs_ = 0;
  std::uint64_t unfinished_ = 0;
};

} // namespace sis
