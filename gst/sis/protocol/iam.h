// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/credentials.h"

#include <chrono>
#include <optional>
#include <string_view>

/* IAM's tokens: POST /v3/auth/tokens, answered with 201 and the token in the
 * header X-Subject-Token. Pure functions, usable on any thread. */
namespace sis {

/* The request's JSON body: the password of an IAM user, for one project. */
Secret build_token_request (const Login &login, std::string_view project_id);

/* How long a token is valid from when it was issued, by the answer's JSON body,
 * up to a year; nothing if that does not say. `now` stands in for the time of
 * issue. */
std::optional<std::chrono::milliseconds>
parse_token_lifetime (std::string_view body,
                      std::chrono::system_clock::time_point now) noexcept;

/* Tokens are valid for so long where the answer does not say (the service's
 * page on authentication). */
constexpr std::chrono::hours usual_token_lifetime{ 24 };
constexpr std::chrono::hours longest_token_lifetime{ 365 * 24 };

/* The gateway takes no longer headers. */
constexpr std::size_t max_token_length = 32 << 10;

} // namespace sis
