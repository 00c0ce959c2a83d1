// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/net/clock.h"
#include "sis/net/httprequest.h"

#include <cstddef>
#include <cstdint>
#include <span>

typedef struct _SoupWebsocketConnection SoupWebsocketConnection;

namespace sis {

/* One WebSocket, from the handshake to its end. Lives on the loop: made, used
 * and destroyed there; destroying it drops the connection without waiting for
 * the peer. */
class Connection
{
public:
  struct Settings
  {
    std::shared_ptr<HttpSession> http;
    std::string url;
    std::string user_agent;
    Headers headers;
    bool is_signed = false;             /* by one of them, with a date */
    std::chrono::seconds timeout{ 20 }; /* from here to the 101 */
    /* Pings; a peer that sends no frame for so long after one is lost, as is
     * one that takes no bytes for twice as long. 0: neither. */
    std::chrono::seconds keepalive{ 15 };
  };

  /* Called on the loop, never from within a call of the connection. It may be
   * destroyed from each of them. */
  class Listener
  {
  public:
    virtual void on_open_on_loop () = 0;
    virtual void on_text_on_loop (std::string_view text) = 0;
    /* A message that is not text; the protocol knows none. */
    virtual void on_binary_on_loop (std::size_t length) = 0;
    virtual void on_writable_on_loop () = 0;
    /* The last call: not opened (kinds by cause), or no longer open (Lost). */
    virtual void on_closed_on_loop (Failure failure) = 0;

  protected:
    ~Listener () = default;
  };

  /* Starts the handshake. */
  Connection (std::shared_ptr<IoLoop> loop, const Settings &settings,
              Listener &listener);
  ~Connection ();
  Connection (const Connection &) = delete;
  Connection &operator= (const Connection &) = delete;

  bool is_open () const noexcept;
  void send_text (const std::string &text);
  void send_audio (std::span<const std::byte> audio);

  /* Would the kernel take more? It is asked after each few messages. */
  bool is_writable () noexcept;

  /* Asks for one on_writable_on_loop (), once all that was sent has left for
   * the kernel and the kernel has little left to send. */
  void want_writable ();

  /* When a frame of the peer came last; the opening counts. */
  Clock::time_point last_heard () const noexcept { return last_heard_; }

  /* From now on asks for a pong every ping_interval, if there are pings. */
  static constexpr std::chrono::seconds ping_interval{ 1 };
  void ping_often ();

  /* Ends the WebSocket in order, in the background, and gives it up. */
  static void close_on_loop (std::unique_ptr<Connection> connection);

private:
  class Linger;
  struct Attempt;

  static void on_connected (GObject *session, GAsyncResult *result, void *data);
  void take_socket (GSocket *socket);
  void opened (GObjectPtr<SoupWebsocketConnection> websocket);
  void heard ();
  void start_keepalive ();
  void check_keepalive ();
  void lost (std::string how);
  void forget_websocket ();

  const std::shared_ptr<IoLoop> loop_;
  Listener &listener_;
  const std::chrono::seconds keepalive_;
  HttpRequest handshake_;
  Attempt *attempt_; /* until libsoup called back */
  Timer bad_news_;
  Timer keepalive_timer_;
  GObjectPtr<GSocket> socket_;
  GObjectPtr<SoupWebsocketConnection> websocket_;
  GSourcePtr writable_;
  std::size_t unasked_ = 0; /* bytes sent since the kernel took more */
  Clock::time_point last_heard_{};
  bool has_pinged_ = false;
  bool has_heard_ = false; /* a frame, since the last ping */
};

} // namespace sis
