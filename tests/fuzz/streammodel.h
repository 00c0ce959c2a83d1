// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/endpoint.h"
#include "sis/stream/transcripts.h"

#include <vector>

namespace sisfuzz {

/* A set of samples. */
class Ranges
{
public:
  void add (sis::Position first, sis::Position end);
  /* From `from` on, the first that is not in it, or that is. */
  sis::Position next_outside (sis::Position from) const;
  sis::Position next_inside (sis::Position from) const;

private:
  struct Range
  {
    sis::Position first, end;
  };
  std::vector<Range> ranges_; /* in order, none touches another */
};

/* Which audio the service must be sent, and which must not be sent again: by
 * what was offered, given up, sent, said and told, and by nothing that the
 * session says of itself. Where more than one thing would be right, it demands
 * the less. */
class StreamModel
{
public:
  struct Rules
  {
    sis::Mode mode;
    sis::Position message, replay; /* samples of one, and that are kept */
    sis::Position minimum;         /* what is shorter is no message */
    int rate;
  };
  explicit StreamModel (const Rules &rules) : rules_ (rules) {}

  /* What need not be sent. */
  void left_out (sis::Position first, sis::Position end);
  void dropped_oldest (sis::Position samples);
  void gave_up_sent ();
  void gave_up_all (sis::Position end);

  /* The wire. */
  void session_begins ();
  void sent (sis::Position first, sis::Position end);
  void end_sent (bool cancel);

  /* Before the session hears it, what it makes of it, and after that. */
  void said (const sis::ServerMessage &message);
  void told (const sis::Transcript &transcript);
  void heard ();

  /* Where the next message of the session begins, or of the next session if
   * nothing was sent in this one. */
  struct Window
  {
    sis::Position first, last;
  };
  Window next () const;
  /* Of this session. */
  sis::Position samples_sent () const;
  /* Where the next session has to begin at the latest. */
  sis::Position first_owed () const;

private:
  struct Piece
  {
    sis::Position first, end;
  };

  void said_of (const sis::Result &result);
  void said_of (const sis::ServiceEvent &event);
  void said_of (const sis::EndReply &reply);
  void said_of (const auto &) {}
  std::vector<Piece> open_after (const sis::Result &result) const;

  sis::Position session_end () const { return pieces_.back ().end; }
  sis::Position place (sis::Milliseconds time, bool is_end) const;
  void evict ();

  const Rules rules_;
  Ranges gone_;
  std::vector<Piece> first_time_; /* sent, and still kept */

  /* The watermark lies between these two. */
  sis::Position covered_ = 0, coverable_ = 0;
  sis::Position evicted_ = 0, newest_ = 0;

  /* … of a session */
  std::vector<Piece> pieces_; /* as sent */
  bool is_ended_ = false, is_cancelled_ = false, exceeded_audio_ = false;
  bool is_given_up_ = false;
  sis::Position session_first_ = -1;
  int same_starts_ = 0; /* sessions in a row that began there */

  /* … of a RESULT */
  sis::Position final_end_ = 0;
  std::vector<sis::Position> open_; /* starts of its interims */
};

} // namespace sisfuzz
