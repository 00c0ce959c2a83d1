// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "server.h"

#include "pipeline.h"

#include <algorithm>
#include <cstring>

/* A sink in front of a scripted service, and audio that tells at which sample
 * each session begins. */
namespace sischeck {

constexpr std::size_t per_ms = 16;

/* Where the audio of a connection begins in the stream, if it begins with one
 * of the stream's 10 ms: finish () looks closer. */
inline std::size_t
start_of (const sistest::Record &record)
{
  std::int16_t first = 0;
  if (record.audio.size () >= sizeof first)
    std::memcpy (&first, record.audio.data (), sizeof first);
  return std::size_t (first) * 10 * per_ms;
}

inline std::size_t
end_of (const sistest::Record &record)
{
  return start_of (record) + record.audio_bytes / 2;
}

/* A time-out that comes soon, but not before a slow machine's answer; and
 * before the service ends a session that has no audio for 20 s. */
inline std::string
soon ()
{
  return " timeout=" + std::to_string (std::min<int> (patience () / 5000ms, 15))
         + " ";
}

/* A sink, and a service that says what the script says. */
class Stage
{
public:
  explicit Stage (std::vector<sistest::Behaviour> script,
                  const std::string &properties = {})
  {
    server.script (std::move (script));
    fail_unless (server.start ());
    pipeline = std::make_unique<Pipeline> (launch_line (
        server.url (),
        "idle-timeout=0 reconnect-delay=1000000 max-reconnect-delay=1000000 "
            + properties));
    pipeline->play ();
  }

  /* Audio up to that time of the stream, until all was heard and as many
   * segments were posted. */
  void play_to (Milliseconds time, std::size_t results = 0)
  {
    push_to (time);
    fail_unless (server.wait ([this] (const auto &records) {
      return std::ranges::any_of (
          records, [this] (const sistest::Record &record) {
            return record.audio_bytes > 0 && end_of (record) >= pushed_;
          });
    }));
    wait_for ("sis-result", results);
  }

  void push_to (Milliseconds time)
  {
    const std::size_t n = std::size_t (time.count ()) * per_ms - pushed_;
    pipeline->push (indexed_audio (pushed_, n),
                    pushed_ == 0 ? 0 : GST_CLOCK_TIME_NONE);
    pushed_ += n;
  }

  void wait_for (const char *name, std::size_t count)
  {
    while (pipeline->named (name).size () < count)
      fail_unless (pipeline->wait_for_element_message (name), "no %s", name);
  }

  /* Half a second more, and the end. Every sample was in a session that began
   * before the one behind it was over. */
  void finish ()
  {
    push_to (Milliseconds (pushed_ / per_ms + 500));
    pipeline->end ();
    fail_unless (pipeline->wait_for_eos ());
    std::size_t heard = 0;
    for (const sistest::Record &record : server.connections ()) {
      const std::size_t start = record.audio_bytes > 0 ? start_of (record) : 0;
      fail_unless (start <= heard, "from %zu to %zu is missing", heard, start);
      fail_unless (record.samples ()
                   == indexed_audio (start, record.audio_bytes / 2));
      fail_unless (record.violations.empty ());
      heard = std::max (heard, end_of (record));
    }
    assert_equals_uint64 (heard, pushed_);
    assert_equals_int (pipeline->named ("sis-start").size (),
                       pipeline->named ("sis-end").size ());
  }

  /* Milliseconds of the stream. */
  int first_ms (std::size_t connection) const
  {
    return int (start_of (server.connections ().at (connection)) / per_ms);
  }

  std::string reason (std::size_t session) const
  {
    return text_of (pipeline->named ("sis-end").at (session), "reason");
  }

  std::size_t warnings () const
  {
    return pipeline->from_sink (GST_MESSAGE_WARNING).size ();
  }

  GstClockTime length () const { return samples_to_ns (pushed_); }

  sistest::Server server;
  std::unique_ptr<Pipeline> pipeline;

private:
  std::size_t pushed_ = 0;
};

/* A service that says what the script says, and nothing else. */
inline sistest::Behaviour
scripted (std::vector<sistest::TimedAction> actions)
{
  return { .actions = std::move (actions),
           .recognizer = sistest::silent_recognizer () };
}

} // namespace sischeck
