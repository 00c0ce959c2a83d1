// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/audioformat.h"
#include "sis/stream/timeline.h"

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>

namespace sis {

/* One message's worth of audio. It shares the store's memory and stays valid
 * for as long as it is held, whatever becomes of the store. */
struct AudioPiece
{
  AudioFormat format;
  Position first = 0;
  std::span<const std::byte> bytes;
  std::shared_ptr<const std::byte[]> memory;

  Position samples () const noexcept
  {
    return Position (bytes.size () / format.sample_bytes ());
  }
  Position end () const noexcept { return first + samples (); }
};

/* Audio on its way to the service, bounded in time. Bytes are copied in once,
 * into blocks of about a second; messages are views of these blocks. Pure; the
 * owner locks. */
class AudioStore
{
public:
  struct Limits
  {
    int rate = 16000;
    Nanoseconds chunk{ std::chrono::milliseconds (100) };
    Nanoseconds max_waiting{ std::chrono::seconds (30) };
  };

  explicit AudioStore (const Limits &limits);

  /* Takes whole samples from the front of `bytes`, as many as there is room
   * for, and returns how many bytes it took. `first` is the position of the
   * first sample; it is past end () only if samples were left out. */
  std::size_t append (AudioFormat format, Position first,
                      std::span<const std::byte> bytes);

  /* What was appended so far is to be sent even where it does not fill a
   * chunk: the stream ends here, or goes on in another format. */
  void seal ();

  /* As seal (); what comes next is for another session. */
  void break_off ();

  /* What waits was put in after a break_off (). */
  bool is_at_break () const noexcept;

  /* The next message, which counts as sent: one chunk, or as many chunks as
   * wait in one block. Nothing if no whole chunk waits and none is sealed, or
   * if what waits is not in `format`. */
  std::optional<AudioPiece> next (AudioFormat format);

  /* The format of what waits, if a message is ready. */
  std::optional<AudioFormat> ready_format () const noexcept;

  void clear ();

  Nanoseconds waiting () const noexcept;
  bool empty () const noexcept { return waiting_ == 0; }
  bool has_room () const noexcept { return waiting_ < max_waiting_; }
  Position begin () const noexcept; /* of what waits */
  Position end () const noexcept { return end_; }

private:
  /* A run of samples in one format, contiguous in position and memory. */
  struct Block
  {
    AudioFormat format;
    Position first = 0;       /* of the first sample that was ever in it */
    std::size_t sent = 0;     /* bytes */
    std::size_t filled = 0;   /* bytes */
    std::size_t capacity = 0; /* bytes, a whole number of chunks */
    bool sealed = false;
    bool breaks = false; /* is for another session than what was before */
    std::shared_ptr<std::byte[]> memory;
  };

  Block &block_to_fill (AudioFormat format, Position first);
  std::size_t ready_bytes (const Block &block) const noexcept;

  Position chunk_samples_, block_samples_, max_waiting_;
  int rate_;
  bool breaks_next_ = false;
  Position waiting_ = 0;
  Position end_ = 0;
  std::deque<Block> blocks_;
};

} // namespace sis
