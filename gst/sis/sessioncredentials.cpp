// SPDX-License-Identifier: LGPL-2.1-or-later
/* Who asks: what each handshake carries, and what follows when it is refused
 * for that. */
#include "sis/protocol/signature.h"
#include "sis/sessioncore.h"

namespace sis {
namespace {

bool
is_secret_header (const Header &header)
{
  return header.name == "Authorization" || header.name == "X-Auth-Token"
         || header.name == "X-Security-Token";
}

struct Mask
{
  const Masking &masking;

  void hide (std::initializer_list<std::string *> texts) const
  {
    for (std::string *text : texts)
      *text = masking.masked_speech (std::move (*text));
  }

  void operator() (StartReply &reply) const { hide ({ &reply.trace_id }); }
  void operator() (Result &result) const
  {
    hide ({ &result.trace_id });
    for (Segment &segment : result.segments) {
      hide ({ &segment.text });
      for (Word &word : segment.words)
        hide ({ &word.word });
    }
  }
  void operator() (ServiceEvent &event) const
  {
    hide ({ &event.trace_id, &event.event });
  }
  void operator() (EndReply &reply) const
  {
    hide ({ &reply.trace_id, &reply.reason });
  }
  void operator() (ErrorReply &reply) const
  {
    hide ({ &reply.trace_id, &reply.error_code, &reply.error_msg });
  }
  void operator() (Unknown &unknown) const { hide ({ &unknown.resp_type }); }
  void operator() (Malformed &) const {}
};

} // namespace

/* The headers that say so; `iam_token` is that of a Login. */
Headers
SessionCore::auth_headers_on_loop (const Secret &iam_token) const
{
  const Endpoint &endpoint = config_.endpoint;
  if (!endpoint.may_carry_secrets ())
    return {};
  if (const auto *token = std::get_if<Token> (&credentials_))
    return { { "X-Auth-Token", token->token } };
  if (const auto *keys = std::get_if<KeyPair> (&credentials_))
    return sign_handshake (
        *keys, endpoint.authority (),
        endpoint.stream_path (config_.project_id, config_.mode),
        std::chrono::system_clock::now ());
  if (std::holds_alternative<Login> (credentials_))
    return { { "X-Auth-Token", iam_token } };
  return {};
}

/* In the state Connecting: first a token, if one has to be fetched. */
void
SessionCore::authorize_on_loop ()
{
  credentials_ = shared.lock ()->tunables.credentials;
  const auto *login = std::get_if<Login> (&credentials_);
  if (login == nullptr) {
    handshake_on_loop ({});
    return;
  }
  note_secrets_on_loop ({});
  iam_http_ = loop_->http_session_on_loop (
      { .may_use_proxy = login->iam.secure, .transport = config_.transport });
  const IamTokens::Request request{ .login = *login,
                                    .project_id = config_.project_id,
                                    .http = iam_http_,
                                    .user_agent = config_.user_agent,
                                    .timeout = config_.timeout };
  const Secret token = IamTokens::find (request);
  if (!token.empty ()) {
    handshake_on_loop (token);
    return;
  }
  log ("asking IAM for a token");
  token_waiter_ = loop_->tokens_on_loop ().fetch (
      loop_, request, [this] (const IamTokens::Answer &answer) {
        const auto keep = shared_from_this ();
        token_waiter_.reset ();
        if (const auto *failure = std::get_if<Failure> (&answer))
          failed_on_loop (*failure, "LOST");
        else
          handshake_on_loop (std::get<Secret> (answer));
      });
}

void
SessionCore::handshake_on_loop (const Secret &iam_token)
{
  iam_token_ = iam_token;
  Headers headers = auth_headers_on_loop (iam_token);
  note_secrets_on_loop (headers);
  if (config_.endpoint.may_carry_secrets ())
    for (const Header &header : config_.extra_headers)
      headers.push_back (header);
  const std::string project = shared.lock ()->tunables.enterprise_project_id;
  if (!project.empty ())
    headers.push_back ({ "Enterprise-Project-Id", Secret (project) });
  http_ = loop_->http_session_on_loop (
      { .may_use_proxy
        = config_.endpoint.secure || config_.transport.proxy.has_value (),
        .transport = config_.transport });
  connection_ = std::make_unique<Connection> (
      loop_,
      Connection::Settings{
          .http = http_,
          .url = config_.endpoint.stream_url (config_.project_id, config_.mode),
          .user_agent = config_.user_agent,
          .headers = std::move (headers),
          .is_signed = std::holds_alternative<KeyPair> (credentials_),
          .timeout = config_.timeout,
          .keepalive = config_.keepalive_interval },
      *this);
}

void
SessionCore::drop_connection_on_loop ()
{
  token_waiter_.reset ();
  connection_.reset ();
}

bool
SessionCore::has_new_credentials_on_loop ()
{
  return shared.lock ()->tunables.credentials != credentials_;
}

/* The credentials were refused: are there others, that were not? Once, until
 * the service works; the user may set new ones as often as he likes. */
bool
SessionCore::renew_on_loop (const Failure &failure)
{
  if (failure.kind != FailureKind::NotAuthorized)
    return false;
  const bool is_new = has_new_credentials_on_loop ();
  const bool may_fetch = failure.transience == Transience::Renew
                         && !iam_token_.empty () && !renewed_;
  if (!is_new && !may_fetch)
    return false;
  if (!iam_token_.empty ())
    IamTokens::forget (iam_token_);
  log ("the credentials were refused; there are others");
  renewed_ = true;
  return true;
}

/* A token that was good once is waited for: the user is told to set another. */
bool
SessionCore::may_await_credentials_on_loop (const Failure &failure) const
{
  return failure.transience == Transience::Renew && attempt_ > 1 && !renewed_
         && std::holds_alternative<Token> (credentials_);
}

/* True: not yet, and nothing else is to be done now. */
bool
SessionCore::awaits_credentials_on_loop ()
{
  if (!refusal_)
    return false;
  if (has_new_credentials_on_loop ()) {
    refusal_.reset ();
    reply_timer_.stop ();
    renewed_ = true;
    return false;
  }
  const auto left = refusal_->deadline - Clock::now ();
  if (left <= Clock::duration::zero ()) {
    const Failure failure = std::exchange (refusal_, std::nullopt)->failure;
    stop_on_loop (failure, "ERROR");
    return true;
  }
  set_state (State::Waiting);
  if (!reply_timer_.is_running ())
    reply_timer_.start (left, [this] { step_on_loop (); });
  return true;
}

/* What must not be told, though the service may repeat it. */
void
SessionCore::note_secrets_on_loop (const Headers &headers)
{
  std::vector<Secret> secrets = proxy_secrets_on_loop ();
  for (const Header &header : config_.extra_headers)
    secrets.push_back (header.value);
  for (const Header &header : headers)
    if (is_secret_header (header))
      secrets.push_back (header.value);
  if (const auto *keys = std::get_if<KeyPair> (&credentials_))
    secrets.push_back (keys->secret_key);
  if (const auto *login = std::get_if<Login> (&credentials_))
    secrets.push_back (login->password);
  masking_.set (secrets);
}

/* The system's are known once a connection was tried. */
void
SessionCore::note_proxies_on_loop ()
{
  masking_.add (proxy_secrets_on_loop ());
}

std::vector<Secret>
SessionCore::proxy_secrets_on_loop () const
{
  std::vector<Secret> secrets;
  if (const auto &proxy = config_.transport.proxy)
    secrets = proxy->secrets ();
  for (const auto &http : { http_, iam_http_ }) {
    const auto more = http != nullptr ? http->proxies ().secrets ()
                                      : std::vector<Secret> ();
    secrets.insert (secrets.end (), more.begin (), more.end ());
  }
  return secrets;
}

Failure
SessionCore::masked_on_loop (Failure failure) const
{
  for (std::string *text :
       { &failure.text, &failure.error_code, &failure.error_msg,
         &failure.trace_id, &failure.request_id })
    *text = masking_.masked (std::move (*text));
  return failure;
}

/* What the service says, once it was decoded: text that is masked in JSON can
 * be written in other ways. */
void
SessionCore::mask_on_loop (ServerMessage &message) const
{
  std::visit (Mask{ masking_ }, message);
}

} // namespace sis
