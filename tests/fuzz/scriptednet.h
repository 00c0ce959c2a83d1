// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/net/clock.h"
#include "sis/net/connection.h"
#include "sis/net/ioloop.h"

#include <deque>
#include <functional>
#include <map>
#include <optional>

/* In place of gst/sis/net: a clock that stands still until it is told to go on,
 * a loop that runs when it is told to, and a peer that does what it is told.
 * All on one thread, so that the same script gives the same run. */
namespace sisfuzz {

class World
{
public:
  static World &get ();

  /* Before each run: all as new. */
  void reset ();
  /* After it: nothing that was started is left. */
  void check_empty () const;

  /* Time. */
  sis::Clock::time_point now () const { return now_; }
  void pass (std::chrono::nanoseconds time);
  bool pass_to_next_timer ();

  /* The loop. */
  bool is_on_loop () const { return depth_ > 0; }
  bool run_loop (); /* what is due; false if nothing was */
  void on_loop (const std::function<void ()> &work);

  /* The streaming thread waits: what happens meanwhile. */
  std::function<void ()> while_waiting;

  /* What the peer can do, if there is one: false if not. */
  bool is_connecting () const;
  bool is_open () const;
  bool accept ();
  bool refuse (const sis::Failure &failure);
  bool lose ();
  bool say (std::string_view text);
  bool say_binary (std::size_t length);
  bool take (); /* what was sent: room for more */
  void answer_pings (bool answers);
  bool answer_token (const sis::IamTokens::Answer &answer);

  /* What it hears. */
  std::function<void (const sis::Connection::Settings &)> on_handshake;
  std::function<void (const std::string &)> on_text;
  std::function<void (std::span<const std::byte>)> on_audio;

  std::optional<sis::Secret> known_token; /* in IAM's cache */
  std::string told; /* the secret that the peer, or IAM, knows */

private:
  friend class sis::Bell;
  friend class sis::Connection;
  friend class sis::IamTokens;
  friend class sis::IoLoop;
  friend class sis::Timer;

  struct Alarm
  {
    const sis::Timer *timer;
    std::function<void ()> fire;
  };
  using Alarms = std::multimap<sis::Clock::time_point, Alarm>;

  struct Peer
  {
    const sis::Connection *connection = nullptr;
    sis::Connection::Listener *listener = nullptr;
    std::function<void (sis::Clock::time_point)> hear;
    bool is_open = false, is_over = false, wants_writable = false;
    int room = 0;  /* messages that are taken without a wait */
    int taken = 0; /* waits for room that ended */
  };

  void start_timer (const sis::Timer *timer, std::chrono::nanoseconds delay,
                    std::function<void ()> fire);
  void stop_timer (const sis::Timer *timer);
  void fire (Alarms::iterator alarm);
  void heard ();
  bool is_writable () const { return is_open () && peer_.room > 0; }
  void audio_came (std::span<const std::byte> audio);
  bool tell_last (const sis::Failure &failure);

  sis::Clock::time_point now_{};
  int depth_ = 0;
  bool answers_pings_ = true;
  std::weak_ptr<sis::IoLoop> loop_;
  std::deque<std::function<void ()>> work_;
  std::map<const sis::Bell *, std::function<void ()>> bells_;
  std::map<const sis::Bell *, bool> rung_;
  Alarms alarms_;
  Peer peer_;
  std::function<void (const sis::IamTokens::Answer &)> token_;
};

} // namespace sisfuzz
