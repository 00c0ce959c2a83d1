// SPDX-License-Identifier: LGPL-2.1-or-later
#include "iam.h"

#include "messages.h"

#include <algorithm>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <mutex>
#include <random>

namespace sistest {

namespace {

using Keys = std::initializer_list<const char *>;

struct Login
{
  std::string user, password, domain, project_name, project_id;
};

/* The members of `object` are these and no other. */
bool
has_only (JsonObject *object, Keys keys)
{
  return json_object_get_size (object) == keys.size ()
         && std::ranges::all_of (keys, [&] (const char *key) {
              return json_object_has_member (object, key);
            });
}

/* Walks a body from the root; the first fault ends the walk. */
class Walk
{
public:
  explicit Walk (const std::string &body)
  {
    if (!json_parser_load_from_data (
            parser_, body.data (), static_cast<gssize> (body.size ()), nullptr))
      fault_ = "invalid json";
  }
  ~Walk () { g_object_unref (parser_); }
  Walk (const Walk &) = delete;
  Walk &operator= (const Walk &) = delete;

  JsonObject *root (Keys keys)
  {
    return fault_.empty ()
               ? checked (json_parser_get_root (parser_), "body", keys)
               : nullptr;
  }

  JsonObject *object (JsonObject *parent, const char *name, Keys keys)
  {
    return parent != nullptr
               ? checked (json_object_get_member (parent, name), name, keys)
               : nullptr;
  }

  std::string text (JsonObject *parent, const char *name)
  {
    if (parent == nullptr)
      return {};
    JsonNode *node = json_object_get_member (parent, name);
    if (node != nullptr && json_node_get_value_type (node) == G_TYPE_STRING)
      return json_node_get_string (node);
    fail (name);
    return {};
  }

  void methods (JsonObject *identity)
  {
    if (identity == nullptr)
      return;
    JsonNode *node = json_object_get_member (identity, "methods");
    g_autofree char *json = json_to_string (node, FALSE);
    if (std::string (json) != R"(["password"])")
      fail ("methods");
  }

  void fail (const char *name)
  {
    if (fault_.empty ())
      fault_ = std::string ("'") + name + "' is invalid";
  }

  const std::string &fault () const { return fault_; }

private:
  JsonObject *checked (JsonNode *node, const char *name, Keys keys)
  {
    if (node != nullptr && JSON_NODE_HOLDS_OBJECT (node)
        && has_only (json_node_get_object (node), keys))
      return json_node_get_object (node);
    fail (name);
    return nullptr;
  }

  JsonParser *const parser_ = json_parser_new ();
  std::string fault_;
};

/* What is wrong with the body, if anything. */
std::string
parse_login (const std::string &body, Login &login)
{
  Walk walk (body);
  JsonObject *auth
      = walk.object (walk.root ({ "auth" }), "auth", { "identity", "scope" });
  JsonObject *identity
      = walk.object (auth, "identity", { "methods", "password" });
  walk.methods (identity);
  JsonObject *user
      = walk.object (walk.object (identity, "password", { "user" }), "user",
                     { "name", "password", "domain" });
  login.user = walk.text (user, "name");
  login.password = walk.text (user, "password");
  login.domain = walk.text (walk.object (user, "domain", { "name" }), "name");
  JsonObject *scope = walk.object (auth, "scope", { "project" });
  const bool by_id
      = scope != nullptr
        && JSON_NODE_HOLDS_OBJECT (json_object_get_member (scope, "project"))
        && json_object_has_member (
            json_object_get_object_member (scope, "project"), "id");
  const char *key = by_id ? "id" : "name";
  (by_id ? login.project_id : login.project_name)
      = walk.text (walk.object (scope, "project", { key }), key);
  return walk.fault ();
}

std::string
json_string (const std::string &text)
{
  g_autoptr (JsonNode) node
      = json_node_init_string (json_node_alloc (), text.c_str ());
  g_autofree char *json = json_to_string (node, FALSE);
  return json;
}

std::string
new_token (std::size_t size)
{
  static constexpr std::string_view letters
      = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
  std::random_device random;
  std::uniform_int_distribution<std::size_t> any (0, letters.size () - 1);
  std::string token = "MII";
  while (token.size () < size)
    token.push_back (letters[any (random)]);
  return token;
}

GDateTime *
shifted (GDateTime *time, Milliseconds by)
{
  return g_date_time_add (time, by.count () * G_TIME_SPAN_MILLISECOND);
}

/* As Keystone writes it. */
std::string
keystone_date (GDateTime *time)
{
  g_autofree char *seconds = g_date_time_format (time, "%Y-%m-%dT%H:%M:%S");
  g_autofree char *date = g_strdup_printf ("%s.%06dZ", seconds,
                                           g_date_time_get_microsecond (time));
  return date;
}

std::string
token_body (const Iam::Account &account, GDateTime *issued, GDateTime *expires)
{
  const std::string domain
      = R"({"id":"d0","name":)" + json_string (account.domain) + "}";
  return R"({"token":{"catalog":[],"expires_at":")" + keystone_date (expires)
         + R"(","issued_at":")" + keystone_date (issued)
         + R"(","methods":["password"],"project":{"domain":)" + domain
         + R"(,"id":)" + json_string (account.project_id) + R"(,"name":)"
         + json_string (account.project_name)
         + R"(},"roles":[],"user":{"domain":)" + domain
         + R"(,"id":"u0","name":)" + json_string (account.user)
         + R"(,"password_expires_at":""}}})";
}

std::string
header_of (const Server::Request &request, const char *name)
{
  for (const auto &[key, value] : request.headers)
    if (g_ascii_strcasecmp (key.c_str (), name) == 0)
      return value;
  return {};
}

} // namespace

class Iam::State
{
public:
  explicit State (Account account) : account_ (std::move (account)) {}

  HttpReply answer (const Server::Request &request);

  std::mutex mutex_; /* of what follows */
  std::vector<Grant> grants_{ {} };
  std::size_t next_ = 0, requests_ = 0;
  std::vector<std::string> tokens_, violations_;
  std::map<std::string, gint64> valid_until_; /* monotonic time */

private:
  std::optional<HttpReply> refusal (const Server::Request &request);
  HttpReply grant_token (const Grant &grant);

  const Account account_;
};

HttpReply
Iam::State::answer (const Server::Request &request)
{
  const std::lock_guard lock (mutex_);
  requests_ += 1;
  const Grant &grant = grants_[std::min (next_, grants_.size () - 1)];
  next_ += 1;
  const auto wrong = refusal (request);
  HttpReply reply = grant.reply ? *grant.reply
                    : wrong     ? *wrong
                                : grant_token (grant);
  reply.delay += grant.delay;
  reply.answer = reply.answer && grant.answer;
  reply.drop = reply.drop || grant.drop;
  return reply;
}

/* Why this request gets no token, if so. */
std::optional<HttpReply>
Iam::State::refusal (const Server::Request &request)
{
  const auto refuse = [this] (unsigned status, const std::string &fault,
                              const std::string &message) {
    violations_.push_back (fault);
    return keystone_refusal (status, message);
  };
  if (request.method != "POST")
    return refuse (405, "method " + request.method, "Method not allowed.");
  const std::string type = header_of (request, "Content-Type");
  if (type != "application/json" && !type.starts_with ("application/json;"))
    return refuse (415, "content type " + type, "Unsupported media type.");
  Login login;
  const std::string fault = parse_login (request.body, login);
  if (!fault.empty ())
    return refuse (400, fault, fault);
  if (login.user != account_.user || login.password != account_.password
      || login.domain != account_.domain)
    return refuse (401, "wrong user, password or domain",
                   "The username or password is wrong.");
  if (login.project_id.empty () ? login.project_name != account_.project_name
                                : login.project_id != account_.project_id)
    return refuse (401, "wrong project", "Could not find the project.");
  return std::nullopt;
}

HttpReply
Iam::State::grant_token (const Grant &grant)
{
  const std::string token = new_token (grant.token_size);
  tokens_.push_back (token);
  valid_until_[token]
      = g_get_monotonic_time () + grant.lifetime.count () * 1000;

  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autoptr (GDateTime) issued = shifted (now, grant.clock_offset);
  g_autoptr (GDateTime) expires = shifted (issued, grant.lifetime);
  g_autofree char *date = soup_date_time_to_string (issued, SOUP_DATE_HTTP);
  HttpReply reply{ .status = 201,
                   .body = grant.body.value_or (
                       token_body (account_, issued, expires)),
                   .headers = { { "Date", date } } };
  if (grant.token_header)
    reply.headers.emplace_back ("X-Subject-Token", token);
  return reply;
}

Iam::Iam (Server &server, Account account)
    : state_ (std::make_shared<State> (std::move (account)))
{
  server.answer (path, [state = state_] (const Server::Request &request) {
    return state->answer (request);
  });
}

void
Iam::script (std::vector<Grant> grants)
{
  const std::lock_guard lock (state_->mutex_);
  state_->grants_ = std::move (grants);
  if (state_->grants_.empty ())
    state_->grants_.emplace_back ();
  state_->next_ = 0;
}

std::size_t
Iam::requests () const
{
  const std::lock_guard lock (state_->mutex_);
  return state_->requests_;
}

std::vector<std::string>
Iam::tokens () const
{
  const std::lock_guard lock (state_->mutex_);
  return state_->tokens_;
}

std::vector<std::string>
Iam::violations () const
{
  const std::lock_guard lock (state_->mutex_);
  return state_->violations_;
}

bool
Iam::is_valid (const std::string &token) const
{
  const std::lock_guard lock (state_->mutex_);
  const auto found = state_->valid_until_.find (token);
  return found != state_->valid_until_.end ()
         && g_get_monotonic_time () < found->second;
}

void
Iam::revoke_all ()
{
  const std::lock_guard lock (state_->mutex_);
  state_->valid_until_.clear ();
}

std::function<std::optional<HttpReply> (const Record &)>
Iam::token_check (std::string code) const
{
  return [iam = *this, code = std::move (code)] (
             const Record &record) -> std::optional<HttpReply> {
    if (iam.is_valid (record.header ("X-Auth-Token")))
      return std::nullopt;
    return gateway_refusal (401, code,
                            code.ends_with ("0307")
                                ? "The token must be updated."
                                : "Incorrect IAM authentication information: "
                                  "decrypt token fail");
  };
}

HttpReply
keystone_refusal (unsigned status, const std::string &message)
{
  return { .status = status,
           .body = R"({"error":{"code":)" + std::to_string (status)
                   + R"(,"message":)" + json_string (message) + R"(,"title":)"
                   + json_string (soup_status_get_phrase (status)) + "}}" };
}

HttpReply
gateway_refusal (unsigned status, const std::string &code,
                 const std::string &message)
{
  return { .status = status, .body = gateway_body (code, message) };
}

} // namespace sistest
