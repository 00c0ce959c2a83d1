// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/iamtokens.h"

#include "sis/base/guarded.h"
#include "sis/net/clock.h"
#include "sis/net/httprequest.h"
#include "sis/net/ioloop.h"
#include "sis/protocol/header.h"
#include "sis/protocol/iam.h"

#include <libsoup/soup.h>

namespace sis {
namespace {

/* Of an answer's body: a catalogue of services may be in it. */
constexpr gsize max_body_length = 256 << 10;

/* A token is not used in its last minutes; of a short-lived one, in its last
 * tenth. */
constexpr std::chrono::minutes safety{ 5 };

struct Cached
{
  Secret token;
  Clock::time_point expires;
};
using Cache = std::map<std::string, Cached>;

/* Never destroyed: sinks may still be released while the process exits. */
Guarded<Cache> &
the_cache ()
{
  static auto *cache = new Guarded<Cache>;
  return *cache;
}

std::string
key_of (const IamTokens::Request &request)
{
  const Login &login = request.login;
  const std::string &password = login.password.value ();
  const GCharPtr digest (g_compute_checksum_for_string (
      G_CHECKSUM_SHA256, password.c_str (), gssize (password.size ())));
  std::string key = login.iam.token_url ();
  for (const std::string &part : { login.domain, login.user, request.project_id,
                                   std::string (digest.get ()) })
    (key += '\0') += part;
  return key;
}

void
remember (const std::string &key, const Secret &token, Clock::duration lifetime)
{
  const auto now = Clock::now ();
  auto cache = the_cache ().lock ();
  std::erase_if (*cache, [now] (const auto &entry) {
    return entry.second.expires <= now;
  });
  (*cache)[key]
      = { token,
          now + lifetime - std::min<Clock::duration> (safety, lifetime / 10) };
}

GBytes *
to_bytes (Secret text)
{
  auto *kept = new Secret (std::move (text));
  return g_bytes_new_with_free_func (
      kept->value ().data (), kept->value ().size (),
      [] (void *data) { delete static_cast<Secret *> (data); }, kept);
}

} // namespace

/* One request to IAM, and all who wait for it. */
class IamTokens::Fetch : public std::enable_shared_from_this<Fetch>
{
public:
  Fetch (std::shared_ptr<IoLoop> loop, const Request &request);
  ~Fetch ();

  std::deque<Waiter *> waiters;
  /* Who asks again when he hears the answer wants another one. */
  bool is_over () const noexcept { return call_ == nullptr; }

private:
  /* libsoup calls back even after it was cancelled. */
  struct Call
  {
    std::shared_ptr<IoLoop> loop;
    Fetch *owner;
    char *body; /* max_body_length bytes */
    ~Call () { g_free (body); }
  };

  static void on_answered (GObject *session, GAsyncResult *result,
                           void *data) noexcept;
  static void on_read (GObject *stream, GAsyncResult *result,
                       void *data) noexcept;
  Answer judge (std::string_view body) const;
  void done (const Answer &answer);

  const std::string key_;
  HttpRequest http_;
  Call *call_;
};

IamTokens::Fetch::Fetch (std::shared_ptr<IoLoop> loop, const Request &request)
    : key_ (key_of (request)), http_ (*loop, request.http,
                                      { .method = "POST",
                                        .url = request.login.iam.token_url (),
                                        .user_agent = request.user_agent,
                                        .timeout = request.timeout,
                                        .who = Refuser::Iam }),
      call_ (new Call{ std::move (loop), this, nullptr })
{
  g_autoptr (GBytes) body
      = to_bytes (build_token_request (request.login, request.project_id));
  soup_message_set_request_body_from_bytes (http_.message (),
                                            "application/json", body);
  soup_session_send_async (http_.session (), http_.message (),
                           G_PRIORITY_DEFAULT, http_.cancellable (),
                           &Fetch::on_answered, call_);
}

IamTokens::Fetch::~Fetch ()
{
  if (call_ != nullptr)
    call_->owner = nullptr;
}

void
IamTokens::Fetch::on_answered (GObject *session, GAsyncResult *result,
                               void *data) noexcept
{
  std::unique_ptr<Call> call (static_cast<Call *> (data));
  g_autoptr (GError) error = nullptr;
  const GObjectPtr<GInputStream> stream (
      soup_session_send_finish (SOUP_SESSION (session), result, &error));
  if (call->owner == nullptr)
    return;
  if (stream == nullptr) {
    call->owner->done (call->owner->http_.failure (error));
    return;
  }
  call->body = static_cast<char *> (g_malloc (max_body_length));
  GCancellable *cancellable = call->owner->http_.cancellable ();
  Call *kept = call.release ();
  g_input_stream_read_all_async (stream.get (), kept->body, max_body_length,
                                 G_PRIORITY_DEFAULT, cancellable,
                                 &Fetch::on_read, kept);
}

void
IamTokens::Fetch::on_read (GObject *stream, GAsyncResult *result,
                           void *data) noexcept
{
  const std::unique_ptr<Call> call (static_cast<Call *> (data));
  gsize length = 0;
  /* As much as came of it; the token is in the head. */
  g_input_stream_read_all_finish (G_INPUT_STREAM (stream), result, &length,
                                  nullptr);
  if (Fetch *self = call->owner)
    self->done (self->judge ({ call->body, length }));
}

IamTokens::Answer
IamTokens::Fetch::judge (std::string_view body) const
{
  if (!SOUP_STATUS_IS_SUCCESSFUL (soup_message_get_status (http_.message ())))
    return http_.failure (nullptr, body);
  const char *header = soup_message_headers_get_one (
      soup_message_get_response_headers (http_.message ()), "X-Subject-Token");
  const auto token = trim_header_value (header != nullptr ? header : "");
  if (!token || token->empty () || token->size () > max_token_length)
    return Failure{ .kind = FailureKind::Open,
                    .cause = FailureCause::Refusal,
                    .text = "IAM's answer has no token in it. Check "
                            "iam-endpoint." };
  const Secret secret (*token);
  const Clock::duration lifetime
      = parse_token_lifetime (body, std::chrono::system_clock::now ())
            .value_or (usual_token_lifetime);
  if (lifetime > Clock::duration::zero ())
    remember (key_, secret, lifetime);
  return secret;
}

void
IamTokens::Fetch::done (const Answer &answer)
{
  const auto keep = shared_from_this ();
  call_ = nullptr;
  http_.stop_timer ();
  while (!waiters.empty ()) {
    Waiter *waiter = waiters.front ();
    waiters.pop_front ();
    const Callback callback = std::move (waiter->callback_);
    callback (answer); /* may destroy the waiter */
  }
}

IamTokens::Waiter::Waiter (std::shared_ptr<Fetch> fetch, Callback callback)
    : fetch_ (std::move (fetch)), callback_ (std::move (callback))
{
  fetch_->waiters.push_back (this);
}

IamTokens::Waiter::~Waiter ()
{
  std::erase (fetch_->waiters, this);
}

Secret
IamTokens::find (const Request &request)
{
  auto cache = the_cache ().lock ();
  const auto found = cache->find (key_of (request));
  return found != cache->end () && found->second.expires > Clock::now ()
             ? found->second.token
             : Secret ();
}

void
IamTokens::forget (const Secret &token)
{
  auto cache = the_cache ().lock ();
  std::erase_if (*cache, [&token] (const auto &entry) {
    return entry.second.token == token;
  });
}

std::unique_ptr<IamTokens::Waiter>
IamTokens::fetch (const std::shared_ptr<IoLoop> &loop, const Request &request,
                  Callback callback)
{
  std::erase_if (fetches_,
                 [] (const auto &entry) { return entry.second.expired (); });
  auto &known
      = fetches_[{ key_of (request), request.http.get (), request.timeout }];
  auto fetch = known.lock ();
  if (fetch == nullptr || fetch->is_over ())
    known = fetch = std::make_shared<Fetch> (loop, request);
  return std::make_unique<Waiter> (std::move (fetch), std::move (callback));
}

} // namespace sis
