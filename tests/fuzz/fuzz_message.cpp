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

} // namespace

int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  std::visit (Check (), parse (sisfuzz::as_text (data, size)));
  return 0;
}
