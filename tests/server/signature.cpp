// SPDX-License-Identifier: LGPL-2.1-or-later
#include "signature.h"

#include "messages.h"

#include <algorithm>
#include <array>
#include <glib.h>

namespace sistest {

namespace {

constexpr std::size_t block_size = 64; /* of SHA-256 */
using Digest = std::array<guint8, 32>;

Digest
sha256 (std::initializer_list<std::string_view> parts)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  for (const std::string_view part : parts)
    g_checksum_update (checksum,
                       reinterpret_cast<const guchar *> (part.data ()),
                       static_cast<gssize> (part.size ()));
  Digest digest;
  gsize size = digest.size ();
  g_checksum_get_digest (checksum, digest.data (), &size);
  return digest;
}

std::string_view
view (const Digest &digest)
{
  return { reinterpret_cast<const char *> (digest.data ()), digest.size () };
}

std::string
hex (const Digest &digest)
{
  std::string text;
  for (const guint8 byte : digest)
    for (const int shift : { 4, 0 })
      text.push_back ("0123456789abcdef"[byte >> shift & 0xF]);
  return text;
}

std::string
canonical_path (const std::string &path)
{
  g_autofree char *escaped = g_uri_escape_string (path.c_str (), "/", FALSE);
  std::string canonical = escaped;
  if (!canonical.ends_with ('/'))
    canonical.push_back ('/');
  return canonical;
}

std::string
trimmed (const std::string &value)
{
  const std::size_t first = value.find_first_not_of (" \t");
  return first == std::string::npos
             ? std::string ()
             : value.substr (first, value.find_last_not_of (" \t") - first + 1);
}

std::vector<std::string>
split (const std::string &list)
{
  std::vector<std::string> parts;
  g_auto (GStrv) names = g_strsplit (list.c_str (), ";", -1);
  for (char **name = names; *name != nullptr; name++)
    parts.emplace_back (*name);
  return parts;
}

std::vector<std::string>
values_of (const SignedRequest &request, const std::string &name)
{
  std::vector<std::string> values;
  for (const auto &[key, value] : request.headers)
    if (g_ascii_strcasecmp (key.c_str (), name.c_str ()) == 0)
      values.push_back (trimmed (value));
  return values;
}

/* The value of a header that there is once; else `why` says so. */
std::string
single (const SignedRequest &request, const std::string &name, std::string &why)
{
  const auto values = values_of (request, name);
  if (values.size () == 1)
    return values[0];
  why = name + " is there " + std::to_string (values.size ()) + " times";
  return {};
}

struct Authorization
{
  std::string access_key, signed_headers, signature;
};

/* Takes what is between `start` and `end` off the front. */
bool
take (std::string_view &text, std::string_view start, std::string_view end,
      std::string &value)
{
  if (!text.starts_with (start))
    return false;
  text.remove_prefix (start.size ());
  const std::size_t length = end.empty () ? text.size () : text.find (end);
  if (length == std::string_view::npos || length == 0)
    return false;
  value = text.substr (0, length);
  text.remove_prefix (length);
  return true;
}

std::optional<Authorization>
parse_authorization (std::string_view text)
{
  Authorization parsed;
  if (!take (text, "SDK-HMAC-SHA256 Access=", ",", parsed.access_key)
      || !take (text, ", SignedHeaders=", ",", parsed.signed_headers)
      || !take (text, ", Signature=", "", parsed.signature))
    return std::nullopt;
  if (parsed.signature.size () != 64
      || parsed.signature.find_first_not_of ("0123456789abcdef")
             != std::string::npos)
    return std::nullopt;
  return parsed;
}

/* YYYYMMDDTHHMMSSZ, and a time that there is. */
std::optional<WallTime>
parse_date (const std::string &text)
{
  static constexpr std::string_view shape = "00000000T000000Z";
  if (text.size () != shape.size ())
    return std::nullopt;
  for (std::size_t i = 0; i < shape.size (); i++)
    if (shape[i] == '0' ? !g_ascii_isdigit (text[i]) : text[i] != shape[i])
      return std::nullopt;
  const auto number = [&] (std::size_t at, std::size_t count) {
    return std::stoi (text.substr (at, count));
  };
  g_autoptr (GDateTime) date
      = g_date_time_new_utc (number (0, 4), number (4, 2), number (6, 2),
                             number (9, 2), number (11, 2), number (13, 2));
  if (date == nullptr)
    return std::nullopt;
  return WallTime (std::chrono::seconds (g_date_time_to_unix (date)));
}

std::string
expected_signature (const SignedRequest &request, const std::string &list,
                    const std::string &date, const std::string &secret,
                    std::string &why)
{
  std::string headers;
  for (const std::string &name : split (list))
    headers += name + ":" + single (request, name, why) + "\n";
  const Digest canonical
      = sha256 ({ request.method, "\n", canonical_path (request.path), "\n", "",
                  "\n", headers, "\n", list, "\n", hex (sha256 ({})) });
  return hmac_sha256 (secret,
                      "SDK-HMAC-SHA256\n" + date + "\n" + hex (canonical));
}

/* What does not fit among the headers, other than the signature itself. */
std::string
check_headers (const SignedRequest &request, const SecretKey &key)
{
  for (const auto &[name, value] : request.headers)
    if (g_ascii_strncasecmp (name.c_str (), "x-sdk-", 6) == 0
        && g_ascii_strcasecmp (name.c_str (), "x-sdk-date") != 0)
      return name + " is not expected";
  if (!values_of (request, "x-auth-token").empty ())
    return "there is x-auth-token, too";
  const auto tokens = values_of (request, "x-security-token");
  if (key.security_token != (tokens.empty () ? "" : tokens[0]))
    return "wrong x-security-token";
  return {};
}

} // namespace

std::string
hmac_sha256 (std::string_view key, std::string_view text)
{
  const Digest hashed = sha256 ({ key });
  if (key.size () > block_size)
    key = view (hashed);
  std::string inner (block_size, '\x36'), outer (block_size, '\x5c');
  for (std::size_t i = 0; i < key.size (); i++) {
    inner[i] = static_cast<char> (inner[i] ^ key[i]);
    outer[i] = static_cast<char> (outer[i] ^ key[i]);
  }
  return hex (sha256 ({ outer, view (sha256 ({ inner, text })) }));
}

std::string
check_signature (const SignedRequest &request, const AccessKeys &keys,
                 WallTime now, std::string signed_headers)
{
  std::string why;
  const std::string date = single (request, "x-sdk-date", why);
  const std::string given = single (request, "authorization", why);
  if (!why.empty ())
    return why;
  const auto authorization = parse_authorization (given);
  if (!authorization)
    return "malformed authorization";
  const auto key = keys.find (authorization->access_key);
  if (key == keys.end ())
    return "ak " + authorization->access_key + " not exist";

  if (why = check_headers (request, key->second); !why.empty ())
    return why;
  if (signed_headers.empty ())
    signed_headers = key->second.security_token.empty ()
                         ? "host;x-sdk-date"
                         : "host;x-sdk-date;x-security-token";
  if (authorization->signed_headers != signed_headers)
    return "SignedHeaders are " + authorization->signed_headers;

  const auto when = parse_date (date);
  if (!when)
    return "malformed x-sdk-date";
  if (*when < now - std::chrono::minutes (15)
      || *when > now + std::chrono::minutes (15))
    return "signature expired";
  const std::string expected = expected_signature (
      request, signed_headers, date, key->second.secret, why);
  if (!why.empty ())
    return why;
  return authorization->signature == expected ? std::string ()
                                              : "verify aksk signature fail";
}

std::function<std::optional<HttpReply> (const Record &)>
signature_check (AccessKeys keys, std::function<WallTime ()> clock)
{
  return [keys = std::move (keys), clock = std::move (clock)] (
             const Record &record) -> std::optional<HttpReply> {
    const std::string why = check_signature (
        { "GET", record.path, record.headers }, keys, clock ());
    if (why.empty ())
      return std::nullopt;
    return HttpReply{ .status = 401,
                      .body = gateway_body (
                          "APIG.0301",
                          "Incorrect IAM authentication information: " + why) };
  };
}

} // namespace sistest
