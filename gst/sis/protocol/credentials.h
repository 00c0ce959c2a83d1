// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/secret.h"
#include "sis/protocol/endpoint.h"

#include <string>
#include <variant>

namespace sis {

/* An IAM token that the user got by himself, sent as X-Auth-Token. */
struct Token
{
  Secret token;
  bool operator== (const Token &) const = default;
};

/* An access key; each handshake is signed with it. */
struct KeyPair
{
  std::string access_key;
  Secret secret_key;
  Secret security_token; /* of a temporary key; else empty */
  bool operator== (const KeyPair &) const = default;
};

/* An IAM user; a token is fetched for him. */
struct Login
{
  Endpoint iam;
  std::string user, domain; /* the domain is the account */
  Secret password;
  bool operator== (const Login &) const = default;
};

/* Who asks. Nothing: only where the service is on this machine, say. */
using Credentials = std::variant<std::monostate, Token, KeyPair, Login>;

} // namespace sis
