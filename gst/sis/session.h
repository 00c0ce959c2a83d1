// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/credentials.h"
#include "sis/protocol/failure.h"
#include "sis/protocol/header.h"
#include "sis/protocol/message.h"
#include "sis/protocol/transport.h"
#include "sis/stream/audiostore.h"
#include "sis/stream/reconnect.h"
#include "sis/stream/timeline.h"
#include "sis/stream/transcripts.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

/* Threads.
 *  1. Application threads set properties and change state; they never wait for
 *     the network.
 *  2. The streaming thread puts audio into the bounded store; it may wait there
 *     for room or for the end of the drain, and is always released by
 *     interrupt (), close (), a failure or a deadline.
 *  3. The I/O thread, one per process, alone touches SoupSessions, WebSockets
 *     and timers. Functions that run there are named *_on_loop.
 *  4. Crossing in: the store, and a bell that wakes the I/O thread. Crossing
 *     out: listener calls on the I/O thread with no lock held.
 *  5. Locks: the element's Guarded<Settings> and the session's Guarded<Shared>.
 *     Never both; never across libsoup, a listener call or a bus message. */
namespace sis {

/* What happens to audio when the store is full. */
enum class Leaky { Auto, No, Upstream, Downstream };

/* What may change while a session lives. */
struct Tunables
{
  StartConfig start; /* audio_format is filled in from the audio */
  Credentials credentials;
  std::string enterprise_project_id; /* empty: not sent */
  double max_send_rate = 0;          /* times real time; 0: no limit */
};

/* What a session needs to know besides; does not change while it lives. */
struct Config
{
  Endpoint endpoint;
  std::string project_id;
  Mode mode = Mode::Continue;
  int rate = 16000;
  Tunables tunables;
  std::string user_agent;
  Headers extra_headers;
  Transport transport;
  Nanoseconds chunk_duration{ std::chrono::milliseconds (100) };
  Nanoseconds max_buffer_duration{ std::chrono::seconds (30) };
  Nanoseconds replay_duration{ std::chrono::seconds (60) };
  Leaky leaky = Leaky::Auto;
  Reconnecting::Settings reconnect;
  std::chrono::seconds timeout{ 20 };
  std::chrono::seconds keepalive_interval{ 15 }; /* 0: off */
  /* Without audio for so long the service's session is ended in order; the next
   * audio opens another. 0: never. */
  Nanoseconds idle_timeout{ std::chrono::seconds (10) };
  Nanoseconds max_session_duration{}; /* 0: by mode */
  bool discards_after_error = false;  /* takes and drops audio then */
  bool tells_progress = false;
};

/* What a session tells. */
struct Connecting
{
  unsigned attempt = 0;
  std::string host;
};

struct Started
{
  std::string trace_id;
  unsigned session = 0;
};

struct Occurrence
{
  std::string trace_id;
  unsigned session = 0;
  std::string event;
  std::optional<Milliseconds> event_time;
  Times times;
};

struct Ended
{
  std::string trace_id;
  unsigned session = 0;
  std::string reason; /* NORMAL, CANCEL, ERROR, LOST, TIMEOUT */
};

/* How far the stream has come, each time that it has and behind each RESULT, if
 * Config asks for it. */
struct Progress
{
  Nanoseconds covered{};    /* running time: no final will begin before */
  bool is_all_sent = false; /* nothing that was offered waits, but for what does
                               not fill a message */
  bool operator== (const Progress &) const = default;
};

struct Warning
{
  Failure failure;
};

/* Audio was lost as the store was full, for the last time at least a second
 * ago. */
struct Overflow
{
  Times times; /* of the first sample that was lost */
  Nanoseconds dropped{};
  Nanoseconds processed{}; /* of the whole run, but for what was dropped */
  bool is_live = false;
};

/* A Failure is the last event but for Ended: the session takes no more audio.
 */
using Event = std::variant<Connecting, Started, Transcript, Occurrence, Ended,
                           Overflow, Progress, Warning, Failure>;

/* Where a session stands. */
struct Stats
{
  const char *state = "idle"; /* idle, connecting, starting, streaming, ending,
                                 waiting, failed */
  std::string trace_id;
  unsigned sessions = 0;
  unsigned reconnects = 0;                /* attempts after a failure */
  std::uint64_t bytes_sent = 0;           /* of audio, padding included */
  std::uint64_t finals = 0, interims = 0; /* told */
  std::uint64_t malformed = 0;
  Nanoseconds last_result_latency{}; /* since its last sample was sent */
  int rate = 16000;
  AudioAccount audio; /* in samples */
};

class Listener
{
public:
  virtual ~Listener () = default;
  /* On the I/O thread, with no lock held. It must not block; it may call the
   * session, and drop the last reference to it. */
  virtual void on_event (const Event &event) = 0;
  /* A line for the log; without secrets. On the I/O thread. */
  virtual void on_log (const std::string &line) = 0;
};

/* Audio of one format on its way into the session. */
struct AudioBlock
{
  AudioFormat format;
  AudioStore::Kind kind = AudioStore::Kind::Audio;
  Position first = 0; /* of bytes[0] */
  std::span<const std::byte> bytes;
  std::optional<Anchor> anchor; /* of samples that are yet to come */
};

/* Recognises one stream of audio, over as many of the service's sessions as it
 * takes. The connection is made when the first audio comes. */
class Session
{
public:
  Session (const Config &config, std::shared_ptr<Listener> listener);

  /* As close (). */
  ~Session ();
  Session (const Session &) = delete;
  Session &operator= (const Session &) = delete;

  enum class Answer {
    Accepted,    /* done */
    Interrupted, /* by interrupt (true): ask again later */
    Closed,      /* by a failure that was told already, or by close () */
  };

  /* Any thread. For the service's sessions, and handshakes, from now on. */
  void tune (const Tunables &tunables);

  /* Any thread. A running session of the service is replaced as soon as nothing
   * is lost by it, so that what was tuned applies. */
  void restart ();

  /* Any thread. */
  Stats stats () const;

  /* Streaming thread. Audio comes at its own pace: it is not to be held up. */
  void set_live (bool is_live);

  /* Streaming thread. Takes the anchor, and audio from the front of `block`,
   * waiting for room or dropping audio; what is left of it afterwards is to be
   * offered again. */
  Answer offer (AudioBlock &block);

  /* Streaming thread. The audio offered from now on is for another session of
   * the service: the current one is ended in order before. */
  void break_off ();

  /* Streaming thread. It is held up by who uses the session: that no audio
   * comes is not the source's fault, and ends the service's session only before
   * the service would do so, 20 s after the last audio. */
  void hold (bool held);

  /* Streaming thread. The audio offered so far is all there is: sends it,
   * ends the service's session and waits until the last transcript was told.
   * Deadlines stand still while nobody waits here. */
  Answer drain ();

  /* Streaming thread. A warning or failure that the caller found, to be told in
   * its turn on the I/O thread. fail () waits until it was told; Accepted:
   * audio is taken all the same, and dropped. */
  void warn (const Failure &failure);
  Answer fail (const Failure &failure);

  /* Streaming thread. Counts audio that cannot be offered. */
  void discard (Nanoseconds length);

  /* Any thread. true: offer () and drain () return Interrupted at once. */
  void interrupt (bool interrupted);

  /* Any thread. The same, for as long as the pipeline is paused. */
  void pause (bool paused);
  bool is_paused () const;

  /* Any thread. Forgets all audio and cancels the service's session. When
   * flush_stop () returned, nothing of before will be told but its Ended. */
  void flush_start ();
  void flush_stop ();

  /* Any thread; from the I/O thread it never waits. Drops the connection; when
   * it returned, nothing will be told any more. */
  void close ();

private:
  const std::shared_ptr<class SessionCore> core_;
};

} // namespace sis
