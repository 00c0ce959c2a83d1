// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/credentials.h"
#include "sis/protocol/header.h"

#include <chrono>
#include <span>
#include <string>
#include <string_view>

/* The gateway's signature SDK-HMAC-SHA256, as the service's SDKs make it: a GET
 * of the https form of the URL, without query and body.
 *
 *   CanonicalRequest = GET \n path/ \n \n name:value\n… \n names \n SHA256("")
 *   StringToSign     = SDK-HMAC-SHA256 \n X-Sdk-Date \n
 * SHA256(CanonicalRequest) Signature        = HMAC-SHA256(secret key,
 * StringToSign), in hex
 *
 * Pure functions, usable on any thread. */
namespace sis {

using SystemTime = std::chrono::system_clock::time_point;

/* UTC, "20240102T030405Z". The gateway takes it for 15 minutes. */
std::string sdk_date (SystemTime now);

/* `headers` are those that are to be signed, in any order. */
std::string canonical_request (std::string_view path,
                               std::span<const Header> headers);

/* The value of Authorization. One of `headers` is X-Sdk-Date. */
Secret authorization (const KeyPair &keys, std::string_view path,
                      std::span<const Header> headers);

/* All that a handshake needs: X-Sdk-Date, X-Security-Token for a temporary key,
 * and Authorization over exactly these and Host, which `host` has to equal byte
 * by byte. */
Headers sign_handshake (const KeyPair &keys, std::string_view host,
                        std::string_view path, SystemTime now);

} // namespace sis
