// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "pipeline.h"

#include <cstdio>
#include <functional>
#include <initializer_list>
#include <string>
#include <unistd.h>

/* What the sink's `stats` say. */
namespace sischeck {

/* One look at them. */
class Stats
{
public:
  explicit Stats (const Pipeline &pipeline)
  {
    g_object_get (pipeline.sink (), "stats", &structure_, nullptr);
    fail_unless (structure_ != nullptr);
  }
  ~Stats () { gst_structure_free (structure_); }
  Stats (const Stats &) = delete;
  Stats &operator= (const Stats &) = delete;

  const GstStructure *get () const { return structure_; }
  std::string state () const { return text_of (structure_, "state"); }
  guint64 audio (const char *which) const
  {
    return time_of (structure_, (std::string ("audio-") + which).c_str ());
  }
  guint64 sum (std::initializer_list<const char *> names) const
  {
    guint64 total = 0;
    for (const char *name : names)
      total += audio (name);
    return total;
  }

  /* All audio is somewhere, and nowhere twice. */
  void assert_sum () const
  {
    assert_equals_uint64 (sum ({ "in", "filled" }),
                          sum ({ "acknowledged", "unacknowledged", "evicted",
                                 "buffered", "dropped" }));
  }

private:
  GstStructure *structure_ = nullptr;
};

/* Looks until the predicate holds, each time at what adds up; nothing rings
 * when they change, so it listens to the bus in between. */
inline bool
wait_for_stats (Pipeline &pipeline,
                const std::function<bool (const Stats &)> &predicate,
                Milliseconds limit = patience ())
{
  const auto deadline = std::chrono::steady_clock::now () + limit;
  while (true) {
    const Stats stats (pipeline);
    stats.assert_sum ();
    if (predicate (stats))
      return true;
    if (std::chrono::steady_clock::now () >= deadline)
      return false;
    pipeline.wait_for ([] (GstMessage *) { return true; }, 5ms);
  }
}

inline bool
wait_for_state (Pipeline &pipeline, const char *state)
{
  return wait_for_stats (pipeline, [state] (const Stats &stats) {
    return stats.state () == state;
  });
}

/* The audio of an appsrc named "src" comes at its own pace. */
inline void
make_live (const Pipeline &pipeline)
{
  g_object_set (pipeline.source (), "is-live", TRUE, nullptr);
}

/* What this process has in memory. */
inline gint64
resident_kb ()
{
  g_autofree char *text = nullptr;
  fail_unless (
      g_file_get_contents ("/proc/self/statm", &text, nullptr, nullptr));
  long total = 0;
  long pages = 0;
  fail_unless (std::sscanf (text, "%ld %ld", &total, &pages) == 2);
  return gint64 (pages) * (sysconf (_SC_PAGESIZE) / 1024);
}

/* "w3 w4 w5" for three words from 3 on. */
inline std::string
index_words (std::size_t first, std::size_t count)
{
  std::string text;
  for (std::size_t i = first; i < first + count; i++)
    text += (text.empty () ? "w" : " w") + std::to_string (i);
  return text;
}

} // namespace sischeck
