// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sis {

/* What went wrong, in the terms in which an application tells errors apart.
 * One kind is one GStreamer error domain and code (gstsismessage). */
enum class FailureKind {
  NotAuthorized, /* credentials or account; HTTP 401, 403, 407 */
  Settings,      /* the service refuses a setting; other HTTP 4xx */
  NotFound,      /* HTTP 404, unknown host, vocabulary */
  Format,        /* audio format against model */
  Lost,          /* connection lost; SIS.0304 */
  Busy,          /* concurrency, quota; HTTP 429, 503 */
  Open,          /* refused, timed out, TLS, redirected, other HTTP 5xx */
  Service,       /* engine or internal trouble; unknown code */
  Malformed,     /* an unintelligible message */
  Drain,         /* the last results did not come in time */
};

/* May the same request succeed a little later? */
enum class Transience {
  No,    /* something has to be put right first */
  Yes,   /* with back-off */
  Maybe, /* worth a try or two */
  Renew, /* with fresh credentials, once; without a way to get some: No */
};

/* One row: a code, or a span of neighbouring codes, of the service ("SIS.") or
 * of its API gateway ("APIG.", "APIGW.": the number decides); or statuses of a
 * refusal without such a code. */
struct ErrorCode
{
  std::string_view family; /* "SIS", "APIG" or "HTTP" */
  int first, last;
  int http_status; /* that comes with it; 4: any 4xx, 5: any 5xx, 0: any */
  FailureKind kind;
  Transience transience;
  std::string_view advice; /* a sentence: what the user can do */
};

/* The whole table, for documentation and tests. */
std::span<const ErrorCode> error_codes () noexcept;

/* The row of a code as the service writes it ("SIS.0032", "APIGW.0301"), or
 * null. `http_status` is 0 for codes that come in a message. */
const ErrorCode *find_error_code (std::string_view code,
                                  int http_status = 0) noexcept;

/* The service's code for audio beyond the limit of a session, which newer
 * releases send in place of the event EXCEEDED_AUDIO. */
constexpr std::string_view audio_too_long = "SIS.0311";

/* For a refused handshake without a code of the table. */
const ErrorCode &find_http_status (int status) noexcept;

} // namespace sis
