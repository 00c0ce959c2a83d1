// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/connection.h"

#include "sis/protocol/message.h"

#include <libsoup/soup.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace sis {
namespace {

/* The kernel alone took 89 s of audio from a sender whose peer did not read;
 * with this it takes the two messages that keep the line busy. */
constexpr int unsent_low_water = 6400;

constexpr std::chrono::seconds close_grace{ 1 };

Failure
failure_of_connect_error (const GError &error)
{
  Failure failure{ .kind = FailureKind::Open, .transience = Transience::Yes };
  const std::string message = clean_text (error.message, max_label_length);
  if (error.domain == G_RESOLVER_ERROR) {
    failure.kind = FailureKind::NotFound;
    failure.text = "The service's host was not found (" + message
                   + "). Check endpoint and region, and the network.";
  } else if (error.domain == G_TLS_ERROR) {
    failure.transience = Transience::No;
    failure.text = "The secure connection to the service failed (" + message
                   + "). Check endpoint, and the certificates that this "
                     "machine trusts.";
  } else if (g_error_matches (&error, G_IO_ERROR,
                              G_IO_ERROR_CONNECTION_REFUSED)) {
    failure.text = "The service refused the connection (" + message
                   + "). Check endpoint, and that the service is running.";
  } else {
    failure.text = "Could not connect to the service (" + message
                   + "). Check endpoint and the network.";
  }
  return failure;
}

} // namespace

/* A handshake under way: libsoup calls back even after it was cancelled. */
struct Connection::Attempt
{
  std::shared_ptr<IoLoop> loop;
  Connection *owner;
};

/* A closing handshake that nobody waits for: ends with the peer's answer or
 * after a grace period, and keeps the loop alive until then. */
class Connection::Linger
{
public:
  static void start (std::shared_ptr<IoLoop> loop,
                     GObjectPtr<SoupWebsocketConnection> websocket,
                     GObjectPtr<GSocket> socket, std::chrono::seconds grace)
  {
    if (soup_websocket_connection_get_state (websocket.get ())
        == SOUP_WEBSOCKET_STATE_CLOSED)
      return;
    auto *self = new Linger (std::move (loop), std::move (websocket),
                             std::move (socket));
    g_signal_connect_swapped (self->websocket_.get (), "closed",
                              G_CALLBACK (&Linger::on_closed), self);
    if (grace.count () == 0)
      self->cut ();
    else
      self->grace_.start (grace, [self] { self->cut (); });
  }

private:
  Linger (std::shared_ptr<IoLoop> loop,
          GObjectPtr<SoupWebsocketConnection> websocket,
          GObjectPtr<GSocket> socket)
      : loop_ (std::move (loop)), websocket_ (std::move (websocket)),
        socket_ (std::move (socket)), grace_ (*loop_, "sis-close-grace")
  {
  }

  /* libsoup sees the end of the stream and closes; a TLS close does not wait
   * for a peer that does not read. */
  void cut ()
  {
    if (socket_ != nullptr)
      g_socket_shutdown (socket_.get (), TRUE, TRUE, nullptr);
  }

  static void on_closed (Linger *self) noexcept
  {
    g_signal_handlers_disconnect_by_data (self->websocket_.get (), self);
    delete self;
  }

  std::shared_ptr<IoLoop> loop_;
  GObjectPtr<SoupWebsocketConnection> websocket_;
  GObjectPtr<GSocket> socket_;
  Timer grace_;
};

Connection::Connection (std::shared_ptr<IoLoop> loop, const Settings &settings,
                        Listener &listener)
    : loop_ (std::move (loop)), listener_ (listener),
      keepalive_ (settings.keepalive),
      timeout_ (*loop_, "sis-handshake-timeout"),
      keepalive_timer_ (*loop_, "sis-keepalive"),
      cancellable_ (g_cancellable_new ())
{
  start_handshake (settings);
}

Connection::~Connection ()
{
  if (message_ != nullptr)
    g_signal_handlers_disconnect_by_data (message_.get (), this);
  if (attempt_ != nullptr) {
    attempt_->owner = nullptr;
    g_cancellable_cancel (cancellable_.get ());
  }
  if (websocket_ == nullptr)
    return;
  const bool was_open = is_open ();
  auto *websocket = websocket_.get ();
  auto keep = share (websocket);
  forget_websocket ();
  if (was_open)
    soup_websocket_connection_close (websocket, SOUP_WEBSOCKET_CLOSE_GOING_AWAY,
                                     nullptr);
  Linger::start (loop_, std::move (keep), std::move (socket_),
                 std::chrono::seconds (0));
}

void
Connection::forget_websocket ()
{
  if (writable_ != nullptr)
    g_source_destroy (writable_.get ());
  writable_.reset ();
  keepalive_timer_.stop ();
  g_signal_handlers_disconnect_by_data (websocket_.get (), this);
  websocket_.reset ();
}

void
Connection::close_on_loop (std::unique_ptr<Connection> connection)
{
  if (!connection->is_open ())
    return;
  auto websocket = share (connection->websocket_.get ());
  connection->forget_websocket ();
  soup_websocket_connection_close (websocket.get (),
                                   SOUP_WEBSOCKET_CLOSE_NORMAL, nullptr);
  Linger::start (connection->loop_, std::move (websocket),
                 std::move (connection->socket_), close_grace);
}

void
Connection::start_handshake (const Settings &settings)
{
  message_.reset (soup_message_new ("GET", settings.url.c_str ()));
  g_assert (message_ != nullptr); /* the endpoint was checked */
  SoupMessage *message = message_.get ();

  /* Redirects would carry the token to any host. */
  soup_message_add_flags (
      message, SoupMessageFlags (SOUP_MESSAGE_NO_REDIRECT
                                 | SOUP_MESSAGE_DO_NOT_USE_AUTH_CACHE));
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  soup_message_headers_replace (headers, "User-Agent",
                                settings.user_agent.c_str ());
  if (!settings.auth_token.empty ())
    soup_message_headers_replace (headers, "X-Auth-Token",
                                  settings.auth_token.value ().c_str ());
  g_signal_connect (message, "network-event",
                    G_CALLBACK (&Connection::on_network_event), this);

  /* http_proxy would get the token of a plain ws:// request in clear. */
  const bool secure = settings.url.starts_with ("wss:");
  SoupSession *session = loop_->http_session_on_loop (
      secure ? IoLoop::Proxy::System : IoLoop::Proxy::None);
  timeout_.start (settings.timeout, [this] {
    timed_out_ = true;
    g_cancellable_cancel (cancellable_.get ());
  });
  attempt_ = new Attempt{ loop_, this };
  soup_session_websocket_connect_async (session, message, nullptr, nullptr,
                                        G_PRIORITY_DEFAULT, cancellable_.get (),
                                        &Connection::on_connected, attempt_);
}

void
Connection::on_network_event (SoupMessage *, int event, GIOStream *stream,
                              Connection *self) noexcept
{
  if (event != G_SOCKET_CLIENT_CONNECTED || !G_IS_SOCKET_CONNECTION (stream))
    return;
  GSocket *socket
      = g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream));
  self->socket_ = share (socket);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent_low_water,
                       nullptr);
  const std::chrono::milliseconds user_timeout = 2 * self->keepalive_;
  if (user_timeout.count () > 0)
    g_socket_set_option (socket, IPPROTO_TCP, TCP_USER_TIMEOUT,
                         gint (user_timeout.count ()), nullptr);
}

void
Connection::on_connected (GObject *session, GAsyncResult *result, void *data)
{
  const std::unique_ptr<Attempt> attempt (static_cast<Attempt *> (data));
  g_autoptr (GError) error = nullptr;
  GObjectPtr<SoupWebsocketConnection> websocket (
      soup_session_websocket_connect_finish (SOUP_SESSION (session), result,
                                             &error));
  Connection *self = attempt->owner;
  if (self == nullptr)
    return;
  self->attempt_ = nullptr;
  self->timeout_.stop ();
  if (websocket != nullptr)
    self->opened (std::move (websocket));
  else
    self->fail_handshake (*error);
}

void
Connection::fail_handshake (const GError &error)
{
  const guint status = soup_message_get_status (message_.get ());
  if (timed_out_) {
    listener_.on_closed_on_loop (
        Failure{ .kind = FailureKind::Open,
                 .transience = Transience::Yes,
                 .text = "The service did not answer in time (timeout). Check "
                         "endpoint and the network." });
  } else if (status != SOUP_STATUS_NONE
             && status != SOUP_STATUS_SWITCHING_PROTOCOLS) {
    Failure failure = failure_of_refusal (
        int (status), soup_message_get_reason_phrase (message_.get ()));
    if (SOUP_STATUS_IS_REDIRECTION (status)) {
      const char *target = soup_message_headers_get_one (
          soup_message_get_response_headers (message_.get ()), "Location");
      failure.text = "The service redirects to another address ("
                     + clean_text (target != nullptr ? target : "not named",
                                   max_label_length)
                     + "), which is never followed. Set endpoint to the "
                       "service's own address.";
    }
    listener_.on_closed_on_loop (std::move (failure));
  } else {
    listener_.on_closed_on_loop (failure_of_connect_error (error));
  }
}

void
Connection::opened (GObjectPtr<SoupWebsocketConnection> websocket)
{
  websocket_ = std::move (websocket);
  soup_websocket_connection_set_max_incoming_payload_size (websocket_.get (),
                                                           max_message_length);
  g_signal_connect (websocket_.get (), "message",
                    G_CALLBACK (+[] (SoupWebsocketConnection *, int type,
                                     GBytes *bytes, Connection *self) noexcept {
                      gsize length = 0;
                      auto *text = static_cast<const char *> (
                          g_bytes_get_data (bytes, &length));
                      self->has_heard_ = true;
                      if (type == SOUP_WEBSOCKET_DATA_TEXT)
                        self->listener_.on_text_on_loop ({ text, length });
                      else
                        self->listener_.on_binary_on_loop (length);
                    }),
                    this);
  g_signal_connect (websocket_.get (), "error",
                    G_CALLBACK (+[] (SoupWebsocketConnection *, GError *error,
                                     Connection *self) noexcept {
                      self->lost (
                          clean_text (error->message, max_label_length));
                    }),
                    this);
  /* "closing" is the peer's close frame: what follows it is of no use. */
  for (const char *signal : { "closing", "closed" })
    g_signal_connect (
        websocket_.get (), signal,
        G_CALLBACK (+[] (SoupWebsocketConnection *, Connection *self) noexcept {
          self->lost ({});
        }),
        this);
  start_keepalive ();
  listener_.on_open_on_loop ();
}

void
Connection::start_keepalive ()
{
  if (keepalive_.count () == 0)
    return;
  g_signal_connect (
      websocket_.get (), "pong",
      G_CALLBACK (+[] (SoupWebsocketConnection *, GBytes *,
                       Connection *self) noexcept { self->has_heard_ = true; }),
      this);
  /* libsoup sends the pings, in step with our timer; that a pong is missing it
   * does not notice before 3.6. */
  soup_websocket_connection_set_keepalive_interval (
      websocket_.get (), guint (keepalive_.count ()));
  keepalive_timer_.start_in_step (keepalive_, [this] { check_keepalive (); });
}

void
Connection::check_keepalive ()
{
  if (has_pinged_ && !has_heard_) {
    lost ("no answer to a ping");
    return;
  }
  has_pinged_ = true;
  has_heard_ = false;
  keepalive_timer_.start_in_step (keepalive_, [this] { check_keepalive (); });
}

void
Connection::lost (std::string how)
{
  auto websocket = share (websocket_.get ());
  forget_websocket ();
  Failure failure{ .kind = FailureKind::Lost, .transience = Transience::Yes };
  const gushort code
      = soup_websocket_connection_get_close_code (websocket.get ());
  const char *reason
      = soup_websocket_connection_get_close_data (websocket.get ());
  if (how.empty () && code != 0)
    how = "closed by the service with code " + std::to_string (code);
  else if (how.empty ())
    how = "closed without a word";
  if (reason != nullptr && *reason != '\0')
    how += ": " + clean_text (reason, max_label_length);
  failure.text = "The connection to the service was lost (" + how
                 + "). Check the network; audio that was not recognised yet is "
                   "lost.";
  /* libsoup finishes its closing handshake in the background. */
  Linger::start (loop_, std::move (websocket), std::move (socket_),
                 close_grace);
  listener_.on_closed_on_loop (std::move (failure));
}

bool
Connection::is_open () const noexcept
{
  return websocket_ != nullptr
         && soup_websocket_connection_get_state (websocket_.get ())
                == SOUP_WEBSOCKET_STATE_OPEN;
}

void
Connection::send_text (const std::string &text)
{
  if (is_open ())
    soup_websocket_connection_send_text (websocket_.get (), text.c_str ());
}

void
Connection::send_audio (std::span<const std::byte> audio)
{
  if (is_open ())
    soup_websocket_connection_send_binary (websocket_.get (), audio.data (),
                                           audio.size ());
}

void
Connection::want_writable ()
{
  if (!is_open () || writable_ != nullptr)
    return;
  GOutputStream *output = g_io_stream_get_output_stream (
      soup_websocket_connection_get_io_stream (websocket_.get ()));
  writable_.reset (g_pollable_output_stream_create_source (
      G_POLLABLE_OUTPUT_STREAM (output), nullptr));
  g_source_set_static_name (writable_.get (), "sis-writable");
  /* libsoup's own source writes its queue at the default priority: as long as
   * it has anything to write, ours does not run. */
  g_source_set_priority (writable_.get (), G_PRIORITY_DEFAULT + 1);
  const auto on_writable = [] (GObject *, gpointer data) -> gboolean {
    auto *self = static_cast<Connection *> (data);
    self->writable_.reset ();
    self->listener_.on_writable_on_loop ();
    return G_SOURCE_REMOVE;
  };
  g_source_set_callback (
      writable_.get (),
      G_SOURCE_FUNC (static_cast<GPollableSourceFunc> (on_writable)), this,
      nullptr);
  g_source_attach (writable_.get (), loop_->context ());
}

} // namespace sis
