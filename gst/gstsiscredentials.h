// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gstsissettings.h"

namespace sis {

/* Who asks, by the properties or, where none of these is set, the environment,
 * and in a way that lets his secrets, extra-headers among them, go nowhere but
 * to the service. Else a sentence that says what is missing or wrong, without
 * repeating a value. */
std::variant<Credentials, std::string>
find_credentials (const Settings &settings);

} // namespace sis
