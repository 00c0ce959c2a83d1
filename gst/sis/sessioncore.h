// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/guarded.h"
#include "sis/drainwatch.h"
#include "sis/net/clock.h"
#include "sis/net/connection.h"
#include "sis/net/ioloop.h"
#include "sis/protocol/masking.h"
#include "sis/session.h"
#include "sis/stream/pacer.h"
#include "sis/stream/watermark.h"

#include <deque>

namespace sis {

/* What the threads share. The flags are facts; what to do about them is decided
 * on the loop. */
struct Shared
{
  explicit Shared (const Config &config);

  AudioStore store;
  Timeline timeline;
  Tunables tunables;

  /* Set by the application and the streaming thread. */
  unsigned generation = 0; /* counts flushes */
  Clock::time_point last_audio{};
  bool is_live = false;
  bool interrupted = false;
  bool paused = false;
  bool flushing = false;
  bool restart = false;  /* until the loop saw it */
  bool eos = false;      /* no audio follows what is in the store */
  bool draining = false; /* the streaming thread waits for the end */
  bool waiting_for_room = false;
  bool held = false; /* as hold () says */
  Clock::time_point released{};
  bool wants_audio = true; /* the loop found no message ready */
  bool closed = false;

  /* An overflow that was not told yet, or not all of it. */
  Stretch overflow;
  Times overflow_times; /* of its first sample */
  Clock::time_point last_overflow{};

  /* Set by the loop. */
  bool drained = false;
  bool failed = false;
  bool delivering = false; /* the listener is being called */
  bool shut_down = false;  /* after closed: the loop's part is gone */
  Stats stats;             /* but for the audio */
};

/* The part of a Session that lives on the loop: one connection at a time, one
 * session of the service on each.
 *
 *              audio is ready                101
 *     Idle ------------------> Connecting ---------> Starting
 *     ^ ^ ^                     ^  |  |                |  |
 *     | | +---------------------+--+  |          START |  |
 *     | |       flush, lost     |     |                v  |
 *     | +----> Waiting ---------+     |           Streaming
 *     |       (back-off)        |     |                |  |
 *     |                         v     v                |  |
 *     +------ Ending <----------------+----------------+  |
 *                |           Failed   <-------------------+
 *                +------------> ^
 *
 * Every state leads to Idle when its session is given up, and to Failed by an
 * error that is not passed over; out of Failed leads nothing. */
class SessionCore final : public std::enable_shared_from_this<SessionCore>,
                          public Connection::Listener
{
public:
  SessionCore (const Config &config, std::shared_ptr<sis::Listener> listener);
  ~SessionCore () = default;

  /* The crossing. Any thread; after a change that the loop must see: wake ().
   */
  Guarded<Shared> shared;
  Condition changed;
  void wake () noexcept { bell_.ring (); }
  bool is_on_loop () const noexcept { return loop_->is_current (); }
  const Config &config () const noexcept { return config_; }

  /* Any thread. */
  void warn (const Failure &failure);
  void fail (const Failure &failure);

  /* Any thread, once Shared::closed is set. */
  void shut_down ();

private:
  enum class State {
    Idle,
    Waiting,
    Connecting,
    Starting,
    Streaming,
    Ending,
    Failed
  };

  /* What END asked for. */
  enum class Ending {
    InOrder,   /* cancel:false: results still come */
    Cancelled, /* cancel:true: all is told */
  };

  /* A look at Shared, taken under the lock and acted upon without it. */
  struct View
  {
    unsigned generation;
    std::optional<AudioFormat> ready;
    bool empty, eos, draining;
    bool at_break;   /* what is next is for another session */
    bool will_break; /* what is put in next is */
    bool idle;       /* nothing came for the idle time-out */
    bool restart;
    bool overflows;
    bool is_live;
    double max_send_rate;
    Position before_eviction;
  };

  /* One session of the service, from the handshake on. */
  struct Current
  {
    AudioFormat format;
    Ending ending = Ending::InOrder;
    Clock::time_point started{}; /* START was answered */
    SessionMap map;
    Watermark watermark;
    std::string trace_id;
    Segment last;                       /* said last, without its words */
    std::optional<Position> restart_at; /* asked for when so much was sent */
    std::optional<Clock::time_point> full_since; /* see must_hear_on_loop () */
    Nanoseconds longest_sentence{};
    Nanoseconds vad_head{};
    bool is_open = false; /* between its Started and its Ended */
    bool has_warned = false;
    bool is_last = false;   /* ended for the end of the stream */
    bool is_idle = false;   /* ended as no audio came */
    bool is_padded = false; /* nothing can follow what was sent */
    bool is_sentence_over = false;
    bool was_too_long = false; /* by an error code */
    std::deque<std::pair<Position, Clock::time_point>> sent_at;
  };

  static const char *name (State state) noexcept;
  static bool is_legal (State from, State to) noexcept;
  void set_state (State state);
  View view (Shared &s) const;

  /* Connection::Listener */
  void on_open_on_loop () override;
  void on_text_on_loop (std::string_view text) override;
  void on_binary_on_loop (std::size_t length) override;
  void on_writable_on_loop () override;
  void on_closed_on_loop (Failure failure) override;

  /* sessioncore.cpp: from one state to the next, and sending */
  void step_on_loop ();
  void note_restart_on_loop ();
  void begin_on_loop (const View &now);
  bool send_what_may_go_on_loop (View &now);
  void stream_on_loop (View now);
  void watch_idle_on_loop ();
  Clock::time_point idle_at (const Shared &s) const;
  void connect_on_loop (AudioFormat format);
  bool can_send_on_loop (const View &now) const noexcept;
  bool is_kept_on_loop (const View &now) const noexcept;
  bool would_evict_on_loop (const View &now) const noexcept;
  bool must_hear_on_loop (const View &now);
  double rate_limit_on_loop (const View &now) const noexcept;
  Nanoseconds wait_on_loop (const View &now);
  bool send_on_loop (View &now);
  void count_sent_on_loop (const AudioPiece &piece, Position fresh);
  void shut_down_on_loop ();

  /* sessioncredentials.cpp: who asks */
  void authorize_on_loop ();
  Headers auth_headers_on_loop (const Secret &iam_token) const;
  void handshake_on_loop (const Secret &iam_token);
  void drop_connection_on_loop ();
  bool has_new_credentials_on_loop ();
  bool renew_on_loop (const Failure &failure);
  bool may_await_credentials_on_loop (const Failure &failure) const;
  bool awaits_credentials_on_loop ();
  void note_secrets_on_loop (const Headers &headers);
  void note_proxies_on_loop ();
  std::vector<Secret> proxy_secrets_on_loop () const;
  Failure masked_on_loop (Failure failure) const;
  void mask_on_loop (ServerMessage &message) const;

  /* sessionends.cpp: how sessions end */
  static Nanoseconds first_limit (const Config &config) noexcept;
  bool lower_limit_on_loop ();
  Nanoseconds used_on_loop () const;
  Position room_on_loop () const noexcept;
  bool must_roll_over_on_loop () const;
  void roll_over_on_loop ();
  void flush_on_loop (unsigned generation);
  void end_on_loop ();
  void limit_drain_on_loop ();
  void cancel_on_loop ();
  void over_on_loop (std::string reason, bool is_normal);
  void failed_on_loop (Failure failure, const char *reason);
  void await_credentials_on_loop (Failure failure, const char *reason);
  void start_over_on_loop (const char *reason, std::optional<Failure> warning);
  void stop_on_loop (Failure failure, const char *reason);
  void let_go_on_loop ();
  void avoid_third_start_on_loop ();
  Stretch leave_on_loop (const std::string &reason);
  void recovered_on_loop () noexcept;
  void cover_on_loop ();
  void give_up_drain_on_loop ();
  void drained_on_loop ();
  void tell_evicted_on_loop (Stretch evicted);
  void tell_lost_on_loop (Stretch lost, const char *why);
  void watch_overflow_on_loop ();
  void check_overflow_on_loop ();
  void finish_overflow_on_loop ();

  /* sessionreplies.cpp: what the service says */
  void receive_on_loop (ServerMessage message);
  void received_on_loop (const StartReply &reply);
  void received_on_loop (const Result &result);
  void received_on_loop (const ServiceEvent &event);
  void received_on_loop (const EndReply &reply);
  void received_on_loop (const ErrorReply &reply);
  void received_on_loop (const Unknown &unknown);
  void received_on_loop (const Malformed &malformed);
  bool is_telling () const noexcept;
  bool is_repeated_on_loop (const Segment &segment);
  void read_watermark_on_loop (const Result &result);
  void measure_latency_on_loop (const Segment &segment);
  void act_on_event_on_loop (const ServiceEvent &event);

  bool tell_on_loop (const Event &event);
  void tell_progress_on_loop ();
  void tell_transcript_on_loop (const Transcript &transcript);
  void tell_end_on_loop (const std::string &reason);
  void log (const std::string &line)
  {
    listener_->on_log (masking_.masked (line));
  }

  const Config config_;
  const std::shared_ptr<sis::Listener> listener_;
  const std::shared_ptr<IoLoop> loop_;
  Bell bell_;

  /* Touched on the loop only: */
  State state_ = State::Idle;

  /* … of the run */
  unsigned generation_ = 0;
  unsigned attempt_ = 0;
  unsigned session_ = 0; /* sessions that were started */
  Transcripts transcripts_;
  Reconnecting reconnecting_;
  Clock::time_point last_start_{};
  Clock::time_point not_before_{}; /* the next attempt */
  Position fresh_ = 0;     /* sent for the first time since the last failure */
  Position stuck_at_ = -1; /* the last session ended where it had begun */
  unsigned idle_failures_ = 0;
  Nanoseconds limit_;                /* of a session */
  std::optional<Progress> progress_; /* that was told, and is known still */

  /* … of one attempt, or the last one */
  struct Refusal
  {
    Failure failure;
    Clock::time_point deadline;
  };
  Credentials credentials_;
  Secret iam_token_; /* of a Login */
  Masking masking_;  /* of what the service may repeat */
  std::shared_ptr<HttpSession> http_, iam_http_;
  std::unique_ptr<IamTokens::Waiter> token_waiter_;
  bool renewed_ = false;           /* since the service last worked */
  std::optional<Refusal> refusal_; /* other credentials are waited for */

  /* … of one session */
  std::unique_ptr<Connection> connection_;
  Current current_;
  Pacer pacer_;

  Timer idle_timer_;
  Timer reply_timer_; /* START's or END's answer, or the wait for an attempt */
  Timer limit_timer_; /* the session's longest time */
  Timer pace_timer_;
  Timer overflow_timer_;
  DrainWatch drain_watch_;
};

} // namespace sis
