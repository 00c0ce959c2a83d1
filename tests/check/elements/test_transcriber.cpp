// SPDX-License-Identifier: LGPL-2.1-or-later
/* Text in the pipeline: in its place, and no hole around it. */
#include "server.h"

#include "saying.h"
#include "stage.h"
#include "stats.h"
#include "textlog.h"

using namespace sischeck;

namespace {

/* What a source tells of its latency. */
struct Latency
{
  bool is_live;
  GstClockTime shortest, longest;
};

/* The stream so far: "stream-start caps segment gap text …". */
std::string
order_of (const TextLog &log)
{
  std::string order;
  for (const TextLog::Item &item : log.items ()) {
    const char *name = item.type == GST_EVENT_UNKNOWN
                           ? "text"
                           : gst_event_type_get_name (item.type);
    if (item.type == GST_EVENT_CUSTOM_DOWNSTREAM)
      name = item.text.c_str ();
    order += (order.empty () ? "" : " ") + std::string (name);
  }
  return order;
}

std::string
run (std::vector<sistest::TimedAction> actions, Milliseconds length,
     const std::string &properties = {}, GstClockTime first = 0)
{
  sistest::Server server;
  server.script ({ scripted (std::move (actions)) });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url (), properties));
  const TextLog log (pipeline);
  pipeline.play ();
  push_in_pieces (pipeline, std::size_t (length.count ()) * per_ms, first);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  log.assert_no_hole ();
  return log.story ();
}

} // namespace

GST_START_TEST (test_it_has_the_pads_of_a_transcriber)
{
  g_autoptr (GstElement) element
      = gst_element_factory_make ("sistranscriber", nullptr);
  fail_unless (element != nullptr);
  gst_object_ref_sink (element);
  GstPad *pad = gst_element_get_static_pad (element, "src");
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, nullptr);
  g_autoptr (GstCaps) text
      = gst_caps_from_string ("text/x-raw, format=(string)utf8");
  fail_unless (gst_caps_is_equal (caps, text));
  gst_object_unref (pad);
  GstPadTemplate *sink = gst_element_get_pad_template (element, "sink");
  fail_unless (sink != nullptr && sink->presence == GST_PAD_ALWAYS);
  GstElementFactory *sissink = gst_element_factory_find ("sissink");
  g_autoptr (GstElement) other = gst_element_factory_create (sissink, nullptr);
  gst_object_ref_sink (other);
  gst_object_unref (sissink);
  fail_unless (gst_caps_is_equal (
      sink->caps, gst_element_get_pad_template (other, "sink")->caps));
}
GST_END_TEST;

GST_START_TEST (test_its_own_properties_have_their_defaults)
{
  g_autoptr (GstElement) element
      = gst_element_factory_make ("sistranscriber", nullptr);
  gst_object_ref_sink (element);
  guint latency = 0;
  guint lateness = 1;
  guint delay = 1;
  gboolean plays_on = TRUE;
  g_autofree char *language = nullptr;
  g_object_get (element, "latency", &latency, "lateness", &lateness,
                "max-observed-delay", &delay, "passthrough-on-error", &plays_on,
                "language-code", &language, nullptr);
  assert_equals_int (latency, 8000);
  assert_equals_int (lateness, 0);
  assert_equals_int (delay, 0);
  fail_if (plays_on);
  fail_unless (language == nullptr);
  g_object_set (element, "language-code", "zh-CN", nullptr);
  g_object_get (element, "language-code", &language, nullptr);
  assert_equals_string (language, "zh-CN");
}
GST_END_TEST;

/* All of them, with a gap, before anything is said. */
GST_START_TEST (test_the_stream_begins_with_the_audio)
{
  sistest::Server server;
  server.script ({ scripted ({}) });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url ()));
  const TextLog log (pipeline);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 10 * per_ms), 3 * GST_SECOND);
  fail_unless (log.wait_for_event (GST_EVENT_GAP));
  assert_same_text (order_of (log), "stream-start caps segment gap");
  assert_same_text (log.story (), "-3000..3000");

  GstEvent *start
      = gst_pad_get_sticky_event (log.pad (), GST_EVENT_STREAM_START, 0);
  GstStreamFlags flags = GST_STREAM_FLAG_NONE;
  gst_event_parse_stream_flags (start, &flags);
  fail_unless ((flags & GST_STREAM_FLAG_SPARSE) != 0);
  GstPad *sink = gst_element_get_static_pad (pipeline.sink (), "sink");
  GstEvent *of_audio
      = gst_pad_get_sticky_event (sink, GST_EVENT_STREAM_START, 0);
  guint groups[2] = { 0, 1 };
  fail_unless (gst_event_parse_group_id (start, &groups[0]));
  fail_unless (gst_event_parse_group_id (of_audio, &groups[1]));
  assert_equals_int (groups[0], groups[1]);
  gst_event_unref (start);
  gst_event_unref (of_audio);
  gst_object_unref (sink);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  log.assert_no_hole ();
}
GST_END_TEST;

GST_START_TEST (test_each_final_is_a_buffer_at_its_time)
{
  assert_same_text (
      run ({ { 1000ms, sistest::send_result ({ said (200, 900, "one") }) },
             { 2000ms, sistest::send_result ({ said (1000, 1500, "two"),
                                               said (1500, 1999, "三") }) } },
           2500ms, {}, 5 * GST_SECOND),
      "-5000..5000 -5000..5200 one5200..5900 -5900..6000 two6000..6500 "
      "三6500..6999 -6999..7500");
}
GST_END_TEST;

/* Nor what nobody said. */
GST_START_TEST (test_hypotheses_are_not_in_the_stream)
{
  assert_same_text (
      run ({ { 500ms, sistest::send_result ({ maybe (0, 400) }) },
             { 1000ms, sistest::send_result ({ maybe (0, 900) }) },
             { 1500ms, sistest::send_result ({ said (0, 1400, "it is") }) },
             { 1600ms, sistest::send_result ({ said (1400, 1500, "") }) } },
           2000ms, "interim-results=true"),
      "-0..0 it is0..1400 -1400..2000");
}
GST_END_TEST;

/* Also where the service tells it in another one. */
GST_START_TEST (test_text_comes_in_the_order_of_its_time)
{
  assert_same_text (
      run ({ { 1000ms, sistest::send_result ({ said (600, 900, "second"),
                                               said (0, 500, "first") }) } },
           2000ms),
      "-0..0 first0..500 -500..600 second600..900 -900..2000");
}
GST_END_TEST;

GST_START_TEST (test_all_is_out_before_the_end)
{
  sistest::Server server;
  server.script ({ { .result_delay = 100ms } });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url ()));
  const TextLog log (pipeline);
  pipeline.play ();
  push_in_pieces (pipeline, 3000 * per_ms);
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (log.story (),
                    "-0..0 sentence 00..2000 sentence 12000..3000");
  assert_same_text (order_of (log), "stream-start caps segment gap text "
                                    "rstranscribe/final-transcript text "
                                    "rstranscribe/final-transcript eos");
}
GST_END_TEST;

GST_START_TEST (test_an_end_without_audio_is_one)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url ()));
  const TextLog log (pipeline);
  pipeline.play ();
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  const std::string order = order_of (log);
  fail_unless (order.starts_with ("stream-start caps")
                   && order.ends_with (" eos"),
               "%s", order.c_str ());
  fail_unless (server.connections ().empty ());
}
GST_END_TEST;

GST_START_TEST (test_lateness_moves_all_text)
{
  assert_same_text (
      run ({ { 1000ms, sistest::send_result ({ said (200, 900, "one") }) } },
           2000ms, "lateness=300"),
      "-0..0 -0..500 one500..1200 -1200..2300");
}
GST_END_TEST;

/* What is said of what was passed over comes at once, after what came. */
GST_START_TEST (test_late_text_is_moved_and_counted)
{
  sistest::Server server;
  server.script ({ scripted (
      { { 1000ms, sistest::send_result ({ said (500, 1000, "one") }) },
        { 2000ms, sistest::send_result ({ said (100, 400, "late") }) } }) });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url ()));
  const TextLog log (pipeline);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 1000 * per_ms), 0);
  fail_unless (log.wait_for_texts (1));
  pipeline.push (indexed_audio (1000 * per_ms, 1000 * per_ms));
  fail_unless (log.wait_for_texts (2));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (log.story (),
                    "-0..0 -0..500 one500..1000 late1000..1001 -1001..2000");
  GstStructure *stats = nullptr;
  g_object_get (pipeline.sink (), "stats", &stats, nullptr);
  assert_equals_int (uint_of (stats, "text-late"), 1);
  gst_structure_free (stats);
}
GST_END_TEST;

/* A gap of the audio is one of the text, however long. */
GST_START_TEST (test_a_gap_is_passed_on)
{
  sistest::Server server;
  server.script ({ scripted (
      { { 1000ms, sistest::send_result ({ said (0, 1000, "one") }) } }) });
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url ()));
  const TextLog log (pipeline);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 1000 * per_ms), 0);
  fail_unless (log.wait_for_texts (1));
  GstPad *pad = gst_element_get_static_pad (pipeline.source (), "src");
  fail_unless (gst_pad_push_event (
      pad, gst_event_new_gap (GST_SECOND, 60 * GST_SECOND)));
  gst_object_unref (pad);
  fail_unless (log.wait_for_time (61000));
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (log.story (), "-0..0 one0..1000 -1000..61000");
}
GST_END_TEST;

/* It asks upstream, and adds its own where that is live; before any caps. */
static gboolean
answer_latency (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return gst_pad_query_default (pad, parent, query);
  const auto *latency
      = static_cast<const Latency *> (gst_pad_get_element_private (pad));
  gst_query_set_latency (query, latency->is_live, latency->shortest,
                         latency->longest);
  return TRUE;
}

static void
assert_latency (Latency upstream, GstClockTime shortest)
{
  g_autoptr (GstElement) element
      = gst_element_factory_make ("sistranscriber", nullptr);
  gst_object_ref_sink (element);
  g_object_set (element, "latency", 3000, "project-id", "demo", "endpoint",
                "ws://127.0.0.1:1", nullptr);
  GstPad *source = gst_pad_new ("source", GST_PAD_SRC);
  gst_pad_set_element_private (source, &upstream);
  gst_pad_set_query_function (source, answer_latency);
  gst_pad_set_active (source, TRUE);
  GstPad *sink = gst_element_get_static_pad (element, "sink");
  gst_pad_link (source, sink);
  gst_element_set_state (element, GST_STATE_PAUSED);

  GstPad *src = gst_element_get_static_pad (element, "src");
  GstQuery *query = gst_query_new_latency ();
  fail_unless (gst_pad_query (src, query));
  gboolean is_live = FALSE;
  GstClockTime min = 0;
  GstClockTime max = 0;
  gst_query_parse_latency (query, &is_live, &min, &max);
  gst_query_unref (query);
  assert_equals_int (is_live, upstream.is_live);
  assert_equals_uint64 (min, shortest);
  fail_unless (max == GST_CLOCK_TIME_NONE);

  gst_element_set_state (element, GST_STATE_NULL);
  gst_object_unref (src);
  gst_object_unref (sink);
  gst_object_unref (source);
}

GST_START_TEST (test_its_latency_is_added_to_a_live_one)
{
  assert_latency ({ true, 20 * GST_MSECOND, GST_SECOND }, 3020 * GST_MSECOND);
  assert_latency ({ false, 0, GST_CLOCK_TIME_NONE }, 0);
}
GST_END_TEST;

static Suite *
transcriber_suite (void)
{
  Suite *suite = suite_create ("transcriber");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_it_has_the_pads_of_a_transcriber);
  tcase_add_test (tcase, test_its_own_properties_have_their_defaults);
  tcase_add_test (tcase, test_the_stream_begins_with_the_audio);
  tcase_add_test (tcase, test_each_final_is_a_buffer_at_its_time);
  tcase_add_test (tcase, test_hypotheses_are_not_in_the_stream);
  tcase_add_test (tcase, test_text_comes_in_the_order_of_its_time);
  tcase_add_test (tcase, test_all_is_out_before_the_end);
  tcase_add_test (tcase, test_an_end_without_audio_is_one);
  tcase_add_test (tcase, test_lateness_moves_all_text);
  tcase_add_test (tcase, test_late_text_is_moved_and_counted);
  tcase_add_test (tcase, test_a_gap_is_passed_on);
  tcase_add_test (tcase, test_its_latency_is_added_to_a_live_one);
  return suite;
}

GST_CHECK_MAIN (transcriber)
