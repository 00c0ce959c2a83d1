// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "server.h"

#include "stats.h"

/* What goes wrong with sessions, and what the bus hears of it. */
namespace sischeck {

/* Attempts follow each other at once. */
inline std::string
prompt (const char *policy)
{
  return std::string ("reconnect=") + policy
         + " reconnect-delay=1000000 max-reconnect-delay=1000000 ";
}

/* What does not answer is soon late, too. */
inline std::string
hurried (const char *policy, const std::string &more = {})
{
  return prompt (policy) + "timeout=" + std::to_string (patience () / 15s) + " "
         + more;
}

inline sistest::Behaviour
refuses (unsigned status)
{
  return { .handshake = { .reply = sistest::HttpReply{ .status = status } } };
}

inline sistest::Behaviour
redirects ()
{
  sistest::HttpReply reply{ .status = 302,
                            .headers
                            = { { "Location", "ws://127.0.0.1:1/" } } };
  return { .handshake = { .reply = reply } };
}

inline sistest::Behaviour
answers_start_with (sistest::Action action)
{
  return { .start = { .answer = false, .after = { std::move (action) } } };
}

/* Nothing was recognised by then. */
inline sistest::Behaviour
fails_with (sistest::Action action, Milliseconds position = 500ms)
{
  return { .actions = { { position, std::move (action) } } };
}

inline void
assert_attempts_count_on (const Pipeline &pipeline, std::size_t attempts,
                          const char *host = "127.0.0.1")
{
  const auto connecting = pipeline.named ("sis-connecting");
  assert_equals_int (connecting.size (), attempts);
  for (std::size_t i = 0; i < attempts; i++) {
    assert_equals_int (uint_of (connecting[i], "attempt"), i + 1);
    assert_same_text (text_of (connecting[i], "host"), host);
  }
}

/* Every sis-start has its sis-end. */
inline void
assert_sessions (const Pipeline &pipeline, std::size_t sessions)
{
  const auto starts = pipeline.named ("sis-start");
  const auto ends = pipeline.named ("sis-end");
  assert_equals_int (starts.size (), sessions);
  assert_equals_int (ends.size (), sessions);
  for (std::size_t i = 0; i < sessions; i++) {
    assert_equals_int (uint_of (starts[i], "session"), i + 1);
    assert_equals_int (uint_of (ends[i], "session"), i + 1);
  }
}

/* Until the run has failed; then nothing else comes. */
inline Problem
only_error (Pipeline &pipeline)
{
  GstMessage *message = pipeline.wait_for (GST_MESSAGE_ERROR);
  fail_unless (message != nullptr, "no error");
  fail_unless (GST_MESSAGE_SRC (message) == GST_OBJECT (pipeline.sink ()));
  fail_unless (wait_for_state (pipeline, "failed"));
  pipeline.collect ();
  assert_equals_int (pipeline.from_sink (GST_MESSAGE_ERROR).size (), 1);
  return Problem (message);
}

} // namespace sischeck
