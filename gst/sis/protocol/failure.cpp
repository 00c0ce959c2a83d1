// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/failure.h"

#include "sis/protocol/message.h"

#include <algorithm>
#include <glib.h>

namespace sis {

namespace {

/* The gateway takes signatures for so long, before and after. */
constexpr std::chrono::minutes max_clock_error{ 15 };

/* What is to be done about a failure. */
struct Verdict
{
  FailureKind kind = FailureKind::Service;
  Transience transience = Transience::No;
  std::string_view advice;
};

Verdict
verdict_of (const ErrorCode &row)
{
  return { row.kind, row.transience, row.advice };
}

/* `phrase` is in lower case. */
std::size_t
find_phrase (std::string_view text, std::string_view phrase)
{
  const auto at
      = std::search (text.begin (), text.end (), phrase.begin (), phrase.end (),
                     [] (char a, char b) { return g_ascii_tolower (a) == b; });
  return at == text.end () ? std::string_view::npos
                           : static_cast<std::size_t> (at - text.begin ());
}

bool
mentions (std::string_view text,
          std::initializer_list<std::string_view> phrases)
{
  return std::ranges::any_of (phrases, [text] (std::string_view phrase) {
    return find_phrase (text, phrase) != std::string_view::npos;
  });
}

/* About a code that is in no table, or none. */
constexpr std::string_view ask_support
    = "Ask the service's support what it means, with the trace_id.";

/* Where the message tells more than the code. A refused signature is never
 * tried again: the gateway would lock the key. */
Verdict
refined (const Verdict &verdict, std::string_view error_msg)
{
  if (mentions (error_msg, { "resource type is restricted" }))
    return { FailureKind::NotAuthorized, Transience::No,
             "The account seems to be in arrears: check its balance in the "
             "console." };
  if (verdict.transience == Transience::Renew
      && (mentions (error_msg, { "aksk", "ak sk", "ak/sk", "signature" })
          || (mentions (error_msg, { "ak " })
              && mentions (error_msg, { "not exist" }))))
    return { FailureKind::NotAuthorized, Transience::No,
             "Check access-key, secret-key and security-token, and the clock "
             "(at most 15 minutes off); more than five failures lock the key "
             "for 5 minutes." };
  return verdict;
}

/* What helps with the service's gateway does not help here. */
Verdict
refined_for_iam (const Verdict &verdict)
{
  constexpr std::string_view check_address = "Check iam-endpoint and region.";
  switch (verdict.kind) {
  case FailureKind::NotAuthorized:
  case FailureKind::Settings:
    return { verdict.kind, Transience::No,
             "Check user-name, domain-name, password and region; the user has "
             "to be an IAM user." };
  case FailureKind::NotFound:
    return { verdict.kind, Transience::No, check_address };
  case FailureKind::Open:
    return { verdict.kind, verdict.transience,
             verdict.transience == Transience::No ? check_address
                                                  : verdict.advice };
  default:
    return verdict;
  }
}

/* The service was not even asked. */
Verdict
refined_for_proxy (const Verdict &verdict)
{
  return { verdict.kind,
           verdict.transience == Transience::Yes ? Transience::Yes
                                                 : Transience::No,
           "Check proxy, and that it lets connections to the service pass." };
}

/* How far off, as a person says it. */
std::string
clock_advice (std::chrono::seconds ahead)
{
  const auto minutes
      = std::chrono::round<std::chrono::minutes> (std::chrono::abs (ahead));
  return "This machine's clock is " + std::to_string (minutes.count ())
         + (ahead.count () > 0 ? " minutes ahead of" : " minutes behind")
         + " the service's: set it right, as signatures are taken for 15 "
           "minutes only.";
}

Verdict
verdict_of (const Refusal &refusal, const Failure &failure)
{
  const int status = refusal.http_status;
  const ErrorCode *const row = find_error_code (failure.error_code, status);
  const Verdict verdict = refined (
      verdict_of (row ? *row : find_http_status (status)), failure.error_msg);
  switch (refusal.refuser) {
  case Refuser::Iam:
    return status == 407 ? verdict : refined_for_iam (verdict);
  case Refuser::Proxy:
    return status == 407 ? verdict : refined_for_proxy (verdict);
  case Refuser::Service:
    break;
  }
  return verdict;
}

/* A clock that is wrong explains a refused signature better than any code. */
bool
is_clock_wrong (const Refusal &refusal, const Verdict &verdict)
{
  return verdict.kind == FailureKind::NotAuthorized && refusal.clock_ahead
         && std::chrono::abs (*refusal.clock_ahead) > max_clock_error;
}

std::string_view
lead_of_reply (FailureKind kind)
{
  switch (kind) {
  case FailureKind::NotAuthorized:
    return "The service did not accept the credentials or the account";
  case FailureKind::Settings:
    return "The service refused a parameter";
  case FailureKind::NotFound:
    return "The service did not find what a parameter names";
  case FailureKind::Format:
    return "The service refused the audio format";
  case FailureKind::Lost:
    return "The service gave up waiting for audio";
  case FailureKind::Busy:
    return "The service is busy";
  default:
    return "The service reported an error";
  }
}

std::string
label (std::string_view text)
{
  return clean_text (text, max_label_length);
}

/* Of a label, as much as a sentence bears. */
std::string
excerpt (std::string_view text, std::size_t limit = 256)
{
  return text.size () <= limit ? std::string (text)
                               : clean_text (text, limit) + "…";
}

/* The separator stands only between two that are not empty. */
std::string
joined (std::string first, std::string_view separator, std::string_view second)
{
  if (!first.empty () && !second.empty ())
    first += separator;
  first += second;
  return first;
}

std::string
sentence (std::string_view lead, const std::string &facts,
          std::string_view advice)
{
  std::string out (lead);
  if (!facts.empty ())
    out += " (" + facts + ")";
  out += '.';
  return joined (std::move (out), " ", advice);
}

std::string
code_and_message (const Failure &failure)
{
  constexpr std::size_t longest_code = 64;
  return joined (excerpt (failure.error_code, longest_code), ": ",
                 excerpt (failure.error_msg));
}

std::string
lead_of_refusal (const Refusal &refusal)
{
  switch (refusal.refuser) {
  case Refuser::Iam:
    return "IAM refused to issue a token";
  case Refuser::Proxy:
    return joined ("The proxy", " ", refusal.proxy) + " refused the connection";
  case Refuser::Service:
    break;
  }
  return "The service refused the connection";
}

void
note (std::string &line, const std::string &name, std::string_view value)
{
  if (!value.empty ())
    line = joined (std::move (line), " ", name + "=" + excerpt (value));
}

/* A gateway that refuses a request may repeat it, secrets and all. */
std::string
without_request (std::string_view error_msg)
{
  for (const char *start : { "canonicalrequest", "x-auth-token",
                             "x-security-token", "authorization:" })
    error_msg = error_msg.substr (0, find_phrase (error_msg, start));
  return label (error_msg);
}

} // namespace

Failure
failure_of_reply (const ErrorReply &reply)
{
  Failure failure;
  failure.cause = reply.fatal ? FailureCause::FatalError : FailureCause::Error;
  failure.resp_type = label (reply.resp_type);
  failure.error_code = label (reply.error_code);
  failure.error_msg = without_request (reply.error_msg);
  failure.trace_id = label (reply.trace_id);

  const ErrorCode *const row = find_error_code (failure.error_code);
  const Verdict verdict
      = refined (row ? verdict_of (*row) : Verdict{ .advice = ask_support },
                 failure.error_msg);
  failure.kind = verdict.kind;
  failure.transience = verdict.transience;
  failure.text = sentence (lead_of_reply (verdict.kind),
                           code_and_message (failure), verdict.advice);
  return failure;
}

Failure
failure_of_refusal (const Refusal &refusal)
{
  Failure failure;
  failure.cause = FailureCause::Refusal;
  failure.error_code = label (refusal.error_code);
  failure.error_msg = without_request (refusal.error_msg);
  failure.request_id = label (refusal.request_id);
  failure.http_status = unsigned (std::max (refusal.http_status, 0));

  const Verdict verdict = verdict_of (refusal, failure);
  failure.kind = verdict.kind;
  failure.transience = verdict.transience;

  std::string status;
  if (failure.http_status > 0)
    status = joined ("HTTP " + std::to_string (failure.http_status), " ",
                     excerpt (label (refusal.reason)));
  const std::string advice = is_clock_wrong (refusal, verdict)
                                 ? clock_advice (*refusal.clock_ahead)
                                 : std::string (verdict.advice);
  failure.text
      = sentence (lead_of_refusal (refusal),
                  joined (status, ", ", code_and_message (failure)), advice);
  return failure;
}

std::string
describe (const Failure &failure)
{
  std::string line;
  note (line, "error_code", failure.error_code);
  note (line, "trace_id", failure.trace_id);
  note (line, "request_id", failure.request_id);
  note (line, "resp_type", failure.resp_type);
  return line;
}

} // namespace sis
