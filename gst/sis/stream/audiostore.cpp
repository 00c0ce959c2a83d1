// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/stream/audiostore.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sis {
namespace {

/* Evicted audio with more holes than that is remembered with fewer. */
constexpr std::size_t max_evicted = 64;

} // namespace

AudioStore::AudioStore (const Limits &limits)
    : chunk_ (
        std::max<Position> (1, time_to_samples (limits.chunk, limits.rate))),
      block_samples_ (std::max<Position> (1, limits.rate / chunk_) * chunk_),
      max_waiting_ (time_to_samples (limits.max_waiting, limits.rate)),
      max_replay_ (time_to_samples (limits.max_replay, limits.rate)),
      minimum_ (limits.rate / 100), rate_ (limits.rate)
{
}

/* Taking in */

AudioStore::Block &
AudioStore::block_to_fill (AudioFormat format, Position first)
{
  if (!blocks_.empty ()) {
    if (first != end_)
      drop_tail_before_hole ();
    if (first != end_ || blocks_.empty () || blocks_.back ().format != format)
      seal ();
  }
  if (!blocks_.empty () && !blocks_.back ().is_full ())
    return blocks_.back ();
  const std::size_t capacity
      = std::size_t (block_samples_) * format.sample_bytes ();
  blocks_.push_back (Block{
      .format = format,
      .first = first,
      .end = first,
      .capacity = capacity,
      .breaks = std::exchange (breaks_next_, false),
      .memory = std::make_shared_for_overwrite<std::byte[]> (capacity) });
  return blocks_.back ();
}

/* What is too short for a message, and has nothing behind it that it could be
 * joined with, is lost with the audio behind it. */
void
AudioStore::drop_tail_before_hole ()
{
  if (blocks_.back ().sealed)
    return;
  const Position unsent = end_ - std::max (newest_, blocks_.back ().first);
  if (unsent > 0 && unsent < minimum_)
    account_.dropped += remove (end_ - unsent, end_);
}

std::size_t
AudioStore::append (AudioFormat format, Position first,
                    std::span<const std::byte> bytes, Kind kind)
{
  const std::size_t sample = format.sample_bytes ();
  std::size_t taken = 0;
  while (waiting_ < max_waiting_ && bytes.size () - taken >= sample) {
    Block &block = block_to_fill (format, first);
    const std::size_t filled = block.offset_of (block.end);
    const std::size_t room
        = std::min (block.capacity - filled,
                    std::size_t (max_waiting_ - waiting_) * sample);
    const std::size_t n
        = std::min (room, (bytes.size () - taken) / sample * sample);
    std::memcpy (block.memory.get () + filled, bytes.data () + taken, n);
    const Position samples = Position (n / sample);
    block.end += samples;
    taken += n;
    first += samples;
    waiting_ += samples;
    (kind == Kind::Audio ? account_.in : account_.filled) += samples;
    end_ = first;
  }
  return taken;
}

void
AudioStore::refuse (Position samples, Kind kind)
{
  (kind == Kind::Audio ? account_.in : account_.filled) += samples;
  account_.dropped += samples;
}

Stretch
AudioStore::make_room (Position samples)
{
  Stretch gone;
  while (waiting_ > 0 && waiting_ + samples > max_waiting_) {
    const auto block = block_at (newest_);
    const Position first = std::max (newest_, block->first);
    const Position whole = whole_chunks (*block, first);
    const Position until
        = whole > 0 ? first + (whole - 1) % chunk_ + 1 : block->end;
    if (gone.samples == 0)
      gone.first = first;
    const bool was_next = next_ >= newest_;
    gone.samples += remove (first, until);
    newest_ = until;
    if (was_next)
      next_ = std::max (next_, until);
  }
  account_.dropped += gone.samples;
  return gone;
}

void
AudioStore::seal ()
{
  if (!blocks_.empty () && blocks_.back ().first == blocks_.back ().end) {
    breaks_next_ |= blocks_.back ().breaks;
    blocks_.pop_back ();
  }
  if (blocks_.empty ())
    return;
  blocks_.back ().sealed = true;
  shrink (blocks_.back ());
}

/* What will not be filled is given back. */
void
AudioStore::shrink (Block &block)
{
  const std::size_t used
      = std::size_t (block.end - block.first) * block.format.sample_bytes ();
  if (2 * used > block.capacity)
    return;
  std::shared_ptr<std::byte[]> memory
      = std::make_shared_for_overwrite<std::byte[]> (used);
  std::memcpy (memory.get (), block.memory.get () + block.offset, used);
  block.memory = std::move (memory);
  block.offset = 0;
  block.capacity = used;
}

void
AudioStore::break_off ()
{
  seal ();
  breaks_next_ = true;
}

/* What is next */

AudioStore::Blocks::const_iterator
AudioStore::block_at (Position position) const noexcept
{
  return std::partition_point (
      blocks_.begin (), blocks_.end (),
      [position] (const Block &block) { return block.end <= position; });
}

Position
AudioStore::next_position () const noexcept
{
  const auto block = block_at (next_);
  return block == blocks_.end () ? end_ : std::max (next_, block->first);
}

bool
AudioStore::is_at_break () const noexcept
{
  const auto block = block_at (next_);
  return block != blocks_.end () && block->breaks && next_ <= block->first;
}

/* Can a message reach over the block's end? */
bool
AudioStore::continues (Blocks::const_iterator block) const noexcept
{
  const auto following = std::next (block);
  return following != blocks_.end () && following->first == block->end
         && following->format == block->format && !following->breaks;
}

/* From `position` on, up to the last chunk of the block that is whole. */
Position
AudioStore::whole_chunks (const Block &block, Position position) const noexcept
{
  if (block.is_full ())
    return block.end - position;
  const std::size_t sample = block.format.sample_bytes ();
  const auto filled = Position (block.offset_of (block.end) / sample);
  const auto used = Position (block.offset_of (position) / sample);
  return std::max<Position> (0, filled / chunk_ * chunk_ - used);
}

Position
AudioStore::ready_samples (Blocks::const_iterator block,
                           Position position) const noexcept
{
  const Position whole = whole_chunks (*block, position);
  if (whole >= minimum_ || whole == 0)
    return whole;
  if (!block->is_full ())
    return 0;
  if (continues (block)) {
    const auto following = std::next (block);
    const Position more = whole_chunks (*following, following->first);
    return more > 0 ? whole + std::min (more, chunk_) : 0;
  }
  const bool is_last = std::next (block) == blocks_.end ();
  return block->sealed || !is_last ? whole : 0;
}

std::optional<AudioFormat>
AudioStore::ready_format () const noexcept
{
  const auto block = block_at (next_);
  if (block == blocks_.end ()
      || ready_samples (block, std::max (next_, block->first)) == 0)
    return std::nullopt;
  return block->format;
}

/* At most `limit`, but what is left has to be a message, too. */
Position
AudioStore::shorten (Position samples, Position limit) const noexcept
{
  if (samples <= limit)
    return samples;
  return samples - limit < minimum_ ? std::max (limit - minimum_, minimum_)
                                    : limit;
}

AudioPiece
AudioStore::view (const Block &block, Position first, Position samples) const
{
  return AudioPiece{
    .format = block.format,
    .first = first,
    .bytes = { block.memory.get () + block.offset_of (first),
               std::size_t (samples) * block.format.sample_bytes () },
    .memory = block.memory,
  };
}

/* The few samples at the end of a block, with some of the next one: they are
 * too short for a message of their own. */
AudioPiece
AudioStore::join (Blocks::const_iterator block, Position position,
                  Position samples) const
{
  const Position few = block->end - position;
  const AudioPiece start = view (*block, position, few);
  const AudioPiece rest = view (*std::next (block), block->end, samples - few);
  const std::size_t size = start.bytes.size () + rest.bytes.size ();
  std::shared_ptr<std::byte[]> memory
      = std::make_shared_for_overwrite<std::byte[]> (size);
  std::ranges::copy (start.bytes, memory.get ());
  std::ranges::copy (rest.bytes, memory.get () + start.bytes.size ());
  return AudioPiece{ .format = block->format,
                     .first = position,
                     .bytes = { memory.get (), size },
                     .memory = memory };
}

std::optional<AudioPiece>
AudioStore::next (AudioFormat format, Position limit)
{
  if (ready_format () != format)
    return std::nullopt;
  const auto block = block_at (next_);
  const Position first = std::max (next_, block->first);
  const Position samples = shorten (ready_samples (block, first), limit);
  AudioPiece piece = samples > block->end - first
                         ? join (block, first, samples)
                         : view (*block, first, samples);
  count_sent (piece);
  return piece;
}

void
AudioStore::count_sent (const AudioPiece &piece)
{
  const Position fresh
      = piece.end () - std::clamp (newest_, piece.first, piece.end ());
  next_ = piece.end ();
  newest_ = std::max (newest_, next_);
  account_.sent += piece.samples ();
  account_.replayed += piece.samples () - fresh;
  waiting_ -= fresh;
  unacknowledged_ += fresh;
  if (unacknowledged_ > max_replay_)
    evict (unacknowledged_ - max_replay_);
}

/* What was sent */

Position
AudioStore::before_eviction () const noexcept
{
  const Position again = std::max<Position> (0, newest_ - next_position ());
  return again + std::max<Position> (0, max_replay_ - unacknowledged_);
}

void
AudioStore::evict (Position samples)
{
  while (samples > 0) {
    const Block &front = blocks_.front ();
    const Position n = std::min (samples, front.end - front.first);
    const Position first = front.first;
    account_.evicted += n;
    unacknowledged_ -= n;
    samples -= n;
    drop_front (first + n);
    const bool is_adjacent
        = !evicted_.empty ()
          && evicted_.back ().first + evicted_.back ().samples == first;
    if (is_adjacent || evicted_.size () == max_evicted)
      evicted_.back ().samples += n;
    else
      evicted_.push_back ({ first, n });
  }
}

/* Takes the blocks' part before `until` out, and returns its length. */
Position
AudioStore::drop_front (Position until)
{
  Position gone = 0;
  while (!blocks_.empty () && blocks_.front ().first < until) {
    Block &front = blocks_.front ();
    const Position cut = std::min (until, front.end);
    gone += cut - front.first;
    front.offset = front.offset_of (cut);
    front.first = cut;
    front.breaks = false;
    /* An open block is filled further where it is. */
    if (front.first < front.end || (!front.is_full () && cut == end_))
      break;
    blocks_.pop_front ();
  }
  return gone;
}

/* Takes a stretch out of the block that it lies in. */
Position
AudioStore::remove (Position from, Position until)
{
  const auto at = blocks_.begin () + (block_at (from) - blocks_.begin ());
  Block rest = *at;
  rest.offset = rest.offset_of (until);
  rest.first = until;
  const bool has_rest = until < rest.end || !rest.is_full ();
  rest.breaks = rest.breaks && at->first == from;
  at->end = from;
  at->sealed = true;
  const bool breaks = at->breaks && at->first == from;
  auto behind = std::next (at);
  if (at->first == at->end)
    behind = blocks_.erase (at);
  else
    shrink (*at);
  if (has_rest)
    blocks_.insert (behind, std::move (rest));
  else if (breaks && behind != blocks_.end ())
    behind->breaks = true;
  else if (breaks)
    breaks_next_ = true;
  waiting_ -= until - from;
  return until - from;
}

void
AudioStore::cover (Position position)
{
  position = std::min (position, newest_);
  if (position <= covered_)
    return;
  covered_ = position;
  const Position gone = drop_front (position);
  account_.acknowledged += gone;
  unacknowledged_ -= gone;
  next_ = std::max (next_, position);
  while (!evicted_.empty () && evicted_.front ().first < position) {
    Stretch &front = evicted_.front ();
    const Position passed = std::min (front.samples, position - front.first);
    front.first += passed;
    front.samples -= passed;
    if (front.samples > 0)
      break;
    evicted_.pop_front ();
  }
}

bool
AudioStore::empty () const noexcept
{
  const auto block = block_at (next_);
  return block == blocks_.end () || block->first == block->end;
}

void
AudioStore::rewind () noexcept
{
  next_ = begin ();
}

Stretch
AudioStore::lose_evicted ()
{
  Stretch lost;
  if (!evicted_.empty ())
    lost.first = evicted_.front ().first;
  for (const Stretch &stretch : evicted_)
    lost.samples += stretch.samples;
  evicted_.clear ();
  account_.evicted -= lost.samples;
  account_.dropped += lost.samples;
  return lost;
}

Stretch
AudioStore::let_go ()
{
  const Stretch gone{ begin (), unacknowledged_ };
  covered_ = std::max (covered_, newest_);
  drop_front (newest_);
  next_ = std::max (next_, newest_);
  account_.dropped += std::exchange (unacknowledged_, 0);
  return gone;
}

void
AudioStore::clear ()
{
  blocks_.clear ();
  evicted_.clear ();
  breaks_next_ = false;
  account_.dropped
      += std::exchange (waiting_, 0) + std::exchange (unacknowledged_, 0);
  covered_ = next_ = newest_ = end_;
}

Position
AudioStore::begin () const noexcept
{
  return blocks_.empty () ? end_ : blocks_.front ().first;
}

Nanoseconds
AudioStore::waiting () const noexcept
{
  return samples_to_time (waiting_, rate_);
}

Position
AudioStore::uncovered () const noexcept
{
  Position samples = waiting_ + unacknowledged_;
  for (const Stretch &stretch : evicted_)
    samples += stretch.samples;
  return samples;
}

AudioAccount
AudioStore::account () const noexcept
{
  AudioAccount account = account_;
  account.waiting = waiting_;
  account.unacknowledged = unacknowledged_;
  return account;
}

} // namespace sis
