// SPDX-License-Identifier: LGPL-2.1-or-later
#include "proxy.h"

#include "acceptor.h"
#include "proxyvisit.h"

#include <algorithm>

namespace sistest {

class Proxy::Impl
{
public:
  Impl (Kind kind, bool ipv6) : kind_ (kind), ipv6_ (ipv6) {}

  bool start (std::string *error);

  const Kind kind_;
  const bool ipv6_;
  ProxyVisit::Notes notes_;

  std::mutex mutex_; /* of what follows */
  std::vector<Manners> manners_{ {} };
  std::size_t next_ = 0;
  ProxyVisit::Routes routes_;

  Acceptor acceptor_;

private:
  void serve (ObjectPtr<GSocket> socket, GCancellable *stop);
};

bool
Proxy::Impl::start (std::string *error)
{
  return acceptor_.start (
      [this] (ObjectPtr<GSocket> socket, GCancellable *stop) {
        serve (std::move (socket), stop);
      },
      error, ipv6_);
}

void
Proxy::Impl::serve (ObjectPtr<GSocket> socket, GCancellable *stop)
{
  std::size_t index = 0;
  Manners manners;
  ProxyVisit::Routes routes;
  {
    const std::lock_guard lock (mutex_);
    index = notes_.open ({});
    manners = manners_[std::min (next_, manners_.size () - 1)];
    next_ += 1;
    routes = routes_;
  }
  {
    Socket client (std::move (socket), stop);
    ProxyVisit (client, manners, routes, notes_, index).serve (kind_);
  }
  notes_.update (index,
                 [] (Connection &connection) { connection.gone = true; });
}

std::string
Proxy::Head::header (std::string_view name) const
{
  const std::string wanted (name);
  for (const auto &[key, value] : headers)
    if (g_ascii_strcasecmp (key.c_str (), wanted.c_str ()) == 0)
      return value;
  return {};
}

bool
Proxy::Connection::saw (std::string_view bytes) const
{
  const auto in = [bytes] (const std::string &text) {
    return text.find (bytes) != std::string::npos;
  };
  return in (user) || in (password) || in (target) || in (sent) || in (received)
         || std::ranges::any_of (heads, in, &Head::text);
}

Proxy::Proxy (Kind kind, bool ipv6)
    : impl_ (std::make_unique<Impl> (kind, ipv6))
{
}

Proxy::~Proxy ()
{
  stop ();
}

bool
Proxy::start (std::string *error)
{
  return impl_->start (error);
}

void
Proxy::stop ()
{
  impl_->acceptor_.stop ();
}

int
Proxy::port () const
{
  return impl_->acceptor_.port ();
}

std::string
Proxy::url (const std::string &userinfo) const
{
  const char *scheme = impl_->kind_ == Kind::Http     ? "http"
                       : impl_->kind_ == Kind::Socks4 ? "socks4"
                                                      : "socks5";
  return std::string (scheme) + "://" + userinfo
         + (userinfo.empty () ? "" : "@")
         + (impl_->ipv6_ ? "[::1]:" : "127.0.0.1:") + std::to_string (port ());
}

void
Proxy::script (std::vector<Manners> manners)
{
  const std::lock_guard lock (impl_->mutex_);
  impl_->manners_ = std::move (manners);
  if (impl_->manners_.empty ())
    impl_->manners_.emplace_back ();
  impl_->next_ = 0;
}

void
Proxy::route (const std::string &target, int port)
{
  const std::lock_guard lock (impl_->mutex_);
  impl_->routes_[target] = port;
}

std::vector<Proxy::Connection>
Proxy::connections () const
{
  return impl_->notes_.all ();
}

bool
Proxy::saw (std::string_view bytes) const
{
  return std::ranges::any_of (
      connections (),
      [=] (const Connection &connection) { return connection.saw (bytes); });
}

bool
Proxy::wait (
    const std::function<bool (const std::vector<Connection> &)> &is_met,
    Milliseconds limit) const
{
  return impl_->notes_.wait (is_met, limit);
}

} // namespace sistest
