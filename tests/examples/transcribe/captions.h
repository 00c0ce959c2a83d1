// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdio>
#include <gst/gst.h>
#include <optional>
#include <string>
#include <vector>

/* What is written of a transcript. Nothing here trusts the text: whatever a
 * service says, a line stays one line, and a cue one cue. */
namespace transcribe {

enum class Format { Text, Srt, Vtt, Json };

struct TimedText
{
  std::string text;
  GstClockTime start = 0, end = 0;
};

struct Cue : TimedText
{
  std::optional<double> score;
  std::vector<TimedText> words;
};

/* Without control characters, those that turn the direction of writing
 * included, and in valid UTF-8. Line breaks become spaces. */
std::string printable (std::string_view text);

/* A message `sis-result`; times from its field `running-time`, or
 * `stream-time`. */
Cue read_cue (const GstStructure *result, const char *time_field);

/* Writes each cue at once, so that the file can be followed while it grows. */
class CaptionFile
{
public:
  CaptionFile (Format format, std::FILE *file);

  /* All three: false, with errno, if the file cannot be written. */
  bool begin ();
  bool add (const Cue &cue);
  bool finish ();

private:
  bool put (const std::string &text);

  Format format_;
  std::FILE *file_;
  unsigned count_ = 0;
  GstClockTime last_start_ = 0;
};

} // namespace transcribe
