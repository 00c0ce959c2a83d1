// SPDX-License-Identifier: LGPL-2.1-or-later
#include "relay.h"

namespace sistest {

namespace {

gssize
outcome_of (gssize count, const GError *error)
{
  if (count >= 0)
    return count;
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)
             ? Channel::later
             : Channel::broken;
}

/* One direction. */
class Flow
{
public:
  Flow (Channel &from, Channel &to, bool from_a)
      : from_ (from), to_ (to), from_a_ (from_a)
  {
  }

  bool wants_input () const { return !ended_ && buffer_.empty (); }
  bool wants_output () const { return !buffer_.empty (); }
  bool is_over () const { return ended_ && buffer_.empty (); }
  bool has_more () const { return wants_input () && from_.has_more (); }

  /* Both as far as they get now; false if an end is broken. */
  bool read (const Observer &observer);
  bool write ();

private:
  Channel &from_, &to_;
  const bool from_a_;
  std::string buffer_;
  bool ended_ = false;
};

bool
Flow::read (const Observer &observer)
{
  if (!wants_input ())
    return true;
  char bytes[16384];
  const gssize count = from_.read (bytes, sizeof bytes);
  if (count == Channel::broken)
    return false;
  if (count > 0) {
    buffer_.assign (bytes, static_cast<std::size_t> (count));
    if (observer)
      observer (from_a_, buffer_);
  } else if (count == 0) {
    ended_ = true;
    to_.finish ();
  }
  return true;
}

bool
Flow::write ()
{
  while (!buffer_.empty ()) {
    const gssize count = to_.write (buffer_.data (), buffer_.size ());
    if (count == Channel::later)
      return true;
    if (count < 0)
      return false;
    buffer_.erase (0, static_cast<std::size_t> (count));
  }
  return true;
}

/* Until there is something to do; false to stop. Who is not waited for is left
 * out: poll() would tell of its hanging up again and again. */
bool
wait_for (const Flow &there, const Flow &back, const Channel &a,
          const Channel &b, GCancellable *stop)
{
  const auto entry = [] (const Channel &channel, bool input, bool output) {
    GPollFD fd{ input || output ? g_socket_get_fd (channel.socket ()) : -1, 0,
                0 };
    fd.events = static_cast<gushort> ((input ? G_IO_IN : 0)
                                      | (output ? G_IO_OUT : 0));
    return fd;
  };
  GPollFD fds[] = { entry (a, there.wants_input (), back.wants_output ()),
                    entry (b, back.wants_input (), there.wants_output ()),
                    { -1, 0, 0 } };
  const bool stoppable = g_cancellable_make_pollfd (stop, &fds[2]);
  const bool busy = there.has_more () || back.has_more ();
  g_poll (fds, G_N_ELEMENTS (fds), busy ? 0 : -1);
  if (stoppable)
    g_cancellable_release_fd (stop);
  return !g_cancellable_is_cancelled (stop);
}

} // namespace

gssize
Channel::read (char *bytes, gsize size)
{
  g_autoptr (GError) error = nullptr;
  const gssize count = g_socket_receive (socket_, bytes, size, nullptr, &error);
  return outcome_of (count, error);
}

gssize
Channel::write (const char *bytes, gsize size)
{
  g_autoptr (GError) error = nullptr;
  const gssize count = g_socket_send (socket_, bytes, size, nullptr, &error);
  return outcome_of (count, error);
}

void
Channel::finish ()
{
  g_socket_shutdown (socket_, FALSE, TRUE, nullptr);
}

void
Channel::reset ()
{
  reset_connection (socket_);
}

void
relay (Channel &a, Channel &b, GCancellable *stop, const Observer &observer)
{
  Flow there (a, b, true), back (b, a, false);
  while (!there.is_over () || !back.is_over ()) {
    if (!wait_for (there, back, a, b, stop))
      return;
    if (!there.read (observer) || !back.read (observer) || !there.write ()
        || !back.write ()) {
      a.reset ();
      b.reset ();
      return;
    }
  }
}

} // namespace sistest
