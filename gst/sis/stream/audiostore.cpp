// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/stream/audiostore.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sis {

AudioStore::AudioStore (const Limits &limits)
    : chunk_samples_ (
        std::max<Position> (1, time_to_samples (limits.chunk, limits.rate))),
      block_samples_ (std::max<Position> (1, limits.rate / chunk_samples_)
                      * chunk_samples_),
      max_waiting_ (time_to_samples (limits.max_waiting, limits.rate)),
      rate_ (limits.rate)
{
}

AudioStore::Block &
AudioStore::block_to_fill (AudioFormat format, Position first)
{
  if (!blocks_.empty ()) {
    if (blocks_.back ().format != format || first != end_)
      seal ();
  }
  if (!blocks_.empty ()) {
    Block &last = blocks_.back ();
    if (!last.sealed && last.filled < last.capacity)
      return last;
  }
  const std::size_t capacity
      = std::size_t (block_samples_) * format.sample_bytes ();
  blocks_.push_back (Block{
      .format = format,
      .first = first,
      .capacity = capacity,
      .breaks = std::exchange (breaks_next_, false),
      .memory = std::make_shared_for_overwrite<std::byte[]> (capacity) });
  return blocks_.back ();
}

std::size_t
AudioStore::append (AudioFormat format, Position first,
                    std::span<const std::byte> bytes)
{
  const std::size_t sample = format.sample_bytes ();
  std::size_t taken = 0;
  while (waiting_ < max_waiting_ && bytes.size () - taken >= sample) {
    Block &block = block_to_fill (format, first);
    const std::size_t room
        = std::min (block.capacity - block.filled,
                    std::size_t (max_waiting_ - waiting_) * sample);
    const std::size_t n
        = std::min (room, (bytes.size () - taken) / sample * sample);
    std::memcpy (block.memory.get () + block.filled, bytes.data () + taken, n);
    block.filled += n;
    taken += n;
    first += Position (n / sample);
    waiting_ += Position (n / sample);
    end_ = first;
  }
  return taken;
}

void
AudioStore::seal ()
{
  if (blocks_.empty ())
    return;
  Block &last = blocks_.back ();
  last.sealed = true;
  if (last.sent == last.filled)
    blocks_.pop_back ();
}

void
AudioStore::break_off ()
{
  seal ();
  breaks_next_ = true;
}

bool
AudioStore::is_at_break () const noexcept
{
  return !blocks_.empty () && blocks_.front ().breaks
         && blocks_.front ().sent == 0;
}

std::size_t
AudioStore::ready_bytes (const Block &block) const noexcept
{
  const std::size_t unsent = block.filled - block.sent;
  if (block.sealed)
    return unsent;
  const std::size_t chunk
      = std::size_t (chunk_samples_) * block.format.sample_bytes ();
  return unsent / chunk * chunk;
}

std::optional<AudioFormat>
AudioStore::ready_format () const noexcept
{
  if (blocks_.empty () || ready_bytes (blocks_.front ()) == 0)
    return std::nullopt;
  return blocks_.front ().format;
}

std::optional<AudioPiece>
AudioStore::next (AudioFormat format)
{
  if (ready_format () != format)
    return std::nullopt;
  Block &block = blocks_.front ();
  const std::size_t n = ready_bytes (block);
  AudioPiece piece{
    .format = format,
    .first = block.first + Position (block.sent / format.sample_bytes ()),
    .bytes = { block.memory.get () + block.sent, n },
    .memory = block.memory,
  };
  block.sent += n;
  waiting_ -= piece.samples ();
  const bool is_used_up = block.sent == block.filled
                          && (block.sealed || block.filled == block.capacity);
  if (is_used_up)
    blocks_.pop_front ();
  return piece;
}

void
AudioStore::clear ()
{
  blocks_.clear ();
  breaks_next_ = false;
  waiting_ = 0;
}

Position
AudioStore::begin () const noexcept
{
  if (blocks_.empty ())
    return end_;
  const Block &front = blocks_.front ();
  return front.first + Position (front.sent / front.format.sample_bytes ());
}

Nanoseconds
AudioStore::waiting () const noexcept
{
  return samples_to_time (waiting_, rate_);
}

} // namespace sis
