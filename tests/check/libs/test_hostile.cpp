// SPDX-License-Identifier: LGPL-2.1-or-later
#include "samples.h"

#include "../scale.h"

#include <vector>

using samples::describe;
using samples::Expectation;
using samples::parse_exactly;

/* What was found by hand or by fuzzing to be worth a file. */
static constexpr Expectation hostile[] = {
  { "assignment", "malformed: not a JSON object, at byte 0" },
  { "bare_key", "malformed: not JSON, at byte 1" },
  { "bare_word", "malformed: not JSON, at byte 13" },
  { "blank", "malformed: not a JSON object, at byte 5" },
  { "brackets_in_string", "START "
                          "[{\"[{\"[{\"[{\"[{\"[{\"[{\"[{\"[{\"[{\"[{\"[{\"[{"
                          "\"[{\"[{\"[{\"[{\"[{\"[{\"[{\"" },
  { "byte_order_mark", "malformed: not a JSON object, at byte 0" },
  { "comment", "malformed: not a JSON object, at byte 0" },
  { "comment_inside", "malformed: not JSON, at byte 22" },
  { "depth_16", "START t" },
  { "depth_17", "malformed: nested too deeply, at byte 55" },
  { "depth_20000", "malformed: nested too deeply, at byte 20" },
  { "depth_20000_objects", "malformed: nested too deeply, at byte 80" },
  { "duplicate_keys", "END t ERROR" },
  { "empty", "malformed: empty" },
  { "empty_keys", "unknown []" },
  { "empty_object", "unknown []" },
  { "escaped_control_characters",
    "error [ERROR] [31mred SIS.0032 abcdef\u00a0g" },
  { "escaped_nul", "RESULT t"
                   " | ?-? interim 'before and after'" },
  { "escaped_nul_in_key", "START t" },
  { "garbage_after", "malformed: something after the object, at byte 36" },
  { "hexadecimal", "malformed: not JSON, at byte 64" },
  { "html", "malformed: not a JSON object, at byte 0" },
  { "huge_floats", "RESULT t"
                   " | ?-? interim 'x'"
                   " | ?-0 interim without result" },
  { "huge_integers", "RESULT t"
                     " | ?-? final 'x'"
                     " | ?-? interim without result" },
  { "invalid_utf8", "malformed: not UTF-8 text" },
  { "leading_comma", "malformed: not JSON, at byte 1" },
  { "leading_zero", "malformed: not JSON, at byte 67" },
  { "lone_surrogates", "RESULT t"
                       " | ?-? interim 'a�'"
                       " | ?-? interim 'b�c'"
                       " | ?-? interim '�A'"
                       " | ?-? interim '😀'"
                       " | ?-? interim '�😀'" },
  { "mismatched_brackets", "malformed: not JSON, at byte 64" },
  { "missing_colon", "malformed: not JSON, at byte 13" },
  { "missing_comma", "malformed: not JSON, at byte 21" },
  { "missing_value", "malformed: not JSON, at byte 13" },
  { "no_exponent", "malformed: not JSON, at byte 65" },
  { "no_fraction", "malformed: not JSON, at byte 65" },
  { "not_a_number", "malformed: not JSON, at byte 63" },
  { "nul_after_the_end", "malformed: not UTF-8 text" },
  { "nul_byte", "malformed: not UTF-8 text" },
  { "only_minus", "malformed: not JSON, at byte 64" },
  { "overlong_utf8", "malformed: not UTF-8 text" },
  { "plus_sign", "malformed: not JSON, at byte 63" },
  { "raw_control_characters", "START abcde" },
  { "resp_type_null", "unknown []" },
  { "resp_type_object", "unknown []" },
  { "root_array", "malformed: not a JSON object, at byte 0" },
  { "root_null", "malformed: not a JSON object, at byte 0" },
  { "root_number", "malformed: not a JSON object, at byte 0" },
  { "root_string", "malformed: not a JSON object, at byte 0" },
  { "scores_out_of_range", "RESULT t"
                           " | ?-? interim 'a'"
                           " | ?-? interim 'b'"
                           " | ?-? interim 'c'"
                           " | ?-? interim 'd' 1" },
  { "segments_absent", "RESULT t" },
  { "segments_empty", "RESULT t" },
  { "segments_mixed", "RESULT t"
                      " | 0-100 final 'kept'" },
  { "segments_no_objects",
    "malformed: a RESULT whose segments are no objects" },
  { "segments_null", "RESULT t" },
  { "segments_object", "malformed: a RESULT whose segments are no array" },
  { "segments_text", "malformed: a RESULT whose segments are no array" },
  { "short_escape", "malformed: not JSON, at byte 34" },
  { "single_quotes", "malformed: not JSON, at byte 1" },
  { "surrogate_utf8", "malformed: not UTF-8 text" },
  { "times_out_of_range", "RESULT t"
                          " | ?-? interim without result"
                          " | 0-86400000 interim without result"
                          " | ?-1000 interim without result"
                          " | ?-? interim without result" },
  { "trailing_comma_in_array", "malformed: not JSON, at byte 79" },
  { "trailing_comma_in_object", "malformed: not JSON, at byte 52" },
  { "true_in_capitals", "malformed: not JSON, at byte 61" },
  { "truncated", "malformed: cut off, at byte 73" },
  { "truncated_in_character", "malformed: not UTF-8 text" },
  { "truncated_in_escape", "malformed: not JSON, at byte 34" },
  { "two_objects", "malformed: something after the object, at byte 36" },
  { "unknown_escape", "malformed: not JSON, at byte 34" },
  { "utf16", "malformed: not UTF-8 text" },
  { "wrong_types", "RESULT "
                   " | ?-? interim '' < ?-?>"
                   " | ?-? interim without result"
                   " | ?-? interim without result"
                   " | ?-? interim ''" },
  { "wrong_types_end", "END  " },
  { "wrong_types_error", "error [ERROR]   " },
  { "wrong_types_event", "EVENT  other  @?" },
};

GST_START_TEST (test_hostile_messages_are_judged_soberly)
{
  const Expectation &row = hostile[__i__];
  const std::string text = samples::load ("hostile", row.name);
  assert_text (describe (parse_exactly (text)), row.message);
}
GST_END_TEST;

GST_START_TEST (test_every_hostile_file_is_in_the_table)
{
  samples::assert_complete ("hostile", hostile);
}
GST_END_TEST;

static std::string
repeated (std::string_view part, std::size_t count)
{
  std::string out;
  out.reserve (part.size () * count);
  while (count-- > 0)
    out += part;
  return out;
}

/* `list` ends in a comma too many. */
static std::string
result_with (const std::string &before, std::string list,
             const std::string &after)
{
  list.pop_back ();
  return R"({"resp_type":"RESULT","segments":[)" + before + list + after + "]}";
}

static std::string
reason_of (std::string_view text)
{
  const sis::ServerMessage message = parse_exactly (text);
  const auto *const malformed = std::get_if<sis::Malformed> (&message);
  return malformed ? malformed->reason : describe (message);
}

GST_START_TEST (test_a_message_may_have_one_mebibyte_and_no_byte_more)
{
  std::string text = R"({"resp_type":"START","trace_id":"t","x":")";
  text += std::string (sis::max_message_length - text.size () - 2, 'x');
  text += "\"}";
  fail_unless_equals_int (text.size (), sis::max_message_length);
  assert_text (describe (parse_exactly (text)), "START t");
  text += ' ';
  assert_text (reason_of (text), "longer than 1048576 bytes");
  fail_if (sis::parse_error_body (text).has_value ());
}
GST_END_TEST;

GST_START_TEST (test_of_five_thousand_words_4096_are_kept)
{
  const std::string text = result_with (
      R"({"result":{"text":"t","word_info":[)",
      repeated (R"({"start_time":1,"end_time":2,"word":"w"},)", 5000), "]}}");
  const auto result = std::get<sis::Result> (parse_exactly (text));
  fail_unless_equals_int (result.segments.size (), 1);
  fail_unless_equals_int (result.segments[0].words.size (), 4096);
  assert_text (result.segments[0].words.back ().word, "w");
}
GST_END_TEST;

GST_START_TEST (test_all_of_many_segments_are_read)
{
  const std::string text = result_with (
      "", repeated (R"({"is_final":true,"result":{"text":"s"}},)", 3000), "");
  const auto result = std::get<sis::Result> (parse_exactly (text));
  fail_unless_equals_int (result.segments.size (), 3000);
  for (const sis::Segment &segment : result.segments)
    assert_text (describe (segment), "?-? final 's'");
}
GST_END_TEST;

GST_START_TEST (test_long_texts_are_cut_at_a_character)
{
  const std::string text
      = R"({"resp_type":"RESULT","trace_id":")" + repeated ("第", 1000)
        + R"(","segments":[{"result":{"text":")" + repeated ("第", 40000)
        + R"(","word_info":[)" + R"({"word":")" + repeated ("é", 1000)
        + R"("}]}}]})";
  const auto result = std::get<sis::Result> (parse_exactly (text));
  fail_unless (result.trace_id == repeated ("第", 1024 / 3));
  fail_unless (result.segments[0].text == repeated ("第", 65536 / 3));
  fail_unless (result.segments[0].words[0].word == repeated ("é", 512));
}
GST_END_TEST;

/* One of them takes json-glib a hundred times the memory of its two bytes. */
GST_START_TEST (test_a_message_of_nothing_but_brackets_is_refused)
{
  const std::size_t count = 1000000 / 3;
  const std::string text = result_with ("", repeated ("{},", count), "");
  fail_unless (text.size () < sis::max_message_length);
  fail_unless (g_str_has_prefix (reason_of (text).c_str (), "too many values"));
}
GST_END_TEST;

GST_START_TEST (test_half_a_million_brackets_do_not_exhaust_the_stack)
{
  for (const char *bracket : { "[", "{\"a\":", "]", "{", "[[[}" }) {
    const auto count = 900000 / strlen (bracket);
    fail_if (reason_of (repeated (bracket, count)).empty ());
    fail_if (reason_of (R"({"x":)" + repeated (bracket, count)).empty ());
  }
}
GST_END_TEST;

/* fail_unless tells the runner of each success, a system call a time. */
static void
require (bool condition)
{
  if (!condition)
    fail ("an invariant does not hold");
}

/* What has to hold for whatever parse() makes of any bytes. */
struct Invariants
{
  static void shown (const std::string &text, std::size_t limit)
  {
    require (text.size () <= limit);
    require (text == sis::clean_text (text, limit));
  }
  static void label (const std::string &text)
  {
    shown (text, sis::max_label_length);
  }
  static void time (std::optional<sis::Milliseconds> time)
  {
    require (!time || (time->count () >= 0 && time->count () <= 86400000));
  }

  void operator() (const sis::StartReply &m) const { label (m.trace_id); }
  void operator() (const sis::Result &m) const
  {
    label (m.trace_id);
    for (const sis::Segment &segment : m.segments) {
      time (segment.start_time);
      time (segment.end_time);
      shown (segment.text, sis::max_text_length);
      require (!segment.score || (*segment.score >= 0 && *segment.score <= 1));
      require (segment.words.size () <= sis::max_words);
      for (const sis::Word &word : segment.words) {
        label (word.word);
        time (word.start_time);
        time (word.end_time);
      }
    }
  }
  void operator() (const sis::ServiceEvent &m) const
  {
    label (m.trace_id);
    label (m.event);
    time (m.timestamp);
  }
  void operator() (const sis::EndReply &m) const
  {
    label (m.trace_id);
    label (m.reason);
  }
  void operator() (const sis::ErrorReply &m) const
  {
    label (m.trace_id);
    label (m.error_code);
    label (m.error_msg);
    require (m.fatal == (m.resp_type == "FATAL_ERROR"));
  }
  void operator() (const sis::Unknown &m) const { label (m.resp_type); }
  void operator() (const sis::Malformed &m) const
  {
    require (!m.reason.empty ());
    label (m.reason);
  }
};

static void
assert_sane (std::string_view text)
{
  std::visit (Invariants (), parse_exactly (text));
  sis::parse_error_body (text);
}

static std::vector<std::string>
all_files ()
{
  std::vector<std::string> texts;
  for (const char *folder : { "samples", "hostile" }) {
    const sis::GCharPtr path (g_build_filename (TEST_DATA, folder, nullptr));
    GDir *const dir = g_dir_open (path.get (), 0, nullptr);
    fail_unless (dir != nullptr);
    while (const char *file = g_dir_read_name (dir)) {
      const std::string name (file, strlen (file) - strlen (".json"));
      texts.push_back (samples::load (folder, name));
      if (texts.back ().size () > 2000)
        texts.pop_back ();
    }
    g_dir_close (dir);
  }
  fail_unless (texts.size () > 60);
  return texts;
}

GST_START_TEST (test_every_prefix_of_a_message_is_malformed)
{
  for (std::string text : all_files ()) {
    const bool whole
        = !std::holds_alternative<sis::Malformed> (sis::parse (text));
    text.erase (text.find_last_not_of (" \t\r\n") + 1);
    for (std::size_t length = 0; length < text.size ();
         length += sischeck::stride ()) {
      const std::string_view prefix (text.data (), length);
      assert_sane (prefix);
      if (whole
          && !std::holds_alternative<sis::Malformed> (sis::parse (prefix)))
        fail ("%.*s", static_cast<int> (length), text.data ());
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_messages_with_one_byte_changed_do_no_harm)
{
  static constexpr std::string_view bytes (
      "\0\x01\x7f\x80\xe7\xff\"\\{}[]:,- 09.eutn/'", 26);
  for (const std::string &text : all_files ()) {
    for (std::size_t at = 0; at < text.size (); at += sischeck::stride ()) {
      std::string changed = text;
      for (const char byte : bytes) {
        changed[at] = byte;
        assert_sane (changed);
      }
      changed.erase (at, 1);
      assert_sane (changed);
      changed.insert (at, 2, text[at]);
      assert_sane (changed);
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_random_pieces_of_json_do_no_harm)
{
  static constexpr const char *pieces[] = {
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u",
    "0000",
    "d83d",
    "ude00",
    "null",
    "true",
    "false",
    "0",
    "1",
    "-",
    "12345678901234567890",
    ".5",
    "e400",
    "\"resp_type\":",
    "\"RESULT\"",
    "\"EVENT\"",
    "\"ERROR\"",
    "\"segments\":[",
    "\"result\":{",
    "\"text\":",
    "\"word_info\":[",
    "\"start_time\":",
    "\"is_final\":",
    "\"score\":",
    "\"error_code\":",
    "\xe7\xac\xac",
    "\xff",
    " ",
    "\n",
    "/*",
    "//",
    "'",
  };
  GRand *const random = g_rand_new_with_seed (20211);
  for (int i = 0; i < sischeck::scaled (100000); ++i) {
    std::string text = "{";
    for (int n = g_rand_int_range (random, 0, 24); n > 0; --n)
      text += pieces[g_rand_int_range (random, 0, G_N_ELEMENTS (pieces))];
    assert_sane (text);
  }
  g_rand_free (random);
}
GST_END_TEST;

static Suite *
hostile_suite (void)
{
  Suite *const suite = suite_create ("hostile");
  TCase *const files = tcase_create ("files");
  suite_add_tcase (suite, files);
  tcase_add_loop_test (files, test_hostile_messages_are_judged_soberly, 0,
                       G_N_ELEMENTS (hostile));
  tcase_add_test (files, test_every_hostile_file_is_in_the_table);

  TCase *const bounds = tcase_create ("bounds");
  suite_add_tcase (suite, bounds);
  tcase_add_test (bounds,
                  test_a_message_may_have_one_mebibyte_and_no_byte_more);
  tcase_add_test (bounds, test_of_five_thousand_words_4096_are_kept);
  tcase_add_test (bounds, test_all_of_many_segments_are_read);
  tcase_add_test (bounds, test_long_texts_are_cut_at_a_character);
  tcase_add_test (bounds, test_a_message_of_nothing_but_brackets_is_refused);
  tcase_add_test (bounds,
                  test_half_a_million_brackets_do_not_exhaust_the_stack);

  TCase *const mutations = tcase_create ("mutations");
  suite_add_tcase (suite, mutations);
  tcase_set_timeout (mutations, 120);
  tcase_add_test (mutations, test_every_prefix_of_a_message_is_malformed);
  tcase_add_test (mutations, test_messages_with_one_byte_changed_do_no_harm);
  tcase_add_test (mutations, test_random_pieces_of_json_do_no_harm);
  return suite;
}

GST_CHECK_MAIN (hostile)
