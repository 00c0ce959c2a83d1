// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/net/proxyresolver.h"

typedef struct _SoupMessage SoupMessage;
typedef struct _SoupSession SoupSession;

namespace sis {

/* What the requests of equal settings share: libsoup's session with its proxy
 * and its trust in certificates. Made, used and destroyed on the loop. */
class HttpSession
{
public:
  struct Settings
  {
    bool may_use_proxy = true; /* the transport's, or the system's */
    Transport transport;
    bool operator== (const Settings &) const = default;
  };

  explicit HttpSession (const Settings &settings);
  HttpSession (const HttpSession &) = delete;
  HttpSession &operator= (const HttpSession &) = delete;

  const Settings &settings () const noexcept { return settings_; }
  SoupSession *get () const noexcept { return session_.get (); }
  const ProxyResolver &proxies () const noexcept { return proxies_; }

  /* Of the body of a refusal; what the gateway says has some hundred bytes. */
  static constexpr int max_body_length = 16 << 10;

  /* From now on, the first few kB of the body of an answer to `message` are put
   * into `body` if it is none that was asked for; null: no longer. libsoup
   * throws away what refuses a WebSocket. */
  static void catch_body (SoupMessage *message, std::string *body);

private:
  const Settings settings_;
  const ProxyResolver proxies_;
  const GObjectPtr<SoupSession> session_;
};

} // namespace sis
