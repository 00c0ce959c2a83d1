// SPDX-License-Identifier: LGPL-2.1-or-later
/* The input decides what the maps between samples and times do; models know
 * what they have to say. */
#include "fuzz.h"

#include "../check/libs/timelinewalk.h"

int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  sisfuzz::Choices choices (sisfuzz::as_text (data, size));
  const auto any
      = [&choices] (auto from, auto to) { return choices.any (from, to); };
  const auto failed
      = [] (const std::string &what) { sisfuzz::fail (__FILE__, 0, what); };
  const bool is_session = choices.any (0, 7) == 0;
  if (is_session)
    timelinewalk::walk_session_map (any, failed, int (choices.any (1, 400)));
  timelinewalk::TimelineWalk walk (any, failed);
  while (!choices.is_over ())
    walk.step ();
  return 0;
}
