// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/secret.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/* What lies between us and the service. Pure functions, usable on any thread.
 */
namespace sis {

/* {scheme}://[user[:password]@]host[:port] */
struct Proxy
{
  std::string scheme; /* http, socks4 or socks5 */
  std::string host;   /* without the brackets of an IPv6 address */
  std::uint16_t port = 0;
  Secret user, password; /* decoded; empty: none */

  bool operator== (const Proxy &) const = default;

  /* host:port, for messages. */
  std::string name () const;
  /* Without user and password. */
  std::string url () const;
  /* With both, encoded. */
  Secret full_url () const;
  /* Both, as they stand and as an HTTP proxy gets them, in a header. */
  std::vector<Secret> secrets () const;
};

/* A proxy, or a sentence for the user that says what is wrong with it, without
 * repeating it. */
std::variant<Proxy, std::string> parse_proxy (const Secret &text);

/* How connections are made. Equal ones share what they can. */
struct Transport
{
  std::optional<Proxy> proxy; /* else the system's, for TLS alone */
  /* Whose certificates are trusted in place of the system's: a GTlsDatabase, a
   * type that this floor does not know. */
  std::shared_ptr<void> tls_database;

  bool operator== (const Transport &) const = default;
};

} // namespace sis
