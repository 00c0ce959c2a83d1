// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "book.h"
#include "ear.h"
#include "messages.h"
#include "wire.h"

#include <optional>

namespace sistest {

enum class Mode { Short, Sentence, Continue };

/* What a session is given to live in. */
struct Surroundings
{
  Loop &loop;
  Workers &workers;
  Book &book;
  std::size_t index; /* of its record */
  std::function<void (const std::string &)> log;
  Task forget; /* called once, when the connection is gone */
};

/* The service on one connection: its sessions, one after another.
 *
 *            START            answered             END           answered
 *   Idle ------------> Starting -----> Started ----------> Ending -----> Idle
 *     |                                   |                  |
 *     | START with an error: stays        | ERROR, unasked END
 *                                         v                  v
 *                                        Over: all but START is ignored
 *
 * On the loop's thread. */
class Session final : private Wire::Listener
{
public:
  Session (Surroundings surroundings, const Behaviour &behaviour, Mode mode,
           ObjectPtr<GIOStream> stream, ObjectPtr<GSocket> socket);
  ~Session () override;

private:
  enum class State { Idle, Starting, Started, Ending, Over };

  void on_text (std::string text) override;
  void on_binary (std::string bytes) override;
  void on_ping () override;
  void on_close_frame (int code) override;
  void on_violation (std::string what) override;
  void on_gone () override;

  void take (const StartRequest &request);
  void take (const EndRequest &request);
  void take (const ServiceError &request);
  void take_audio (std::string bytes);
  void exceed_audio ();

  void hear (Ear::Report report);
  void hear_utterance (Findings findings);
  void hear_sentence (Findings findings, Milliseconds position);
  void hear_sentences (Findings findings);
  void end_sentence (const char *event, Milliseconds position);
  void finish ();

  void perform (const Reply &reply, const Task &answer);
  void act (const Action &action);
  void act_all (const std::vector<Action> &actions);
  void fail (const Action &action);
  void fail_for_good (const Action &action);
  void leave_session (State state);

  void send_text (const std::string &text);
  std::string result_text (const std::vector<Segment> &segments) const;
  void send_result (const std::vector<Segment> &segments);
  void send_event (const char *event, Milliseconds position);
  void send_end (const std::string &reason);

  void watch_client ();
  void client_is_silent ();
  void hold_reading (Milliseconds duration);
  void update_reading ();
  void log (const std::string &text) const;
  const std::string &trace_id (bool wanted = true) const;
  template <typename Change> void record (Change change);

  const Surroundings surroundings_;
  const Behaviour behaviour_;
  const Mode mode_;
  State state_ = State::Idle;
  bool gone_ = false;
  std::string trace_id_;

  StartRequest start_;
  std::optional<Decoder> decoder_;
  std::shared_ptr<Ear> ear_; /* null: audio is ignored */
  std::uint64_t session_bytes_ = 0;
  std::size_t next_action_ = 0;
  bool exceeded_ = false, speech_ = false, ended_ = false;
  Segment utterance_; /* short-stream: all so far */

  bool held_ = false, clogged_ = false; /* reasons not to read */
  Source hold_timer_, client_timer_;
  Agenda agenda_;
  Wire wire_;
};

} // namespace sistest
