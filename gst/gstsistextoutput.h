// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gstsistextpusher.h"

#include "sis/base/guarded.h"
#include "sis/session.h"
#include "sis/stream/texttrack.h"

#include <gst/gst.h>

namespace sis {

/* The text side of an element: a stream of text without holes, made of what the
 * session tells, pushed on the source pad by a task of its own. */
class TextOutput
{
public:
  /* Both outlive it. */
  TextOutput (GstElement *element, GstPad *pad);
  ~TextOutput ();
  TextOutput (const TextOutput &) = delete;
  TextOutput &operator= (const TextOutput &) = delete;

  struct Settings
  {
    Nanoseconds latency{};  /* how far text may be behind the input */
    Nanoseconds lateness{}; /* by which its time is moved */
    Nanoseconds timeout{};  /* how long a final is waited for */
  };

  /* State changes; the pad's own ones to active and back are in between. */
  void open (const Settings &settings);
  void close ();
  void set_playing (bool is_playing);
  /* How late live input is already, as it tells. */
  void set_upstream_latency (Nanoseconds latency);
  Nanoseconds latency (); /* as of open () */
  bool activate (bool is_active);

  /* Nothing of before is pushed any more: begun when flush_start () returned,
   * and over when wait_for_task () has, which is after FLUSH_START went on.
   * With resume (), which is after FLUSH_STOP did, all begins anew. */
  void flush_start ();
  void wait_for_task ();
  void flush_stop ();
  void resume ();

  /* Streaming thread: what comes in on the sink pad, in its order. Takes no
   * reference from the caller. */
  void begin_stream (GstEvent *stream_start);
  void begin_segment (GstEvent *segment);
  void forward (GstEvent *event);
  /* Audio, or a gap in place of it, that plays from `start` to `end`. In a gap
   * nothing is said. */
  void take_input (Nanoseconds start, Nanoseconds end, bool is_live);
  void take_gap (Nanoseconds start, Nanoseconds end, bool is_live);
  /* The last text is waited for; then nothing more will be said. */
  void begin_end ();
  void finish (GstEvent *eos);

  /* Streaming thread. Waits where the text is too far behind; then what the
   * next element returned last. */
  bool is_behind ();
  GstFlowReturn wait_for_text ();

  /* The I/O thread. */
  void on_event (const Event &event);

  /* Any thread. */
  Nanoseconds longest_delay ();
  unsigned late ();

private:
  using Clock = std::chrono::steady_clock;
  /* A segment of the output, or another event, and the running time from which
   * on it counts. */
  struct Stretch
  {
    Nanoseconds start{};
    EventPtr event;        /* not a segment */
    EventPtr stream_start; /* of the input, if a stream begins with it */
    GstSegment segment;
    guint32 seqnum = 0;
  };

  /* A step of a gap for want of input. */
  struct Nudge
  {
    Clock::time_point at;
    Nanoseconds input_end{};
    bool is_answered = false;
  };

  struct State
  {
    Settings settings;
    TextTrack track;
    unsigned changes = 0;   /* for who waits */
    bool is_active = false; /* the pad */
    bool is_flushing = true;
    bool is_playing = false;
    bool is_held = false; /* paused, and has played */
    bool is_live = false;
    bool is_taking = false;  /* input is being taken */
    bool is_ending = false;  /* no more of it comes */
    bool has_ended = false;  /* EOS went out */
    bool has_failed = false; /* nothing more will be said */
    GstFlowReturn flow = GST_FLOW_OK;
    bool is_flow_told = true; /* to what feeds it, or on the bus */
    Nanoseconds upstream_latency{};
    Nanoseconds input_end{};
    std::optional<Stretch> next_segment; /* of the input */
    std::vector<EventPtr> next_events;   /* behind that */
    std::deque<Stretch> stretches;       /* not reached yet */
    GstSegment segment;                  /* of the output */
    EventPtr next_stream_start;          /* of the input, before the next */
    EventPtr stream_start;               /* not passed on yet */
    std::optional<TextTrack::Item> item; /* the rest of one */
    EventPtr eos;                        /* behind the last one */
    bool is_all_sent = true;
    Clock::time_point sent_at{};
    Clock::time_point heard_at{}; /* input, or what the session told, ended */
    Nanoseconds patience{};       /* until input is taken to be held up */
    std::optional<Nudge> nudge;   /* the last one */
    Nanoseconds longest_delay{};
    unsigned late = 0; /* before the last flush */
  };
  using Access = Guarded<State>::Access;

  static void run (void *data) noexcept;
  std::optional<TextPusher::Output> wait_for_output ();
  static bool has_output (const Access &state) noexcept;
  static TextPusher::Output take_output (const Access &state);
  static Nanoseconds reached (const Access &state) noexcept;
  static void take_item (const Access &state, TextPusher::Output &output);
  /* Until input is taken to be held up, and how far it is helped on then. */
  static Nanoseconds longest_patience (Nanoseconds timeout);
  static Nanoseconds step_of (Nanoseconds latency);
  static bool is_fatal (GstFlowReturn flow);
  static void reset (State &state);
  static void begin_stretch (State &state, Nanoseconds start);
  void note (TextPusher::Result result);
  void keep (EventPtr stream_start);
  std::variant<TextPusher::Output, std::optional<Nanoseconds>>
  look_for_output (const Access &state);
  static std::optional<Clock::time_point> stalls_at (const Access &state);
  static void nudge (const Access &state);
  static void note_input (State &state, Nanoseconds end);
  void keep_up (const Access &state);
  static bool is_behind (const Access &state) noexcept;
  void changed (const Access &state);
  bool note_flow (GstFlowReturn flow);
  void take_text (const Transcript &transcript);
  void take_progress (const Progress &progress);
  bool note_delay (const Access &state, Nanoseconds start);
  Nanoseconds now () const;

  GstElement *const element_;
  GstPad *const pad_;
  const TextPusher pusher_;
  Guarded<State> state_;
  std::condition_variable changed_;
};

} // namespace sis
