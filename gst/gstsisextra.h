// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gstsissettings.h"

/* The two properties that are structures of the user's own. */
namespace sis {

struct ExtraConfig
{
  std::vector<std::pair<std::string, StartConfig::Extra>> keys;
  std::string owned;   /* keys that a property stands for, as a sentence */
  std::string problem; /* with the first value that cannot be sent, likewise */
};

/* A null structure has no keys. */
ExtraConfig read_extra_config (const GstStructure *structure);

ExtraHeaders read_extra_headers (const GstStructure *structure);

} // namespace sis
