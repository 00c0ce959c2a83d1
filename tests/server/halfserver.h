// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "frame.h"
#include "socket.h"

#include <optional>

namespace sistest {

/* A raw socket that completes the WebSocket upgrade, on a thread of its own,
 * and then leaves every byte to the test: for what no library would send.
 *
 *   HalfServer half;
 *   ck_assert (half.start ());
 *   … a client with half.url () …
 *   auto peer = half.accept ();
 *   ck_assert (peer && peer->read_frame ());       // START
 *   peer->write_frame (Opcode::Text, start_message ("t"));
 *   peer->write ("\x81\x7f");                      // half a frame
 *   peer->reset ();
 */
class HalfServer
{
public:
  static constexpr Milliseconds usual_limit = Socket::usual_limit;

  /* One connection; every call blocks up to its limit. On the test's thread. */
  class Peer
  {
  public:
    /* The next frame, of any kind; none at the end, by an error or the limit.
     */
    std::optional<Frame> read_frame (Milliseconds limit = usual_limit);
    /* All bytes as they are; false if they do not all go out. */
    bool write (std::string_view bytes, Milliseconds limit = usual_limit)
    {
      return socket_.write (bytes, limit);
    }
    bool write_frame (Opcode opcode, std::string_view payload, bool fin = true);

    /* Reads and drops what comes; true when the client has closed. */
    bool wait_for_end (Milliseconds limit = usual_limit)
    {
      return socket_.wait_for_end (limit);
    }

    void close () { socket_.close (); } /* TCP FIN */
    void reset () { socket_.reset (); } /* TCP RST */

    const std::string &request () const { return request_; } /* its head */

  private:
    friend class HalfServer;
    Peer (ObjectPtr<GSocket> socket, GCancellable *stop);
    bool read_request ();
    bool upgrade ();

    Socket socket_;
    std::string request_;
    FrameReader reader_;
  };

  HalfServer () = default;
  ~HalfServer () { stop (); }
  HalfServer (const HalfServer &) = delete;
  HalfServer &operator= (const HalfServer &) = delete;

  /* Without `upgrade` the request is read, and its answer is the test's too. */
  bool start (bool upgrade = true, std::string *error = nullptr);
  /* Ends waiting calls; connections that a test still holds stay. */
  void stop ();
  std::string url () const;

  /* The next connection that is ready, or none within the limit. */
  std::shared_ptr<Peer> accept (Milliseconds limit = usual_limit);

private:
  void run ();

  ObjectPtr<GSocket> listener_;
  ObjectPtr<GCancellable> stop_;
  bool upgrade_ = true;
  int port_ = 0;
  std::thread thread_;

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<Peer>> ready_;
};

} // namespace sistest
