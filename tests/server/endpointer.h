// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <span>

namespace sistest {

/* Tells speech from silence by its energy above a floor that follows the
 * background: down quickly, up slowly. One call for each 10 ms of audio. */
class Endpointer
{
public:
  static constexpr int frames_to_begin = 6;

  /* True where speech begins: after 60 ms above the threshold. */
  bool take (std::span<const std::int16_t> frame);

  /* How many frames ago it was above the threshold. */
  int silent_frames () const { return silent_; }

private:
  double floor_ = 35.0; /* dB above one step of a 16-bit sample */
  int loud_ = 0, silent_ = 0;
};

} // namespace sistest
