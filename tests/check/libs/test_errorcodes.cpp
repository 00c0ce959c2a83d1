// SPDX-License-Identifier: LGPL-2.1-or-later
#include "samples.h"

#include "sis/protocol/failure.h"

using sis::Failure;
using sis::FailureKind;
using sis::find_error_code;
using sis::Transience;
using enum sis::FailureKind;
using enum sis::Transience;

static constexpr const char *kind_names[] = {
  "NotAuthorized", "Settings", "NotFound", "Format",    "Lost",
  "Busy",          "Open",     "Service",  "Malformed", "Drain",
};
static constexpr const char *transience_names[] = {
  "No",
  "Yes",
  "Maybe",
  "Renew",
};

static void
assert_kind (const char *what, FailureKind kind, Transience transience,
             FailureKind expected_kind, Transience expected_transience)
{
  fail_unless (kind == expected_kind, "%s is %s, not %s", what,
               kind_names[static_cast<int> (kind)],
               kind_names[static_cast<int> (expected_kind)]);
  fail_unless (transience == expected_transience, "%s: transient %s, not %s",
               what, transience_names[static_cast<int> (transience)],
               transience_names[static_cast<int> (expected_transience)]);
}

/* Each code that the service's pages list, with the HTTP status it comes with;
 * 0: in a message. */
static constexpr struct
{
  const char *code;
  int http_status;
  FailureKind kind;
  Transience transience;
} listed[] = {
  { "SIS.0001", 0, Service, Maybe },
  { "SIS.0003", 0, NotAuthorized, No },
  { "SIS.0012", 0, FailureKind::Settings, No },
  { "SIS.0022", 0, NotAuthorized, No },
  { "SIS.0023", 0, NotAuthorized, No },
  { "SIS.0024", 0, NotAuthorized, No },
  { "SIS.0031", 0, FailureKind::Settings, No },
  { "SIS.0032", 0, FailureKind::Settings, No },
  { "SIS.0033", 0, Service, Maybe },
  { "SIS.0100", 0, Service, Maybe },
  { "SIS.0101", 0, NotAuthorized, Renew },
  { "SIS.0102", 0, NotAuthorized, No },
  { "SIS.0103", 0, NotAuthorized, No },
  { "SIS.0201", 0, NotFound, No },
  { "SIS.0203", 0, NotFound, No },
  { "SIS.0204", 0, NotFound, No },
  { "SIS.0205", 0, NotFound, No },
  { "SIS.0206", 0, NotFound, No },
  { "SIS.0207", 0, NotFound, No },
  { "SIS.0208", 0, NotFound, No },
  { "SIS.0301", 0, Format, No },
  { "SIS.0302", 0, Service, Maybe },
  { "SIS.0303", 0, Service, Yes },
  { "SIS.0304", 0, Lost, Yes },
  { "SIS.0305", 0, Service, Yes },
  { "SIS.0306", 0, Service, Yes },
  { "SIS.0307", 0, Service, Yes },
  { "SIS.0311", 0, Service, Yes },
  { "SIS.0312", 0, Busy, Yes },
  { "SIS.0401", 0, Service, No },
  { "SIS.0506", 0, Service, No },
  { "SIS.0531", 0, Service, No },
  { "SIS.0601", 0, Service, No },
  { "SIS.0701", 0, Service, No },
  { "SIS.30001", 0, Service, No },

  { "APIG.0101", 404, NotFound, No },
  { "APIG.0103", 404, NotFound, Maybe },
  { "APIG.0103", 500, Open, Maybe },
  { "APIG.0104", 400, FailureKind::Settings, No },
  { "APIG.0104", 500, Open, No },
  { "APIG.0105", 400, FailureKind::Settings, No },
  { "APIG.0106", 500, Open, No },
  { "APIG.0602", 400, FailureKind::Settings, No },
  { "APIG.0602", 500, Open, No },
  { "APIG.0607", 400, FailureKind::Settings, No },
  { "APIG.0607", 500, Open, No },
  { "APIG.0201", 400, FailureKind::Settings, No },
  { "APIG.0201", 413, FailureKind::Settings, No },
  { "APIG.0201", 414, FailureKind::Settings, No },
  { "APIG.0201", 494, FailureKind::Settings, No },
  { "APIG.0201", 502, Open, Yes },
  { "APIG.0201", 504, Open, Yes },
  { "APIG.0201", 0, Open, Yes },
  { "APIG.0202", 502, Open, Yes },
  { "APIG.0610", 504, Open, Yes },
  { "APIG.0301", 401, NotAuthorized, Renew },
  { "APIG.0301", 0, NotAuthorized, Renew },
  { "APIG.0302", 403, NotAuthorized, No },
  { "APIG.0304", 403, NotAuthorized, No },
  { "APIG.0306", 403, NotAuthorized, No },
  { "APIG.0303", 401, NotAuthorized, No },
  { "APIG.0305", 401, NotAuthorized, No },
  { "APIG.0311", 401, NotAuthorized, No },
  { "APIG.0307", 401, NotAuthorized, Renew },
  { "APIG.0308", 429, Busy, Yes },
  { "APIG.0310", 403, NotAuthorized, No },
  { "APIG.0401", 403, NotAuthorized, No },
  { "APIG.0402", 403, NotAuthorized, No },
  { "APIG.0404", 403, NotAuthorized, No },
  { "APIG.0501", 405, Busy, No },
  { "APIG.0502", 405, Busy, No },
  { "APIG.0601", 500, Open, Maybe },
  { "APIG.0605", 500, Open, Maybe },
  { "APIG.0606", 500, Open, Maybe },
  { "APIG.0608", 500, Open, Maybe },
  { "APIG.0609", 500, Open, Maybe },
  { "APIG.0611", 500, Open, Maybe },
  { "APIG.0612", 500, Open, Maybe },
  { "APIG.0705", 500, Open, Maybe },
  { "APIG.0613", 503, Busy, Yes },
  { "APIG.0801", 403, NotAuthorized, No },
  { "APIG.0802", 403, NotAuthorized, No },
};

GST_START_TEST (test_every_listed_code_has_its_kind)
{
  const auto &code = listed[__i__];
  const sis::ErrorCode *row = find_error_code (code.code, code.http_status);
  fail_unless (row != nullptr, "%s is in no row", code.code);
  assert_kind (code.code, row->kind, row->transience, code.kind,
               code.transience);
  /* The gateway has two spellings. */
  if (const std::string_view text (code.code); text.starts_with ("APIG.")) {
    const std::string other = "APIGW." + std::string (text.substr (5));
    fail_unless (find_error_code (other, code.http_status) == row);
  }
}
GST_END_TEST;

GST_START_TEST (test_unknown_codes_are_in_no_row)
{
  for (const char *code :
       { "",           ".",          "SIS",
         "SIS.",       "SIS.0002",   "SIS.0000",
         "SIS.0202",   "SIS.0209",   "SIS.0310",
         "SIS.0313",   "SIS.9999",   "SIS.032",
         "SIS.32",     "SIS.0032 ",  " SIS.0032",
         "SIS.0032x",  "SIS.-032",   "SIS.+032",
         "SIS.00032",  "SIS.000032", "sis.0032",
         "0032",       "APIG.0309",  "APIG.0999",
         "APIGX.0301", "APIG..0301", "HTTP.0404",
         "HTTP.0000",  "DAYU.0301",  "SIS.99999999999999999999" })
    fail_unless (find_error_code (code) == nullptr, "%s", code);
}
GST_END_TEST;

GST_START_TEST (test_every_row_is_sound)
{
  const std::span<const sis::ErrorCode> rows = sis::error_codes ();
  fail_unless (rows.size () > 50);
  for (const sis::ErrorCode &row : rows) {
    fail_unless (row.family == "SIS" || row.family == "APIG"
                 || row.family == "HTTP");
    fail_unless (row.first <= row.last);
    fail_unless (row.http_status == 0 || row.http_status == 4
                 || row.http_status == 5);
    fail_unless (row.advice.size () > 10 && row.advice.ends_with ("."));
    /* With code and message one line, and readable wherever it is printed. */
    fail_unless (row.advice.size () < 256);
    for (const char c : row.advice)
      fail_unless (c >= ' ' && c <= '~');
  }
  fail_unless (find_error_code (sis::audio_too_long) != nullptr);
}
GST_END_TEST;

static constexpr struct
{
  int status;
  FailureKind kind;
  Transience transience;
} statuses[] = {
  { 401, NotAuthorized, Renew },
  { 403, NotAuthorized, Renew },
  { 407, NotAuthorized, No },
  { 404, NotFound, No },
  { 400, FailureKind::Settings, No },
  { 405, FailureKind::Settings, No },
  { 418, FailureKind::Settings, No },
  { 494, FailureKind::Settings, No },
  { 408, Open, Yes },
  { 429, Busy, Yes },
  { 500, Open, Yes },
  { 502, Open, Yes },
  { 503, Busy, Yes },
  { 504, Open, Yes },
  { 301, Open, No },
  { 302, Open, No },
  { 307, Open, No },
  { 200, Open, No },
  { 0, Open, No },
  { -1, Open, No },
  { 999, Open, No },
};

GST_START_TEST (test_every_http_status_has_a_kind)
{
  for (const auto &row : statuses) {
    const std::string status = std::to_string (row.status);
    const sis::ErrorCode &code = sis::find_http_status (row.status);
    assert_kind (status.c_str (), code.kind, code.transience, row.kind,
                 row.transience);
    const Failure failure
        = sis::failure_of_refusal ({ .http_status = row.status });
    assert_kind (status.c_str (), failure.kind, failure.transience, row.kind,
                 row.transience);
  }
}
GST_END_TEST;

static Failure
reply_failure (const char *error_code, const char *error_msg,
               const char *trace_id = "", const char *resp_type = "ERROR")
{
  sis::ErrorReply reply;
  reply.fatal = std::string_view (resp_type) == "FATAL_ERROR";
  reply.resp_type = resp_type;
  reply.trace_id = trace_id;
  reply.error_code = error_code;
  reply.error_msg = error_msg;
  return sis::failure_of_reply (reply);
}

GST_START_TEST (test_the_failure_of_a_reply_tells_what_to_do)
{
  const Failure failure
      = reply_failure ("SIS.0032", "'audio_format' is invalid", "t-1");
  assert_kind ("SIS.0032", failure.kind, failure.transience,
               FailureKind::Settings, No);
  assert_text (
      failure.text,
      "The service refused a parameter (SIS.0032: 'audio_format' is invalid). "
      "Check the setting that the message names ('property' is model), and "
      "extra-config.");
  assert_text (describe (failure), "error_code=SIS.0032 trace_id=t-1 "
                                   "resp_type=ERROR");
  assert_text (failure.resp_type, "ERROR");
  assert_text (failure.error_code, "SIS.0032");
  assert_text (failure.error_msg, "'audio_format' is invalid");
  assert_text (failure.trace_id, "t-1");
  fail_unless_equals_int (failure.http_status, 0);
}
GST_END_TEST;

/* About what is in no table, too. */
static const std::string ask_support
    = " Ask the service's support what it means, with the trace_id.";

GST_START_TEST (test_what_a_reply_leaves_out_is_left_out)
{
  const Failure bare = reply_failure ("", "", "", "FATAL_ERROR");
  assert_kind ("no code", bare.kind, bare.transience, Service, No);
  assert_text (bare.text, "The service reported an error." + ask_support);
  assert_text (describe (bare), "resp_type=FATAL_ERROR");

  const Failure code = reply_failure ("SIS.9999", "", "", "");
  assert_kind ("SIS.9999", code.kind, code.transience, Service, No);
  assert_text (code.text,
               "The service reported an error (SIS.9999)." + ask_support);
  assert_text (describe (code), "error_code=SIS.9999");

  const Failure text = reply_failure ("", "something odd", "t", "");
  assert_text (text.text,
               "The service reported an error (something odd)." + ask_support);
  assert_text (describe (text), "trace_id=t");
}
GST_END_TEST;

GST_START_TEST (test_an_account_in_arrears_is_told_by_the_message)
{
  for (const char *code : { "SIS.0100", "APIG.0301", "SIS.0002", "" }) {
    const Failure failure = reply_failure (code, "resource type is RESTRICTED");
    assert_kind (code, failure.kind, failure.transience, NotAuthorized, No);
    fail_unless (failure.text.find ("in arrears") != std::string::npos);
  }
  const Failure refusal = sis::failure_of_refusal (
      { .http_status = 403,
        .reason = "Forbidden",
        .error_msg = "Resource type is restricted" });
  assert_kind ("403", refusal.kind, refusal.transience, NotAuthorized, No);
}
GST_END_TEST;

GST_START_TEST (test_a_refused_key_is_never_tried_again)
{
  for (const char *message :
       { "verify aksk signature fail", "Verify ak sk signature fail",
         "signature expired", "ak TESTAK not exist" }) {
    const Failure failure
        = sis::failure_of_refusal ({ .http_status = 401,
                                     .reason = "Unauthorized",
                                     .error_code = "APIG.0301",
                                     .error_msg = message });
    assert_kind (message, failure.kind, failure.transience, NotAuthorized, No);
    fail_unless (failure.text.find ("clock") != std::string::npos);
    fail_unless (failure.text.find ("5 minutes") != std::string::npos);
  }
  const Failure token = sis::failure_of_refusal (
      { .http_status = 401,
        .reason = "Unauthorized",
        .error_code = "APIG.0301",
        .error_msg
        = "Incorrect IAM authentication information: decrypt token fail" });
  assert_kind ("token", token.kind, token.transience, NotAuthorized, Renew);
  const Failure project = sis::failure_of_refusal (
      { .http_status = 401,
        .reason = "Unauthorized",
        .error_code = "SIS.0101",
        .error_msg = "the token's project does not exist" });
  assert_kind ("project", project.kind, project.transience, NotAuthorized,
               Renew);
}
GST_END_TEST;

GST_START_TEST (test_the_failure_of_a_refusal_names_status_and_code)
{
  const Failure failure
      = sis::failure_of_refusal ({ .http_status = 404,
                                   .reason = "Not Found",
                                   .error_code = "APIGW.0101",
                                   .error_msg = "API not found",
                                   .request_id = "r-1" });
  assert_text (
      failure.text,
      "The service refused the connection (HTTP 404 Not Found, APIGW.0101: "
      "API not found). Check endpoint, region and project-id.");
  assert_text (describe (failure), "error_code=APIGW.0101 request_id=r-1");
  assert_text (failure.error_code, "APIGW.0101");
  assert_text (failure.error_msg, "API not found");
  assert_text (failure.request_id, "r-1");
  fail_unless_equals_int (failure.http_status, 404);

  const Failure bare = sis::failure_of_refusal ({ .http_status = 401 });
  assert_text (bare.text, "The service refused the connection (HTTP 401). "
                          "Check auth-token (project-scoped, of the endpoint's "
                          "region, at most 24 h old); or user-name and region; "
                          "or access-key, secret-key and the clock (at most 15 "
                          "minutes off): more than five failures lock a key "
                          "for 5 minutes.");
  assert_text (describe (bare), "");
}
GST_END_TEST;

GST_START_TEST (test_iam_is_named_when_it_refuses)
{
  const Failure failure
      = sis::failure_of_refusal ({ .http_status = 401,
                                   .reason = "Unauthorized",
                                   .error_code = "401",
                                   .error_msg = "The password is wrong.",
                                   .refuser = sis::Refuser::Iam });
  assert_kind ("IAM", failure.kind, failure.transience, NotAuthorized, No);
  assert_text (
      failure.text,
      "IAM refused to issue a token (HTTP 401 Unauthorized, 401: The password "
      "is wrong.). Check user-name, domain-name, password and region; the user "
      "has to be an IAM user.");
  const Failure busy
      = sis::failure_of_refusal ({ .http_status = 503,
                                   .reason = "Service Unavailable",
                                   .refuser = sis::Refuser::Iam });
  assert_kind ("IAM", busy.kind, busy.transience, Busy, Yes);
}
GST_END_TEST;

/* Its address is another one, but the proxy is the same. */
GST_START_TEST (test_what_is_wrong_on_the_way_to_iam_is_told)
{
  static constexpr struct
  {
    int status;
    FailureKind kind;
    Transience transience;
    const char *advice;
  } answers[] = {
    { 200, Open, No, "iam-endpoint" },
    { 302, Open, No, "iam-endpoint" },
    { 404, NotFound, No, "iam-endpoint" },
    { 407, NotAuthorized, No, "proxy" },
    { 400, FailureKind::Settings, No, "domain-name" },
    { 500, Open, Yes, "later" },
  };
  for (const auto &answer : answers) {
    const std::string status = std::to_string (answer.status);
    const Failure failure = sis::failure_of_refusal (
        { .http_status = answer.status, .refuser = sis::Refuser::Iam });
    assert_kind (status.c_str (), failure.kind, failure.transience, answer.kind,
                 answer.transience);
    fail_unless (failure.text.starts_with ("IAM "));
    fail_unless (failure.text.find (answer.advice) != std::string::npos, "%s",
                 failure.text.c_str ());
    fail_unless (failure.text.find (" endpoint") == std::string::npos, "%s",
                 failure.text.c_str ());
  }
}
GST_END_TEST;

GST_START_TEST (test_a_request_that_a_refusal_repeats_is_cut_off)
{
  for (const char *message :
       { "bad signature, canonicalRequest:GET|/|x-security-token:SECRET",
         "bad signature, X-Security-Token: SECRET",
         "bad signature, x-auth-token: SECRET",
         "bad signature, Authorization: SECRET, x-auth-token: SECRET" }) {
    const Failure failure
        = sis::failure_of_refusal ({ .http_status = 401,
                                     .reason = "Unauthorized",
                                     .error_code = "APIG.0301",
                                     .error_msg = message });
    fail_unless (failure.text.find ("bad signature") != std::string::npos);
    fail_unless (failure.text.find ("SECRET") == std::string::npos);
    fail_unless (failure.error_msg.find ("SECRET") == std::string::npos);
  }
}
GST_END_TEST;

GST_START_TEST (test_strings_of_a_failure_are_clean_and_bounded)
{
  std::string lengthy = "\x1b[31m\r\n\xff";
  while (lengthy.size () < 100000)
    lengthy += "第";
  const Failure failures[] = {
    reply_failure (lengthy.c_str (), lengthy.c_str (), lengthy.c_str (),
                   lengthy.c_str ()),
    sis::failure_of_refusal ({ .http_status = 401,
                               .reason = lengthy,
                               .error_code = lengthy,
                               .error_msg = lengthy,
                               .request_id = lengthy }),
    sis::failure_of_refusal ({ .http_status = 401,
                               .reason = lengthy,
                               .error_code = "APIG.0301",
                               .error_msg = lengthy,
                               .request_id = lengthy }),
  };
  for (const Failure &failure : failures) {
    for (const std::string *string :
         { &failure.text, &failure.resp_type, &failure.error_code,
           &failure.error_msg, &failure.trace_id, &failure.request_id })
      fail_unless (*string == sis::clean_text (*string, sis::max_label_length));
  }
}
GST_END_TEST;

static Suite *
errorcodes_suite (void)
{
  Suite *const suite = suite_create ("errorcodes");
  TCase *const table = tcase_create ("table");
  suite_add_tcase (suite, table);
  tcase_add_loop_test (table, test_every_listed_code_has_its_kind, 0,
                       G_N_ELEMENTS (listed));
  tcase_add_test (table, test_unknown_codes_are_in_no_row);
  tcase_add_test (table, test_every_row_is_sound);
  tcase_add_test (table, test_every_http_status_has_a_kind);

  TCase *const failures = tcase_create ("failures");
  suite_add_tcase (suite, failures);
  tcase_add_test (failures, test_the_failure_of_a_reply_tells_what_to_do);
  tcase_add_test (failures, test_what_a_reply_leaves_out_is_left_out);
  tcase_add_test (failures, test_an_account_in_arrears_is_told_by_the_message);
  tcase_add_test (failures, test_a_refused_key_is_never_tried_again);
  tcase_add_test (failures,
                  test_the_failure_of_a_refusal_names_status_and_code);
  tcase_add_test (failures, test_iam_is_named_when_it_refuses);
  tcase_add_test (failures, test_what_is_wrong_on_the_way_to_iam_is_told);
  tcase_add_test (failures, test_a_request_that_a_refusal_repeats_is_cut_off);
  tcase_add_test (failures, test_strings_of_a_failure_are_clean_and_bounded);
  return suite;
}

GST_CHECK_MAIN (errorcodes)
