// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "stats.h"

/* Hours of audio at 8 kHz, half of the work, and what is said of them. */
namespace sischeck {

constexpr std::size_t marathon_second = 8000; /* in samples */

/* The index of 10 ms wraps after 32768; "w3276", the last word before that, has
 * no end and is never told. */
constexpr std::size_t marathon_words = 3276;

/* How many are said in so many seconds. */
constexpr std::size_t
words_of_marathon (std::size_t seconds)
{
  return seconds * 100 / 32768 * marathon_words + seconds * 100 % 32768 / 10;
}

inline std::string
marathon_line (const std::string &url, const std::string &properties)
{
  return "appsrc name=src format=time block=true max-bytes=160000 "
         "caps=audio/x-raw,"
         "format=S16LE,rate=8000,channels=1,layout=interleaved ! sissink "
         "name=sink sync=false project-id=p model=chinese_8k_general "
         "reconnect-delay=1000000 max-reconnect-delay=1000000 endpoint="
         + url + " " + properties;
}

/* Hears the bus and keeps nothing but where it is. */
class MarathonListener
{
public:
  explicit MarathonListener (const Pipeline &pipeline)
      : bus_ (gst_element_get_bus (pipeline.get ()))
  {
  }
  ~MarathonListener () { gst_object_unref (bus_); }
  MarathonListener (const MarathonListener &) = delete;
  MarathonListener &operator= (const MarathonListener &) = delete;

  void hear_all ()
  {
    while (GstMessage *message = gst_bus_pop (bus_))
      hear (MessagePtr (message));
  }

  /* Or an error. */
  bool hear_until_eos ()
  {
    while (!is_over_) {
      GstMessage *message = gst_bus_timed_pop (
          bus_, GstClockTime (patience () / std::chrono::nanoseconds (1)));
      if (message == nullptr)
        return false;
      hear (MessagePtr (message));
    }
    return error_.empty ();
  }

  /* So many words were to be said, and the stream lasted so long: nothing is
   * missing, said twice or out of place. */
  void assert_heard (std::size_t words, std::size_t seconds) const
  {
    assert_same_text (error_, "");
    assert_equals_int (said, words);
    assert_equals_int (missed (words), 0);
    assert_equals_int (repeated, 0);
    assert_equals_int (misplaced, 0);
    assert_equals_uint64 (end / GST_SECOND, seconds);
  }
  std::size_t missed (std::size_t words) const
  {
    return skipped_ + (words > next_ ? words - next_ : 0);
  }
  const std::string &error () const { return error_; }

  std::size_t said = 0, repeated = 0, misplaced = 0; /* misplaced: finals */
  std::size_t starts = 0, ends = 0, warnings = 0;
  gint64 end = 0; /* of the last final, in running time */

private:
  void hear (const MessagePtr &message)
  {
    const GstStructure *structure = gst_message_get_structure (message.get ());
    switch (GST_MESSAGE_TYPE (message.get ())) {
    case GST_MESSAGE_ERROR:
      error_ = Problem (message.get ()).text;
      is_over_ = true;
      break;
    case GST_MESSAGE_EOS:
      is_over_ = true;
      break;
    case GST_MESSAGE_WARNING:
      warnings++;
      break;
    case GST_MESSAGE_ELEMENT:
      starts += gst_structure_has_name (structure, "sis-start");
      ends += gst_structure_has_name (structure, "sis-end");
      if (gst_structure_has_name (structure, "sis-result"))
        hear_final (structure);
      break;
    default:
      break;
    }
  }

  /* Finals lie end to end, and the words count on. */
  void hear_final (const GstStructure *result)
  {
    const auto start = gint64 (time_of (result, "running-time"));
    misplaced += ABS (start - end) > gint64 (GST_MSECOND);
    end = start + gint64 (time_of (result, "duration"));
    const std::string text = text_of (result, "text");
    for (const char *at = text.c_str (); *at != '\0';) {
      char *behind = nullptr;
      hear_word (g_ascii_strtoull (at + 1, &behind, 10));
      at = behind + (*behind == ' ');
    }
  }

  void hear_word (std::size_t index)
  {
    const std::size_t ahead
        = (index + marathon_words - next_ % marathon_words) % marathon_words;
    said++;
    if (ahead > marathon_words / 2) {
      repeated++;
    } else {
      skipped_ += ahead;
      next_ += ahead + 1;
    }
  }

  GstBus *const bus_;
  bool is_over_ = false;
  std::string error_;
  std::size_t next_ = 0, skipped_ = 0;
};

/* A second of the marathon, from the one with that number on. */
inline void
push_marathon (Pipeline &pipeline, std::size_t second)
{
  pipeline.push (indexed_audio (second * marathon_second, marathon_second,
                                int (marathon_second)),
                 second == 0 ? 0 : GST_CLOCK_TIME_NONE);
}

} // namespace sischeck
