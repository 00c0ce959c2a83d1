// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/guarded.h"
#include "sis/drainwatch.h"
#include "sis/net/connection.h"
#include "sis/net/ioloop.h"
#include "sis/session.h"

namespace sis {

/* What the threads share. The flags are facts; what to do about them is decided
 * on the loop. */
struct Shared
{
  explicit Shared (const Config &config);

  AudioStore store;
  Timeline timeline;
  StartConfig start;
  Secret auth_token;

  /* Set by the application and the streaming thread. */
  unsigned generation = 0; /* counts flushes */
  std::chrono::steady_clock::time_point last_audio{};
  bool interrupted = false;
  bool paused = false;
  bool flushing = false;
  bool eos = false;      /* no audio follows what is in the store */
  bool draining = false; /* the streaming thread waits for the end */
  bool waiting_for_room = false;
  bool closed = false;

  /* Set by the loop. */
  bool drained = false;
  bool failed = false;
  bool delivering = false; /* the listener is being called */
  bool shut_down = false;  /* after closed: the loop's part is gone */
};

/* The part of a Session that lives on the loop: one connection at a time, one
 * session of the service on each.
 *
 *             audio is ready                101
 *    Idle ------------------> Connecting ---------> Starting
 *     ^  ^                       |  |                  | |
 *     |  +-----------------------+  |            START | |
 *     |          flush              |                  v |
 *     |                             |             Streaming
 *     |  END, or given up           |                  | |
 *     +------------- Ending <-------|------------------+ |
 *                      |            |   end, flush       |
 *                      v            v                    v
 *                    Failed <----------------------------+
 *
 * Starting goes back to Idle by a flush, too, and Streaming when the wait at
 * the end of the stream is given up. A failure that the streaming thread found
 * leads from anywhere to Failed, and nothing out of it. */
class SessionCore final : public std::enable_shared_from_this<SessionCore>,
                          public Connection::Listener
{
public:
  SessionCore (const Config &config, std::shared_ptr<sis::Listener> listener);
  ~SessionCore () = default;

  /* The crossing. Any thread; after a change that the loop must see: wake ().
   */
  Guarded<Shared> shared;
  std::condition_variable changed;
  void wake () noexcept { bell_.ring (); }
  bool is_on_loop () const noexcept { return loop_->is_current (); }

  /* Any thread. */
  void warn (const Failure &failure);
  void fail (const Failure &failure);

  /* Any thread, once Shared::closed is set. */
  void shut_down ();

private:
  enum class State { Idle, Connecting, Starting, Streaming, Ending, Failed };

  /* Why the session is in Ending, and what is still told of it. */
  enum class Ending {
    InOrder,  /* END cancel:false: results still come */
    Sentence, /* as InOrder; the service may also just close */
    Flushed,  /* END cancel:true: all is told */
  };

  /* A look at Shared, taken under the lock and acted upon without it. */
  struct View
  {
    unsigned generation;
    std::optional<AudioFormat> ready;
    bool empty, eos, draining;
    bool at_break; /* what is ready is for another session */
    bool idle;     /* nothing came for the idle time-out */
  };

  static const char *name (State state) noexcept;
  static bool is_legal (State from, State to) noexcept;
  void set_state (State state);
  View view ();

  /* Connection::Listener */
  void on_open_on_loop () override;
  void on_text_on_loop (std::string_view text) override;
  void on_binary_on_loop (std::size_t length) override;
  void on_writable_on_loop () override;
  void on_closed_on_loop (Failure failure) override;

  void step_on_loop ();
  bool can_send_on_loop (const View &now) const noexcept;
  void watch_idle_on_loop ();
  void connect_on_loop (AudioFormat format);
  void flush_on_loop (unsigned generation);
  void end_on_loop (Ending ending);
  void over_on_loop (const char *reason);
  void fail_on_loop (Failure failure, const char *reason);
  void shut_down_on_loop ();

  void received_on_loop (const StartReply &reply);
  void received_on_loop (const Result &result);
  void received_on_loop (const ServiceEvent &event);
  void received_on_loop (const EndReply &reply);
  void received_on_loop (const ErrorReply &reply);
  void received_on_loop (const Unknown &unknown);
  void received_on_loop (const Malformed &malformed);
  bool is_telling () const noexcept;

  void cover_on_loop (Position end);
  bool is_repeated_on_loop (const Segment &segment);
  void give_up_drain_on_loop ();
  void drained_on_loop ();

  bool tell_on_loop (const Event &event);
  void tell_end_on_loop (const std::string &reason);
  void log (const std::string &line) { listener_->on_log (line); }

  const Config config_;
  const std::shared_ptr<sis::Listener> listener_;
  const std::shared_ptr<IoLoop> loop_;
  Bell bell_;

  /* Touched on the loop only: */
  State state_ = State::Idle;

  /* … of the run */
  unsigned attempt_ = 0;
  unsigned session_ = 0; /* sessions that were started */
  Transcripts transcripts_;
  std::chrono::steady_clock::time_point last_start_{};

  /* … of one session, from connect_on_loop () on */
  std::unique_ptr<Connection> connection_;
  unsigned generation_ = 0;
  AudioFormat format_;
  SessionSpan span_;
  Position covered_ = 0; /* end of the last final */
  Segment last_;         /* said last, without its words */
  std::string trace_id_;
  bool is_open_ = false; /* between its Started and its Ended */
  bool has_warned_ = false;
  Ending ending_ = Ending::InOrder;
  bool is_last_ = false;   /* ended for the end of the stream */
  bool is_padded_ = false; /* nothing can follow what was sent */

  Timer idle_timer_;
  Timer reply_timer_; /* START's or END's answer, or the pause before START */
  DrainWatch drain_watch_;
};

} // namespace sis
