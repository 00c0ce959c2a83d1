// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "frame.h"
#include "loop.h"

namespace sistest {

/* The service's end of one WebSocket after its upgrade, with the misbehaviours
 * that a library would not lend itself to. On the loop's thread; whoever owns
 * it destroys it from a task of its own, not from within a callback. */
class Wire
{
public:
  class Listener
  {
  public:
    virtual ~Listener () = default;
    virtual void on_text (std::string text) = 0;
    virtual void on_binary (std::string bytes) = 0;
    virtual void on_ping () = 0;
    virtual void on_close_frame (int code) = 0;
    virtual void on_violation (std::string what) = 0;
    /* The last call, once: the connection is gone. */
    virtual void on_gone () = 0;
  };

  Wire (GMainContext *context, ObjectPtr<GIOStream> stream,
        ObjectPtr<GSocket> socket, Listener &listener);
  ~Wire ();

  /* Sends nothing unless open. */
  void send (Opcode opcode, std::string_view payload);
  /* Bytes as they are. */
  void send_raw (std::string_view bytes);

  /* A close frame; the connection ends with the peer's, or 2 s later. */
  void close (int code);
  /* TCP RST. */
  void reset ();
  /* TCP FIN without a close frame. */
  void hang_up ();
  /* Neither reads nor writes any more, and stays. */
  void vanish ();

  void set_reading (bool reading);
  void set_pongs (bool pongs) { pongs_ = pongs; }

private:
  enum class State {
    Open,
    Closing,   /* our close frame is out; what comes is read and dropped */
    Finishing, /* both close frames; what is left to write goes out */
    HungUp,    /* we sent FIN; what comes is read and dropped */
    Vanished,
    Gone
  };

  void watch_input ();
  void read ();
  void take_frames ();
  void take_frame (Frame frame);
  void take_message (Frame frame);
  void flush ();
  void gone ();
  void refuse (const char *what);

  GMainContext *const context_;
  const ObjectPtr<GIOStream> stream_;
  const ObjectPtr<GSocket> socket_;
  Listener &listener_;
  State state_ = State::Open;
  bool reading_ = true, pongs_ = true;
  FrameReader reader_;
  Frame message_; /* what its fragments make up so far */
  bool in_message_ = false;
  std::string output_;
  Source input_source_, output_source_, close_timer_, resume_timer_;
};

} // namespace sistest
