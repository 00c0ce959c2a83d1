// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/message.h"
#include "sis/stream/timeline.h"

#include <optional>
#include <string>
#include <vector>

namespace sis {

/* A word or a segment on the pipeline's clocks. */
struct Span
{
  Times start;
  Nanoseconds duration{};
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

/* The part of the stream that one session was given. */
struct SessionSpan
{
  int rate = 16000;
  Position first = 0; /* the session's millisecond 0 */
  Position sent = 0;  /* end of what was sent */

  /* Clamped to what was sent. */
  Position at (Milliseconds time) const noexcept;
};

/* Turns the service's segments into transcripts: places them in time, numbers
 * the utterances and remembers those that are open, that is, whose interim was
 * the last word so far. Pure. */
class Transcripts
{
public:
  /* What is to be posted for `segment`; nothing for an interim without a
   * `result`. */
  std::optional<Transcript> take (const Segment &segment,
                                  const std::string &trace_id, unsigned session,
                                  const SessionSpan &span,
                                  const Timeline &timeline);

  /* The session is over: what was open will get no final. Each open interim
   * once more, as final and interrupted, by start. */
  std::vector<Transcript> interrupt ();

  /* Forgets what is open; the numbers go on. */
  void forget_open () { open_.clear (); }

private:
  struct Open
  {
    Position start, end;
    Transcript transcript;
  };

  void close_overlapped (Position start, Position end, bool is_final,
                         Position sent, int rate);

  unsigned finals_ = 0;
  std::vector<Open> open_; /* by start */
};

} // namespace sis
