// SPDX-License-Identifier: LGPL-2.1-or-later
#include "recognizer.h"

namespace sistest {

RecognizerKind
pocketsphinx_recognizer (std::string &reason)
{
  reason = "built without PocketSphinx";
  return {};
}

} // namespace sistest
