// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/errorcodes.h"

#include <string>
#include <string_view>

namespace sis {

struct ErrorReply;

/* One failure, on its way to becoming one message on the bus. */
struct Failure
{
  FailureKind kind = FailureKind::Service;
  Transience transience = Transience::No;
  std::string text; /* one plain sentence for the user; no secrets */
  std::string resp_type, error_code, error_msg, trace_id, request_id;
  unsigned http_status = 0;
  unsigned session = 0; /* 0 until a START was answered */
};

/* The failure that an ERROR or FATAL_ERROR stands for. */
Failure failure_of_reply (const ErrorReply &reply);

enum class Refuser { Service, Iam };

/* The failure of a handshake that was answered with anything but 101, or of a
 * request to IAM for a token; `error_code` and `error_msg` from the body, where
 * it had them. Of a message that repeats the request the repetition is cut off,
 * as it may hold secrets; any others the caller has to mask. */
Failure failure_of_refusal (int http_status, std::string_view reason,
                            std::string_view error_code = {},
                            std::string_view error_msg = {},
                            std::string_view request_id = {},
                            Refuser refuser = Refuser::Service);

/* The fields that identify the failure to the service's support, in a line:
 * "error_code=SIS.0304 trace_id=…". */
std::string describe (const Failure &failure);

} // namespace sis
