// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/stream/watermark.h"

#include <algorithm>

namespace sis {

void
Watermark::raise (Position to, Position sent)
{
  at_ = std::max (at_, std::min (to, sent));
}

void
Watermark::read_result (bool has_final, std::optional<Position> end,
                        std::optional<Position> first_open, Position sent)
{
  had_final_ |= has_final;
  if (!end)
    return;
  const Position before = at_;
  raise (std::min (*end, first_open.value_or (*end)), sent);
  raised_by_final_ |= at_ > before;
}

void
Watermark::voice_end (Position sent)
{
  if (rules_.mode == Mode::Sentence && !voice_end_)
    voice_end_ = sent;
}

void
Watermark::exceeded_silence (std::optional<Position> at, Position sent)
{
  if (rules_.mode != Mode::Sentence || exceeded_silence_)
    return;
  exceeded_silence_ = true;
  const bool is_usable = at && *at > at_ && *at <= sent;
  raise (
      std::max (is_usable ? *at : at_ + rules_.vad_head, at_ + rules_.message),
      sent);
}

void
Watermark::ended (Position sent)
{
  if (voice_end_) {
    if (!raised_by_final_)
      raise (*voice_end_, sent);
  } else if (!exceeded_silence_ && !exceeded_audio_) {
    raise (sent, sent);
  }
}

} // namespace sis
