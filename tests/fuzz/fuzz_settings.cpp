// SPDX-License-Identifier: LGPL-2.1-or-later
/* Whatever the user sets as endpoint, proxy, region, project, token or header
 * is refused, or goes where it seems to go and nowhere else. */
#include "fuzz.h"

#include "sis/base/glibptr.h"
#include "sis/protocol/endpoint.h"
#include "sis/protocol/header.h"
#include "sis/protocol/signature.h"
#include "sis/protocol/transport.h"

using namespace sis;

namespace {

bool
is_graphic (std::string_view text)
{
  return std::ranges::all_of (text,
                              [] (char c) { return g_ascii_isgraph (c); });
}

GUriPtr
parse_uri (const std::string &text)
{
  /* As libsoup does. */
  constexpr int flags = G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED_PATH
                        | G_URI_FLAGS_ENCODED_QUERY
                        | G_URI_FLAGS_ENCODED_FRAGMENT
                        | G_URI_FLAGS_SCHEME_NORMALIZE;
  return GUriPtr (g_uri_parse (text.c_str (), GUriFlags (flags), nullptr));
}

/* libsoup takes the URL to the place that was checked. */
void
check_url (const Endpoint &endpoint, const std::string &url,
           const std::string &path)
{
  fuzz_check (is_graphic (url));
  const GUriPtr uri = parse_uri (url);
  fuzz_check (uri != nullptr);
  fuzz_check (g_uri_get_host (uri.get ()) == endpoint.host);
  const int port = g_uri_get_port (uri.get ());
  const int usual = endpoint.secure ? 443 : 80;
  fuzz_check ((port <= 0 ? usual : port)
              == (endpoint.port == 0 ? usual : endpoint.port));
  fuzz_check (g_uri_get_path (uri.get ()) == path);
  fuzz_check (g_uri_get_userinfo (uri.get ()) == nullptr);
  fuzz_check (g_uri_get_query (uri.get ()) == nullptr);
  fuzz_check (g_uri_get_fragment (uri.get ()) == nullptr);
}

void
check_endpoint (const std::string &text, EndpointKind kind)
{
  const auto parsed = parse_endpoint (text, kind);
  if (const auto *problem = std::get_if<std::string> (&parsed)) {
    fuzz_check (!problem->empty ());
    return;
  }
  const auto &endpoint = std::get<Endpoint> (parsed);
  fuzz_check (!endpoint.host.empty () && is_graphic (endpoint.host));
  fuzz_check (endpoint.host.find_first_of ("%/@?#\\") == std::string::npos);
  fuzz_check (endpoint.prefix.empty () || endpoint.prefix.starts_with ('/'));
  fuzz_check (!endpoint.prefix.ends_with ('/'));
  if (kind == EndpointKind::Iam) {
    check_url (endpoint, endpoint.token_url (),
               endpoint.prefix + "/v3/auth/tokens");
    return;
  }
  const std::string path = endpoint.stream_path ("p", Mode::Short);
  const std::string url = endpoint.stream_url ("p", Mode::Short);
  check_url (endpoint, url, path);
  /* What it is taken for does not change by being taken for it. */
  const auto again = parse_endpoint ((endpoint.secure ? "wss://" : "ws://")
                                     + endpoint.authority () + endpoint.prefix);
  fuzz_check (std::holds_alternative<Endpoint> (again));
  const auto &second = std::get<Endpoint> (again);
  fuzz_check (second.stream_url ("p", Mode::Short) == url);
  fuzz_check (second.is_loopback () == endpoint.is_loopback ());
}

void
check_proxy (const std::string &text)
{
  const auto parsed = parse_proxy (Secret (text));
  if (!std::holds_alternative<Proxy> (parsed)) {
    fuzz_check (!std::get<std::string> (parsed).empty ());
    return;
  }
  const auto &proxy = std::get<Proxy> (parsed);
  fuzz_check (is_graphic (proxy.url ()) && proxy.port != 0);
  const auto bare = parse_proxy (Secret (proxy.url ()));
  fuzz_check (std::holds_alternative<Proxy> (bare));
  fuzz_check (std::get<Proxy> (bare).user.empty ());
  fuzz_check (std::get<Proxy> (bare).password.empty ());
  const auto full = parse_proxy (proxy.full_url ());
  fuzz_check (std::holds_alternative<Proxy> (full));
  fuzz_check (std::get<Proxy> (full) == proxy);
}

void
check_token (std::string_view text)
{
  const auto value = trim_header_value (text);
  if (!value)
    return;
  fuzz_check (std::ranges::all_of (
      *value, [] (char c) { return g_ascii_isprint (c); }));
  fuzz_check (value->empty ()
              || (value->front () != ' ' && value->back () != ' '));
  fuzz_check (trim_header_value (*value) == value);
  const KeyPair keys{ .access_key = std::string (*value),
                      .secret_key = Secret (*value),
                      .security_token = Secret (*value) };
  for (const Header &header :
       sign_handshake (keys, "a.example", "/v1/p/rasr/continue-stream", {}))
    fuzz_check (is_valid_header_name (header.name)
                && trim_header_value (header.value.value ()));
}

void
check_names (std::string_view text)
{
  const std::string any_case (text);
  if (is_valid_header_name (text)) {
    fuzz_check (is_graphic (text));
    fuzz_check (text.find_first_of (":\"(),/;<=>?@[\\]{}") == text.npos);
    const GCharPtr upper (g_ascii_strup (any_case.c_str (), -1));
    fuzz_check (is_reserved_header (text) == is_reserved_header (upper.get ()));
  }
  if (is_valid_project_id (text))
    check_endpoint ("wss://a.example/" + any_case, EndpointKind::Service);
  if (is_valid_region (text))
    for (const auto kind : { EndpointKind::Service, EndpointKind::Iam }) {
      const Endpoint endpoint = endpoint_of_region (text, kind);
      fuzz_check (endpoint.host.ends_with (".myhuaweicloud.com"));
      fuzz_check (endpoint.secure && !endpoint.is_loopback ());
    }
}

} // namespace

/* A letter for what it is, and the text. */
int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  sisfuzz::Choices choices (sisfuzz::as_text (data, size));
  const unsigned what = choices.byte ();
  const std::string text (choices.rest ());
  switch (what) {
  case 'i':
    check_endpoint (text, EndpointKind::Iam);
    break;
  case 'p':
    check_proxy (text);
    break;
  case 't':
    check_token (text);
    break;
  case 'n':
    check_names (text);
    break;
  default:
    check_endpoint (text, EndpointKind::Service);
    break;
  }
  return 0;
}
