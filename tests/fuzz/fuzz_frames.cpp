// SPDX-License-Identifier: LGPL-2.1-or-later
/* The input is the headers of a WebSocket's frames, one behind the other; their
 * payloads are made up. Read in any pieces, what the counter says of them is
 * what a model knows that saw them made. */
#include "fuzz.h"

#include "sis/protocol/frames.h"

#include <span>
#include <vector>

namespace {

/* Longer payloads are only begun. */
constexpr std::size_t most_payload = 1 << 17;
constexpr std::size_t most_wire = 1 << 19;

/* From the byte `at` on the counter says so. */
struct Mark
{
  std::size_t at;
  std::uint64_t pings, pongs, unfinished;
};

class Wire
{
public:
  explicit Wire (sisfuzz::Choices &choices)
  {
    while (!choices.is_over () && !is_stuck_ && bytes_.size () < most_wire)
      add_frame (choices);
  }

  std::span<const std::byte> bytes () const
  {
    return std::as_bytes (std::span (bytes_));
  }

  void check (const sis::FrameCounter &counter, std::size_t read)
  {
    while (next_ + 1 < marks_.size () && marks_[next_ + 1].at <= read)
      next_++;
    fuzz_check (counter.pings () == marks_[next_].pings);
    fuzz_check (counter.pongs () == marks_[next_].pongs);
    fuzz_check (counter.unfinished () == marks_[next_].unfinished);
  }

private:
  unsigned add_byte (sisfuzz::Choices &choices)
  {
    bytes_ += char (choices.byte ());
    return static_cast<unsigned char> (bytes_.back ());
  }

  std::uint64_t add_length (sisfuzz::Choices &choices, unsigned bytes)
  {
    std::uint64_t length = 0;
    while (bytes-- > 0)
      length = length * 256 + add_byte (choices);
    return length;
  }

  void add_frame (sisfuzz::Choices &choices);
  void note_frame (unsigned first, std::size_t header, std::uint64_t length);

  std::string bytes_;
  std::vector<Mark> marks_{ { 0, 0, 0, 0 } };
  std::size_t next_ = 0;
  bool is_stuck_ = false; /* in a payload that does not end */
};

void
Wire::add_frame (sisfuzz::Choices &choices)
{
  const std::size_t begin = bytes_.size ();
  const unsigned first = add_byte (choices);
  const unsigned second = add_byte (choices);
  std::uint64_t length = second % 128;
  if (length == 126)
    length = add_length (choices, 2);
  else if (length == 127)
    length = add_length (choices, 8);
  if (second >= 128)
    bytes_ += "mask";
  note_frame (first, bytes_.size () - begin, length);
  /* Each byte of it would be a ping if it were taken for a frame. */
  bytes_.append (std::min<std::uint64_t> (length, most_payload), '\x89');
  is_stuck_ = length > most_payload;
}

void
Wire::note_frame (unsigned first, std::size_t header, std::uint64_t length)
{
  Mark mark = marks_.back ();
  mark.at = bytes_.size ();
  const unsigned opcode = first % 16;
  const bool is_last = first >= 128;
  /* A payload of more has no end that anybody will see. */
  const auto size = header + std::min (length, std::uint64_t (1) << 62);
  if (opcode == 9)
    mark.pings++;
  else if (opcode == 10)
    mark.pongs++;
  else if (opcode < 8)
    mark.unfinished = is_last ? 0 : mark.unfinished + size;
  marks_.push_back (mark);
}

/* Some pieces are a byte, others a few thousand. */
std::size_t
next_piece (std::uint32_t &random)
{
  random = random * 1664525 + 1013904223;
  const std::uint32_t most = 1u << (random >> 8) % 14;
  return 1 + (random >> 16) % most;
}

} // namespace

/* A byte for the pieces, and the headers. */
int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  sisfuzz::Choices choices (sisfuzz::as_text (data, size));
  std::uint32_t random = choices.byte ();
  Wire wire (choices);
  sis::FrameCounter counter;
  const auto bytes = wire.bytes ();
  for (std::size_t read = 0; read < bytes.size ();) {
    const std::size_t piece
        = std::min (next_piece (random), bytes.size () - read);
    counter.add (bytes.subspan (read, piece));
    read += piece;
    wire.check (counter, read);
  }
  return 0;
}
