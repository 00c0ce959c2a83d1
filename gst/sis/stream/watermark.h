// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/endpoint.h"
#include "sis/stream/timeline.h"

#include <optional>

namespace sis {

/* How far one session of the service has come: audio before the watermark is
 * recognised and need not be sent again. The service acknowledges nothing but
 * speech, and that by finals only; this is what can be concluded from what it
 * says. Never falls, and never passes what was sent. Pure. */
class Watermark
{
public:
  struct Rules
  {
    Mode mode = Mode::Continue;
    Position message = 1600;    /* samples of one message */
    Position vad_head = 160000; /* silence after which the service gives up */
  };

  Watermark () = default;
  Watermark (const Rules &rules, Position first) : rules_ (rules), at_ (first)
  {
  }

  Position value () const noexcept { return at_; }
  bool had_final () const noexcept { return had_final_; }

  /* In each call, `sent` is the end of what was sent. */

  /* A RESULT was read: the end of its last final, if it has one that can be
   * used, and the start of the first utterance that is open. */
  void read_result (bool has_final, std::optional<Position> end,
                    std::optional<Position> first_open, Position sent);

  /* Events of sentence mode; they say nothing in the others. */
  void voice_end (Position sent);
  void exceeded_silence (std::optional<Position> at, Position sent);

  /* By event or error code: the service did not hear all that was sent. */
  void exceeded_audio () noexcept { exceeded_audio_ = true; }

  /* NORMAL answered END cancel:false. */
  void ended (Position sent);

private:
  void raise (Position to, Position sent);

  Rules rules_;
  Position at_ = 0;
  bool had_final_ = false;
  bool raised_by_final_ = false;
  bool exceeded_audio_ = false;
  bool exceeded_silence_ = false;
  std::optional<Position> voice_end_; /* what had been sent then */
};

} // namespace sis
