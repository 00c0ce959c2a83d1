// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "behaviour.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sistest {

/* A look-alike of the service: real-time ASR over WebSocket on the loopback
 * interface, with a thread of its own. Callable from any one thread.
 *
 *   Server server;
 *   server.script ({ { .actions = { { 1500ms, reset () } } }, {} });
 *   ck_assert (server.start ());
 *   … a client with server.url () …
 *   ck_assert (server.wait ([] (const auto &connections) {
 *     return connections.size () == 2 && connections[1].ended;
 *   }));
 */
class Server
{
public:
  struct Options
  {
    int port = 0;            /* 0: any */
    bool ipv6 = false;       /* [::1] too */
    std::string certificate; /* PEM file with the key: TLS */
    std::function<void (const std::string &)> log; /* on the server's thread */
  };
  struct Request
  {
    std::string method, path, body;
    std::vector<std::pair<std::string, std::string>> headers;
  };

  Server () : Server (Options{}) {}
  explicit Server (Options options);
  ~Server ();

  /* True once it listens. */
  bool start (std::string *error = nullptr);
  /* Ends the thread and all connections; the records stay. */
  void stop ();

  std::string url () const; /* "ws://127.0.0.1:PORT", or wss */
  int port () const;

  /* The first connection from now on gets the first entry, the next one the
   * next, all later ones the last. Refused handshakes count. */
  void script (std::vector<Behaviour> behaviours);

  /* Another resource, such as a token service, answered as it stands or, on
   * the server's thread, as `reply` says. */
  void answer (std::string path, HttpReply reply);
  void answer (std::string path,
               std::function<HttpReply (const Request &)> reply);
  std::vector<Request> requests () const; /* to those paths */
  /* Until there were so many, each with its answer decided; or false. */
  bool wait_for_requests (std::size_t count,
                          Milliseconds limit = Milliseconds (10000)) const;

  std::vector<Record> connections () const;

  using Predicate = std::function<bool (const std::vector<Record> &)>;
  /* Until the predicate holds, or false. It runs under the server's lock. */
  bool wait (const Predicate &predicate,
             Milliseconds limit = Milliseconds (10000)) const;

private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace sistest
