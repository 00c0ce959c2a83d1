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

/* What must not stand in an endpoint, as a sentence; null if all is well. */
const char *
unwanted_part (GUri *uri) noexcept
{
  if (g_uri_get_userinfo (uri) != nullptr)
    return "endpoint must not contain a user name or password";
  if (g_uri_get_query (uri) != nullptr)
    return "endpoint must not contain a query";
  if (g_uri_get_fragment (uri) != nullptr)
    return "endpoint must not contain a fragment";
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
Endpoint::url (std::string_view project_id, Mode mode) const
{
  std::string url = secure ? "wss://" : "ws://";
  const bool is_v6 = host.find (':') != std::string::npos;
  url += is_v6 ? "[" + host + "]" : host;
  if (port != 0)
    url += ":" + std::to_string (port);
  url += prefix;
  url += "/v1/";
  url += project_id;
  url += "/rasr/";
  url += mode_path (mode);
  url += "-stream";
  return url;
}

std::variant<Endpoint, std::string>
parse_endpoint (const std::string &text)
{
  if (!std::all_of (text.begin (), text.end (),
                    [] (char c) { return g_ascii_isgraph (c); }))
    return std::string ("endpoint has characters that no URL has");
  g_autoptr (GError) error = nullptr;
  const GUriPtr uri (g_uri_parse (
      text.c_str (), GUriFlags (G_URI_FLAGS_ENCODED | G_URI_FLAGS_HAS_PASSWORD),
      &error));
  if (uri == nullptr)
    return std::string ("endpoint is not a URL of the form "
                        "wss://host[:port][/prefix]");

  const std::string_view scheme = g_uri_get_scheme (uri.get ());
  if (scheme != "wss" && scheme != "ws")
    return std::string ("endpoint must begin with wss:// or ws://");
  if (const char *unwanted = unwanted_part (uri.get ()))
    return std::string (unwanted);

  Endpoint endpoint;
  endpoint.secure = scheme == "wss";
  const char *host = g_uri_get_host (uri.get ());
  endpoint.host = host != nullptr ? host : "";
  const bool has_odd_byte
      = std::any_of (endpoint.host.begin (), endpoint.host.end (), [] (char c) {
          return !g_ascii_isgraph (c) || c == '%' || c == '/' || c == '@';
        });
  if (endpoint.host.empty () || has_odd_byte)
    return std::string ("endpoint names no valid host");

  const int port = g_uri_get_port (uri.get ());
  if (port == 0)
    return std::string ("endpoint has port 0");
  endpoint.port = port > 0 ? static_cast<std::uint16_t> (port) : 0;

  endpoint.prefix = g_uri_get_path (uri.get ());
  while (endpoint.prefix.ends_with ('/'))
    endpoint.prefix.pop_back ();
  return endpoint;
}

Endpoint
endpoint_of_region (std::string_view region)
{
  Endpoint endpoint;
  endpoint.host = "sis-ext." + std::string (region) + ".myhuaweicloud.com";
  return endpoint;
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

std::optional<std::string_view>
trim_header_value (std::string_view value) noexcept
{
  const auto is_blank
      = [] (char c) { return g_ascii_isspace (c) || g_ascii_iscntrl (c); };
  while (!value.empty () && is_blank (value.front ()))
    value.remove_prefix (1);
  while (!value.empty () && is_blank (value.back ()))
    value.remove_suffix (1);
  const bool is_clean = std::all_of (value.begin (), value.end (), [] (char c) {
    return g_ascii_isprint (c);
  });
  return is_clean ? std::optional (value) : std::nullopt;
}

} // namespace sis
