// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/net/httpsession.h"
#include "sis/protocol/credentials.h"
#include "sis/protocol/failure.h"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <variant>

namespace sis {

class IoLoop;

/* Tokens of IAM users. All sinks of the process share them until shortly before
 * they expire, and who needs one that is being fetched already, in the same
 * way, waits for that. On the loop. */
class IamTokens
{
public:
  struct Request
  {
    Login login;
    std::string project_id;
    std::shared_ptr<HttpSession> http;
    std::string user_agent;
    std::chrono::seconds timeout{ 20 };
  };
  using Answer = std::variant<Secret, Failure>;
  using Callback = std::function<void (const Answer &)>;

  IamTokens () = default;
  IamTokens (const IamTokens &) = delete;
  IamTokens &operator= (const IamTokens &) = delete;

  /* One that is at hand; else empty. */
  static Secret find (const Request &request);
  /* It was refused: nobody finds this one again. */
  static void forget (const Secret &token);

  /* Somebody who waits for one; destroying it is to wait no longer. */
  class Waiter;
  /* Calls back at most once, and not before it returned. */
  std::unique_ptr<Waiter> fetch (const std::shared_ptr<IoLoop> &loop,
                                 const Request &request, Callback callback);

private:
  class Fetch;
  /* Under way, for whom and how. */
  using How
      = std::tuple<std::string, const HttpSession *, std::chrono::seconds>;
  std::map<How, std::weak_ptr<Fetch>> fetches_;
};

class IamTokens::Waiter
{
public:
  Waiter (std::shared_ptr<Fetch> fetch, Callback callback);
  ~Waiter ();
  Waiter (const Waiter &) = delete;
  Waiter &operator= (const Waiter &) = delete;

private:
  friend class Fetch;
  std::shared_ptr<Fetch> fetch_;
  Callback callback_;
};

} // namespace sis
