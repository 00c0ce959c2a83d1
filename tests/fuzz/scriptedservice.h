// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "fuzz.h"
#include "scriptednet.h"
#include "streammodel.h"

namespace sisfuzz {

/* What the service says, as the script chooses. */
class ScriptedService
{
public:
  ScriptedService (Choices &in, const World &world, const StreamModel &model)
      : in_ (in), world_ (world), model_ (model)
  {
  }

  std::string start_reply ();
  std::string result ();
  std::string end_reply (const std::string &reason);
  std::string message (); /* any */

private:
  bool one_in (int n) { return in_.any (1, n) == 1; }
  std::string trace ();
  std::string event ();
  std::string error ();

  Choices &in_;
  const World &world_;
  const StreamModel &model_;
};

} // namespace sisfuzz
