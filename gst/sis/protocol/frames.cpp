// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/frames.h"

#include <algorithm>

namespace sis {
namespace {

constexpr std::uint8_t fin = 0x80, masked = 0x80;
/* No payload has more; a sum of such lengths would begin anew. */
constexpr std::uint64_t max_length = std::uint64_t (1) << 62;
constexpr std::uint8_t first_control = 8, ping = 9, pong = 10;

} // namespace

void
FrameCounter::add (std::span<const std::byte> bytes) noexcept
{
  while (!bytes.empty ()) {
    if (payload_left_ > 0) {
      const auto passed
          = std::min<std::uint64_t> (payload_left_, bytes.size ());
      payload_left_ -= passed;
      bytes = bytes.subspan (passed);
      continue;
    }
    header_[header_size_++] = std::uint8_t (bytes.front ());
    bytes = bytes.subspan (1);
    if (header_size_ == header_length ())
      begin_frame ();
  }
}

/* As far as it can be told. */
std::size_t
FrameCounter::header_length () const noexcept
{
  if (header_size_ < 2)
    return 2;
  const std::uint8_t length = header_[1] & 0x7f;
  return 2
         + (length == 126   ? 2
            : length == 127 ? 8
                            : 0)
         + ((header_[1] & masked) != 0 ? 4 : 0);
}

void
FrameCounter::begin_frame () noexcept
{
  std::uint64_t length = header_[1] & 0x7f;
  const std::size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (more > 0)
    length = 0;
  for (std::size_t i = 0; i < more; i++)
    length = length << 8 | header_[2 + i];
  const std::uint8_t opcode = header_[0] & 0x0f;
  if (opcode == ping)
    pings_++;
  else if (opcode == pong)
    pongs_++;
  else if (opcode < first_control && (header_[0] & fin) != 0)
    unfinished_ = 0;
  else if (opcode < first_control)
    unfinished_ += header_size_ + std::min (length, max_length);
  payload_left_ = length;
  header_size_ = 0;
}

} // namespace sis
