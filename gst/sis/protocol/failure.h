// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/errorcodes.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace sis {

struct ErrorReply;

/* What failed; it decides, with the code, whether another attempt is made. */
enum class FailureCause {
  Local,      /* settings, caps: nothing was asked of the network */
  Connect,    /* unknown host, refused, unreachable */
  Tls,        /* certificates and the like */
  TlsBroken,  /* cut, or not understood, while TLS was negotiated */
  Refusal,    /* the handshake was answered with anything but 101 */
  Timeout,    /* no answer to the handshake or to START */
  Lost,       /* an open connection, or a session in it */
  Error,      /* the service's ERROR */
  FatalError, /* the service's FATAL_ERROR */
};

/* One failure, on its way to becoming one message on the bus. */
struct Failure
{
  FailureKind kind = FailureKind::Service;
  FailureCause cause = FailureCause::Local;
  Transience transience = Transience::No;
  std::string text; /* one plain sentence for the user; no secrets */
  std::string resp_type, error_code, error_msg, trace_id, request_id;
  unsigned http_status = 0;
  unsigned session = 0; /* 0 until a START was answered */
};

/* The failure that an ERROR or FATAL_ERROR stands for. */
Failure failure_of_reply (const ErrorReply &reply);

enum class Refuser { Service, Iam, Proxy };

/* A handshake, or a request to IAM, that was answered with anything but what
 * was asked for; codes and messages from the body, where it had them. */
struct Refusal
{
  int http_status = 0;
  std::string_view reason, error_code, error_msg, request_id;
  Refuser refuser = Refuser::Service;
  std::string_view proxy; /* the Refuser's name, if it is one */
  /* How far our clock is ahead of the other one, where that matters. */
  std::optional<std::chrono::seconds> clock_ahead;
};

/* Of a message that repeats the request the repetition is cut off, as it may
 * hold secrets; any others the caller has to mask. */
Failure failure_of_refusal (const Refusal &refusal);

/* The fields that identify the failure to the service's support, in a line:
 * "error_code=SIS.0304 trace_id=…". */
std::string describe (const Failure &failure);

} // namespace sis
