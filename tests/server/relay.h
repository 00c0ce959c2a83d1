// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "socket.h"

namespace sistest {

/* One end of a relay, which never waits. */
class Channel
{
public:
  /* In place of a number of bytes: none at present; the connection is broken.
   * Reading 0 bytes is the end. */
  static constexpr gssize later = -1, broken = -2;

  explicit Channel (GSocket *socket) : socket_ (socket) {}
  virtual ~Channel () = default;

  virtual gssize read (char *bytes, gsize size);
  virtual gssize write (const char *bytes, gsize size);
  /* Nothing more will be written. */
  virtual void finish ();
  /* There is something to read that poll() does not know of. */
  virtual bool has_more () const { return false; }

  void reset (); /* TCP RST */
  GSocket *socket () const { return socket_; }

private:
  GSocket *const socket_;
};

/* All that goes through, before it does. */
using Observer = std::function<void (bool from_a, std::string_view bytes)>;

/* Passes on what comes from either end to the other, ends and breaks, too,
 * until both have ended, one is broken or `stop` is cancelled. */
void relay (Channel &a, Channel &b, GCancellable *stop,
            const Observer &observer = {});

} // namespace sistest
