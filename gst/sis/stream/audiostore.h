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

/* A run of samples, from the first one on. */
struct Stretch
{
  Position first = 0, samples = 0;
};

/* Where all samples of a run have gone. At any time
 *   in + filled = acknowledged + unacknowledged + evicted + waiting + dropped
 */
struct AudioAccount
{
  Position in = 0;             /* audio of the pipeline */
  Position filled = 0;         /* silence in place of audio that was missing */
  Position waiting = 0;        /* never sent */
  Position unacknowledged = 0; /* sent and kept, as no final covered it */
  Position acknowledged = 0;   /* covered */
  Position evicted = 0;        /* sent, and no longer kept */
  Position dropped = 0;        /* lost: never sent, or evicted in vain */
  Position sent = 0;           /* with all that was sent once more */
  Position replayed = 0;       /* what was sent once more */
};

/* Audio on its way to the service, and audio that was sent and may have to be
 * sent once more:
 *
 *   covered | evicted | unacknowledged | waiting
 *                     begin   ^        |        end
 *                             next     newest
 *
 * Bounded in time on both sides. Bytes are copied in once, into blocks of about
 * a second; messages, sent for the first time or once more, are views of these.
 * Pure; the owner locks. */
class AudioStore
{
public:
  struct Limits
  {
    int rate = 16000;
    Nanoseconds chunk{ std::chrono::milliseconds (100) };
    Nanoseconds max_waiting{ std::chrono::seconds (30) };
    Nanoseconds max_replay{ std::chrono::seconds (60) };
  };

  explicit AudioStore (const Limits &limits);

  enum class Kind { Audio, Silence };

  /* Takes whole samples from the front of `bytes`, as many as there is room
   * for, and returns how many bytes it took. `first` is the position of the
   * first sample; it is past end () only if samples were left out. */
  std::size_t append (AudioFormat format, Position first,
                      std::span<const std::byte> bytes,
                      Kind kind = Kind::Audio);

  /* Counts audio that is dropped before it came in. */
  void refuse (Position samples, Kind kind = Kind::Audio);

  /* Drops the oldest audio that was never sent, in whole chunks, until there is
   * room for `samples`. */
  Stretch make_room (Position samples);

  /* What was appended so far is to be sent even where it does not fill a
   * chunk: the stream ends here, or goes on in another format. */
  void seal ();

  /* As seal (); what comes next is for another session. */
  void break_off ();
  bool is_broken_off () const noexcept { return breaks_next_; }

  /* What is next was put in after a break_off (). */
  bool is_at_break () const noexcept;

  /* The next message, which counts as sent: one chunk, or as many chunks as
   * wait in one block, at most `limit`. Nothing if no whole chunk is there and
   * none is sealed, or if what is next is not in `format`. Where the store is
   * full of what was sent, the oldest is evicted. Less than the service's
   * minimum comes only where nothing can be joined with it: before a seal (),
   * or before audio that was left out. */
  std::optional<AudioPiece> next (AudioFormat format, Position limit);

  /* The format of what is next, if a message is ready. */
  std::optional<AudioFormat> ready_format () const noexcept;

  /* How much may be sent before audio that is not covered is evicted. */
  Position before_eviction () const noexcept;

  /* All before `position` is recognised; it leaves the store. Never falls. */
  void cover (Position position);
  Position covered () const noexcept { return covered_; }

  /* The session was given up: what it did not cover is next. */
  void rewind () noexcept;

  /* Audio that was evicted and not covered is lost: it counts as dropped. */
  Stretch lose_evicted ();
  bool has_evicted () const noexcept { return !evicted_.empty (); }

  /* Drops what was sent and is not covered; what was never sent is next. */
  Stretch let_go ();

  /* Drops all. */
  void clear ();

  bool empty () const noexcept; /* nothing is next */
  bool has_room () const noexcept { return waiting_ < max_waiting_; }
  Position next_position () const noexcept;
  Position begin () const noexcept;
  Position end () const noexcept { return end_; }
  Nanoseconds waiting () const noexcept;
  Position uncovered () const noexcept; /* sent or not, kept or not */
  Position replayed () const noexcept { return account_.replayed; }
  AudioAccount account () const noexcept;

private:
  /* A run of samples in one format, contiguous in position and memory. */
  struct Block
  {
    AudioFormat format;
    Position first = 0, end = 0;
    std::size_t offset = 0;   /* of `first` in the memory, in bytes */
    std::size_t capacity = 0; /* of the memory, a whole number of chunks */
    bool sealed = false;
    bool breaks = false; /* is for another session than what was before */
    std::shared_ptr<std::byte[]> memory;

    std::size_t offset_of (Position position) const noexcept
    {
      return offset + std::size_t (position - first) * format.sample_bytes ();
    }
    bool is_full () const noexcept
    {
      return sealed || offset_of (end) == capacity;
    }
  };
  using Blocks = std::deque<Block>;

  Block &block_to_fill (AudioFormat format, Position first);
  void drop_tail_before_hole ();
  Blocks::const_iterator block_at (Position position) const noexcept;
  bool continues (Blocks::const_iterator block) const noexcept;
  Position ready_samples (Blocks::const_iterator block,
                          Position position) const noexcept;
  Position whole_chunks (const Block &block, Position position) const noexcept;
  Position shorten (Position samples, Position limit) const noexcept;
  AudioPiece view (const Block &block, Position first, Position samples) const;
  AudioPiece join (Blocks::const_iterator block, Position position,
                   Position samples) const;
  static void shrink (Block &block);
  void count_sent (const AudioPiece &piece);
  void evict (Position samples);
  Position drop_front (Position until);
  Position remove (Position from, Position until);

  const Position chunk_, block_samples_, max_waiting_, max_replay_, minimum_;
  const int rate_;
  bool breaks_next_ = false;
  Position covered_ = 0; /* the watermark */
  Position next_ = 0;
  Position newest_ = 0; /* end of all that was ever sent */
  Position end_ = 0;
  Position waiting_ = 0, unacknowledged_ = 0; /* samples in the blocks */
  AudioAccount account_;        /* but for what is in the blocks */
  std::deque<Stretch> evicted_; /* not covered */
  Blocks blocks_;
};

} // namespace sis
