// SPDX-License-Identifier: LGPL-2.1-or-later
/* Whatever body comes with a refusal, of the gateway, a proxy or IAM: one
 * sentence for the user, and a token's lifetime that can be reckoned with. */
#include "fuzz.h"

#include "sis/protocol/failure.h"
#include "sis/protocol/iam.h"
#include "sis/protocol/message.h"

using namespace sis;

namespace {

bool
is_label (std::string_view text)
{
  return sisfuzz::is_clean (text, max_label_length);
}

void
check_refusal (const Refusal &refusal)
{
  const Failure failure = failure_of_refusal (refusal);
  fuzz_check (!failure.text.empty ());
  fuzz_check (sisfuzz::is_clean (failure.text, 4 * max_label_length));
  fuzz_check (is_label (failure.error_code) && is_label (failure.error_msg));
  fuzz_check (is_label (failure.request_id));
  describe (failure);
}

void
check_lifetime (std::string_view body)
{
  using namespace std::chrono;
  const auto lifetime = parse_token_lifetime (
      body, system_clock::time_point (seconds (1'704'164'645)));
  fuzz_check (!lifetime
              || (*lifetime <= days (366) && *lifetime > -days (366)));
  /* As it is going to be used. */
  if (lifetime)
    fuzz_check (steady_clock::time_point (hours (24 * 366)) + *lifetime
                >= steady_clock::time_point ());
}

} // namespace

/* A byte each for the status, who refuses and the clock, and the body. */
int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  sisfuzz::Choices choices (sisfuzz::as_text (data, size));
  Refusal refusal{ .http_status = int (choices.any (0, 255)) + 300 };
  refusal.refuser = Refuser (choices.any (0, 2));
  if (choices.any (0, 3) == 0)
    refusal.clock_ahead = std::chrono::minutes (choices.any (-100, 100));
  const std::string_view body = choices.rest ();
  check_lifetime (body);
  if (const auto read = parse_error_body (body)) {
    fuzz_check (is_label (read->error_code) && is_label (read->error_msg));
    fuzz_check (is_label (read->request_id));
    refusal.error_code = read->error_code;
    refusal.error_msg = read->error_msg;
    refusal.request_id = read->request_id;
    check_refusal (refusal);
  } else {
    refusal.reason = body;
    refusal.proxy = "127.0.0.1:1";
    check_refusal (refusal);
  }
  return 0;
}
