// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/endpoint.h"

#include "sis/base/glibptr.h"

#include <algorithm>
#include <arpa/inet.h>

namespace sis {
namespace {

constexpr std::size_t max_name_length = 256;

bool
is_alnum (char c) noexcept
{
  return g_ascii_isalnum (c);
}

const char *
mode_path (Mode mode) noexcept
{
  switch (mode) {
  case Mode::Sentence:
    return "sentence";
  case Mode::Short:
    return "short";
  case Mode::Continue:
    break;
  }
  return "continue";
}

/* How messages name an endpoint, and what its URL looks like. */
struct Form
{
  std::string name, secure, plain;
};

Form
form_of (EndpointKind kind)
{
  return kind == EndpointKind::Iam ? Form{ "iam-endpoint", "https", "http" }
                                   : Form{ "endpoint", "wss", "ws" };
}

/* What must not stand in an endpoint; null if all is well. */
const char *
unwanted_part (GUri *uri) noexcept
{
  if (g_uri_get_userinfo (uri) != nullptr)
    return " must not contain a user name or password";
  if (g_uri_get_query (uri) != nullptr)
    return " must not contain a query";
  if (g_uri_get_fragment (uri) != nullptr)
    return " must not contain a fragment";
  return nullptr;
}

/* Host and path; null if all is well. */
const char *
read_place (GUri *uri, Endpoint &endpoint)
{
  const GCharPtr host (
      g_ascii_strdown (g_uri_get_host (uri) ? g_uri_get_host (uri) : "", -1));
  endpoint.host = host.get ();
  if (!is_valid_host (endpoint.host))
    return " names no valid host";

  const int port = g_uri_get_port (uri);
  if (port == 0)
    return " has port 0";
  endpoint.port = port > 0 ? static_cast<std::uint16_t> (port) : 0;

  endpoint.prefix = g_uri_get_path (uri);
  while (endpoint.prefix.ends_with ('/'))
    endpoint.prefix.pop_back ();
  return nullptr;
}

} // namespace

bool
Endpoint::is_loopback () const noexcept
{
  if (g_ascii_strcasecmp (host.c_str (), "localhost") == 0)
    return true;

  in_addr v4{};
  if (inet_pton (AF_INET, host.c_str (), &v4) == 1)
    return (ntohl (v4.s_addr) >> 24) == 127;

  in6_addr v6{};
  return inet_pton (AF_INET6, host.c_str (), &v6) == 1
         && IN6_IS_ADDR_LOOPBACK (&v6);
}

std::string
Endpoint::authority () const
{
  const bool is_v6 = host.find (':') != std::string::npos;
  std::string text = is_v6 ? "[" + host + "]" : host;
  if (port != 0 && port != (secure ? 443 : 80))
    text += ":" + std::to_string (port);
  return text;
}

std::string
Endpoint::stream_path (std::string_view project_id, Mode mode) const
{
  std::string path = prefix + "/v1/";
  path += project_id;
  path += "/rasr/";
  path += mode_path (mode);
  return path + "-stream";
}

std::string
Endpoint::stream_url (std::string_view project_id, Mode mode) const
{
  return (secure ? "wss://" : "ws://") + authority ()
         + stream_path (project_id, mode);
}

std::string
Endpoint::token_url () const
{
  return (secure ? "https://" : "http://") + authority () + prefix
         + "/v3/auth/tokens";
}

std::variant<Endpoint, std::string>
parse_endpoint (const std::string &text, EndpointKind kind)
{
  const Form form = form_of (kind);
  if (!std::ranges::all_of (text, [] (char c) { return g_ascii_isgraph (c); }))
    return form.name + " has characters that no URL has";
  const GUriPtr uri (g_uri_parse (
      text.c_str (), GUriFlags (G_URI_FLAGS_ENCODED | G_URI_FLAGS_HAS_PASSWORD),
      nullptr));
  if (uri == nullptr)
    return form.name + " is not a URL of the form " + form.secure
           + "://host[:port][/prefix]";

  const std::string_view scheme = g_uri_get_scheme (uri.get ());
  if (scheme != form.secure && scheme != form.plain)
    return form.name + " must begin with " + form.secure + ":// or "
           + form.plain + "://";
  if (const char *unwanted = unwanted_part (uri.get ()))
    return form.name + unwanted;
  Endpoint endpoint{ .secure = scheme == form.secure };
  if (const char *problem = read_place (uri.get (), endpoint))
    return form.name + problem;
  return endpoint;
}

Endpoint
endpoint_of_region (std::string_view region, EndpointKind kind)
{
  return Endpoint{ .host = (kind == EndpointKind::Iam ? "iam." : "sis-ext.")
                           + std::string (region) + ".myhuaweicloud.com" };
}

/* Nothing that one reader of a URL could take for another part of it. */
bool
is_valid_host (const std::string &host) noexcept
{
  in6_addr v6{};
  if (host.find (':') != std::string::npos)
    return inet_pton (AF_INET6, host.c_str (), &v6) == 1;
  return !host.empty () && std::ranges::all_of (host, [] (char c) {
    return is_alnum (c) || c == '.' || c == '-' || c == '_';
  });
}

bool
is_valid_region (std::string_view region) noexcept
{
  return !region.empty () && region.size () <= max_name_length
         && std::all_of (region.begin (), region.end (), [] (char c) {
              return g_ascii_islower (c) || g_ascii_isdigit (c) || c == '-';
            });
}

bool
is_valid_project_id (std::string_view project_id) noexcept
{
  return !project_id.empty () && project_id.size () <= max_name_length
         && std::all_of (project_id.begin (), project_id.end (), [] (char c) {
              return is_alnum (c) || c == '_' || c == '-';
            });
}

} // namespace sis
