// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/glibptr.h"
#include "sis/protocol/message.h"

#include <algorithm>
#include <gst/check/gstcheck.h>
#include <memory>
#include <set>
#include <span>

/* For temporaries too, which fail_unless_equals_string lets dangle. */
#define assert_text(actual, expected)                                          \
  do {                                                                         \
    const std::string actual_text (actual), expected_text (expected);          \
    fail_unless (actual_text == expected_text, "%s is\n'%s', not\n'%s'",       \
                 #actual, actual_text.c_str (), expected_text.c_str ());       \
  } while (0)

/* The files in check/data and what they mean: one line of text for each
 * message, so that a table of them is easy to read and to extend. */
namespace samples {

struct Expectation
{
  const char *name; /* of the file, without .json */
  const char *message;
};

inline std::string
load (const char *folder, const std::string &name)
{
  const sis::GCharPtr path (
      g_build_filename (TEST_DATA, folder, (name + ".json").c_str (), nullptr));
  char *data = nullptr;
  gsize length = 0;
  fail_unless (g_file_get_contents (path.get (), &data, &length, nullptr),
               "no file %s", path.get ());
  const sis::GCharPtr owned (data);
  return std::string (data, length);
}

/* Every file of a folder has to be in the table that is meant for it. */
inline void
assert_complete (const char *folder, std::span<const Expectation> table)
{
  std::set<std::string> names;
  for (const Expectation &row : table)
    names.insert (std::string (row.name) + ".json");
  const sis::GCharPtr path (g_build_filename (TEST_DATA, folder, nullptr));
  GDir *const dir = g_dir_open (path.get (), 0, nullptr);
  fail_unless (dir != nullptr);
  while (const char *name = g_dir_read_name (dir))
    fail_unless (names.contains (name), "%s is in no table", name);
  g_dir_close (dir);
}

/* Parses a copy that ends where its memory ends, so that a memory checker sees
 * a step beyond. */
inline sis::ServerMessage
parse_exactly (std::string_view text)
{
  const auto copy = std::make_unique<char[]> (text.size ());
  std::copy (text.begin (), text.end (), copy.get ());
  return sis::parse ({ copy.get (), text.size () });
}

inline std::string
describe (std::optional<sis::Milliseconds> time)
{
  return time ? std::to_string (time->count ()) : "?";
}

inline std::string
describe (const sis::Segment &segment)
{
  std::string out = describe (segment.start_time) + "-"
                    + describe (segment.end_time)
                    + (segment.is_final ? " final" : " interim");
  if (!segment.has_result)
    return out + " without result";
  out += " '" + segment.text + "'";
  if (segment.score) {
    char score[G_ASCII_DTOSTR_BUF_SIZE];
    out += " ";
    out += g_ascii_formatd (score, sizeof score, "%.3g", *segment.score);
  }
  for (const sis::Word &word : segment.words)
    out += " <" + word.word + " " + describe (word.start_time) + "-"
           + describe (word.end_time) + ">";
  return out;
}

struct Describer
{
  using Kind = sis::ServiceEvent::Kind;

  std::string operator() (const sis::StartReply &m) const
  {
    return "START " + m.trace_id;
  }
  std::string operator() (const sis::Result &m) const
  {
    std::string out = "RESULT " + m.trace_id;
    for (const sis::Segment &segment : m.segments)
      out += " | " + describe (segment);
    return out;
  }
  std::string operator() (const sis::ServiceEvent &m) const
  {
    static constexpr const char *kinds[] = {
      "voice start", "voice end", "silence", "audio", "other",
    };
    return "EVENT " + m.trace_id + " " + kinds[static_cast<int> (m.kind)] + " "
           + m.event + " @" + describe (m.timestamp);
  }
  std::string operator() (const sis::EndReply &m) const
  {
    return "END " + m.trace_id + " " + m.reason;
  }
  std::string operator() (const sis::ErrorReply &m) const
  {
    return (m.fatal ? "fatal [" : "error [") + m.resp_type + "] " + m.trace_id
           + " " + m.error_code + " " + m.error_msg;
  }
  std::string operator() (const sis::Unknown &m) const
  {
    return "unknown [" + m.resp_type + "]";
  }
  std::string operator() (const sis::Malformed &m) const
  {
    return "malformed: " + m.reason;
  }
};

inline std::string
describe (const sis::ServerMessage &message)
{
  return std::visit (Describer (), message);
}

} // namespace samples
