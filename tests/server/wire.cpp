// SPDX-License-Identifier: LGPL-2.1-or-later
#include "wire.h"

#include <sys/socket.h>
#include <utility>

namespace sistest {

Wire::Wire (GMainContext *context, ObjectPtr<GIOStream> stream,
            ObjectPtr<GSocket> socket, Listener &listener)
    : context_ (context), stream_ (std::move (stream)),
      socket_ (std::move (socket)), listener_ (listener)
{
  watch_input ();
}

Wire::~Wire ()
{
  if (state_ != State::Gone)
    g_socket_close (socket_.get (), nullptr);
}

void
Wire::send (Opcode opcode, std::string_view payload)
{
  send_raw (encode_frame (opcode, payload));
}

void
Wire::send_raw (std::string_view bytes)
{
  if (state_ != State::Open)
    return;
  output_.append (bytes);
  flush ();
}

void
Wire::close (int code)
{
  if (state_ != State::Open)
    return;
  send (Opcode::Close, close_payload (code));
  if (state_ != State::Open)
    return; /* found broken while sending */
  state_ = State::Closing;
  reading_ = true;
  watch_input ();
  close_timer_.start_timer (context_, Milliseconds (2000), [this] { gone (); });
}

void
Wire::reset ()
{
  if (state_ == State::Gone)
    return;
  const linger at_once{ .l_onoff = 1, .l_linger = 0 };
  setsockopt (g_socket_get_fd (socket_.get ()), SOL_SOCKET, SO_LINGER, &at_once,
              sizeof at_once);
  g_socket_close (socket_.get (), nullptr);
  gone ();
}

void
Wire::hang_up ()
{
  if (state_ == State::Gone)
    return;
  state_ = State::HungUp;
  output_.clear ();
  output_source_.stop ();
  g_socket_shutdown (socket_.get (), FALSE, TRUE, nullptr);
  reading_ = true;
  watch_input ();
}

void
Wire::vanish ()
{
  if (state_ == State::Gone)
    return;
  state_ = State::Vanished;
  input_source_.stop ();
  output_source_.stop ();
  close_timer_.stop ();
  resume_timer_.stop ();
}

void
Wire::set_reading (bool reading)
{
  if (state_ != State::Open || reading == reading_)
    return;
  reading_ = reading;
  if (!reading_) {
    input_source_.stop ();
    return;
  }
  watch_input ();
  /* Those that had been read already. */
  resume_timer_.start_timer (context_, {}, [this] { take_frames (); });
}

void
Wire::watch_input ()
{
  if (input_source_.running ())
    return;
  auto *input
      = G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (stream_.get ()));
  input_source_.start_pollable (
      context_, g_pollable_input_stream_create_source (input, nullptr),
      [this] { read (); });
}

void
Wire::read ()
{
  char bytes[65536];
  g_autoptr (GError) error = nullptr;
  const gssize count = g_pollable_input_stream_read_nonblocking (
      G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (stream_.get ())),
      bytes, sizeof bytes, nullptr, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return;
  if (count <= 0) {
    gone ();
    return;
  }
  if (state_ == State::HungUp)
    return;
  reader_.add ({ bytes, static_cast<std::size_t> (count) });
  take_frames ();
}

void
Wire::take_frames ()
{
  Frame frame;
  while (reading_ && (state_ == State::Open || state_ == State::Closing)) {
    switch (reader_.next (frame)) {
    case FrameReader::Outcome::Frame:
      take_frame (std::move (frame));
      break;
    case FrameReader::Outcome::Bad:
      refuse ("bad WebSocket frame");
      return;
    case FrameReader::Outcome::More:
      return;
    }
  }
}

void
Wire::take_frame (Frame frame)
{
  switch (frame.opcode) {
  case Opcode::Close:
    listener_.on_close_frame (close_code (frame.payload));
    send (Opcode::Close, frame.payload); /* nothing if ours is out already */
    if (state_ == State::Gone)
      return;
    state_ = State::Finishing;
    flush ();
    break;
  case Opcode::Ping:
    listener_.on_ping ();
    if (pongs_)
      send (Opcode::Pong, frame.payload);
    break;
  case Opcode::Pong:
    break;
  case Opcode::Continuation:
  case Opcode::Text:
  case Opcode::Binary:
    if (state_ == State::Open)
      take_message (std::move (frame));
    break;
  default:
    refuse ("unknown WebSocket opcode");
  }
}

void
Wire::take_message (Frame frame)
{
  if ((frame.opcode == Opcode::Continuation) != in_message_) {
    refuse ("bad sequence of WebSocket fragments");
    return;
  }
  const bool last = frame.fin;
  if (in_message_)
    message_.payload.append (frame.payload);
  else
    message_ = std::move (frame);
  in_message_ = !last;
  if (!last)
    return;
  if (message_.opcode == Opcode::Text)
    listener_.on_text (std::move (message_.payload));
  else
    listener_.on_binary (std::move (message_.payload));
}

void
Wire::refuse (const char *what)
{
  if (state_ != State::Open)
    return;
  listener_.on_violation (what);
  close (1002);
}

void
Wire::flush ()
{
  auto *stream = G_POLLABLE_OUTPUT_STREAM (
      g_io_stream_get_output_stream (stream_.get ()));
  std::size_t written = 0;
  while (written < output_.size ()) {
    g_autoptr (GError) error = nullptr;
    const gssize count = g_pollable_output_stream_write_nonblocking (
        stream, output_.data () + written, output_.size () - written, nullptr,
        &error);
    if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
      break;
    if (count <= 0) {
      gone ();
      return;
    }
    written += static_cast<std::size_t> (count);
  }
  output_.erase (0, written);
  if (!output_.empty ()) {
    if (!output_source_.running ())
      output_source_.start_pollable (
          context_, g_pollable_output_stream_create_source (stream, nullptr),
          [this] { flush (); });
    return;
  }
  output_source_.stop ();
  if (state_ == State::Finishing) {
    g_io_stream_close (stream_.get (), nullptr, nullptr);
    gone ();
  }
}

void
Wire::gone ()
{
  if (state_ == State::Gone)
    return;
  state_ = State::Gone;
  input_source_.stop ();
  output_source_.stop ();
  close_timer_.stop ();
  resume_timer_.stop ();
  output_.clear ();
  g_socket_close (socket_.get (), nullptr);
  listener_.on_gone ();
}

} // namespace sistest
