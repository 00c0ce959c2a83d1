// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "book.h"
#include "proxy.h"
#include "socket.h"

namespace sistest {

/* One connection to a proxy, from its first byte to its last, on a thread of
 * its own. */
class ProxyVisit
{
public:
  using Notes = BookOf<Proxy::Connection>;
  using Routes = std::map<std::string, int>;

  ProxyVisit (Socket &client, Proxy::Manners manners, Routes routes,
              Notes &notes, std::size_t index);

  void serve (Proxy::Kind kind);

private:
  enum class Next { Another, Over };
  /* With a client that has nothing to ask for. */
  static constexpr Milliseconds patience{ 3600 * 1000 };

  void serve_http ();
  Next serve_request (const Proxy::Head &head);
  Next send (const HttpReply &reply);
  void lead_on (const Proxy::Head &head);

  void serve_socks4 ();
  void serve_socks5 ();
  bool agree_on_method ();
  bool check_password ();
  std::optional<std::string> read_address ();

  /* False if there is to be no answer, or none any more. */
  bool wait_to_answer ();
  bool is_right (const std::string &user, const std::string &password) const;
  std::unique_ptr<Socket> connect (const std::string &target);
  void lead (Socket &target);
  template <typename Change> void note (Change change)
  {
    notes_.update (index_, change);
  }

  Socket &client_;
  const Proxy::Manners manners_;
  const Routes routes_;
  Notes &notes_;
  const std::size_t index_;
};

} // namespace sistest
