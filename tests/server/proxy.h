// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "behaviour.h"

#include <functional>
#include <memory>

namespace sistest {

/* A look-alike of a proxy on 127.0.0.1, or ::1, with threads of its own. It
 * leads nowhere but to this machine. Callable from any one thread.
 *
 *   Proxy proxy (Proxy::Kind::Http);
 *   proxy.script ({ { .user = "u", .password = "p" } });
 *   proxy.route ("sis.example:443", server.port ());
 *   ck_assert (proxy.start ());
 *   … a client with proxy.url ("u:p") …
 *   ck_assert (!proxy.saw ("the token"));
 */
class Proxy
{
public:
  /* Http: CONNECT, and other requests in absolute form. Socks4: 4a, too. */
  enum class Kind { Http, Socks4, Socks5 };

  /* What one connection meets. */
  struct Manners
  {
    std::string user, password;   /* required, if there is a user */
    bool never_content = false;   /* whoever it is, they are wrong */
    bool close_after_407 = false; /* else the connection is kept alive */

    std::optional<HttpReply> reply; /* in place of a way to the target */
    int socks_reply = 0;            /* likewise; a code of the protocol */
    Milliseconds delay{};
    bool answer = true;
    bool drop = false; /* the connection, by FIN, in place of an answer */
  };

  /* A request to the proxy itself. */
  struct Head
  {
    std::string text; /* as it came */
    std::string method, target;
    std::vector<std::pair<std::string, std::string>> headers;

    std::string header (std::string_view name) const; /* empty: none */
  };

  struct Connection
  {
    std::vector<Head> heads;    /* HTTP */
    std::string user, password; /* the last that were given */
    std::string target;         /* "host:port", the last one asked for */
    bool led = false;           /* all goes to the target from now on */
    /* What went to and from the target, up to `most_bytes` each. */
    std::string sent, received;
    bool gone = false;

    bool saw (std::string_view bytes) const; /* anywhere in the clear */
  };
  static constexpr std::size_t most_bytes = 4 << 20;

  explicit Proxy (Kind kind, bool ipv6 = false);
  ~Proxy ();

  bool start (std::string *error = nullptr);
  /* Ends the threads and all connections; the records stay. */
  void stop ();
  int port () const;
  /* "http://127.0.0.1:PORT", socks4 or socks5; with `userinfo` before the host.
   */
  std::string url (const std::string &userinfo = {}) const;

  /* As Server::script(). */
  void script (std::vector<Manners> manners);
  /* Whoever asks for "host:port" gets to this port here. */
  void route (const std::string &target, int port);

  std::vector<Connection> connections () const;
  bool saw (std::string_view bytes) const; /* in any connection */
  bool
  wait (const std::function<bool (const std::vector<Connection> &)> &is_met,
        Milliseconds limit = Milliseconds (10000)) const;

private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace sistest
