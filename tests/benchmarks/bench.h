// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <dirent.h>
#include <glib.h>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <vector>

/* What the benchmark programs have in common: options, figures of the process,
 * and one line of JSON on stdout. */
namespace bench {

/* 100 ms of 16 kHz, 16 bit, mono. */
constexpr std::size_t chunk_bytes = 3200;
constexpr unsigned chunks_per_hour = 36000;

/* Nanoseconds of a clock that all processes share. */
inline std::int64_t
now_ns ()
{
  return std::chrono::steady_clock::now ().time_since_epoch ().count ();
}

/* User and system time of the process, in seconds. */
inline double
cpu_seconds ()
{
  struct rusage usage = {};
  getrusage (RUSAGE_SELF, &usage);
  const auto seconds = [] (const timeval &time) {
    return double (time.tv_sec) + double (time.tv_usec) * 1e-6;
  };
  return seconds (usage.ru_utime) + seconds (usage.ru_stime);
}

inline long
rss_kb ()
{
  long pages = 0;
  if (FILE *file = std::fopen ("/proc/self/statm", "r")) {
    if (std::fscanf (file, "%*s %ld", &pages) != 1)
      pages = 0;
    std::fclose (file);
  }
  return pages * (sysconf (_SC_PAGESIZE) / 1024);
}

inline int
count_threads ()
{
  int count = 0;
  if (DIR *tasks = opendir ("/proc/self/task")) {
    while (const dirent *entry = readdir (tasks))
      count += entry->d_name[0] != '.';
    closedir (tasks);
  }
  return count;
}

/* "p50":…,"p95":…,"p99":…,"max":…,"count":… in milliseconds. */
inline std::string
percentiles (std::vector<std::int64_t> ns)
{
  std::ranges::sort (ns);
  const auto at = [&ns] (double part) {
    return ns.empty ()
               ? 0.0
               : double (ns[std::min (
                     ns.size () - 1, std::size_t (part * double (ns.size ())))])
                     * 1e-6;
  };
  char text[160];
  g_snprintf (text, sizeof text,
              "{\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f,\"max\":%.3f,"
              "\"count\":%zu}",
              at (0.5), at (0.95), at (0.99), at (1.0), ns.size ());
  return text;
}

/* When audio was handed over, in the audio: the first eight bytes of a chunk.
 * 0: not measured. */
inline void
stamp (void *chunk, std::int64_t ns)
{
  std::memcpy (chunk, &ns, sizeof ns);
}

/* The time that a text of the draining server begins with. */
inline std::int64_t
time_in (std::string_view text)
{
  std::int64_t ns = 0;
  std::from_chars (text.data (), text.data () + text.size (), ns);
  return ns;
}

/* Parses the command line, or exits. */
inline void
parse (int *argc, char ***argv, const GOptionEntry *entries,
       const char *summary)
{
  GOptionContext *context = g_option_context_new (nullptr);
  g_option_context_add_main_entries (context, entries, nullptr);
  g_option_context_set_summary (context, summary);
  g_autoptr (GError) error = nullptr;
  if (!g_option_context_parse (context, argc, argv, &error)) {
    std::fprintf (stderr, "%s\n", error->message);
    std::exit (2);
  }
  g_option_context_free (context);
}

} // namespace bench
