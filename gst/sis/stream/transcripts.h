// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/message.h"
#include "sis/stream/sessionmap.h"

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace sis {

/* A word or a segment on the pipeline's clocks. */
struct Span
{
  Times start;
  Nanoseconds duration{};    /* of the audio */
  Nanoseconds running_end{}; /* of its last sample */
};

struct TimedWord
{
  std::string word;
  std::optional<Span> span; /* absent where the service gave no times */
};

/* One segment of a RESULT as the application gets it. */
struct Transcript
{
  std::string trace_id;
  unsigned session = 0;
  unsigned number = 0; /* `segment` */
  bool is_final = false;
  bool interrupted = false; /* an interim that will get no final */
  std::string text;
  std::optional<double> score;
  std::optional<Milliseconds> start_time, end_time; /* as sent */
  std::optional<Span> span;
  std::vector<TimedWord> words;
};

/* Turns the service's segments into transcripts: places them in time, numbers
 * the utterances and remembers those that are open, that is, whose interim was
 * the last word so far. Pure. */
class Transcripts
{
public:
  /* From here on segments are of another session. */
  void start_session (unsigned session);

  /* What is to be posted for `segment`; nothing for an interim without a
   * `result`, and for a final that was posted in this session already. Without
   * times it is taken to lie at `watermark`. */
  std::optional<Transcript> take (const Segment &segment,
                                  const std::string &trace_id,
                                  const SessionMap &map, Position watermark,
                                  const Timeline &timeline);

  /* The start of the first utterance that is open. */
  std::optional<Position> first_open () const noexcept;

  /* The session is over, and what lies before `position` will get no final:
   * each open interim of there once more, as final and interrupted, by start.
   * The others are forgotten: they get another chance. */
  std::vector<Transcript> interrupt_before (Position position);

  /* Forgets what is open; the numbers go on. */
  void forget_open () { open_.clear (); }

private:
  struct Open
  {
    Position start, end;
    bool is_left_behind = false; /* a final is probably not to come */
    Transcript transcript;
  };
  struct Posted
  {
    std::int64_t start, end; /* milliseconds */
    std::size_t text;        /* hash */
    bool operator== (const Posted &) const = default;
  };

  bool was_posted (const Segment &final);
  void keep_open (Open open, std::vector<Open>::iterator before);
  void close_overlapped (Position start, Position end, bool is_final,
                         const SessionMap &map);

  unsigned session_ = 0;
  unsigned finals_ = 0;
  std::vector<Open> open_;    /* by start */
  std::deque<Posted> posted_; /* in this session */
};

} // namespace sis
