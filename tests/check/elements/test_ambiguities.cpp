// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the service's documents leave open of what it says: whatever it looks
 * like, no word is lost and nothing is made up. A number in front of a test is
 * that of the question; the others are in test_ambiguous_requests.cpp and
 * test_ambiguous_ends.cpp. */
#include "failing.h"
#include "saying.h"
#include "stage.h"

#include <set>

using namespace sischeck;
using sistest::Action;
using sistest::Behaviour;
using sistest::Segment;
using sistest::send_result;
using sistest::send_text;

namespace {

const char *const modes[] = { "continue", "sentence", "short" };

std::string
fields_of (const GstStructure *structure)
{
  std::set<std::string> names;
  for (gint i = 0; i < gst_structure_n_fields (structure); i++)
    names.insert (gst_structure_nth_field_name (structure, guint (i)));
  std::string fields;
  for (const std::string &name : names)
    fields += (fields.empty () ? "" : " ") + name;
  return fields;
}

/* "word@100+50" for one at 100 ms that lasts 50 ms, as far as it is known. */
std::string
words_of (const GstStructure *told)
{
  const GValue *words = gst_structure_get_value (told, "words");
  if (words == nullptr)
    return "none";
  std::string all;
  for (guint i = 0; i < gst_value_array_get_size (words); i++) {
    const GstStructure *word
        = gst_value_get_structure (gst_value_array_get_value (words, i));
    assert_same_text (gst_structure_get_name (word), "word");
    if (i > 0)
      all += ' ';
    if (gst_structure_has_field (word, "word"))
      all += text_of (word, "word");
    if (gst_structure_has_field (word, "running-time"))
      all += "@" + std::to_string (time_of (word, "running-time") / GST_MSECOND)
             + "+" + std::to_string (time_of (word, "duration") / GST_MSECOND);
  }
  return all;
}

std::string
score_of (const GstStructure *told)
{
  if (!gst_structure_has_field (told, "score"))
    return "none";
  double score = -1;
  fail_unless (gst_structure_get_double (told, "score", &score));
  char digits[G_ASCII_DTOSTR_BUF_SIZE];
  return g_ascii_formatd (digits, sizeof digits, "%.2f", score);
}

/* All results and events, but for what differs from run to run. */
std::vector<std::string>
all_told (const Pipeline &pipeline)
{
  std::vector<std::string> all;
  for (const char *name : { "sis-result", "sis-event" })
    for (const GstStructure *told : pipeline.named (name)) {
      GstStructure *copy = gst_structure_copy (told);
      gst_structure_remove_field (copy, "trace_id");
      g_autofree char *text = gst_structure_to_string (copy);
      gst_structure_free (copy);
      all.push_back (text);
    }
  return all;
}

void
assert_no_trouble (const Stage &stage, std::size_t connections = 1)
{
  assert_equals_int (stage.warnings (), 0);
  assert_equals_int (stage.server.connections ().size (), connections);
}

} // namespace

/* 1: any field may be missing. */
GST_START_TEST (test_a_field_that_did_not_come_is_not_posted)
{
  Behaviour bare = scripted (
      { { 500ms, raw_result (R"("is_final":true,"result":{"text":"bare"})") },
        { 500ms, send_text (R"({"resp_type":"EVENT"})") } });
  bare.trace_ids = false;
  bare.end.before = { send_text (R"({"resp_type":"END"})") };
  Stage stage ({ bare });
  stage.play_to (500ms, 1);
  stage.finish ();
  const Pipeline &pipeline = *stage.pipeline;
  assert_same_text (fields_of (pipeline.named ("sis-start").at (0)), "session");
  assert_same_text (fields_of (pipeline.named ("sis-result").at (0)),
                    "is_final segment session text");
  assert_same_text (fields_of (pipeline.named ("sis-event").at (0)),
                    "running-time session timestamp");
  assert_same_text (fields_of (pipeline.named ("sis-end").at (0)),
                    "reason session");
  assert_same_text (stage.reason (0), "NORMAL");
  assert_no_trouble (stage);
}
GST_END_TEST;

/* 1: an ERROR without trace_id is told with that of its session, if it had one.
 */
GST_START_TEST (test_an_error_without_trace_id_is_that_of_its_session)
{
  for (const bool session_has_one : { true, false }) {
    Behaviour failing = fails_with (
        without_trace_id (sistest::error ("SIS.0031", "not supported")));
    failing.trace_ids = session_has_one;
    Stage stage ({ failing });
    stage.push_to (1000ms);
    const Problem problem = only_error (*stage.pipeline);
    assert_same_text (text_of (problem.details, "error_code"), "SIS.0031");
    fail_unless (gst_structure_has_field (problem.details, "trace_id")
                 == session_has_one);
    if (session_has_one)
      assert_same_text (
          text_of (problem.details, "trace_id"),
          text_of (stage.pipeline->named ("sis-start")[0], "trace_id"));
  }
}
GST_END_TEST;

/* 1: fields, types and events that nobody knows. */
GST_START_TEST (test_what_is_not_known_changes_nothing)
{
  const Action news = send_text (
      R"({"resp_type":"NEWS","trace_id":"x","error_code":"SIS.0032"})");
  const Action known
      = raw_result (R"("start_time":0,"end_time":400,"is_final":true,)"
                    R"("speaker":{"id":[1]},)"
                    R"("result":{"text":"known","mood":[{"a":null}]})");
  for (const char *mode : modes) {
    Behaviour modern = scripted ({ { 500ms, news },
                                   { 500ms, known },
                                   { 500ms, event ("SPEAKER_CHANGE", 300) } });
    modern.start.before = { news };
    Stage stage ({ modern }, std::string ("mode=") + mode);
    stage.play_to (500ms, 1);
    stage.finish ();
    assert_same_text (story_of (*stage.pipeline, 1), "1known");
    const auto events = stage.pipeline->named ("sis-event");
    assert_equals_int (events.size (), 1);
    assert_same_text (text_of (events[0], "event"), "SPEAKER_CHANGE");
    assert_equals_int64 (int64_of (events[0], "event_time"), 300);
    assert_same_text (stage.reason (0), "NORMAL");
    assert_no_trouble (stage);
  }
}
GST_END_TEST;

/* 2: `result` is missing where nothing was recognised, or has no text. Such a
 * final covers its audio like any other. */
GST_START_TEST (test_a_final_without_a_result_is_an_empty_one)
{
  Segment failed_interim = maybe (0, 400);
  Segment failed = said (0, 800);
  failed_interim.failed = failed.failed = true;
  Behaviour lossy = scripted (
      { { 2000ms, send_result ({ failed_interim }) },
        { 2000ms, send_result ({ failed }) },
        { 2000ms,
          send_result ({ said (800, 1000, ""), maybe (1100, 1500, "") }) },
        { 2100ms, sistest::reset () } });
  Stage stage ({ lossy, {} });
  stage.play_to (2000ms, 3);
  stage.push_to (2100ms);
  stage.wait_for ("sis-start", 2);
  stage.finish ();
  assert_same_text (story_of (*stage.pipeline, 1), "1 2 3…");
  assert_same_text (score_of (stage.pipeline->named ("sis-result")[0]), "none");
  assert_equals_int (stage.first_ms (1), 1000);
}
GST_END_TEST;

/* 2: word_info is missing, empty, or known in part; words are pieces of words.
 */
GST_START_TEST (test_words_are_posted_as_far_as_they_are_known)
{
  const std::string words
      = R"(,"word_info":[{"word":"▁HE","start_time":100,"end_time":200},)"
        R"({"word":"LL"},{"start_time":300,"end_time":350},{"end_time":400}])";
  std::vector<Action> results;
  for (const std::string &more :
       { std::string (), std::string (R"(,"word_info":[])"), words })
    results.push_back (raw_result (R"("is_final":true,"result":{"text":"hello")"
                                   + more + "}"));
  Stage stage ({ scripted ({ { 1000ms, results[0] },
                             { 1000ms, results[1] },
                             { 1000ms, results[2] } }) },
               "need-word-info=true");
  stage.play_to (1000ms, 3);
  stage.finish ();
  const auto told = stage.pipeline->named ("sis-result");
  assert_same_text (words_of (told[0]), "none");
  assert_same_text (words_of (told[1]), "none");
  assert_same_text (words_of (told[2]), "▁HE@100+100 LL @300+50 ");
  assert_no_trouble (stage);
}
GST_END_TEST;

/* 3: each final twice, interims between them. */
GST_START_TEST (test_a_final_that_comes_twice_is_posted_once)
{
  for (const char *mode : modes) {
    Behaviour stammering{ .recognizer = sistest::index_recognizer (5),
                          .repeat_finals = true };
    Stage stage ({ stammering },
                 std::string ("interim-results=true mode=") + mode);
    stage.push_to (2800ms);
    stage.finish ();
    assert_same_text (stage.pipeline->finals (), index_words (0, 33));
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

/* 4: a score is absent, an integer, zero, a text, out of range, or already
 * there in an interim. */
GST_START_TEST (test_a_score_is_posted_as_it_comes_or_not_at_all)
{
  const std::pair<const char *, const char *> scores[]
      = { { "", "none" },
          { R"(,"score":1)", "1.00" },
          { R"(,"score":0.0)", "0.00" },
          { R"(,"score":"0.25")", "0.25" },
          { R"(,"score":7)", "none" },
          { R"(,"score":null)", "none" } };
  for (const char *is_final : { "true", "false" }) {
    Behaviour scoring = scripted ({});
    for (const auto &[score, expected] : scores)
      scoring.actions.push_back (
          { 500ms, raw_result (std::string (R"("is_final":)") + is_final
                               + R"(,"result":{"text":"a")" + score + "}") });
    Stage stage ({ scoring }, "interim-results=true");
    stage.play_to (500ms, std::size (scores));
    const auto told = stage.pipeline->named ("sis-result");
    for (std::size_t i = 0; i < std::size (scores); i++)
      assert_same_text (score_of (told[i]), scores[i].second);
    stage.finish ();
  }
}
GST_END_TEST;

/* 5: numbers and booleans are texts. */
GST_START_TEST (test_numbers_as_texts_are_told_as_numbers)
{
  Segment spoken = said (0, 1200, "one two");
  spoken.score = 0.75;
  spoken.words = { { "one", 100ms, 500ms }, { "two", 600ms, 1100ms } };
  std::vector<std::string> told[2];
  for (const bool as_texts : { false, true }) {
    Behaviour behaviour = scripted (
        { { 2000ms, send_result ({ spoken, maybe (1300, 1800) }) },
          { 2000ms, raw_result (R"("start_time":1200,"end_time":"1900.00",)"
                                R"("is_final":1,"result":{"text":3})") },
          { 2000ms,
            send_text (std::string (R"({"resp_type":"EVENT","event":"NOISE",)")
                       + (as_texts ? R"("timestamp":"500.0"})"
                                   : R"("timestamp":500})")) } });
    behaviour.scalars_as_strings = as_texts;
    Stage stage ({ behaviour }, "need-word-info=true interim-results=true");
    stage.play_to (2000ms, 3);
    stage.finish ();
    assert_same_text (story_of (*stage.pipeline, 1), "1one two 2maybe… 23");
    told[as_texts] = all_told (*stage.pipeline);
    assert_no_trouble (stage);
  }
  assert_equals_int (told[0].size (), 4);
  fail_unless (told[0] == told[1]);
}
GST_END_TEST;

/* 6: an error as the gateway writes it, on the socket. It is one like ERROR: a
 * transient one is passed over. */
GST_START_TEST (test_an_error_without_resp_type_is_an_error)
{
  const Action refused
      = send_text (R"({"error_code":"APIGW.0306","error_msg":"no access",)"
                   R"("request_id":"r-1"})");
  for (const bool at_start : { true, false }) {
    Stage stage (
        { at_start ? answers_start_with (refused) : fails_with (refused) });
    stage.push_to (1000ms);
    const Problem problem = only_error (*stage.pipeline);
    fail_unless (
        problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
    assert_same_text (text_of (problem.details, "error_code"), "APIGW.0306");
    assert_same_text (text_of (problem.details, "error_msg"), "no access");
    fail_if (gst_structure_has_field (problem.details, "resp_type"));
    assert_equals_int (uint_of (problem.details, "session"), !at_start);
    assert_sessions (*stage.pipeline, !at_start);
  }
  Stage stage (
      { scripted ({ { 500ms, send_result ({ said (0, 300) }) },
                    { 1000ms, send_text (R"({"error_code":"SIS.0303",)"
                                         R"("error_msg":"busy"})") } }),
        {} });
  stage.play_to (500ms, 1);
  stage.push_to (1000ms);
  stage.wait_for ("sis-start", 2);
  stage.finish ();
  assert_same_text (stage.reason (0), "ERROR");
  assert_equals_int (stage.warnings (), 1);
  assert_equals_int (stage.first_ms (1), 300);
}
GST_END_TEST;

/* 10: silence in the spellings of the service's own pages. */
GST_START_TEST (test_a_misspelt_event_ends_the_sentence)
{
  for (const char *name :
       { "EXCEEDED_SILENCE", "EXCEEDED_SILCENCE", "EXCEED_SLIENCE",
         "EXCEED_SILENCE", "EXCEEDED_SLIENCE", "exceeded_silence" }) {
    Stage stage ({ scripted ({ { 1000ms, event (name, 700) } }), {} },
                 "mode=sentence");
    stage.play_to (1000ms);
    stage.wait_for ("sis-end", 1);
    stage.finish ();
    const GstStructure *told = stage.pipeline->named ("sis-event").at (0);
    assert_same_text (text_of (told, "event"), "EXCEEDED_SILENCE");
    assert_same_text (stage.reason (0), "NORMAL");
    assert_equals_int (stage.first_ms (1), 700);
    assert_equals_int (stage.warnings (), 0);
  }
}
GST_END_TEST;

/* 10: too much audio is an event, well spelt or not, or an error code. */
GST_START_TEST (test_audio_that_is_too_long_is_no_failure_however_it_is_told)
{
  const Action tellings[]
      = { event ("EXCEEDED_AUDIO", 1000), event ("EXCEED_AUDIO", 1000),
          sistest::error ("SIS.0311", "audio too long"),
          unfollowed (sistest::error ("SIS.0311", "")) };
  for (const Action &telling : tellings)
    for (const char *mode : modes) {
      Stage stage ({ scripted ({ { 500ms, send_result ({ said (0, 300) }) },
                                 { 1000ms, telling } }),
                     {} },
                   std::string ("mode=") + mode);
      stage.play_to (500ms, 1);
      stage.push_to (1000ms);
      stage.wait_for ("sis-start", 2);
      stage.finish ();
      for (const GstStructure *told : stage.pipeline->named ("sis-event"))
        if (uint_of (told, "session") == 1)
          assert_same_text (text_of (told, "event"), "EXCEEDED_AUDIO");
      assert_equals_int (stage.first_ms (1), 300);
      assert_equals_int (stage.warnings (), 0);
    }
}
GST_END_TEST;

namespace {

const char *const broken[] = {
  R"({"resp_type":"RESULT","segments":[{"start_time":0,"end_time":900,)"
  R"("is_final":true,"result":{"text":"never",}}],})",
  R"({"resp_type":"END","reason":"NORMAL",})",
  R"({"resp_type":"ERROR","error_code":"SIS.0031",})",
  R"(/* new */ {"resp_type":"END"})",
  R"({"resp_type":"EVENT")",
  "nonsense",
  "",
  "[[[[[[[[[[[[[[[[[[[[",
};

} // namespace

/* 19: what is no JSON is counted and left out, in every phase; a session has
 * one warning. */
GST_START_TEST (test_invalid_json_is_counted_and_left_out)
{
  Behaviour behaviour = scripted ({});
  for (const char *text : broken) {
    behaviour.start.before.push_back (send_text (text));
    behaviour.actions.push_back ({ 1000ms, send_text (text) });
    behaviour.end.before.push_back (send_text (text));
  }
  behaviour.actions.push_back ({ 1000ms, send_result ({ said (0, 500) }) });
  Behaviour lossy = behaviour;
  lossy.actions.push_back ({ 1100ms, sistest::reset () });
  Stage stage ({ lossy, behaviour });
  stage.play_to (1000ms, 1);
  stage.push_to (1100ms);
  stage.wait_for ("sis-start", 2);
  stage.push_to (1600ms);
  stage.finish ();
  assert_same_text (story_of (*stage.pipeline, 1), "1said");
  assert_same_text (story_of (*stage.pipeline, 2), "2said");
  assert_equals_int (stage.first_ms (1), 500);
  const auto warnings = stage.pipeline->from_sink (GST_MESSAGE_WARNING);
  assert_equals_int (warnings.size (), 3);
  for (const std::size_t i : { 0, 2 })
    fail_unless (
        Problem (warnings[i]).is (GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE));
  /* Twice before and in a session, once at its end. */
  assert_equals_uint64 (time_of (Stats (*stage.pipeline).get (), "malformed"),
                        5 * std::size (broken));
}
GST_END_TEST;

/* 19: as an answer to END it is none. */
GST_START_TEST (test_an_end_that_is_no_json_is_not_waited_for_in_vain)
{
  Behaviour behaviour{ .recognizer = sistest::index_recognizer () };
  behaviour.end = { .answer = false, .after = { send_text (broken[1]) } };
  Stage stage ({ behaviour }, soon ());
  stage.push_to (1000ms);
  stage.finish ();
  assert_same_text (stage.pipeline->finals (), index_words (0, 15));
  assert_same_text (stage.reason (0), "TIMEOUT");
  assert_equals_int (stage.warnings (), 2);
}
GST_END_TEST;

static Suite *
ambiguities_suite (void)
{
  Suite *suite = suite_create ("ambiguities");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_field_that_did_not_come_is_not_posted);
  tcase_add_test (tcase, test_an_error_without_trace_id_is_that_of_its_session);
  tcase_add_test (tcase, test_what_is_not_known_changes_nothing);
  tcase_add_test (tcase, test_a_final_without_a_result_is_an_empty_one);
  tcase_add_test (tcase, test_words_are_posted_as_far_as_they_are_known);
  tcase_add_test (tcase, test_a_final_that_comes_twice_is_posted_once);
  tcase_add_test (tcase, test_a_score_is_posted_as_it_comes_or_not_at_all);
  tcase_add_test (tcase, test_numbers_as_texts_are_told_as_numbers);
  tcase_add_test (tcase, test_an_error_without_resp_type_is_an_error);
  tcase_add_test (tcase, test_a_misspelt_event_ends_the_sentence);
  tcase_add_test (tcase,
                  test_audio_that_is_too_long_is_no_failure_however_it_is_told);
  tcase_add_test (tcase, test_invalid_json_is_counted_and_left_out);
  tcase_add_test (tcase, test_an_end_that_is_no_json_is_not_waited_for_in_vain);
  return suite;
}

GST_CHECK_MAIN (ambiguities)
