// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/connection.h"

#include "sis/net/fairstream.h"
#include "sis/protocol/message.h"

#include <libsoup/soup.h>
/* For TCP_INFO; what libc has of it is too short. */
#include <linux/tcp.h>
#include <netinet/in.h>

namespace sis {
namespace {

/* The kernel alone took 89 s of audio from a sender whose peer did not read;
 * with this it takes the few messages that keep the line busy. */
constexpr int unsent_low_water = 6400;

constexpr std::chrono::seconds close_grace{ 1 };
/* What may be on its way when the closing handshake begins; libsoup keeps what
 * follows a frame that it refused. */
constexpr std::size_t close_bytes = 65536;

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
    end_reading (self->websocket_.get (), close_bytes);
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
   * for a peer that does not read, nor do we for one that does not end. */
  void cut ()
  {
    end_reading (websocket_.get (), 0);
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
      handshake_ (
          *loop_, settings.http,
          { .url = settings.url,
            .user_agent = settings.user_agent,
            .headers = settings.headers,
            .timeout = settings.timeout,
            .is_signed = settings.is_signed,
            .on_socket = [this] (GSocket *socket) { take_socket (socket); } }),
      attempt_ (new Attempt{ loop_, this }), bad_news_ (*loop_, "sis-bad-news"),
      keepalive_timer_ (*loop_, "sis-keepalive")
{
  soup_session_websocket_connect_async (
      handshake_.session (), handshake_.message (), nullptr, nullptr,
      G_PRIORITY_DEFAULT, handshake_.cancellable (), &Connection::on_connected,
      attempt_);
}

Connection::~Connection ()
{
  if (attempt_ != nullptr)
    attempt_->owner = nullptr;
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
Connection::take_socket (GSocket *socket)
{
  socket_ = share (socket);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent_low_water,
                       nullptr);
  const std::chrono::milliseconds user_timeout = 2 * keepalive_;
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
  self->handshake_.stop_timer ();
  if (websocket != nullptr)
    self->opened (std::move (websocket));
  else
    self->listener_.on_closed_on_loop (self->handshake_.failure (error));
}

void
Connection::opened (GObjectPtr<SoupWebsocketConnection> websocket)
{
  websocket_ = read_fairly (std::move (websocket));
  soup_websocket_connection_set_max_incoming_payload_size (websocket_.get (),
                                                           max_message_length);
  g_signal_connect (websocket_.get (), "message",
                    G_CALLBACK (+[] (SoupWebsocketConnection *, int type,
                                     GBytes *bytes, Connection *self) noexcept {
                      gsize length = 0;
                      auto *text = static_cast<const char *> (
                          g_bytes_get_data (bytes, &length));
                      self->heard ();
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
  heard ();
  start_keepalive ();
  listener_.on_open_on_loop ();
}

void
Connection::heard ()
{
  has_heard_ = true;
  last_heard_ = Clock::now ();
}

void
Connection::start_keepalive ()
{
  if (keepalive_.count () == 0)
    return;
  g_signal_connect (
      websocket_.get (), "pong",
      G_CALLBACK (+[] (SoupWebsocketConnection *, GBytes *,
                       Connection *self) noexcept { self->heard (); }),
      this);
  /* libsoup sends the pings, in step with our timer and after it: a pong, quick
   * as it may be, comes between two checks. That one is missing libsoup does
   * not notice before 3.6. */
  soup_websocket_connection_set_keepalive_interval (
      websocket_.get (), guint (keepalive_.count ()));
  keepalive_timer_.start_in_step (keepalive_, [this] { check_keepalive (); });
}

/* Our timer goes on as before: a pong in each of its intervals is enough. */
void
Connection::ping_often ()
{
  if (is_open () && keepalive_.count () > 0)
    soup_websocket_connection_set_keepalive_interval (
        websocket_.get (), guint (ping_interval.count ()));
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
  Failure failure{ .kind = FailureKind::Lost,
                   .cause = FailureCause::Lost,
                   .transience = Transience::Yes };
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
                 + "). Check the network.";
  /* libsoup finishes its closing handshake in the background. */
  Linger::start (loop_, std::move (websocket), std::move (socket_),
                 close_grace);
  /* libsoup may notice the loss while it is told to send. */
  bad_news_.start (std::chrono::seconds (0),
                   [this, failure] { listener_.on_closed_on_loop (failure); });
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
  if (!is_open ())
    return;
  unasked_ += audio.size ();
  soup_websocket_connection_send_binary (websocket_.get (), audio.data (),
                                         audio.size ());
}

static GPollableOutputStream *
output_of (SoupWebsocketConnection *websocket)
{
  return G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (
      soup_websocket_connection_get_io_stream (websocket)));
}

/* libsoup writes what it is told to send at once, and keeps what the kernel
 * does not take. The kernel takes more than its low water if it fits into a
 * segment that is still to be sent; to ask it before each message, however,
 * would be one system call more for each. */
bool
Connection::is_writable () noexcept
{
  if (!is_open () || writable_ != nullptr)
    return false;
  if (unasked_ < unsent_low_water)
    return true;
  if (!g_pollable_output_stream_is_writable (output_of (websocket_.get ())))
    return false;
  unasked_ = 0;
  return true;
}

/* libsoup's own source writes its queue at the default priority: as long as it
 * has anything to write, one behind that does not run. */
void
Connection::want_writable ()
{
  if (!is_open () || writable_ != nullptr)
    return;
  const auto on_writable = [] (GObject *, gpointer data) -> gboolean {
    auto *self = static_cast<Connection *> (data);
    self->writable_.reset ();
    self->unasked_ = 0;
    self->listener_.on_writable_on_loop ();
    return G_SOURCE_REMOVE;
  };
  writable_.reset (g_pollable_output_stream_create_source (
      output_of (websocket_.get ()), nullptr));
  g_source_set_static_name (writable_.get (), "sis-writable");
  g_source_set_priority (writable_.get (), G_PRIORITY_DEFAULT + 1);
  g_source_set_callback (writable_.get (), G_SOURCE_FUNC (+on_writable), this,
                         nullptr);
  g_source_attach (writable_.get (), g_main_context_get_thread_default ());
}

} // namespace sis
