// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/httprequest.h"

#include "sis/protocol/message.h"

#include <algorithm>
#include <libsoup/soup.h>

namespace sis {
namespace {

/* Of an answer all but the body is known; that is not waited for for long. */
constexpr std::chrono::seconds body_limit{ 2 };

/* The same of a body that libsoup may read without ever coming back to the
 * loop. */
constexpr std::chrono::milliseconds guard_limit{ 500 };

/* More 1xx than anybody has a use for. */
constexpr int max_provisional = 20;

GObjectPtr<SoupMessage>
make_message (const HttpRequest::Settings &settings)
{
  GObjectPtr<SoupMessage> message (
      soup_message_new (settings.method, settings.url.c_str ()));
  g_assert (message != nullptr); /* the endpoint was checked */
  soup_message_add_flags (
      message.get (), SoupMessageFlags (SOUP_MESSAGE_NO_REDIRECT
                                        | SOUP_MESSAGE_DO_NOT_USE_AUTH_CACHE));
  SoupMessageHeaders *headers
      = soup_message_get_request_headers (message.get ());
  soup_message_headers_replace (headers, "User-Agent",
                                settings.user_agent.c_str ());
  for (const Header &header : settings.headers)
    soup_message_headers_replace (headers, header.name.c_str (),
                                  header.value.value ().c_str ());
  return message;
}

/* libsoup reads the body of a refusal to its end as long as there is something
 * to read, however small its chunks. */
bool
may_hold_up_loop (SoupMessage *answer)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (answer);
  return soup_message_get_status (answer) >= 300
         && (soup_message_headers_get_encoding (headers)
                 != SOUP_ENCODING_CONTENT_LENGTH
             || soup_message_headers_get_content_length (headers)
                    > HttpSession::max_body_length);
}

/* GIO has no code of its own for a connection that was cut meanwhile. */
FailureCause
cause_of_tls_error (const GError &error)
{
  const bool may_be_cut = error.code == G_TLS_ERROR_NOT_TLS
                          || error.code == G_TLS_ERROR_EOF
                          || error.code == G_TLS_ERROR_MISC;
  return may_be_cut ? FailureCause::TlsBroken : FailureCause::Tls;
}

/* What is wrong with a certificate, the worst first; null: nothing. */
const char *
certificate_problem (GTlsCertificateFlags errors)
{
  static constexpr struct
  {
    GTlsCertificateFlags flag;
    const char *problem;
  } problems[] = {
    { G_TLS_CERTIFICATE_REVOKED, "its certificate was revoked" },
    { G_TLS_CERTIFICATE_EXPIRED,
      "its certificate has expired, or this machine's clock is wrong" },
    { G_TLS_CERTIFICATE_NOT_ACTIVATED,
      "its certificate is not valid yet, or this machine's clock is wrong" },
    { G_TLS_CERTIFICATE_BAD_IDENTITY,
      "its certificate is for another host than endpoint names" },
    { G_TLS_CERTIFICATE_UNKNOWN_CA,
      "its certificate is signed by nobody whom this machine trusts; for a "
      "private authority set ssl-ca-file" },
    { G_TLS_CERTIFICATE_INSECURE, "its certificate is too weak" },
  };
  for (const auto &row : problems)
    if ((errors & row.flag) != 0)
      return row.problem;
  return errors != 0 ? "its certificate is not valid" : nullptr;
}

bool
is_socks_login_error (const GError &error)
{
  return g_error_matches (&error, G_IO_ERROR, G_IO_ERROR_PROXY_AUTH_FAILED)
         || g_error_matches (&error, G_IO_ERROR, G_IO_ERROR_PROXY_NEED_AUTH);
}

} // namespace

HttpRequest::HttpRequest (IoLoop &loop, std::shared_ptr<HttpSession> session,
                          Settings settings)
    : settings_ (std::move (settings)), session_ (std::move (session)),
      cancellable_ (g_cancellable_new ()), message_ (make_message (settings_)),
      deadline_ (Clock::now () + settings_.timeout),
      timeout_ (loop, "sis-request-timeout")
{
  g_signal_connect (message_.get (), "network-event",
                    G_CALLBACK (&HttpRequest::on_network_event), this);
  g_signal_connect (message_.get (), "got-headers",
                    G_CALLBACK (&HttpRequest::on_head), this);
  g_signal_connect (message_.get (), "got-informational",
                    G_CALLBACK (&HttpRequest::on_provisional), this);
  g_signal_connect (message_.get (), "restarted",
                    G_CALLBACK (&HttpRequest::on_restarted), this);
  g_signal_connect (message_.get (), "authenticate",
                    G_CALLBACK (&HttpRequest::on_authenticate), this);
  HttpSession::catch_body (message_.get (), &body_);
  start_timer ();
}

HttpRequest::~HttpRequest ()
{
  g_signal_handlers_disconnect_by_data (message_.get (), this);
  HttpSession::catch_body (message_.get (), nullptr);
  g_cancellable_cancel (cancellable_.get ());
}

void
HttpRequest::start_timer ()
{
  std::chrono::nanoseconds left = deadline_ - Clock::now ();
  if (has_head_)
    left = std::min<std::chrono::nanoseconds> (left, body_limit);
  left = std::max (left, std::chrono::nanoseconds::zero ());
  timeout_.start (left, [this] {
    timed_out_ = !has_head_;
    g_cancellable_cancel (cancellable_.get ());
  });
}

void
HttpRequest::on_head (SoupMessage *message, HttpRequest *self) noexcept
{
  self->has_head_ = true;
  self->start_timer ();
  if (may_hold_up_loop (message))
    self->guard_.emplace (self->cancellable_.get (), guard_limit);
}

/* As long as they come, libsoup reads them, and nothing else of the loop runs.
 */
void
HttpRequest::on_provisional (SoupMessage *, HttpRequest *self) noexcept
{
  if (++self->provisional_ > max_provisional)
    g_cancellable_cancel (self->cancellable_.get ());
}

/* With what the proxy asked for. */
void
HttpRequest::on_restarted (SoupMessage *, HttpRequest *self) noexcept
{
  self->guard_.reset ();
  self->has_head_ = false;
  self->start_timer ();
}

void
HttpRequest::on_network_event (SoupMessage *, int event, GIOStream *stream,
                               HttpRequest *self) noexcept
{
  if (event == G_SOCKET_CLIENT_CONNECTED && G_IS_SOCKET_CONNECTION (stream)) {
    if (self->settings_.on_socket)
      self->settings_.on_socket (
          g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)));
  } else if (event == G_SOCKET_CLIENT_TLS_HANDSHAKED
             && G_IS_TLS_CONNECTION (stream)) {
    const auto version
        = g_tls_connection_get_protocol_version (G_TLS_CONNECTION (stream));
    if (version < G_TLS_PROTOCOL_VERSION_TLS_1_2) {
      self->is_too_old_ = true;
      g_cancellable_cancel (self->cancellable_.get ());
    }
  }
}

int
HttpRequest::on_authenticate (SoupMessage *, SoupAuth *auth, int retrying,
                              HttpRequest *self) noexcept
{
  if (!soup_auth_is_for_proxy (auth) || retrying)
    return FALSE;
  const Proxy *proxy
      = self->session_->proxies ().find (soup_auth_get_authority (auth));
  if (proxy == nullptr)
    return FALSE;
  soup_auth_authenticate (auth, proxy->user.value ().c_str (),
                          proxy->password.value ().c_str ());
  return TRUE;
}

bool
HttpRequest::is_secure () const noexcept
{
  return settings_.url.starts_with ("wss:")
         || settings_.url.starts_with ("https:");
}

/* Who was to answer, for a sentence. */
std::string
HttpRequest::peer () const
{
  return settings_.who == Refuser::Iam ? "IAM" : "the service";
}

/* The answer came over TLS; no event tells that of a connection that was made
 * for an earlier request. */
bool
HttpRequest::has_tls () const noexcept
{
  return soup_message_get_tls_peer_certificate (message_.get ()) != nullptr;
}

/* "host:port"; empty: none. */
std::string
HttpRequest::proxy_in_use () const
{
  return session_->settings ().may_use_proxy
             ? session_->proxies ().name_in_use ()
             : std::string ();
}

Failure
HttpRequest::failure (const GError *error, std::string_view body) const
{
  const guint status = soup_message_get_status (message_.get ());
  if (timed_out_)
    return Failure{
      .kind = FailureKind::Open,
      .cause = FailureCause::Timeout,
      .transience = Transience::Yes,
      .text = (settings_.who == Refuser::Iam ? "IAM" : "The service")
              + std::string (" did not answer in time (timeout). Check ")
              + (settings_.who == Refuser::Iam ? "iam-endpoint" : "endpoint")
              + " and the network."
    };
  if (is_too_old_)
    return Failure{ .kind = FailureKind::Open,
                    .cause = FailureCause::Tls,
                    .text = "The secure connection to " + peer ()
                            + " failed: it speaks no TLS 1.2 or newer. Check "
                              "endpoint, and that no proxy is in between." };
  if (provisional_ > max_provisional)
    return Failure{ .kind = FailureKind::Open,
                    .cause = FailureCause::Connect,
                    .transience = Transience::Yes,
                    .text = "Could not connect to " + peer ()
                            + ": it sends provisional answers without an end. "
                              "Check endpoint, and what is in between." };
  const bool is_answered
      = status != SOUP_STATUS_NONE && status != SOUP_STATUS_SWITCHING_PROTOCOLS;
  if (is_answered)
    return refusal (body.empty () ? std::string_view (body_) : body);
  return connect_failure (*error);
}

Failure
HttpRequest::refusal (std::string_view body) const
{
  const int status = int (soup_message_get_status (message_.get ()));
  const char *reason = soup_message_get_reason_phrase (message_.get ());
  const std::string proxy = proxy_in_use ();
  const bool is_by_proxy = status == SOUP_STATUS_PROXY_UNAUTHORIZED
                           || (!proxy.empty () && !has_tls () && is_secure ());
  const ErrorBody said = parse_error_body (body).value_or (ErrorBody{});
  const Failure failure = failure_of_refusal (
      { .http_status = status,
        .reason = reason != nullptr ? reason : "",
        .error_code = said.error_code,
        .error_msg = said.error_msg,
        .request_id = said.request_id,
        .refuser = is_by_proxy ? Refuser::Proxy : settings_.who,
        .proxy = proxy,
        .clock_ahead = clock_ahead () });
  return SOUP_STATUS_IS_REDIRECTION (status) ? redirection (failure) : failure;
}

Failure
HttpRequest::redirection (Failure failure) const
{
  const char *target = soup_message_headers_get_one (
      soup_message_get_response_headers (message_.get ()), "Location");
  const bool is_iam = settings_.who == Refuser::Iam;
  failure.text
      = std::string (is_iam ? "IAM" : "The service")
        + " redirects to another address ("
        + clean_text (target != nullptr ? target : "not named",
                      max_label_length)
        + "), which is never followed. Set "
        + (is_iam ? "iam-endpoint to IAM's" : "endpoint to the service's")
        + " own address.";
  return failure;
}

/* By the date of the answer; only of use where a signature was refused. */
std::optional<std::chrono::seconds>
HttpRequest::clock_ahead () const
{
  const char *text = soup_message_headers_get_one (
      soup_message_get_response_headers (message_.get ()), "Date");
  if (!settings_.is_signed || text == nullptr)
    return {};
  g_autoptr (GDateTime) date = soup_date_time_new_from_http_string (text);
  if (date == nullptr)
    return {};
  return std::chrono::seconds (g_get_real_time () / G_USEC_PER_SEC
                               - g_date_time_to_unix (date));
}

Failure
HttpRequest::tls_failure (const GError &error) const
{
  const char *problem = certificate_problem (
      soup_message_get_tls_peer_certificate_errors (message_.get ()));
  const std::string what = problem != nullptr
                               ? std::string (problem)
                               : clean_text (error.message, max_label_length);
  return Failure{ .kind = FailureKind::Open,
                  .cause = problem != nullptr ? FailureCause::Tls
                                              : cause_of_tls_error (error),
                  .text = "The secure connection to " + peer ()
                          + " failed: " + what + "." };
}

Failure
HttpRequest::connect_failure (const GError &error) const
{
  if (error.domain == G_TLS_ERROR)
    return tls_failure (error);
  const std::string proxy = proxy_in_use ();
  const std::string message = clean_text (error.message, max_label_length);
  const std::string by = proxy.empty () ? "" : " through the proxy " + proxy;
  std::string check = settings_.who == Refuser::Iam ? "iam-endpoint, region"
                                                    : "endpoint, region";
  if (!proxy.empty ())
    check = "proxy, " + check;

  Failure failure{ .kind = FailureKind::Open,
                   .cause = FailureCause::Connect,
                   .transience = Transience::Yes };
  if (is_socks_login_error (error)) {
    failure.kind = FailureKind::NotAuthorized;
    failure.cause = FailureCause::Refusal;
    failure.transience = Transience::No;
    failure.text = "The proxy " + proxy + " refused the connection (" + message
                   + "). Check the user name and password of the proxy.";
    return failure;
  }
  if (error.domain == G_RESOLVER_ERROR) {
    failure.kind = FailureKind::NotFound;
    failure.text = "The host of " + (proxy.empty () ? peer () : "the proxy")
                   + " was not found (";
  } else if (g_error_matches (&error, G_IO_ERROR,
                              G_IO_ERROR_CONNECTION_REFUSED)) {
    failure.text = "The connection to " + peer () + by + " was refused (";
  } else {
    failure.text = "Could not connect to " + peer () + by + " (";
  }
  failure.text += message + "). Check " + check + " and the network.";
  return failure;
}

} // namespace sis
