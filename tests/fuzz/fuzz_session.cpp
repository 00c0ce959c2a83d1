// SPDX-License-Identifier: LGPL-2.1-or-later
/* The input is a script of what the service, the network, the pipeline and the
 * clock do, one after the other. Whatever it is, the session keeps to the
 * protocol, loses nothing in silence, tells no secrets and comes to an end. */
#include "fuzz.h"
#include "scriptedservice.h"
#include "sessioncheck.h"

#include "sis/protocol/failure.h"

using namespace sis;
using namespace std::chrono_literals;
using sisfuzz::StreamModel;
using sisfuzz::World;

namespace {

/* As long as a script may be, and what the end may take. */
constexpr int most_steps = 150;
constexpr int most_steps_to_end = 20000;

/* Times real time: the slowest that a script lets audio be sent. */
constexpr double slowest = 0.5;

Position
to_samples (Nanoseconds time)
{
  return time_to_samples (time, sisfuzz::rate);
}

StreamModel::Rules
rules_of (const Config &config)
{
  return { .mode = config.mode,
           .message = to_samples (config.chunk_duration),
           .replay = to_samples (config.replay_duration),
           .minimum = sisfuzz::rate / 100,
           .rate = sisfuzz::rate };
}

class Script
{
public:
  explicit Script (std::string_view input);
  void run ();

private:
  bool is_over () const { return steps_ >= most_steps || in_.is_over (); }
  bool one_in (int n) { return in_.any (1, n) == 1; }

  Config config ();
  Credentials credentials ();
  void step ();
  void step_while_waiting ();
  void local_step ();
  void streaming_step ();
  void release ();
  void offer ();
  void note_dropped (Position samples);
  void remote_step ();
  void healthy_step ();
  void say (const std::string &text);
  void time_step ();
  void refuse ();
  void set_prank ();
  void flush ();
  void give_up_all ();
  void drain ();
  Nanoseconds longest_end () const;
  void check_account ();
  void finish ();

  sisfuzz::Choices in_;
  World &world_ = World::get ();
  const Config config_;
  StreamModel model_{ rules_of (config_) };
  const std::shared_ptr<sisfuzz::EventCheck> events_
      = std::make_shared<sisfuzz::EventCheck> (model_);
  sisfuzz::WireCheck wire_{ model_ };
  sisfuzz::ScriptedService service_{ in_, world_, model_ };
  std::unique_ptr<Session> session_;
  AudioFormat format_ = sisfuzz::pcm;
  Position offered_ = 0;
  const AudioBlock *block_ = nullptr; /* that is being offered */
  std::string last_said_;
  Nanoseconds running_time_{};
  int steps_ = 0, steps_to_end_ = 0;
  bool is_waiting_ = false; /* the streaming thread */
  bool is_held_up_ = false, is_flushing_ = false, was_flushed_ = false,
       has_drained_ = false;
  bool is_live_ = false;
  Clock::time_point end_by_{};
};

Script::Script (std::string_view input) : in_ (input), config_ (config ())
{
  world_.while_waiting = [this] { step_while_waiting (); };
  wire_.connect (world_);
  events_->on_given_up = [this] { give_up_all (); };
  session_ = std::make_unique<Session> (config_, events_);
}

Credentials
Script::credentials ()
{
  switch (in_.any (0, 4)) {
  case 0:
    return Token{ Secret (sisfuzz::secret_token) };
  case 1:
    return KeyPair{ .access_key = "AK",
                    .secret_key = Secret (sisfuzz::secret_key) };
  case 2:
    return Login{ .iam = { .secure = false, .host = "127.0.0.1", .port = 1 },
                  .user = "user",
                  .domain = "domain",
                  .password = Secret (sisfuzz::secret_key) };
  case 3:
    return Token{ Secret ("another token") };
  default:
    return {};
  }
}

Config
Script::config ()
{
  Config config;
  config.endpoint = { .secure = false, .host = "127.0.0.1", .port = 1 };
  config.project_id = "p";
  config.rate = sisfuzz::rate;
  config.mode = Mode (in_.any (0, 2));
  config.tunables.credentials = credentials ();
  config.tunables.max_send_rate = one_in (4) ? 2 : 0;
  config.reconnect.policy = Reconnect (in_.any (0, 2));
  config.reconnect.max_attempts = int (in_.any (-1, 3));
  config.leaky = Leaky (in_.any (0, 3));
  config.max_buffer_duration = in_.any (1, 2) * 1s;
  config.replay_duration = in_.any (0, 3) * 1s;
  config.chunk_duration = in_.any (1, 50) * 20ms;
  config.timeout = in_.any (1, 20) * 1s;
  config.idle_timeout = in_.any (0, 15) * 1s;
  config.max_session_duration = in_.any (0, 5) * 1s;
  config.discards_after_error = one_in (4);
  config.tells_progress = one_in (2);
  return config;
}

void
Script::check_account ()
{
  const Stats stats = session_->stats ();
  const AudioAccount &audio = stats.audio;
  fuzz_check (audio.in + audio.filled
              == audio.acknowledged + audio.unacknowledged + audio.evicted
                     + audio.waiting + audio.dropped);
  fuzz_check (audio.waiting <= to_samples (config_.max_buffer_duration));
  fuzz_check (audio.unacknowledged <= to_samples (config_.replay_duration));
  fuzz_check (audio.dropped >= 0 && audio.acknowledged >= 0);
}

/* Several things may happen before the loop sees any of them. */
void
Script::step ()
{
  steps_++;
  const auto choice = in_.any (0, 15);
  if (choice < 5)
    streaming_step ();
  else if (choice < 6)
    local_step ();
  else if (choice < 13)
    remote_step ();
  else
    time_step ();
  check_account ();
  if (!one_in (4))
    world_.run_loop ();
  check_account ();
}

/* The streaming thread waits: the others go on, and after the script only time
 * and the network do. */
void
Script::step_while_waiting ()
{
  is_waiting_ = true;
  if (!is_over ()) {
    step ();
  } else {
    if (steps_to_end_++ == 0)
      end_by_ = world_.now () + longest_end ();
    fuzz_check (steps_to_end_ < most_steps_to_end);
    fuzz_check (world_.now () <= end_by_);
    const bool goes_on
        = world_.run_loop () || world_.take () || world_.pass_to_next_timer ();
    /* A store that is full may stay so; the end of the stream may not. */
    if (!goes_on || !has_drained_)
      session_->interrupt (true);
    fuzz_check (goes_on || !has_drained_);
  }
  is_waiting_ = false;
}

/* From now on nothing comes but room for what is sent: until the last message
 * went, and then at most 3 x timeout; a peer that is not heard holds it up. */
Nanoseconds
Script::longest_end () const
{
  const AudioAccount audio = session_->stats ().audio;
  const double left = double (
      samples_to_time (audio.waiting + audio.unacknowledged + audio.evicted,
                       sisfuzz::rate)
          .count ());
  return Nanoseconds (std::int64_t (left / slowest)) + 3 * config_.timeout
         + 2 * config_.keepalive_interval;
}

/* What there was no room for. */
void
Script::note_dropped (Position samples)
{
  const bool is_auto = config_.leaky == Leaky::Auto;
  if (config_.leaky == Leaky::Upstream)
    model_.left_out (offered_ - samples, offered_);
  else if (config_.leaky == Leaky::Downstream || (is_auto && is_live_))
    model_.dropped_oldest (samples);
}

void
Script::offer ()
{
  if (one_in (8)) {
    const Position from = offered_;
    offered_ += in_.any (0, 3000);
    model_.left_out (from, offered_);
  }
  const Position samples = std::min (in_.any (0, one_in (2) ? 1000 : 20000),
                                     sisfuzz::longest_stream - offered_);
  if (samples <= 0)
    return;
  AudioBlock block{
    .format = format_,
    .kind = one_in (4) ? AudioStore::Kind::Silence : AudioStore::Kind::Audio,
    .first = offered_,
    .bytes = sisfuzz::stream_of (format_, offered_, samples),
    .anchor = Anchor{ .position = offered_,
                      .times = { running_time_, running_time_, running_time_ } }
  };
  wire_.offered (format_, offered_, samples);
  const Position dropped = session_->stats ().audio.dropped;
  block_ = &block;
  const auto answer = session_->offer (block);
  block_ = nullptr;
  fuzz_check ((answer == Session::Answer::Accepted)
              == (block.bytes.size () < format_.sample_bytes ()));
  const Position taken = block.first - offered_;
  running_time_ += samples_to_time (taken, sisfuzz::rate);
  offered_ = block.first;
  note_dropped (session_->stats ().audio.dropped - dropped);
}

/* What holds up the stream does so for a while. */
void
Script::release ()
{
  session_->interrupt (false);
  session_->pause (false);
  is_held_up_ = false;
  if (is_flushing_)
    flush ();
}

void
Script::streaming_step ()
{
  if (is_waiting_)
    return;
  if ((is_flushing_ || is_held_up_) && one_in (2))
    release ();
  /* After the end of the stream no audio comes before a flush. */
  const auto choice = has_drained_ ? 7 : in_.any (0, 15);
  switch (choice) {
  case 0:
    session_->break_off ();
    break;
  case 1:
    session_->set_live (is_live_ = one_in (2));
    break;
  case 2:
    session_->warn (Failure{ .text = "A warning of the element." });
    break;
  case 3:
    session_->discard (in_.any (0, 100) * 1ms);
    break;
  case 4:
    format_ = format_ == sisfuzz::pcm ? sisfuzz::mulaw : sisfuzz::pcm;
    break;
  case 5:
    running_time_ += in_.any (0, 5000) * 1ms;
    break;
  case 6:
    if (one_in (16))
      session_->fail (Failure{ .text = "An error of the element." });
    break;
  case 7:
    if (!is_flushing_ && (has_drained_ || one_in (4)))
      drain ();
    break;
  case 8:
    session_->hold (one_in (2));
    break;
  default:
    offer ();
    break;
  }
}

void
Script::drain ()
{
  has_drained_ = true;
  const auto answer = session_->drain ();
  const AudioAccount audio = session_->stats ().audio;
  if (answer != Session::Answer::Accepted || was_flushed_
      || events_->has_failed ())
    return;
  fuzz_check (audio.waiting == 0);
  fuzz_check (model_.first_owed () >= offered_);
}

void
Script::give_up_all ()
{
  model_.gave_up_all (block_ != nullptr ? block_->first : offered_);
}

void
Script::flush ()
{
  give_up_all ();
  was_flushed_ = true;
  if (!is_flushing_) {
    session_->flush_start ();
    is_flushing_ = true;
  } else if (!is_waiting_) {
    session_->flush_stop ();
    is_flushing_ = has_drained_ = was_flushed_ = false;
  }
}

void
Script::local_step ()
{
  switch (in_.any (0, 7)) {
  case 0:
    session_->interrupt (is_held_up_ = one_in (2));
    break;
  case 1:
    session_->pause (is_held_up_ = one_in (2));
    break;
  case 2:
    session_->restart ();
    break;
  case 3: {
    Tunables tunables = config_.tunables;
    tunables.credentials = credentials ();
    tunables.max_send_rate = one_in (2) ? 0.5 : 0;
    session_->tune (tunables);
    break;
  }
  case 4:
    set_prank ();
    break;
  case 5:
    if (one_in (8)) {
      session_->close ();
      events_->is_closed = true;
    }
    break;
  default:
    flush ();
    break;
  }
}

/* The listener is called, and calls back. */
void
Script::set_prank ()
{
  switch (in_.any (0, 3)) {
  case 0:
    events_->prank = [this] { session_->close (); };
    break;
  case 1:
    events_->prank = [this] {
      give_up_all ();
      was_flushed_ = true;
      if (!is_flushing_)
        session_->flush_start ();
      is_flushing_ = true;
    };
    break;
  case 2:
    events_->prank = [this] { session_->restart (); };
    break;
  default:
    events_->prank = [this] { session_->interrupt (is_held_up_ = true); };
    break;
  }
}

/* If anybody hears it. */
void
Script::say (const std::string &text)
{
  last_said_ = text;
  if (!world_.is_open ())
    return;
  wire_.said (parse (text));
  world_.say (text);
  model_.heard ();
}

void
Script::refuse ()
{
  static constexpr int statuses[] = { 301, 401, 403, 404, 407, 429, 500, 503 };
  if (one_in (2)) {
    world_.refuse (
        { .kind = FailureKind::Open,
          .cause = one_in (2) ? FailureCause::Connect : FailureCause::Tls,
          .transience = Transience::Yes,
          .text = "No way." });
    return;
  }
  const std::string said = "not with " + world_.told;
  const Failure failure
      = failure_of_refusal ({ .http_status = statuses[in_.any (0, 7)],
                              .error_code = one_in (2) ? "APIGW.0307" : "",
                              .error_msg = said });
  if (world_.is_connecting ())
    world_.refuse (failure);
  else
    world_.answer_token (failure);
}

/* What a healthy service would do. */
void
Script::healthy_step ()
{
  if (world_.accept () || world_.answer_token (Secret (sisfuzz::secret_token)))
    return;
  if (!wire_.is_started ())
    say (service_.start_reply ());
  else if (wire_.is_ended () && one_in (2))
    say (service_.end_reply ("NORMAL"));
  else if (!world_.take () || one_in (2))
    say (service_.result ());
}

void
Script::remote_step ()
{
  switch (in_.any (0, 15)) {
  case 0:
    world_.lose ();
    break;
  case 1:
    if (one_in (4))
      refuse ();
    break;
  case 2:
    world_.say_binary (std::size_t (in_.any (0, 70000)));
    break;
  case 3:
    world_.answer_pings (one_in (2));
    break;
  case 4:
  case 5:
  case 6:
    say (service_.message ());
    break;
  case 7:
    say (last_said_);
    break;
  default:
    healthy_step ();
    break;
  }
}

void
Script::time_step ()
{
  switch (in_.any (0, 3)) {
  case 0:
    world_.pass_to_next_timer ();
    break;
  case 1:
    world_.pass (in_.any (0, 30'000) * 1ms);
    break;
  default:
    world_.pass (in_.any (0, 255) * 1ms);
    break;
  }
}

void
Script::run ()
{
  world_.run_loop ();
  while (!is_over ())
    step ();
  finish ();
}

/* The end of the stream, or only of the session. */
void
Script::finish ()
{
  if (!events_->is_closed && !is_flushing_ && offered_ % 2 == 0) {
    session_->interrupt (false);
    session_->pause (false);
    drain ();
  }
  check_account ();
  events_->prank = nullptr;
  session_->close ();
  events_->is_closed = true;
  world_.run_loop ();
  session_.reset ();
}

} // namespace

int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  World::get ().reset ();
  {
    Script script (sisfuzz::as_text (data, size));
    script.run ();
  }
  World::get ().check_empty ();
  return 0;
}
