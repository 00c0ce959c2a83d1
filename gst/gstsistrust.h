// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gio/gio.h>
#include <memory>
#include <string>

namespace sis {

/* The GTlsDatabase of the certificates in a file of PEM: the same one for all
 * elements as long as the file does not change and one of them keeps it, as it
 * may take a MB. Null, with an error of GIO, if it cannot be read. Any thread.
 */
std::shared_ptr<void> load_trust (const std::string &path, GError **error);

} // namespace sis
