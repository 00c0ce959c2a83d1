// SPDX-License-Identifier: LGPL-2.1-or-later
/* Whatever the service says is one of its messages, and within the limits that
 * are promised for them. */
#include "fuzz.h"

#include "sis/protocol/failure.h"
#include "sis/protocol/message.h"

using namespace sis;

namespace {

bool
is_label (std::string_view text)
{
  return sisfuzz::is_clean (text, max_label_length);
}

bool
is_time (std::optional<Milliseconds> time)
{
  return !time || (time->count () >= 0 && *time <= std::chrono::hours (24));
}

struct Check
{
  void operator() (const StartReply &reply) const
  {
    fuzz_check (is_label (reply.trace_id));
  }

  void operator() (const Result &result) const
  {
    fuzz_check (is_label (result.trace_id));
    for (const Segment &segment : result.segments)
      check (segment);
  }

  void operator() (const ServiceEvent &event) const
  {
    fuzz_check (is_label (event.trace_id) && is_label (event.event));
    fuzz_check (is_time (event.timestamp));
  }

  void operator() (const EndReply &reply) const
  {
    fuzz_check (is_label (reply.trace_id) && is_label (reply.reason));
  }

  void operator() (const ErrorReply &reply) const
  {
    fuzz_check (is_label (reply.trace_id) && is_label (reply.resp_type));
    fuzz_check (is_label (reply.error_code) && is_label (reply.error_msg));
    fuzz_check (!reply.fatal || reply.resp_type == "FATAL_ERROR");
    const Failure failure = failure_of_reply (reply);
    fuzz_check (!failure.text.empty ());
    fuzz_check (sisfuzz::is_clean (failure.text, 3 * max_label_length));
    describe (failure);
  }

  void operator() (const Unknown &unknown) const
  {
    fuzz_check (is_label (unknown.resp_type));
  }

  void operator() (const Malformed &malformed) const
  {
    fuzz_check (!malformed.reason.empty () && is_label (malformed.reason));
  }

  static void check (const Segment &segment)
  {
    fuzz_check (is_time (segment.start_time) && is_time (segment.end_time));
    fuzz_check (sisfuzz::is_clean (segment.text, max_text_length));
    fuzz_check (segment.has_result || segment.text.empty ());
    fuzz_check (!segment.score || (*segment.score >= 0 && *segment.score <= 1));
    fuzz_check (segment.words.size () <= max_words);
    for (const Word &word : segment.words) {
      fuzz_check (sisfuzz::is_clean (word.word, max_text_length));
      fuzz_check (is_time (word.start_time) && is_time (word.end_time));
    }
  }
};

/* A piece of `text`, between two bytes 2, is there `times` times: what reaches
 * the limits is longer than an input. */
std::string
repeated (std::string_view text, std::int64_t times)
{
  constexpr char mark = 2;
  const std::size_t begin = text.find (mark);
  const std::size_t end
      = begin == text.npos ? begin : text.find (mark, begin + 1);
  if (end == text.npos)
    return std::string (text);
  const std::string_view piece = text.substr (begin + 1, end - begin - 1);
  std::string whole (text.substr (0, begin));
  while (times-- > 0 && whole.size () <= max_message_length)
    whole += piece;
  return whole.append (text.substr (end + 1));
}

void
check (std::string_view text)
{
  const ServerMessage message = parse (text);
  fuzz_check (text.size () <= max_message_length
              || std::holds_alternative<Malformed> (message));
  std::visit (Check (), message);
}

} // namespace

/* A message; or a byte 1, how often a piece of it is there, and the message. */
int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  sisfuzz::Choices choices (sisfuzz::as_text (data, size));
  if (size > 0 && data[0] == 1) {
    choices.byte ();
    const auto times = choices.any (1, max_message_length);
    check (repeated (choices.rest (), times));
  } else {
    check (choices.rest ());
  }
  return 0;
}
