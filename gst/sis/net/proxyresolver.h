// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/glibptr.h"
#include "sis/protocol/transport.h"

#include <gio/gio.h>
#include <optional>
#include <string>
#include <vector>

namespace sis {

/* A GProxyResolver in front of another one that takes user and password out of
 * the URLs of HTTP proxies, as libsoup would send them to the service itself,
 * and keeps them for when the proxy asks. On the loop. */
class ProxyResolver
{
public:
  /* The system's, or always `proxy`. */
  explicit ProxyResolver (const std::optional<Proxy> &proxy);

  GProxyResolver *get () const noexcept { return object_.get (); }

  /* The one that was found last, for messages; empty: none is used. */
  std::string name_in_use () const;

  /* What to tell a proxy ("host:port", an IPv6 address with or without its
   * brackets) that asks; null: nothing. */
  const Proxy *find (std::string_view name) const;

  /* Of all proxies that were found. */
  std::vector<Secret> secrets () const;

private:
  GObjectPtr<GProxyResolver> object_;
};

} // namespace sis
