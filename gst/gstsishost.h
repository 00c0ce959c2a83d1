// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gstsissettings.h"
#include "sis/base/guarded.h"

#include <functional>
#include <memory>
#include <mutex>

namespace sis {

/* An element's settings and its session: takes the properties, opens the
 * session with a snapshot of them, hands on to it what may change while it
 * lives, and posts what it tells on the element's bus. Any thread, unless said
 * otherwise. */
class SessionHost
{
public:
  /* On the I/O thread, before the message is posted, while the element lives.
   */
  using Observer = std::function<void (const Event &)>;

  /* `element` outlives the host. */
  explicit SessionHost (GstElement *element, Observer observer = {})
      : element_ (element), observer_ (std::move (observer))
  {
  }
  SessionHost (const SessionHost &) = delete;
  SessionHost &operator= (const SessionHost &) = delete;

  /* False: no such property. */
  bool set_property (guint id, const GValue &value, const char *name);
  bool get_property (guint id, GValue *value);

  /* In the state change to PAUSED. Null, with the error posted, if a setting is
   * wrong. `plays_on`: what goes wrong later is a warning, and stops nothing.
   */
  std::shared_ptr<Session> open (bool plays_on = false);

  /* In the state change to READY. */
  void close ();

  /* Null before open () and after close (). */
  std::shared_ptr<Session> session ();

  /* Those of the session, or those that the next one will get. */
  Settings settings ();

  /* The session's fields of the property `stats`; those of the last one, once
   * it is closed. */
  void add_stats (GstStructure *structure);

private:
  /* What application threads and the streaming thread share. */
  struct Common
  {
    Settings settings;
    Settings active;   /* of the session: without what changes in READY only */
    Tunables tunables; /* of these, as far as they can be */
    std::shared_ptr<Session> session;
    Stats last; /* of the session that was closed */
  };

  GstElement *const element_;
  const Observer observer_;
  std::mutex writers_; /* one property at a time; before all other locks */
  Guarded<Common> common_;
};

} // namespace sis
