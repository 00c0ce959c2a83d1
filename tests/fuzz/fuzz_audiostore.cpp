// SPDX-License-Identifier: LGPL-2.1-or-later
/* The input decides what the audio store does; a model knows how it has to end.
 */
#include "fuzz.h"

#include "../check/libs/audiowalk.h"

int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  sisfuzz::Choices choices (sisfuzz::as_text (data, size));
  audiowalk::Walk walk (
      [&choices] (auto from, auto to) { return choices.any (from, to); },
      [] (const std::string &what) { sisfuzz::fail (__FILE__, 0, what); });
  while (!choices.is_over ())
    walk.step ();
  walk.finish ();
  return 0;
}
