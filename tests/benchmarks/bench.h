// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

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
#include <unistd.h>
#include <vector>

/* What the benchmark programs have in common: options, figures of the process,
 * and one line of JSON on stdout. */
namespace bench {

/* 16 kHz, 16 bit, mono; buffers of 100 ms. */
constexpr int bytes_per_ms = 32;
constexpr int bytes_per_second = 1000 * bytes_per_ms;
constexpr std::size_t chunk_bytes = 100 * bytes_per_ms;

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

/* As a JSON array of whole microseconds, or null: no figure can be had of no
 * samples. */
inline std::string
microseconds (const std::vector<std::int64_t> &ns)
{
  std::string text;
  for (const std::int64_t sample : ns)
    text += (text.empty () ? '[' : ',') + std::to_string (sample / 1000);
  return text.empty () ? "null" : text + ']';
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
