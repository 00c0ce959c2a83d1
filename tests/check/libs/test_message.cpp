// SPDX-License-Identifier: LGPL-2.1-or-later
#include "samples.h"

#include <clocale>

using samples::describe;
using samples::Expectation;
using samples::parse_exactly;
using sis::clean_text;

#define TRACE "567e8537-a89c-13c3-a882-826321939651"

static constexpr Expectation documented[] = {
  { "start", "START " TRACE },
  { "result_interim", "RESULT " TRACE " | 100-1500 interim '第一个' 0"
                      " <第一 100-800> <个 800-1000>" },
  { "result_several", "RESULT " TRACE " | 100-1500 final '第一个转写结果' 0.9"
                      " | 1500-3000 final '第二个转写结果' 0.8"
                      " | 3000-4000 interim '第三' 0" },
  { "result_english", "RESULT " TRACE " | 0-3159 final 'hello everybody' 0.918"
                      " <▁HE 920-1080> <LL 1080-1240> <O 1240-1400>" },
  { "result_failed", "RESULT " TRACE " | 1500-3000 final without result" },
  { "result_empty_text", "RESULT " TRACE " | 0-800 final '' 0" },
  { "event_voice_start", "EVENT " TRACE " voice start VOICE_START @1500" },
  { "event_voice_end", "EVENT " TRACE " voice end VOICE_END @1500" },
  { "event_exceeded_silence",
    "EVENT " TRACE " silence EXCEEDED_SILENCE @1500" },
  { "event_exceeded_audio", "EVENT " TRACE " audio EXCEEDED_AUDIO @1500" },
  { "end_normal", "END " TRACE " NORMAL" },
  { "end_cancel", "END " TRACE " CANCEL" },
  { "end_error", "END " TRACE " ERROR" },
  { "error", "error [ERROR] " TRACE " SIS.0032 'audio_format' is invalid" },
  { "error_without_trace_id",
    "error [ERROR]  SIS.0032 'audio_format' is invalid" },
  { "fatal_error",
    "fatal [FATAL_ERROR] " TRACE " SIS.0304 wait voice timeout" },
};

GST_START_TEST (test_documented_samples_are_understood)
{
  const Expectation &row = documented[__i__];
  const std::string text = samples::load ("samples", row.name);
  assert_text (describe (parse_exactly (text)), row.message);
}
GST_END_TEST;

GST_START_TEST (test_every_sample_is_in_the_table)
{
  samples::assert_complete ("samples", documented);
}
GST_END_TEST;

struct Reading
{
  const char *text, *message;
};

static void
assert_readings (std::span<const Reading> table)
{
  for (const Reading &row : table) {
    const std::string message = describe (parse_exactly (row.text));
    fail_unless (message == row.message,
                 "%s\nread as       '%s'\nrather than "
                 "'%s'",
                 row.text, message.c_str (), row.message);
  }
}

#define RESULT(segments)                                                       \
  R"({"resp_type":"RESULT","trace_id":"t","segments":[)" segments "]}"

GST_START_TEST (test_optional_fields_may_be_missing_and_others_added)
{
  static constexpr Reading table[] = {
    { R"({"resp_type":"START"})", "START " },
    { R"({"resp_type":"START","trace_id":"t","version":{"a":[1,2]}})",
      "START t" },
    { R"({"resp_type":"END"})", "END  " },
    { R"({"resp_type":"END","trace_id":"t","reason":"TIRED"})", "END t TIRED" },
    { R"({"resp_type":"EVENT","event":"VOICE_END"})",
      "EVENT  voice end VOICE_END @?" },
    { R"({"resp_type":"EVENT"})", "EVENT  other  @?" },
    { R"({"resp_type":"ERROR"})", "error [ERROR]   " },
    { R"({"resp_type":"FATAL_ERROR"})", "fatal [FATAL_ERROR]   " },
    { R"({"resp_type":"RESULT"})", "RESULT " },
    { RESULT ("{}"), "RESULT t | ?-? interim without result" },
    { RESULT (R"({"is_final":true,"result":{}})"), "RESULT t | ?-? final ''" },
    { RESULT (R"({"result":null})"), "RESULT t | ?-? interim without result" },
    { RESULT (R"({"speaker":1,"result":{"text":"a","emotion":"none"}})"),
      "RESULT t | ?-? interim 'a'" },
  };
  assert_readings (table);
}
GST_END_TEST;

GST_START_TEST (test_unknown_types_and_events_are_told_by_name)
{
  static constexpr Reading table[] = {
    { R"({"resp_type":"WEATHER","trace_id":"t","error_code":"SIS.0032"})",
      "unknown [WEATHER]" },
    { R"({"resp_type":"result"})", "unknown [result]" },
    { R"({"resp_type":7})", "unknown [7]" },
    { R"({"trace_id":"t"})", "unknown []" },
    { R"({"resp_type":"EVENT","event":"Speaker_Change","timestamp":7})",
      "EVENT  other Speaker_Change @7" },
  };
  assert_readings (table);
}
GST_END_TEST;

GST_START_TEST (test_words_may_be_missing_empty_or_partial)
{
  static constexpr Reading table[] = {
    { RESULT (R"({"result":{"text":"a","word_info":[]}})"),
      "RESULT t | ?-? interim 'a'" },
    { RESULT (R"({"result":{"text":"a","word_info":null}})"),
      "RESULT t | ?-? interim 'a'" },
    { RESULT (R"({"result":{"text":"a","word_info":[{"word":"a"},
        {"start_time":1},{"end_time":2},{}, null, "b"]}})"),
      "RESULT t | ?-? interim 'a' <a ?-?> < 1-?> < ?-2> < ?-?>" },
    { RESULT (R"({"result":{"word_info":[{"word":"▁A"},{"word":""}]}})"),
      "RESULT t | ?-? interim '' <▁A ?-?> < ?-?>" },
  };
  assert_readings (table);
}
GST_END_TEST;

GST_START_TEST (test_score_may_be_absent_or_an_integer)
{
  static constexpr Reading table[] = {
    { RESULT (R"({"result":{"text":"a"}})"), "RESULT t | ?-? interim 'a'" },
    { RESULT (R"({"result":{"text":"a","score":null}})"),
      "RESULT t | ?-? interim 'a'" },
    { RESULT (R"({"result":{"text":"a","score":1}})"),
      "RESULT t | ?-? interim 'a' 1" },
    { RESULT (R"({"result":{"text":"a","score":0.0}})"),
      "RESULT t | ?-? interim 'a' 0" },
    { RESULT (R"({"result":{"text":"a","score":"0.25"}})"),
      "RESULT t | ?-? interim 'a' 0.25" },
  };
  assert_readings (table);
}
GST_END_TEST;

GST_START_TEST (test_numbers_and_booleans_may_come_as_strings)
{
  static constexpr Reading table[] = {
    { RESULT (R"({"is_final":"true","start_time":"12.00","end_time":"34"})"),
      "RESULT t | 12-34 final without result" },
    { RESULT (R"({"is_final":"True","start_time":12.0,"end_time":3.4e1})"),
      "RESULT t | 12-34 final without result" },
    { RESULT (R"({"is_final":"false"}, {"is_final":"yes"}, {"is_final":1})"),
      "RESULT t | ?-? interim without result | ?-? final without result"
      " | ?-? final without result" },
    { RESULT (R"({"is_final":""}, {"is_final":0}, {"is_final":null})"),
      "RESULT t | ?-? interim without result | ?-? interim without result"
      " | ?-? interim without result" },
    { RESULT (R"({"start_time":"12 ","end_time":"0x10"})"),
      "RESULT t | ?-? interim without result" },
    { R"({"resp_type":"EVENT","event":"VOICE_END","timestamp":"1500"})",
      "EVENT  voice end VOICE_END @1500" },
    { R"({"resp_type":"ERROR","trace_id":12,"error_code":32,"error_msg":1.5})",
      "error [ERROR] 12 32 1.5" },
  };
  assert_readings (table);
  /* Also where the application's locale has a decimal comma. */
  if (setlocale (LC_NUMERIC, "de_DE.UTF-8"))
    assert_readings (table);
  setlocale (LC_NUMERIC, "C");
}
GST_END_TEST;

GST_START_TEST (test_a_gateway_body_without_resp_type_is_an_error)
{
  static constexpr Reading table[] = {
    { R"({"error_code":"APIG.0301","error_msg":"no","request_id":"r"})",
      "error []  APIG.0301 no" },
    { R"({"error_code":"APIG.0301"})", "error []  APIG.0301 " },
    { R"({"resp_type":null,"error_msg":"resource type is RESTRICTED"})",
      "error []   resource type is RESTRICTED" },
    { R"({"error_code":"","error_msg":""})", "unknown []" },
  };
  assert_readings (table);
}
GST_END_TEST;

GST_START_TEST (test_misspelt_silence_events_are_known)
{
  for (const char *name :
       { "EXCEEDED_SILENCE", "EXCEEDED_SILCENCE", "EXCEED_SLIENCE",
         "EXCEED_SILENCE", "EXCEEDED_SLICENCE", "exceeded_silence" }) {
    const std::string text
        = std::string (R"({"resp_type":"EVENT","event":")") + name + "\"}";
    assert_text (describe (parse_exactly (text)),
                 "EVENT  silence EXCEEDED_SILENCE @?");
  }
  static constexpr Reading table[] = {
    { R"({"resp_type":"EVENT","event":"EXCEED_AUDIO"})",
      "EVENT  audio EXCEEDED_AUDIO @?" },
    { R"({"resp_type":"EVENT","event":"EXCEEDED"})",
      "EVENT  other EXCEEDED @?" },
    { R"({"resp_type":"EVENT","event":"SILENCE"})", "EVENT  other SILENCE @?" },
  };
  assert_readings (table);
}
GST_END_TEST;

GST_START_TEST (test_white_space_and_escapes_of_json_are_read)
{
  static constexpr Reading table[] = {
    { " \t\r\n{ \"resp_type\" :\n\"START\" , \"trace_id\":\"t\" }\n ",
      "START t" },
    { R"({"resp_type":"\u0053TART","trace_id":"\"\\\/\b\f\n\r\tq"})",
      "START \"\\/q" },
    { R"({"resp_type":"START","trace_id":"\u7b2c\u4e00\ud83d\uDE00é"})",
      "START 第一😀é" },
    { R"({"resp_type":"START","trace_id":"// /* no comment */ , ]}"})",
      "START // /* no comment */ , ]}" },
    { R"({"a":[],"b":{},"c":[{}],"d":-0.5E-2,"e":true,"f":false,"g":null,
         "resp_type":"START"})",
      "START " },
  };
  assert_readings (table);
}
GST_END_TEST;

GST_START_TEST (test_start_sends_what_is_set_in_the_order_of_the_docs)
{
  sis::StartConfig config;
  config.property = "chinese_16k_general";
  assert_text (sis::build_start (config),
               R"({"command":"START","config":{"audio_format":"pcm16k16bit",)"
               R"("property":"chinese_16k_general"}})");

  config.audio_format = { sis::Encoding::Alaw, 8000 };
  config.property = "chinese_8k_general";
  config.need_word_info = true;
  config.vocabulary_id = "v-1";
  config.interim_results = true;
  config.max_seconds = 30;
  config.vad_tail = 500;
  config.vad_head = 0;
  config.digit_norm = false;
  config.add_punc = true;
  assert_text (
      sis::build_start (config),
      R"({"command":"START","config":{"audio_format":"alaw8k8bit",)"
      R"("property":"chinese_8k_general","add_punc":"yes","digit_norm":"no",)"
      R"("vad_head":0,"vad_tail":500,"max_seconds":30,)"
      R"("interim_results":"yes","vocabulary_id":"v-1",)"
      R"("need_word_info":"yes"}})");
}
GST_END_TEST;

GST_START_TEST (test_extra_keys_are_sent_as_what_they_are)
{
  sis::StartConfig config;
  config.property = "quote \" and \xff";
  config.extra = {
    { "need_smooth", true },
    { "vad_threshold", 0.5 },
    { "big", std::int64_t (1) << 40 },
    { "name", std::string ("第一") },
    { "user_words",
      std::vector<sis::StartConfig::Scalar>{ std::string ("a"), true, 7,
                                             std::string ("b\n") } },
    { "nothing", std::vector<sis::StartConfig::Scalar>{} },
    { "not_finite", G_MAXDOUBLE * 2 },
    { "property", std::string ("taken") },
  };
  assert_text (
      sis::build_start (config),
      R"({"command":"START","config":{"audio_format":"pcm16k16bit",)"
      "\"property\":\"quote \\\" and \xEF\xBF\xBD\","
      R"("need_smooth":"yes","vad_threshold":0.5,"big":1099511627776,)"
      R"("name":"第一","user_words":["a","yes",7,"b\n"],"nothing":[]}})");
}
GST_END_TEST;

GST_START_TEST (test_end_sends_a_boolean)
{
  assert_text (sis::build_end (false), R"({"command":"END","cancel":false})");
  assert_text (sis::build_end (true), R"({"command":"END","cancel":true})");
}
GST_END_TEST;

/* What turns the order of a line around, or hides text in it. */
GST_START_TEST (test_clean_text_removes_what_cannot_be_seen)
{
  static constexpr struct
  {
    gunichar first, last;
  } table[] = {
    { 0xAD, 0xAD },       { 0x034F, 0x034F },   { 0x061C, 0x061C },
    { 0x115F, 0x1160 },   { 0x17B4, 0x17B5 },   { 0x180E, 0x180E },
    { 0x200B, 0x200B },   { 0x200E, 0x200F },   { 0x2028, 0x202E },
    { 0x2060, 0x206F },   { 0x3164, 0x3164 },   { 0xFDD0, 0xFDEF },
    { 0xFEFF, 0xFEFF },   { 0xFFA0, 0xFFA0 },   { 0xFFF0, 0xFFFB },
    { 0xFFFE, 0xFFFF },   { 0x1BCA0, 0x1BCA3 }, { 0x1D173, 0x1D17A },
    { 0x1FFFE, 0x1FFFF }, { 0xE0000, 0xE0FFF }, { 0x10FFFE, 0x10FFFF },
  };
  for (const auto &row : table)
    for (gunichar c = row.first; c <= row.last; c++) {
      char bytes[6];
      const std::string hidden (bytes,
                                std::size_t (g_unichar_to_utf8 (c, bytes)));
      fail_unless (clean_text ("a" + hidden + "b", 10) == "ab", "U+%04X", c);
    }
}
GST_END_TEST;

/* Joiners, marks and what else changes how the letters around it look. */
GST_START_TEST (test_clean_text_keeps_what_scripts_need)
{
  for (const char *text :
       { "\u0645\u06CC\u200C\u062E\u0648\u0627\u0647\u0645", /* Persian */
         "\u0915\u094D\u200D\u0937",                         /* Hindi */
         "\U0001F469\u200D\U0001F4BB", "\u2764\uFE0F", "\u1820\u180B",
         "\u0600\u0661", "e\u0301", "\u00A0", "\uE000", "\u3000" })
    assert_text (clean_text (text, 100), text);
}
GST_END_TEST;

GST_START_TEST (test_clean_text_removes_what_must_not_be_shown)
{
  static constexpr struct
  {
    std::string_view text;
    std::size_t limit;
    const char *clean;
  } table[] = {
    { "", 10, "" },
    { { "a\0b\x01\t\r\n\x1f\x7f", 9 }, 10, "ab" },
    { "\xC2\x80x\xC2\x85y\xC2\x9Fz\xC2\xA0", 10, "xyz\xC2\xA0" },
    { "a\xE2\x80\xA8"
      "b\xE2\x80\xA9"
      "c",
      10, "abc" },
    { "第一", 6, "第一" },
    { "第一", 5, "第" },
    { "第一", 2, "" },
    { "ab", 1, "a" },
    { "ab", 0, "" },
    { "a\n\n\nb", 2, "ab" },
    { "a\xFF\xFE"
      "b",
      10,
      "a\xEF\xBF\xBD\xEF\xBF\xBD"
      "b" },
    { "\xC0\x80", 10, "\xEF\xBF\xBD\xEF\xBF\xBD" },
    { "\xED\xA0\x80", 10, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD" },
    { "\xE7\xAC", 10, "\xEF\xBF\xBD\xEF\xBF\xBD" },
    { "\xFF", 2, "" },
    { "\xEF\xBF\xBD|", 10, "\xEF\xBF\xBD|" },
    { "😀", 4, "😀" },
    { "😀", 3, "" },
  };
  for (const auto &row : table) {
    const auto copy = std::make_unique<char[]> (row.text.size ());
    std::copy (row.text.begin (), row.text.end (), copy.get ());
    assert_text (clean_text ({ copy.get (), row.text.size () }, row.limit),
                 row.clean);
  }
}
GST_END_TEST;

GST_START_TEST (test_error_bodies_of_the_gateway_and_of_iam_are_read)
{
  static constexpr struct
  {
    const char *text, *error_code, *error_msg, *request_id;
  } table[] = {
    { R"({"error_code":"APIGW.0301","error_msg":"no","request_id":"r"})",
      "APIGW.0301", "no", "r" },
    { R"({"error_msg":"no","error_code":"APIG.0301"})", "APIG.0301", "no", "" },
    { R"({"error":{"error_code":"APIG.0301","error_msg":"no",
                   "request_id":"r"}})",
      "APIG.0301", "no", "r" },
    { R"({"error":{"code":401,"message":"The password is wrong.",
                   "title":"Unauthorized"},"request_id":"r"})",
      "401", "The password is wrong.", "r" },
    { R"({"error":"no","error_code":101})", "101", "", "" },
    { R"({"error_code":"a\u0007b","error_msg":"c\nd","request_id":"e\u0000f"})",
      "ab", "cd", "ef" },
    { R"({"request_id":"r"})", "", "", "r" },
  };
  for (const auto &row : table) {
    const auto body = sis::parse_error_body (row.text);
    fail_unless (body.has_value (), "%s", row.text);
    assert_text (body->error_code, row.error_code);
    assert_text (body->error_msg, row.error_msg);
    assert_text (body->request_id, row.request_id);
  }
}
GST_END_TEST;

GST_START_TEST (test_other_bodies_are_no_error_bodies)
{
  for (const char *text :
       { "", "Unauthorized", "<html>502 Bad Gateway</html>", "[]", "{}",
         R"({"error_code":null,"error":[]})", R"({"status":"ok"})",
         R"({"error_code":"APIG.0301",)", "\xff" })
    fail_if (sis::parse_error_body (text).has_value (), "%s", text);
  fail_if (sis::parse_error_body ({}).has_value ());
}
GST_END_TEST;

static Suite *
message_suite (void)
{
  Suite *const suite = suite_create ("message");
  TCase *const parsing = tcase_create ("parse");
  suite_add_tcase (suite, parsing);
  tcase_add_loop_test (parsing, test_documented_samples_are_understood, 0,
                       G_N_ELEMENTS (documented));
  tcase_add_test (parsing, test_every_sample_is_in_the_table);
  tcase_add_test (parsing,
                  test_optional_fields_may_be_missing_and_others_added);
  tcase_add_test (parsing, test_unknown_types_and_events_are_told_by_name);
  tcase_add_test (parsing, test_words_may_be_missing_empty_or_partial);
  tcase_add_test (parsing, test_score_may_be_absent_or_an_integer);
  tcase_add_test (parsing, test_numbers_and_booleans_may_come_as_strings);
  tcase_add_test (parsing, test_a_gateway_body_without_resp_type_is_an_error);
  tcase_add_test (parsing, test_misspelt_silence_events_are_known);
  tcase_add_test (parsing, test_white_space_and_escapes_of_json_are_read);

  TCase *const building = tcase_create ("build");
  suite_add_tcase (suite, building);
  tcase_add_test (building,
                  test_start_sends_what_is_set_in_the_order_of_the_docs);
  tcase_add_test (building, test_extra_keys_are_sent_as_what_they_are);
  tcase_add_test (building, test_end_sends_a_boolean);

  TCase *const text = tcase_create ("text");
  suite_add_tcase (suite, text);
  tcase_add_test (text, test_clean_text_removes_what_must_not_be_shown);
  tcase_add_test (text, test_clean_text_removes_what_cannot_be_seen);
  tcase_add_test (text, test_clean_text_keeps_what_scripts_need);
  tcase_add_test (text, test_error_bodies_of_the_gateway_and_of_iam_are_read);
  tcase_add_test (text, test_other_bodies_are_no_error_bodies);
  return suite;
}

GST_CHECK_MAIN (message)
