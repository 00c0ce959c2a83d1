// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "recognizer.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/* What the fake service does with one connection. Everything has a default,
 * and the defaults make a service that behaves well:
 *
 *   server.script ({
 *     { .handshake = { .reply = HttpReply{ .status = 503 } } },
 *     { .start = { .answer = false, .after = { error ("SIS.0303", "…") } } },
 *     { .actions = { { 1500ms, reset () } } },
 *     {},
 *   });
 */
namespace sistest {

/* One thing to do out of the ordinary, at once; made by the functions below. */
struct Action
{
  enum class Kind {
    Text,
    Binary,
    Raw,
    Result,
    Error,
    Fatal,
    End,
    Close,
    Reset,
    HangUp,
    StopReading,
    Vanish
  };
  Kind kind;
  std::string text; /* payload, error message or END's reason */
  std::string code; /* error code */
  std::vector<Segment> segments;
  int close_code = 1000;
  Milliseconds duration{}; /* StopReading: 0 is for good */

  /* Error, Fatal, by design of the service; a test may leave them out. */
  bool trace_id = true;
  bool followed = true; /* ERROR in a session by END, FATAL_ERROR by a close */
};

/* A text message as it stands, JSON or not. */
Action send_text (std::string text);
Action send_binary (std::string bytes);
/* Bytes on the stream, frame header and all. */
Action send_raw (std::string bytes);
/* A RESULT with the session's trace_id. */
Action send_result (std::vector<Segment> segments);
Action error (std::string code, std::string message);
Action fatal (std::string code, std::string message, int close_code = 1000);
/* An END that nobody asked for. */
Action end (std::string reason = "NORMAL");
Action close_with (int close_code);
Action reset ();   /* TCP RST */
Action hang_up (); /* TCP FIN, no close frame */
Action stop_reading (Milliseconds duration = {});
/* No more reading, writing or pongs, and no close. */
Action vanish ();
Action without_trace_id (Action action);
Action unfollowed (Action action);

/* As soon as that much session audio has come. */
struct TimedAction
{
  Milliseconds position{};
  Action action;
};

/* How a request of the client is answered. */
struct Reply
{
  bool answer = true;
  Milliseconds delay{};
  std::vector<Action> before, after; /* the answer, or where it would be */
};

struct HttpReply
{
  unsigned status = 200;
  std::string reason; /* empty: the usual one */
  std::string body, content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;

  Milliseconds delay{};
  bool answer = true;
  bool drop = false; /* the connection, by FIN, in place of an answer */
};

struct Record;

struct Handshake
{
  std::string token; /* required in X-Auth-Token, unless empty: else 401 */
  std::optional<HttpReply> reply; /* in place of 101 */
  /* A refusal, or nothing: 101. Asked on the server's thread when the handshake
   * is to be answered and all else about it is right. */
  std::function<std::optional<HttpReply> (const Record &)> check;
  Milliseconds delay{};
  bool answer = true;
  bool drop = false; /* the connection, by FIN, in place of an answer */
};

struct Behaviour
{
  Handshake handshake;
  Reply start, end;
  std::vector<TimedAction> actions; /* in order of position */
  /* When a sentence-stream session is over, after VOICE_END or
   * EXCEEDED_SILENCE. */
  std::vector<Action> after_sentence;

  RecognizerKind recognizer = sentence_recognizer ();
  Milliseconds result_delay{};
  bool repeat_finals = false;      /* each RESULT with a final comes twice */
  bool scalars_as_strings = false; /* "true", "1200" */
  bool trace_ids = true;
  bool pongs = true;

  bool strict_keys = true;               /* unknown START keys are errors */
  std::vector<std::string> vocabularies; /* ids that exist */

  /* Nothing but pings from the client for so long: FATAL_ERROR SIS.0304. 0 is
   * never. */
  Milliseconds timeout{ 20000 };
  /* Audio of a session; else 5 h in continue-stream and 60 s elsewhere. */
  std::optional<Milliseconds> max_session;
  bool exceeded_is_error = false; /* SIS.0311, not an EVENT */

  std::size_t keep_audio = 64 << 20; /* bytes in Record::audio, at most */
  bool keep_messages = true;         /* Record's texts, replies and chunks */
};

/* What the server saw of one connection. */
struct Record
{
  std::string path;
  std::vector<std::pair<std::string, std::string>> headers;
  unsigned handshake_status = 0; /* as answered; 0: not yet, or never */

  std::vector<std::string> texts;    /* received, in order */
  std::vector<std::string> replies;  /* text messages sent, in order */
  std::vector<std::uint32_t> chunks; /* sizes of binary messages */
  std::string audio;
  std::uint64_t audio_bytes = 0;
  std::uint64_t audio_digest = fnv1a_start; /* fnv1a() of all audio */
  std::size_t pings = 0;

  std::map<std::string, std::string> config; /* of the last START; what is not
                                                a string is its JSON */
  unsigned starts = 0, ends = 0;             /* received */
  bool started = false, ended = false;       /* START, END answered */
  bool cancelled = false;                    /* the last END's `cancel` */
  std::optional<int>
      close_code;    /* of the client's close frame; 0: none in it */
  bool gone = false; /* the connection is no more */
  std::vector<std::string> violations; /* of the protocol, by the client */

  /* Empty where there is none; names in any case. */
  std::string header (std::string_view name) const;
  /* The audio kept, as S16LE. */
  std::vector<std::int16_t> samples () const;

  static constexpr std::uint64_t fnv1a_start = 0xcbf29ce484222325;
};

std::uint64_t fnv1a (std::string_view bytes,
                     std::uint64_t start = Record::fnv1a_start);

} // namespace sistest
