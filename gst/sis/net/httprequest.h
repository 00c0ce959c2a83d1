// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/net/cancelguard.h"
#include "sis/net/clock.h"
#include "sis/net/httpsession.h"
#include "sis/net/ioloop.h"
#include "sis/protocol/failure.h"
#include "sis/protocol/header.h"

#include <functional>
#include <optional>

typedef struct _SoupAuth SoupAuth;

namespace sis {

/* A request on its way: with a deadline, after which an answer that began is
 * judged by its head; over TLS 1.2 or newer if at all, with
 * the proxy's questions answered, and no redirect followed, as that would carry
 * credentials to any host. On the loop; destroying it cancels what was started
 * with its cancellable. */
class HttpRequest
{
public:
  struct Settings
  {
    const char *method = "GET";
    std::string url;
    std::string user_agent;
    Headers headers;
    std::chrono::seconds timeout{ 20 }; /* from here on */
    Refuser who = Refuser::Service;     /* is asked */
    bool is_signed = false;             /* the clock matters */
    /* Each connection that is made, before anything is sent on it. */
    std::function<void (GSocket *)> on_socket;
  };

  HttpRequest (IoLoop &loop, std::shared_ptr<HttpSession> session,
               Settings settings);
  ~HttpRequest ();
  HttpRequest (const HttpRequest &) = delete;
  HttpRequest &operator= (const HttpRequest &) = delete;

  SoupSession *session () const noexcept { return session_->get (); }
  SoupMessage *message () const noexcept { return message_.get (); }
  GCancellable *cancellable () const noexcept { return cancellable_.get (); }

  /* It was answered: the deadline is met. */
  void stop_timer () noexcept { timeout_.stop (); }

  /* Why it failed, once libsoup gave up or an answer was not the wanted one;
   * `body` as far as the caller read it. */
  Failure failure (const GError *error, std::string_view body = {}) const;

private:
  static void on_network_event (SoupMessage *message, int event,
                                GIOStream *stream, HttpRequest *self) noexcept;
  static void on_head (SoupMessage *message, HttpRequest *self) noexcept;
  static void on_provisional (SoupMessage *message, HttpRequest *self) noexcept;
  static void on_restarted (SoupMessage *message, HttpRequest *self) noexcept;
  static int on_authenticate (SoupMessage *message, SoupAuth *auth,
                              int retrying, HttpRequest *self) noexcept;
  void start_timer ();
  Failure refusal (std::string_view body) const;
  Failure redirection (Failure failure) const;
  Failure connect_failure (const GError &error) const;
  Failure tls_failure (const GError &error) const;
  std::optional<std::chrono::seconds> clock_ahead () const;
  bool is_secure () const noexcept;
  bool has_tls () const noexcept;
  std::string peer () const;
  std::string proxy_in_use () const;

  const Settings settings_;
  const std::shared_ptr<HttpSession> session_;
  const GObjectPtr<GCancellable> cancellable_;
  const GObjectPtr<SoupMessage> message_;
  const Clock::time_point deadline_;
  Timer timeout_;
  std::string body_;                 /* of a refusal */
  bool has_head_ = false;            /* of an answer */
  bool timed_out_ = false;           /* before that */
  bool is_too_old_ = false;          /* TLS */
  int provisional_ = 0;              /* answers, 101 among them */
  std::optional<CancelGuard> guard_; /* of a body that may have no end */
};

} // namespace sis
