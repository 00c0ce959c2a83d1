// SPDX-License-Identifier: LGPL-2.1-or-later
#include "captions.h"

#include <algorithm>
#include <array>

namespace transcribe {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

bool
is_break (gunichar c)
{
  return c == '\n' || c == '\r' || c == '\t' || c == '\v' || c == '\f'
         || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* Embeddings, overrides and isolates: they would turn what stands behind. */
bool
turns_direction (gunichar c)
{
  return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

std::string
replaced (std::string text, std::string_view old, std::string_view by)
{
  for (std::size_t at = text.find (old); at != std::string::npos;
       at = text.find (old, at + by.size ()))
    text.replace (at, old.size (), by);
  return text;
}

/* An arrow inside of a cue would be read as its times. */
std::string
subtitle (const std::string &text)
{
  return replaced (text, "-->", "\xE2\x86\x92");
}

std::string
markup (std::string text)
{
  text = replaced (std::move (text), "&", "&amp;");
  text = replaced (std::move (text), "<", "&lt;");
  return replaced (std::move (text), ">", "&gt;");
}

std::string
quoted (std::string text)
{
  text = replaced (std::move (text), "\\", "\\\\");
  return std::string ("\"") + replaced (std::move (text), "\"", "\\\"") + '"';
}

/* 00:01:02.345 */
std::string
clock_text (GstClockTime time, char point)
{
  std::array<char, 48> out;
  const guint64 ms = time / GST_MSECOND;
  const auto part = [ms] (guint64 unit, guint64 limit) {
    return unsigned (ms / unit % limit);
  };
  std::snprintf (out.data (), out.size (), "%02u:%02u:%02u%c%03u",
                 part (3600000, G_MAXUINT64), part (60000, 60), part (1000, 60),
                 point, part (1, 1000));
  return out.data ();
}

/* 62.345, whatever the locale says of commas */
std::string
thousandths (guint64 value)
{
  std::array<char, 32> out;
  std::snprintf (out.data (), out.size (), "%" G_GUINT64_FORMAT ".%03u",
                 value / 1000, unsigned (value % 1000));
  return out.data ();
}

std::string
json_times (const TimedText &timed)
{
  return R"("start": )" + thousandths (timed.start / GST_MSECOND)
         + R"(, "end": )" + thousandths (timed.end / GST_MSECOND);
}

std::string
json_object (const Cue &cue)
{
  std::string out = std::string ("{") + json_times (cue) + R"(, "text": )"
                    + quoted (cue.text);
  if (cue.score)
    out += R"(, "score": )"
           + thousandths (
               guint64 (std::clamp (*cue.score, 0.0, 1.0) * 1000 + 0.5));
  for (std::size_t i = 0; i < cue.words.size (); i++)
    out += (i == 0 ? R"(, "words": [{)" : ", {") + json_times (cue.words[i])
           + R"(, "word": )" + quoted (cue.words[i].text) + "}";
  return out + (cue.words.empty () ? "}" : "]}");
}

TimedText
read_timed (const GstStructure *structure, const char *text_field,
            const char *time_field)
{
  TimedText timed;
  const char *text = gst_structure_get_string (structure, text_field);
  timed.text = printable (text != nullptr ? text : "");
  guint64 duration = 0;
  if (!gst_structure_get_uint64 (structure, time_field, &timed.start)
      || !GST_CLOCK_TIME_IS_VALID (timed.start))
    timed.start = 0;
  gst_structure_get_uint64 (structure, "duration", &duration);
  timed.end = timed.start + duration;
  return timed;
}

} // namespace

std::string
printable (std::string_view text)
{
  std::string out;
  while (!text.empty ()) {
    const gunichar c = g_utf8_get_char_validated (
        text.data (),
        static_cast<gssize> (std::min<std::size_t> (text.size (), 6)));
    const bool is_valid = c != 0 && c <= 0x10FFFF;
    const std::size_t length
        = is_valid ? std::size_t (g_unichar_to_utf8 (c, nullptr)) : 1;
    if (!is_valid && text.front () != '\0')
      out += replacement;
    else if (is_valid && is_break (c))
      out += ' ';
    else if (is_valid && !g_unichar_iscntrl (c) && !turns_direction (c))
      out += text.substr (0, length);
    text.remove_prefix (length);
  }
  return out;
}

Cue
read_cue (const GstStructure *result, const char *time_field)
{
  Cue cue;
  static_cast<TimedText &> (cue) = read_timed (result, "text", time_field);
  double score;
  if (gst_structure_get_double (result, "score", &score))
    cue.score = score;
  const GValue *words = gst_structure_get_value (result, "words");
  if (words == nullptr)
    return cue;
  for (guint i = 0; i < gst_value_array_get_size (words); i++)
    cue.words.push_back (read_timed (
        gst_value_get_structure (gst_value_array_get_value (words, i)), "word",
        time_field));
  return cue;
}

CaptionFile::CaptionFile (Format format, std::FILE *file)
    : format_ (format), file_ (file)
{
}

bool
CaptionFile::put (const std::string &text)
{
  return std::fputs (text.c_str (), file_) >= 0 && std::fflush (file_) == 0;
}

bool
CaptionFile::begin ()
{
  switch (format_) {
  case Format::Vtt:
    return put ("WEBVTT\n");
  case Format::Json:
    return put ("[");
  case Format::Text:
  case Format::Srt:
    break;
  }
  return true;
}

/* A cue without text would be a blank line, which ends one. */
bool
CaptionFile::add (const Cue &cue)
{
  if (std::all_of (cue.text.begin (), cue.text.end (),
                   [] (char c) { return c == ' '; }))
    return true;
  /* Players expect cues in order, and each to last. */
  const GstClockTime start = std::max (cue.start, last_start_);
  const GstClockTime end = std::max (cue.end, start + GST_MSECOND);
  last_start_ = start;
  count_++;
  switch (format_) {
  case Format::Text:
    return put (cue.text + "\n");
  case Format::Json:
    return put (std::string (count_ > 1 ? ",\n " : "\n ") + json_object (cue));
  case Format::Srt:
    return put (std::string (count_ > 1 ? "\n" : "") + std::to_string (count_)
                + "\n" + clock_text (start, ',') + " --> "
                + clock_text (end, ',') + "\n" + subtitle (cue.text) + "\n");
  case Format::Vtt:
    break;
  }
  return put (std::string ("\n") + clock_text (start, '.') + " --> "
              + clock_text (end, '.') + "\n" + markup (subtitle (cue.text))
              + "\n");
}

bool
CaptionFile::finish ()
{
  return format_ != Format::Json || put ("\n]\n");
}

} // namespace transcribe
