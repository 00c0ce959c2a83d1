// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/httpsession.h"

#include <climits>
#include <libsoup/soup.h>

namespace sis {
namespace {

GQuark
body_quark ()
{
  return g_quark_from_static_string ("sis-body");
}

GObjectPtr<SoupSession>
make_session ()
{
  /* Each request has its own deadline, and each WebSocket its own connection,
   * which no other may wait for. */
  GObjectPtr<SoupSession> session (static_cast<SoupSession *> (g_object_new (
      SOUP_TYPE_SESSION, "timeout", 0u, "idle-timeout", 1u, "max-conns",
      INT_MAX, "max-conns-per-host", INT_MAX, nullptr)));
  soup_session_remove_feature_by_type (session.get (),
                                       SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
  /* Some bytes may unfold to any number, all before the loop turns again. */
  soup_session_remove_feature_by_type (session.get (),
                                       SOUP_TYPE_CONTENT_DECODER);
  return session;
}

/* Where the body of the answer to `message` is wanted; of a logger, that of the
 * answer it is asked about. */
std::string *
body_of (gpointer message)
{
  return static_cast<std::string *> (
      g_object_get_qdata (G_OBJECT (message), body_quark ()));
}

/* Asked when a request was sent, too: it has no status then. */
SoupLoggerLogLevel
filter_answer (SoupLogger *logger, SoupMessage *message, void *) noexcept
{
  std::string *body = body_of (message);
  g_object_set_qdata (G_OBJECT (logger), body_quark (), body);
  if (body == nullptr || soup_message_get_status (message) < 300)
    return SOUP_LOGGER_LOG_NONE;
  body->clear ();
  return SOUP_LOGGER_LOG_BODY;
}

/* Of the answer that was asked about just before. */
void
take_line (SoupLogger *logger, SoupLoggerLogLevel level, char direction,
           const char *line, void *) noexcept
{
  std::string *body = body_of (logger);
  if (body != nullptr && direction == '<' && level == SOUP_LOGGER_LOG_BODY)
    (*body += line) += '\n';
}

/* Of libsoup 3.2 this is the only way to the body. The same filter stands for
 * requests as that version asks it about answers; of a request nothing is ever
 * logged. Knows nothing of an HttpSession: a request that was given up ends
 * after it. */
GObjectPtr<SoupLogger>
make_body_catcher ()
{
  GObjectPtr<SoupLogger> logger (soup_logger_new (SOUP_LOGGER_LOG_NONE));
  soup_logger_set_request_filter (logger.get (), filter_answer, nullptr,
                                  nullptr);
  soup_logger_set_response_filter (logger.get (), filter_answer, nullptr,
                                   nullptr);
  soup_logger_set_printer (logger.get (), take_line, nullptr, nullptr);
  soup_logger_set_max_body_size (logger.get (), HttpSession::max_body_length);
  return logger;
}

} // namespace

HttpSession::HttpSession (const Settings &settings)
    : settings_ (settings), proxies_ (settings.transport.proxy),
      session_ (make_session ())
{
  soup_session_set_proxy_resolver (
      session_.get (), settings.may_use_proxy ? proxies_.get () : nullptr);
  if (settings.transport.tls_database != nullptr)
    soup_session_set_tls_database (
        session_.get (),
        static_cast<GTlsDatabase *> (settings.transport.tls_database.get ()));

  soup_session_add_feature (session_.get (),
                            SOUP_SESSION_FEATURE (make_body_catcher ().get ()));
}

void
HttpSession::catch_body (SoupMessage *message, std::string *body)
{
  g_object_set_qdata (G_OBJECT (message), body_quark (), body);
}

} // namespace sis
