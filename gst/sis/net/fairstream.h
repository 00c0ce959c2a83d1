// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/glibptr.h"

#include <cstddef>

typedef struct _SoupWebsocketConnection SoupWebsocketConnection;

namespace sis {

/* The same WebSocket, read in turn with all else on the loop. libsoup reads a
 * connection for as long as there is something to read: a peer that sends
 * without a pause would have the loop for itself. Its stream gives a little a
 * turn, and an error instead of what libsoup does not bound: pings whose
 * answers the peer lets queue up, and a message that has no end.
 *
 * On the loop, as soon as it is open and before anything of it is used. */
GObjectPtr<SoupWebsocketConnection>
read_fairly (GObjectPtr<SoupWebsocketConnection> websocket);

/* What such a one still has to read is of no use: after so many more bytes its
 * stream is at its end. */
void end_reading (SoupWebsocketConnection *websocket,
                  std::size_t after) noexcept;

} // namespace sis
