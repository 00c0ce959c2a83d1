// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "server.h"

namespace sistest {

/* A look-alike of IAM's token service, POST /v3/auth/tokens, on a server.
 * Callable from any thread; may go before the server does.
 *
 *   Iam iam (server, { .user = "somebody" });
 *   iam.script ({ { .lifetime = 300ms }, { .reply = keystone_refusal (401) }
 * }); Behaviour behaviour; behaviour.handshake.check = iam.token_check ();
 */
class Iam
{
public:
  static constexpr const char *path = "/v3/auth/tokens";

  /* Who gets a token, and for what. */
  struct Account
  {
    std::string user = "tester", password = "the password", domain = "company";
    std::string project_name = "cn-north-4", project_id = "p";
  };

  /* What one request is answered with. */
  struct Grant
  {
    std::optional<HttpReply> reply; /* in place of a token */
    Milliseconds lifetime{ 24 * 3600 * 1000 };
    std::size_t token_size = 64;
    bool token_header = true;
    std::optional<std::string> body; /* in place of the usual one */
    /* By which the dates told are wrong; the lifetime is true. */
    Milliseconds clock_offset{};

    Milliseconds delay{};
    bool answer = true;
    bool drop = false;
  };

  explicit Iam (Server &server) : Iam (server, Account{}) {}
  Iam (Server &server, Account account);

  /* The first request from now on gets the first entry, the next one the next,
   * all later ones the last. Requests that are wrong count. */
  void script (std::vector<Grant> grants);

  std::size_t requests () const;
  std::vector<std::string> tokens () const; /* handed out, in order */
  /* What was wrong with requests; they got no token. */
  std::vector<std::string> violations () const;

  bool is_valid (const std::string &token) const; /* now */
  void revoke_all ();

  /* For Handshake::check: 401 with this code unless there is a valid token. */
  std::function<std::optional<HttpReply> (const Record &)>
  token_check (std::string code = "APIG.0301") const;

private:
  class State;
  std::shared_ptr<State> state_;
};

/* {"error":{"code":…,"message":…,"title":…}} */
HttpReply keystone_refusal (unsigned status,
                            const std::string &message
                            = "The username or password is wrong.");
/* {"error_code":…,"error_msg":…,"request_id":…} */
HttpReply gateway_refusal (unsigned status, const std::string &code,
                           const std::string &message);

} // namespace sistest
