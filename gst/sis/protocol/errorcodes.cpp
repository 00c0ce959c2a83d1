// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/errorcodes.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace sis {

namespace {

using enum FailureKind;
using enum Transience;

constexpr std::string_view sis = "SIS", apig = "APIG", http = "HTTP";

constexpr std::string_view try_later = "Try again a little later.";
constexpr std::string_view ask_support
    = "Try again a little later; if it lasts, ask the service's support, with "
      "the trace_id or request_id.";
constexpr std::string_view check_start
    = "Check the setting that the message names ('property' is model), and "
      "extra-config.";
constexpr std::string_view check_account
    = "Check in the console that the account may use the service.";
constexpr std::string_view check_token
    = "Check project-id, and auth-token: a whole token for that project, of "
      "the endpoint's region, at most 24 h old (or user-name, domain-name and "
      "region, with which it is fetched); and that the account is not frozen.";
constexpr std::string_view check_credentials
    = "Check auth-token (project-scoped, of the endpoint's region, at most "
      "24 h old); or user-name and region; or access-key, secret-key and the "
      "clock (at most 15 minutes off): more than five failures lock a key for "
      "5 minutes.";
constexpr std::string_view check_kind
    = "The service wants other credentials: set auth-token, or access-key and "
      "secret-key, or user-name and password, and none in extra-headers.";
constexpr std::string_view check_permission
    = "Check that the user may use the service in this project and region.";
constexpr std::string_view check_region
    = "Check region and endpoint: the service, or the user, is not allowed "
      "there.";
constexpr std::string_view check_address
    = "Check endpoint, region and project-id.";
constexpr std::string_view check_backend
    = "Try again a little later; if it lasts, check endpoint, region and "
      "project-id.";
constexpr std::string_view check_client
    = "Check whether the service blocks this machine's address.";
constexpr std::string_view check_request
    = "Check endpoint and extra-headers, and that no proxy changes the "
      "request.";
constexpr std::string_view not_asr
    = "Check endpoint: this code belongs to another service than real-time "
      "recognition.";
constexpr std::string_view throttled
    = "Wait some seconds, and open fewer sessions at a time.";

constexpr int lowest = std::numeric_limits<int>::min ();
constexpr int highest = std::numeric_limits<int>::max ();

/* Where a gateway's number has several rows, the HTTP status decides; for a
 * code that comes without a status the first row counts. Of the rows for a bare
 * HTTP status the first that fits counts. */
constexpr ErrorCode table[] = {
  { sis, 1, 1, 0, Service, Maybe, ask_support },
  { sis, 3, 3, 0, NotAuthorized, No, check_token },
  { sis, 12, 12, 0, Settings, No, check_start },
  { sis, 22, 24, 0, NotAuthorized, No, check_account },
  { sis, 31, 32, 0, Settings, No, check_start },
  { sis, 33, 33, 0, Service, Maybe, ask_support },
  { sis, 100, 100, 0, Service, Maybe, ask_support },
  { sis, 101, 101, 0, NotAuthorized, Renew, check_token },
  { sis, 102, 102, 0, NotAuthorized, No,
    "Set auth-token, or access-key and secret-key, or user-name, domain-name "
    "and password." },
  { sis, 103, 103, 0, NotAuthorized, No,
    "Complete the account's real-name verification in the console." },
  { sis, 201, 201, 0, NotFound, No,
    "Check vocabulary-id: the hot-word table has to exist in this region and "
    "project." },
  { sis, 203, 208, 0, NotFound, No,
    "Check the hot-word table that vocabulary-id names: its words, and that "
    "its language is that of model." },
  { sis, 301, 301, 0, Format, No,
    "Choose a model that takes this audio: it decides the rate of what is "
    "sent, but mu-law and A-law are sent as they come." },
  { sis, 302, 302, 0, Service, Maybe, ask_support },
  { sis, 303, 303, 0, Service, Yes, ask_support },
  { sis, 304, 304, 0, Lost, Yes,
    "No audio reached the service for 20 s; keep idle-timeout on, or let the "
    "audio flow." },
  { sis, 305, 307, 0, Service, Yes, ask_support },
  { sis, 311, 311, 0, Service, Yes,
    "Set max-session-duration below the limit of this mode." },
  { sis, 312, 312, 0, Busy, Yes,
    "Open fewer sessions at a time, or ask the service's support for more." },
  { sis, 400, 499, 0, Service, No, not_asr },
  { sis, 506, 506, 0, Service, No, not_asr },
  { sis, 530, 539, 0, Service, No, not_asr },
  { sis, 600, 609, 0, Service, No, not_asr },
  { sis, 700, 709, 0, Service, No, not_asr },
  { sis, 30000, 30009, 0, Service, No, not_asr },

  { apig, 101, 101, 0, NotFound, No, check_address },
  { apig, 103, 103, 4, NotFound, Maybe, check_address },
  { apig, 103, 103, 5, Open, Maybe, check_backend },
  { apig, 104, 106, 4, Settings, No, check_request },
  { apig, 104, 106, 5, Open, No, check_request },
  { apig, 201, 201, 5, Open, Yes, try_later },
  { apig, 201, 201, 4, Settings, No,
    "Check endpoint, extra-headers and the length of the token: the request is "
    "refused as it is, or too large." },
  { apig, 202, 202, 0, Open, Yes, try_later },
  { apig, 301, 301, 0, NotAuthorized, Renew, check_credentials },
  { apig, 302, 302, 0, NotAuthorized, No, check_permission },
  { apig, 303, 303, 0, NotAuthorized, No, check_kind },
  { apig, 304, 304, 0, NotAuthorized, No, check_permission },
  { apig, 305, 305, 0, NotAuthorized, No, check_kind },
  { apig, 306, 306, 0, NotAuthorized, No, check_permission },
  { apig, 307, 307, 0, NotAuthorized, Renew, check_token },
  { apig, 308, 308, 0, Busy, Yes, throttled },
  { apig, 310, 310, 0, NotAuthorized, No,
    "Check project-id: the project is not available." },
  { apig, 311, 311, 0, NotAuthorized, No, check_kind },
  { apig, 401, 402, 0, NotAuthorized, No, check_client },
  { apig, 404, 404, 0, NotAuthorized, No, check_client },
  { apig, 501, 502, 0, Busy, No,
    "Check in the console that the application's quota is not used up, and "
    "that it is not frozen." },
  { apig, 601, 601, 0, Open, Maybe, try_later },
  { apig, 602, 602, 4, Settings, No, check_request },
  { apig, 602, 602, 5, Open, No, check_request },
  { apig, 605, 606, 0, Open, Maybe, try_later },
  { apig, 607, 607, 4, Settings, No, check_request },
  { apig, 607, 607, 5, Open, No, check_request },
  { apig, 608, 609, 0, Open, Maybe, try_later },
  { apig, 610, 610, 0, Open, Yes, try_later },
  { apig, 611, 612, 0, Open, Maybe, try_later },
  { apig, 613, 613, 0, Busy, Yes, try_later },
  { apig, 705, 705, 0, Open, Maybe, try_later },
  { apig, 801, 802, 0, NotAuthorized, No, check_region },

  { http, 401, 401, 0, NotAuthorized, Renew, check_credentials },
  { http, 403, 403, 0, NotAuthorized, Renew,
    "Check project-id, and that the user, and this machine's address, may use "
    "the service in this project and region." },
  { http, 404, 404, 0, NotFound, No, check_address },
  { http, 407, 407, 0, NotAuthorized, No,
    "Check the user name and password of the proxy: in proxy, or in the "
    "system's settings." },
  { http, 408, 408, 0, Open, Yes, try_later },
  { http, 429, 429, 0, Busy, Yes, throttled },
  { http, 400, 499, 0, Settings, No, check_request },
  { http, 503, 503, 0, Busy, Yes, try_later },
  { http, 500, 599, 0, Open, Yes, try_later },
  { http, lowest, highest, 0, Open, No, check_address },
};

/* A number of four digits, or of five if it needs them; -1 for anything else.
 */
int
code_number (std::string_view digits)
{
  if (digits.size () < 4 || digits.size () > 5
      || (digits.size () == 5 && digits.front () == '0')
      || digits.find_first_not_of ("0123456789") != std::string_view::npos)
    return -1;
  int number = -1;
  std::from_chars (digits.data (), digits.data () + digits.size (), number);
  return number;
}

} // namespace

std::span<const ErrorCode>
error_codes () noexcept
{
  return table;
}

const ErrorCode *
find_error_code (std::string_view code, int http_status) noexcept
{
  const std::size_t dot = code.find ('.');
  if (dot == std::string_view::npos)
    return nullptr;
  std::string_view family = code.substr (0, dot);
  if (family == "APIGW")
    family = apig;
  if (family != sis && family != apig)
    return nullptr;
  const int number = code_number (code.substr (dot + 1));
  const ErrorCode *found = nullptr;
  for (const ErrorCode &row : table) {
    if (row.family != family || number < row.first || number > row.last)
      continue;
    if (row.http_status == 0 || row.http_status == http_status / 100)
      return &row;
    if (!found)
      found = &row;
  }
  return found;
}

const ErrorCode &
find_http_status (int status) noexcept
{
  /* The last row takes whatever the others do not. */
  return *std::ranges::find_if (table, [status] (const ErrorCode &row) {
    return row.family == http && status >= row.first && status <= row.last;
  });
}

} // namespace sis
