// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/signature.h"

#include "sis/base/glibptr.h"

#include <algorithm>
#include <ctime>

namespace sis {
namespace {

constexpr std::string_view algorithm = "SDK-HMAC-SHA256";

std::string
lower (std::string_view text)
{
  std::string out (text);
  std::ranges::transform (out, out.begin (),
                          [] (char c) { return g_ascii_tolower (c); });
  return out;
}

std::string
sha256 (std::string_view text)
{
  const GCharPtr hex (g_compute_checksum_for_data (
      G_CHECKSUM_SHA256, reinterpret_cast<const guchar *> (text.data ()),
      text.size ()));
  return hex.get ();
}

std::string
hmac_sha256 (const Secret &key, std::string_view text)
{
  const std::string &bytes = key.value ();
  const GCharPtr hex (g_compute_hmac_for_data (
      G_CHECKSUM_SHA256, reinterpret_cast<const guchar *> (bytes.data ()),
      bytes.size (), reinterpret_cast<const guchar *> (text.data ()),
      text.size ()));
  return hex.get ();
}

/* Each segment decoded and encoded anew; it always ends in a slash. */
std::string
canonical_path (std::string_view path)
{
  std::string out;
  while (!path.empty ()) {
    const std::size_t slash = std::min (path.find ('/'), path.size ());
    const std::string segment (path.substr (0, slash));
    const GCharPtr decoded (g_uri_unescape_string (segment.c_str (), nullptr));
    const GCharPtr encoded (g_uri_escape_string (
        decoded != nullptr ? decoded.get () : segment.c_str (), nullptr,
        FALSE));
    out += encoded.get ();
    out += '/';
    path.remove_prefix (std::min (slash + 1, path.size ()));
  }
  return out;
}

struct Signed
{
  std::string name;
  std::string_view value;
};

std::vector<Signed>
sorted (std::span<const Header> headers)
{
  std::vector<Signed> out;
  for (const Header &header : headers)
    out.push_back ({ lower (header.name),
                     trim_header_value (header.value.value ()).value_or ("") });
  std::ranges::sort (out, {}, &Signed::name);
  return out;
}

std::string
names_of (const std::vector<Signed> &headers)
{
  std::string names;
  for (const Signed &header : headers)
    names += (names.empty () ? "" : ";") + header.name;
  return names;
}

} // namespace

std::string
sdk_date (SystemTime now)
{
  const std::time_t time = std::chrono::system_clock::to_time_t (now);
  std::tm utc{};
  gmtime_r (&time, &utc);
  char text[sizeof "20240102T030405Z"];
  std::strftime (text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
  return text;
}

std::string
canonical_request (std::string_view path, std::span<const Header> headers)
{
  const auto list = sorted (headers);
  std::string request = "GET\n" + canonical_path (path) + "\n\n";
  for (const Signed &header : list)
    (request += header.name + ":").append (header.value) += '\n';
  return request + "\n" + names_of (list) + "\n" + sha256 ({});
}

Secret
authorization (const KeyPair &keys, std::string_view path,
               std::span<const Header> headers)
{
  const auto list = sorted (headers);
  const auto date = std::ranges::find (list, "x-sdk-date", &Signed::name);
  std::string to_sign (algorithm);
  to_sign += '\n';
  to_sign += date != list.end () ? date->value : "";
  to_sign += '\n' + sha256 (canonical_request (path, headers));
  return Secret (std::string (algorithm) + " Access=" + keys.access_key
                 + ", SignedHeaders=" + names_of (list)
                 + ", Signature=" + hmac_sha256 (keys.secret_key, to_sign));
}

Headers
sign_handshake (const KeyPair &keys, std::string_view host,
                std::string_view path, SystemTime now)
{
  Headers headers{ { "X-Sdk-Date", Secret (sdk_date (now)) } };
  if (!keys.security_token.empty ())
    headers.push_back ({ "X-Security-Token", keys.security_token });
  Headers to_sign = headers;
  to_sign.push_back ({ "Host", Secret (host) });
  headers.push_back ({ "Authorization", authorization (keys, path, to_sign) });
  return headers;
}

} // namespace sis
