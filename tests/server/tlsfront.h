// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "acceptor.h"
#include "book.h"

namespace sistest {

/* TLS in front of a server that speaks none, for what GIO cannot be told: one
 * version of TLS alone, and what the client said in its handshakes.
 *
 *   TlsFront front (TEST_DATA "/tls/good.pem", TlsFront::Version::Tls11);
 *   ck_assert (front.start (server.port ()));
 *   … a client with front.url () …
 */
class TlsFront
{
public:
  enum class Version { Any, Tls11, Tls12, Tls13 };
  struct Handshake
  {
    std::string version;     /* "TLS1.2"; empty: it failed */
    std::string server_name; /* as given; GIO gives addresses, too */
    std::string error;
  };

  /* A PEM file with the key. */
  explicit TlsFront (std::string certificate, Version version = Version::Any);
  ~TlsFront ();

  bool start (int target_port, std::string *error = nullptr);
  void stop ();
  int port () const;
  std::string url () const; /* "wss://127.0.0.1:PORT" */

  std::vector<Handshake> handshakes () const; /* that are over */
  bool wait (const std::function<bool (const std::vector<Handshake> &)> &is_met,
             Milliseconds limit = Milliseconds (10000)) const;

private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace sistest
