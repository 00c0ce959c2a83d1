// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "behaviour.h"
#include "messages.h"

#include "pipeline.h"

/* What a scripted service says, and what the bus made of it. All times are in
 * milliseconds of the session. */
namespace sischeck {

inline sistest::Segment
said (int start, int end, const char *text = "said")
{
  return { Milliseconds (start), Milliseconds (end), true, text };
}

inline sistest::Segment
maybe (int start, int end, const char *text = "maybe")
{
  return { Milliseconds (start), Milliseconds (end), false, text };
}

inline sistest::Action
event (const char *name, int time)
{
  return sistest::send_text (
      sistest::event_message ("", name, Milliseconds (time)));
}

/* One segment as JSON, without the braces around it. */
inline sistest::Action
raw_result (const std::string &segment)
{
  return sistest::send_text (R"({"resp_type":"RESULT","segments":[{)" + segment
                             + "}]}");
}

/* Hears speech, and never a word. */
inline sistest::RecognizerKind
chatter_recognizer ()
{
  struct Recognizer final : sistest::Recognizer
  {
    void feed (std::span<const std::int16_t>, sistest::Findings &found) override
    {
      found.speech = true;
    }
    void finish (sistest::Findings &) override {}
  };
  return { [] (const auto &) { return std::make_unique<Recognizer> (); } };
}

/* The results of a session in order, each with its number: "1said 2maybe…", and
 * "2maybe!" for an interrupted one. */
inline std::string
story_of (const Pipeline &pipeline, guint session)
{
  std::string story;
  for (const GstStructure *told : pipeline.named ("sis-result")) {
    if (uint_of (told, "session") != session)
      continue;
    story += (story.empty () ? "" : " ")
             + std::to_string (uint_of (told, "segment"))
             + text_of (told, "text");
    if (!flag_of (told, "is_final"))
      story += "…";
    else if (gst_structure_has_field (told, "interrupted"))
      story += "!";
  }
  return story;
}

} // namespace sischeck
