// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/transport.h"

#include "sis/base/glibptr.h"
#include "sis/protocol/endpoint.h"

#include <algorithm>

namespace sis {
namespace {

std::uint16_t
default_port (const std::string &scheme)
{
  return scheme == "http" ? 80 : 1080;
}

Secret
encoded (const Secret &part)
{
  return take_secret (
      GCharPtr (g_uri_escape_string (part.value ().c_str (), nullptr, FALSE)));
}

bool
is_printable (const char *text)
{
  return std::ranges::none_of (std::string_view (text ? text : ""),
                               [] (char c) { return g_ascii_iscntrl (c); });
}

} // namespace

std::string
Proxy::name () const
{
  const bool is_v6 = host.find (':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string (port);
}

std::string
Proxy::url () const
{
  return scheme + "://" + name ();
}

Secret
Proxy::full_url () const
{
  if (user.empty () && password.empty ())
    return Secret (url ());
  const std::string_view colon = password.empty () ? "" : ":";
  return {
    scheme, "://",  encoded (user).value (), colon, encoded (password).value (),
    "@",    name ()
  };
}

std::vector<Secret>
Proxy::secrets () const
{
  if (user.empty () && password.empty ())
    return {};
  const Secret both{ user.value (), ":", password.value () };
  const Secret basic = take_secret (GCharPtr (
      g_base64_encode (reinterpret_cast<const guchar *> (both.value ().data ()),
                       both.value ().size ())));
  /* The padding may be left out. */
  std::string_view header = basic.value ();
  while (header.ends_with ('='))
    header.remove_suffix (1);
  return { user, password, Secret (header) };
}

std::variant<Proxy, std::string>
parse_proxy (const Secret &text)
{
  const GUriPtr uri (g_uri_parse (
      text.value ().c_str (),
      GUriFlags (G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_PARSE_RELAXED),
      nullptr));
  if (uri == nullptr || g_uri_get_host (uri.get ()) == nullptr)
    return std::string ("proxy is not a URL of the form "
                        "http://[user:password@]host:port");
  Proxy proxy{ .scheme = g_uri_get_scheme (uri.get ()),
               .host = g_uri_get_host (uri.get ()) };
  if (proxy.scheme != "http" && proxy.scheme != "socks4"
      && proxy.scheme != "socks5")
    return std::string (
        "proxy must begin with http://, socks4:// or socks5://");
  if (!is_valid_host (proxy.host))
    return std::string ("proxy names no valid host");
  const std::string_view path = g_uri_get_path (uri.get ());
  if ((!path.empty () && path != "/") || g_uri_get_query (uri.get ()) != nullptr
      || g_uri_get_fragment (uri.get ()) != nullptr)
    return std::string ("proxy must not contain a path, query or fragment");
  const char *user = g_uri_get_user (uri.get ());
  const char *password = g_uri_get_password (uri.get ());
  if (!is_printable (user) || !is_printable (password))
    return std::string ("proxy has control characters in its user or password");

  const int port = g_uri_get_port (uri.get ());
  if (port == 0)
    return std::string ("proxy has port 0");
  proxy.port = port > 0 ? static_cast<std::uint16_t> (port)
                        : default_port (proxy.scheme);
  proxy.user = Secret (user != nullptr ? user : "");
  proxy.password = Secret (password != nullptr ? password : "");
  return proxy;
}

} // namespace sis
