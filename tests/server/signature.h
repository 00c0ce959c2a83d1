// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "behaviour.h"

#include <chrono>

/* The gateway's view of AK/SK signatures (SDK-HMAC-SHA256), written from the
 * documentation and not from the client's code. */
namespace sistest {

struct SecretKey
{
  std::string secret;
  std::string security_token; /* of temporary keys; else none may be sent */
};
using AccessKeys = std::map<std::string, SecretKey>; /* by access key */

struct SignedRequest
{
  std::string method;
  std::string path; /* decoded, without a query */
  std::vector<std::pair<std::string, std::string>> headers; /* as received */
};

using WallTime = std::chrono::system_clock::time_point;

/* Empty if the request is signed as it should be, else what is wrong with it.
 * The SignedHeaders must be exactly these; by default host;x-sdk-date, and
 * x-security-token if there is that header. */
std::string check_signature (const SignedRequest &request,
                             const AccessKeys &keys,
                             WallTime now = std::chrono::system_clock::now (),
                             std::string signed_headers = {});

/* For Handshake::check: refuses other requests as the gateway does, with the
 * reason in the body. `clock` is asked each time. */
std::function<std::optional<HttpReply> (const Record &)>
signature_check (AccessKeys keys, std::function<WallTime ()> clock
                                  = std::chrono::system_clock::now);

/* In lower-case hexadecimal. */
std::string hmac_sha256 (std::string_view key, std::string_view text);

} // namespace sistest
