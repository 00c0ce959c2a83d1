// SPDX-License-Identifier: LGPL-2.1-or-later
/* Streams of all kinds: live without words, backwards, of gaps, of many
 * channels, played in segments. */
#include "feed.h"
#include "server.h"

#include "saying.h"
#include "stats.h"

using namespace sischeck;

namespace {

/* Said of what comes up to 1 s, once that is there. */
std::vector<sistest::Behaviour>
one_word ()
{
  return { scripted (
      { { 1000ms, sistest::send_result ({ said (0, 800, "one") }) } }) };
}

std::string
hasty (int latency)
{
  return "latency=" + std::to_string (latency)
         + " timeout=" + std::to_string (patience () / 15s) + " ";
}

std::size_t
count_behind_eos (const TextLog::Items &items)
{
  const auto eos
      = std::ranges::find (items, GST_EVENT_EOS, &TextLog::Item::type);
  return eos == items.end () ? 0 : std::size_t (items.end () - eos) - 1;
}

} // namespace

/* One by one, and none behind the end. */
GST_START_TEST (test_gaps_of_a_live_stream_come_in_ticks)
{
  sistest::Server server;
  server.script ({ scripted ({}) });
  fail_unless (server.start ());
  Pipeline pipeline ("audiotestsrc name=src is-live=true num-buffers=20 "
                     "samplesperbuffer=1600 ! audio/x-raw,rate=16000,channels=1"
                     " ! "
                     + transcriber (server.url (), "latency=500")
                     + "! fakesink sync=false async=false");
  const TextLog log (pipeline);
  pipeline.play ();
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  const auto items = log.items ();
  const auto gaps
      = std::ranges::count (items, GST_EVENT_GAP, &TextLog::Item::type);
  fail_unless (gaps > 5 && gaps < 100, "%d gaps", int (gaps));
  fail_unless (!log.wait (
      [] (const TextLog::Items &all) { return count_behind_eos (all) > 0; },
      1500ms));
}
GST_END_TEST;

/* Less than a message is as far ahead as it may be. */
GST_START_TEST (test_a_latency_shorter_than_a_message_blocks_for_a_while)
{
  sistest::Server server;
  server.script ({ scripted ({}) });
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url (), hasty (50)));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  fail_unless (feed.push (0, 64) == GST_FLOW_OK);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  assert_same_text (log.story (), "-0..0 -0..64");
}
GST_END_TEST;

GST_START_TEST (test_backwards_all_is_a_gap)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url (), "latency=1000"));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = -1;
  segment.stop = 10 * GST_SECOND;
  fail_unless (feed.push (gst_event_new_segment (&segment)));
  for (int ms = 9900; ms >= 0; ms -= 100)
    fail_unless (feed.push (ms, 100) == GST_FLOW_OK);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  fail_unless (log.texts ().empty ());
  fail_unless (pipeline.wait_for (GST_MESSAGE_WARNING) != nullptr);
}
GST_END_TEST;

/* Nothing is known of where they are. */
GST_START_TEST (test_many_channels_are_as_long_as_one)
{
  sistest::Server server;
  server.script ({ scripted ({}) });
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url ()));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  g_autoptr (GstCaps) caps = gst_caps_from_string (
      "audio/x-raw,format=S16LE,rate=16000,channels=6,layout=interleaved");
  fail_unless (feed.push (gst_event_new_caps (caps)));
  fail_unless (feed.push (0, 6 * 500) == GST_FLOW_OK);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  assert_same_text (log.story (), "-0..0 -0..500");
}
GST_END_TEST;

/* Where an application sets priorities of threads. */
static GstBusSyncReply
read_stats (GstBus *, GstMessage *message, gpointer data)
{
  GstElement *element = GST_ELEMENT (data);
  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_STREAM_STATUS)
    return GST_BUS_PASS;
  guint delay = 0;
  GstStructure *stats = nullptr;
  g_object_get (element, "max-observed-delay", &delay, "stats", &stats,
                nullptr);
  gst_structure_free (stats);
  return GST_BUS_PASS;
}

GST_START_TEST (test_a_task_begins_without_locks)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url ()));
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline.get ());
  gst_bus_set_sync_handler (bus, read_stats, pipeline.sink (), nullptr);
  pipeline.play ();
  const TextLog log (pipeline);
  Feed feed (pipeline);
  fail_unless (feed.push (0, 100) == GST_FLOW_OK);
  fail_unless (feed.push (gst_event_new_flush_start ()));
  fail_unless (feed.push (gst_event_new_flush_stop (TRUE)));
  feed.begin_segment ();
  fail_unless (feed.push (0, 100) == GST_FLOW_OK);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  gst_bus_set_sync_handler (bus, nullptr, nullptr, nullptr);
}
GST_END_TEST;

GST_START_TEST (test_the_end_of_a_segment_is_behind_its_text)
{
  sistest::Server server;
  server.script (one_word ());
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url ()));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  feed.play (0, 1000);
  fail_unless (feed.push (
      gst_event_new_segment_done (GST_FORMAT_TIME, gint64 (GST_SECOND))));
  fail_unless (log.wait_for_event (GST_EVENT_SEGMENT_DONE));
  std::string story;
  for (const TextLog::Item &item : log.items ())
    if (item.type == GST_EVENT_UNKNOWN)
      story += item.text + " ";
    else if (item.type == GST_EVENT_SEGMENT_DONE)
      story += "done";
  assert_same_text (story, "one done");
}
GST_END_TEST;

GST_START_TEST (test_latency_is_that_of_the_start)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline pipeline (text_line (server.url (), "latency=2000"));
  make_live (pipeline);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 1600), 0);
  g_object_set (pipeline.sink (), "latency", 9000, nullptr);
  GstQuery *query = gst_query_new_latency ();
  GstPad *pad = gst_element_get_static_pad (pipeline.sink (), "src");
  fail_unless (gst_pad_query (pad, query));
  gst_object_unref (pad);
  GstClockTime shortest = 0;
  gst_query_parse_latency (query, nullptr, &shortest, nullptr);
  gst_query_unref (query);
  fail_unless (shortest >= 2 * GST_SECOND && shortest < 9 * GST_SECOND);
}
GST_END_TEST;

/* Text that is moved is not to be clipped away. */
GST_START_TEST (test_lateness_moves_the_end_of_the_segment)
{
  sistest::Server server;
  server.script (one_word ());
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url (), "lateness=3000"));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.stop = 2 * GST_SECOND;
  fail_unless (feed.push (gst_event_new_segment (&segment)));
  feed.play (0, 2000);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (log.wait_for_event (GST_EVENT_EOS));
  assert_equals_int (log.texts ().size (), 1);
  GstEvent *event = gst_pad_get_sticky_event (log.pad (), GST_EVENT_SEGMENT, 0);
  fail_unless (event != nullptr);
  gst_event_copy_segment (event, &segment);
  gst_event_unref (event);
  assert_equals_uint64 (segment.stop, 5 * GST_SECOND);
}
GST_END_TEST;

/* Silence that nobody sends: the text is behind it, too. */
GST_START_TEST (test_gaps_wait_for_text_as_audio_does)
{
  sistest::Server server;
  server.script ({ scripted ({}) });
  fail_unless (server.start ());
  Pipeline pipeline (
      fed_line (server.url (), hasty (1000) + "idle-timeout=0 "));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  fail_unless (feed.push (0, 500) == GST_FLOW_OK);
  for (int ms = 500; ms < 5000; ms += 100)
    fail_unless (feed.push (gst_event_new_gap (GstClockTime (ms) * GST_MSECOND,
                                               100 * GST_MSECOND)));
  /* Before anybody could take the source to be held up. */
  fail_unless (log.wait_for_time (4000, 500ms));
}
GST_END_TEST;

/* The wait begins before the session does, and text comes in between. */
GST_START_TEST (test_a_stall_behind_two_waits_ends_the_session_in_order)
{
  sistest::Server server;
  server.script (one_word ());
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (
      server.url (), "latency=1500 timeout=20 idle-timeout=15000000000 "));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  feed.play (0, 1000);
  fail_unless (feed.push (gst_event_new_gap (GST_SECOND, 1000 * GST_MSECOND)));
  feed.play (2000, 2400);
  fail_unless (pipeline.wait_for_element_message ("sis-end", patience () * 2)
               != nullptr);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
  assert_same_text (text_of (pipeline.named ("sis-end")[0], "reason"),
                    "NORMAL");
}
GST_END_TEST;

/* It is held up, and does not stall: no word is cut in two. */
GST_START_TEST (test_a_sentence_longer_than_latency_is_one)
{
  sistest::Server server;
  server.script ({ scripted (
      { { 5000ms, sistest::send_result ({ said (0, 4800, "long") }) } }) });
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (
      server.url (), "latency=2000 idle-timeout=1000000000 timeout=2 "));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  feed.play (0, 6000);
  fail_unless (feed.push (gst_event_new_eos ()));
  fail_unless (pipeline.wait_for_eos ());
  assert_equals_int (log.texts ().size (), 1);
  assert_equals_int (pipeline.named ("sis-start").size (), 1);
}
GST_END_TEST;

/* Before the service does so, 20 s after the last audio: that is what it takes.
 */
GST_START_TEST (test_a_stall_behind_a_wait_ends_the_session_in_order)
{
  sistest::Server server;
  server.script ({ scripted ({}) });
  fail_unless (server.start ());
  Pipeline pipeline (fed_line (server.url (), "latency=500 timeout=20 "));
  const TextLog log (pipeline);
  pipeline.play ();
  Feed feed (pipeline);
  feed.play (0, 500);
  for (int ms = 500; ms < 5000; ms += 100)
    fail_unless (feed.push (gst_event_new_gap (GstClockTime (ms) * GST_MSECOND,
                                               100 * GST_MSECOND)));
  /* And then the source stalls. */
  fail_unless (pipeline.wait_for_element_message ("sis-end") != nullptr);
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
  const auto ends = pipeline.named ("sis-end");
  assert_same_text (text_of (ends[0], "reason"), "NORMAL");
}
GST_END_TEST;

static Suite *
transcriber_streams_suite (void)
{
  Suite *suite = suite_create ("transcriber_streams");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_gaps_of_a_live_stream_come_in_ticks);
  tcase_add_test (tcase,
                  test_a_latency_shorter_than_a_message_blocks_for_a_while);
  tcase_add_test (tcase, test_backwards_all_is_a_gap);
  tcase_add_test (tcase, test_many_channels_are_as_long_as_one);
  tcase_add_test (tcase, test_a_task_begins_without_locks);
  tcase_add_test (tcase, test_the_end_of_a_segment_is_behind_its_text);
  tcase_add_test (tcase, test_latency_is_that_of_the_start);
  tcase_add_test (tcase, test_lateness_moves_the_end_of_the_segment);
  tcase_add_test (tcase, test_gaps_wait_for_text_as_audio_does);
  tcase_add_test (tcase, test_a_stall_behind_a_wait_ends_the_session_in_order);
  tcase_add_test (tcase,
                  test_a_stall_behind_two_waits_ends_the_session_in_order);
  tcase_add_test (tcase, test_a_sentence_longer_than_latency_is_one);
  return suite;
}

GST_CHECK_MAIN (transcriber_streams)
