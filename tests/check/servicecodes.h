// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdio>
#include <string>
#include <vector>

/* The codes that the service and its gateway document, with the HTTP statuses
 * they come with; what the bus is to hear of each, and whether it passes. Not
 * taken from the program: this is what the program has to do. */
namespace sischeck::codes {

constexpr auto failed = "RESOURCE/FAILED";
constexpr auto unauthorized = "RESOURCE/NOT_AUTHORIZED";
constexpr auto settings = "RESOURCE/SETTINGS";
constexpr auto not_found = "RESOURCE/NOT_FOUND";
constexpr auto format = "STREAM/FORMAT";
constexpr auto write = "RESOURCE/WRITE";
constexpr auto busy = "RESOURCE/BUSY";
constexpr auto open = "RESOURCE/OPEN_WRITE";

constexpr int whole = -1; /* the family is all of the code */

struct Row
{
  const char *family; /* "SIS", "APIG"; "" where there is no code */
  int first, last;
  std::vector<unsigned> statuses; /* of refusals; 0: in a session's message */
  const char *posted;             /* domain and code */
  char passes;                    /* 'Y'; '?', twice in a row; 'N' */
  const char *advice;             /* what the text has to speak of */
};

/* The service's own codes have no status in its pages: those here are what one
 * may expect, and let what passes do so at a handshake, too. */
inline const std::vector<Row> rows = {
  { "SIS", 1, 1, { 0, 500 }, failed, '?', "later" },
  { "SIS", 3, 3, { 0, 401 }, unauthorized, 'N', "auth-token" },
  { "SIS", 12, 12, { 0, 400 }, settings, 'N', "setting" },
  { "SIS", 22, 24, { 0, 400 }, unauthorized, 'N', "account" },
  { "SIS", 31, 32, { 0, 400 }, settings, 'N', "extra-config" },
  { "SIS", 33, 33, { 0, 500 }, failed, '?', "later" },
  { "SIS", 100, 100, { 0, 500 }, failed, '?', "later" },
  { "SIS", 101, 101, { 0, 401 }, unauthorized, 'N', "user-name" },
  { "SIS", 102, 102, { 0, 401 }, unauthorized, 'N', "password" },
  { "SIS", 103, 103, { 0, 403 }, unauthorized, 'N', "real-name" },
  { "SIS", 201, 201, { 0, 400 }, not_found, 'N', "vocabulary-id" },
  { "SIS", 203, 208, { 0, 400 }, not_found, 'N', "vocabulary-id" },
  { "SIS", 301, 301, { 0, 400 }, format, 'N', "model" },
  { "SIS", 302, 302, { 0, 500 }, failed, '?', "later" },
  { "SIS", 303, 303, { 0, 500 }, failed, 'Y', "later" },
  { "SIS", 304, 304, { 0, 408 }, write, 'Y', "idle-timeout" },
  { "SIS", 305, 307, { 0, 500 }, failed, 'Y', "later" },
  { "SIS", 311, 311, { 0, 500 }, failed, 'Y', "max-session-duration" },
  { "SIS", 312, 312, { 0, 429 }, busy, 'Y', "sessions at a time" },
  /* Of other services. */
  { "SIS", 400, 499, { 0, 400 }, failed, 'N', "endpoint" },
  { "SIS", 506, 506, { 0, 400 }, failed, 'N', "endpoint" },
  { "SIS", 530, 539, { 0, 400 }, failed, 'N', "endpoint" },
  { "SIS", 600, 609, { 0, 400 }, failed, 'N', "endpoint" },
  { "SIS", 700, 709, { 0, 400 }, failed, 'N', "endpoint" },
  { "SIS", 30000, 30009, { 0, 400 }, failed, 'N', "endpoint" },

  { "APIG", 101, 101, { 0, 404 }, not_found, 'N', "project-id" },
  { "APIG", 103, 103, { 0, 404 }, not_found, '?', "region" },
  { "APIG", 103, 103, { 500 }, open, '?', "later" },
  { "APIG", 104, 106, { 0, 400 }, settings, 'N', "endpoint" },
  { "APIG", 104, 106, { 500 }, open, 'N', "endpoint" },
  { "APIG", 201, 201, { 0, 502, 504 }, open, 'Y', "later" },
  { "APIG", 201, 201, { 400, 413 }, settings, 'N', "extra-headers" },
  { "APIG", 201, 201, { 414, 494 }, settings, 'N', "token" },
  { "APIG", 202, 202, { 0, 502, 504 }, open, 'Y', "later" },
  { "APIG", 301, 301, { 0, 401 }, unauthorized, 'N', "secret-key" },
  { "APIG", 302, 302, { 0, 403 }, unauthorized, 'N', "user" },
  { "APIG", 303, 303, { 0, 401 }, unauthorized, 'N', "user-name" },
  { "APIG", 304, 304, { 0, 403 }, unauthorized, 'N', "user" },
  { "APIG", 305, 305, { 0, 401 }, unauthorized, 'N', "auth-token" },
  { "APIG", 306, 306, { 0, 403 }, unauthorized, 'N', "user" },
  { "APIG", 307, 307, { 0, 401 }, unauthorized, 'N', "region" },
  { "APIG", 308, 308, { 0, 429 }, busy, 'Y', "Wait" },
  { "APIG", 310, 310, { 0, 403 }, unauthorized, 'N', "project-id" },
  { "APIG", 311, 311, { 0, 401 }, unauthorized, 'N', "access-key" },
  { "APIG", 401, 402, { 0, 403 }, unauthorized, 'N', "address" },
  { "APIG", 404, 404, { 0, 403 }, unauthorized, 'N', "address" },
  { "APIG", 501, 502, { 0, 405 }, busy, 'N', "quota" },
  { "APIG", 601, 601, { 0, 500 }, open, '?', "later" },
  { "APIG", 602, 602, { 0, 400 }, settings, 'N', "endpoint" },
  { "APIG", 602, 602, { 500 }, open, 'N', "endpoint" },
  { "APIG", 605, 606, { 0, 500 }, open, '?', "later" },
  { "APIG", 607, 607, { 0, 400 }, settings, 'N', "endpoint" },
  { "APIG", 607, 607, { 500 }, open, 'N', "endpoint" },
  { "APIG", 608, 609, { 0, 500 }, open, '?', "later" },
  { "APIG", 610, 610, { 0, 502, 504 }, open, 'Y', "later" },
  { "APIG", 611, 612, { 0, 500 }, open, '?', "later" },
  { "APIG", 613, 613, { 0, 503 }, busy, 'Y', "later" },
  { "APIG", 705, 705, { 0, 500 }, open, '?', "later" },
  { "APIG", 801, 802, { 0, 403 }, unauthorized, 'N', "region" },

  { "", 0, 0, { 200, 201, 206, 226 }, open, 'N', "endpoint" },
  { "", 0, 0, { 300, 303, 305, 307, 308 }, open, 'N', "endpoint" },
  { "", 0, 0, { 400, 402, 405, 406, 409 }, settings, 'N', "endpoint" },
  { "", 0, 0, { 410, 411, 412, 413, 414 }, settings, 'N', "extra-headers" },
  { "", 0, 0, { 415, 416, 417, 426, 494 }, settings, 'N', "request" },
  { "", 0, 0, { 401 }, unauthorized, 'N', "secret-key" },
  { "", 0, 0, { 403 }, unauthorized, 'N', "project-id" },
  { "", 0, 0, { 404 }, not_found, 'N', "region" },
  { "", 0, 0, { 407 }, unauthorized, 'N', "proxy" },
  { "", 0, 0, { 408 }, open, 'Y', "later" },
  { "", 0, 0, { 429 }, busy, 'Y', "Wait" },
  { "", 0, 0, { 500, 501, 502, 504, 505, 599 }, open, 'Y', "later" },
  { "", 0, 0, { 503 }, busy, 'Y', "later" },

  /* In no table: then the status decides, if there is one. */
  { "", 0, 0, { 0 }, failed, 'N', "support" },
  { "SIS", 0, 0, { 0 }, failed, 'N', "support" },
  { "SIS", 2, 2, { 0 }, failed, 'N', "support" },
  { "SIS", 202, 202, { 0 }, failed, 'N', "support" },
  { "SIS", 999, 999, { 0 }, failed, 'N', "support" },
  { "SIS", 9999, 9999, { 0 }, failed, 'N', "support" },
  { "SIS.00303", whole, whole, { 0 }, failed, 'N', "support" },
  { "SIS.303", whole, whole, { 0 }, failed, 'N', "support" },
  { "sis.0303", whole, whole, { 0 }, failed, 'N', "support" },
  { "APIG", 309, 309, { 0 }, failed, 'N', "support" },
  { "FOO.1", whole, whole, { 0 }, failed, 'N', "support" },
  { "SIS", 9999, 9999, { 400 }, settings, 'N', "endpoint" },
  { "APIG", 309, 309, { 404 }, not_found, 'N', "region" },
  { "FOO.1", whole, whole, { 500 }, open, 'Y', "later" },
};

/* One code, as it comes once. */
struct Case
{
  std::string code; /* "SIS.0032"; "" for none */
  unsigned status = 0;
  std::string posted;
  char passes = 'N';
  std::string advice;
  bool is_edge = true; /* of its row's span */

  std::string name () const
  {
    return (code.empty () ? "no code" : code)
           + (status != 0 ? " with HTTP " + std::to_string (status) : "");
  }
};

inline std::string
code_of (const std::string &family, int number)
{
  char digits[16];
  std::snprintf (digits, sizeof digits, "%04d", number);
  return family.empty () || number == whole ? family : family + "." + digits;
}

/* The gateway has two names for its family. */
inline std::vector<std::string>
families_of (const Row &row)
{
  const std::string family (row.family);
  return family == "APIG" ? std::vector<std::string>{ "APIG", "APIGW" }
                          : std::vector<std::string>{ family };
}

enum class Source {
  Session, /* a message */
  Body,    /* that of a refused handshake */
  Status,  /* of such a one, and nothing else */
};

inline std::vector<Case>
cases (Source source)
{
  std::vector<Case> found;
  for (const Row &row : rows)
    for (const std::string &family : families_of (row))
      for (int number = row.first; number <= row.last; number++)
        for (const unsigned status : row.statuses) {
          const Source its = status == 0       ? Source::Session
                             : family.empty () ? Source::Status
                                               : Source::Body;
          if (its == source)
            found.push_back ({ code_of (family, number), status, row.posted,
                               row.passes, row.advice,
                               number == row.first || number == row.last });
        }
  return found;
}

} // namespace sischeck::codes
