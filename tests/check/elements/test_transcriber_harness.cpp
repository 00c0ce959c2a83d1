// SPDX-License-Identifier: LGPL-2.1-or-later
/* The transcriber alone, between the pads of a GstHarness. */
#include "saying.h"
#include "stage.h"

#include <gst/check/gstharness.h>

using namespace sischeck;

namespace {

using EventPtr = std::unique_ptr<GstEvent, decltype (&gst_event_unref)>;
using BufferPtr = std::unique_ptr<GstBuffer, decltype (&gst_buffer_unref)>;

/* Two sentences, told when the second is over. */
std::vector<sistest::Behaviour>
two_sentences ()
{
  return { scripted (
      { { 3500ms, sistest::send_result ({ said (500, 1500, "one"),
                                          said (2000, 3000, "two") }) } }) };
}

class Bench
{
public:
  explicit Bench (std::vector<sistest::Behaviour> script)
  {
    server_.script (std::move (script));
    fail_unless (server_.start ());
    element_ = gst_element_factory_make ("sistranscriber", nullptr);
    g_object_set (element_, "endpoint", server_.url ().c_str (), "project-id",
                  "demo", "latency", 5000, nullptr);
    harness_ = gst_harness_new_with_element (element_, "sink", "src");
    gst_harness_set_live (harness_, FALSE);
    gst_harness_set_src_caps_str (
        harness_, "audio/x-raw,format=S16LE,rate=16000,channels=1,"
                  "layout=interleaved");
  }
  ~Bench ()
  {
    gst_harness_teardown (harness_);
    gst_object_unref (element_);
  }
  Bench (const Bench &) = delete;
  Bench &operator= (const Bench &) = delete;

  GstHarness *get () const { return harness_; }
  GstElement *element () const { return element_; }

  void push (int from_ms, int to_ms)
  {
    for (int ms = from_ms; ms < to_ms; ms += 100) {
      const auto audio
          = indexed_audio (std::size_t (ms) * per_ms, 100 * per_ms);
      GstBuffer *buffer = gst_buffer_new_memdup (
          audio.data (), audio.size () * sizeof audio[0]);
      GST_BUFFER_PTS (buffer) = GstClockTime (ms) * GST_MSECOND;
      GST_BUFFER_DURATION (buffer) = 100 * GST_MSECOND;
      assert_equals_int (gst_harness_push (harness_, buffer), GST_FLOW_OK);
    }
  }

  BufferPtr pull ()
  {
    BufferPtr buffer (gst_harness_pull (harness_), gst_buffer_unref);
    fail_unless (buffer != nullptr);
    return buffer;
  }

  /* All up to one of that type, which is the last. */
  std::vector<EventPtr> pull_events (GstEventType last)
  {
    std::vector<EventPtr> events;
    do {
      events.emplace_back (gst_harness_pull_event (harness_), gst_event_unref);
      fail_unless (events.back () != nullptr, "no %s",
                   gst_event_type_get_name (last));
    } while (GST_EVENT_TYPE (events.back ().get ()) != last);
    return events;
  }

private:
  sistest::Server server_;
  GstElement *element_;
  GstHarness *harness_;
};

std::string
text_of (const BufferPtr &buffer)
{
  std::string text (gst_buffer_get_size (buffer.get ()), '\0');
  gst_buffer_extract (buffer.get (), 0, text.data (), text.size ());
  return text;
}

struct Stretch
{
  GstClockTime start, end;
};

Stretch
gap_of (const EventPtr &event)
{
  GstClockTime start = 0;
  GstClockTime duration = 0;
  gst_event_parse_gap (event.get (), &start, &duration);
  return { start, start + duration };
}

Stretch
stretch_of (const BufferPtr &buffer)
{
  const GstClockTime start = GST_BUFFER_PTS (buffer.get ());
  return { start, start + GST_BUFFER_DURATION (buffer.get ()) };
}

void
assert_whole (std::vector<Stretch> stretches, GstClockTime end)
{
  std::ranges::sort (stretches, {}, [] (const Stretch &one) {
    return std::pair (one.start, one.end);
  });
  GstClockTime covered = 0;
  for (const Stretch &one : stretches) {
    assert_equals_uint64 (one.start, covered);
    covered = one.end;
  }
  assert_equals_uint64 (covered, end);
}

} // namespace

GST_START_TEST (test_the_first_buffer_begins_the_stream)
{
  Bench bench ({ scripted ({}) });
  bench.push (0, 100);
  const auto events = bench.pull_events (GST_EVENT_GAP);
  std::string types;
  for (const EventPtr &event : events)
    types += std::string (GST_EVENT_TYPE_NAME (event.get ())) + " ";
  assert_same_text (types, "stream-start caps segment gap ");

  GstStreamFlags flags = GST_STREAM_FLAG_NONE;
  gst_event_parse_stream_flags (events[0].get (), &flags);
  fail_unless (flags & GST_STREAM_FLAG_SPARSE);
  GstCaps *caps = nullptr;
  gst_event_parse_caps (events[1].get (), &caps);
  g_autofree char *text = gst_caps_to_string (caps);
  assert_same_text (text, "text/x-raw, format=(string)utf8");
  const GstSegment *segment = nullptr;
  gst_event_parse_segment (events[2].get (), &segment);
  fail_unless (segment->format == GST_FORMAT_TIME);
  assert_equals_uint64 (segment->start, 0);
  assert_equals_uint64 (gap_of (events[3]).end, 0);
}
GST_END_TEST;

GST_START_TEST (test_text_and_gaps_leave_no_hole)
{
  Bench bench (two_sentences ());
  bench.push (0, 4000);
  fail_unless (gst_harness_push_event (bench.get (), gst_event_new_eos ()));
  std::vector<Stretch> stretches;
  for (const char *text : { "one", "two" }) {
    const BufferPtr buffer = bench.pull ();
    assert_same_text (text_of (buffer), text);
    stretches.push_back (stretch_of (buffer));
  }
  assert_equals_uint64 (stretches[0].start, 500 * GST_MSECOND);
  assert_equals_uint64 (stretches[0].end, 1500 * GST_MSECOND);
  assert_equals_uint64 (stretches[1].start, 2000 * GST_MSECOND);
  assert_equals_uint64 (stretches[1].end, 3000 * GST_MSECOND);

  int finals = 0;
  for (const EventPtr &event : bench.pull_events (GST_EVENT_EOS)) {
    if (GST_EVENT_TYPE (event.get ()) == GST_EVENT_GAP)
      stretches.push_back (gap_of (event));
    finals
        += gst_event_has_name (event.get (), "rstranscribe/final-transcript");
  }
  assert_equals_int (finals, 2);
  assert_whole (stretches, 4 * GST_SECOND);
  fail_unless (gst_harness_try_pull (bench.get ()) == nullptr);
}
GST_END_TEST;

GST_START_TEST (test_a_flush_begins_anew)
{
  Bench bench ({});
  bench.push (0, 1000);
  fail_unless (
      gst_harness_push_event (bench.get (), gst_event_new_flush_start ()));
  fail_unless (
      gst_harness_push_event (bench.get (), gst_event_new_flush_stop (TRUE)));
  bench.pull_events (GST_EVENT_FLUSH_STOP);
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.position = segment.time = 60 * GST_SECOND;
  fail_unless (
      gst_harness_push_event (bench.get (), gst_event_new_segment (&segment)));
  bench.push (60000, 61000);
  fail_unless (gst_harness_push_event (bench.get (), gst_event_new_eos ()));

  const BufferPtr buffer = bench.pull ();
  assert_equals_uint64 (stretch_of (buffer).start, 60 * GST_SECOND);
  assert_equals_uint64 (stretch_of (buffer).end, 61 * GST_SECOND);
  const auto events = bench.pull_events (GST_EVENT_EOS);
  const GstSegment *passed = nullptr;
  for (const EventPtr &event : events)
    if (GST_EVENT_TYPE (event.get ()) == GST_EVENT_SEGMENT)
      gst_event_parse_segment (event.get (), &passed);
  fail_unless (passed != nullptr && passed->start == 60 * GST_SECOND);
}
GST_END_TEST;

GST_START_TEST (test_latency_is_that_of_both)
{
  Bench bench ({ scripted ({}) });
  assert_equals_uint64 (gst_harness_query_latency (bench.get ()), 0);
  gst_harness_set_live (bench.get (), TRUE);
  gst_harness_set_upstream_latency (bench.get (), 30 * GST_MSECOND);
  assert_equals_uint64 (gst_harness_query_latency (bench.get ()),
                        5030 * GST_MSECOND);
}
GST_END_TEST;

/* All before this moment less both latencies is out. */
GST_START_TEST (test_live_gaps_follow_the_clock)
{
  Bench bench ({ scripted ({}) });
  gst_harness_set_live (bench.get (), TRUE);
  bench.push (0, 100);
  fail_unless (gst_harness_set_time (bench.get (), 8 * GST_SECOND));
  GstClockTime end = 0;
  while (end < 3 * GST_SECOND) {
    EventPtr event (gst_harness_pull_event (bench.get ()), gst_event_unref);
    fail_unless (event != nullptr);
    if (GST_EVENT_TYPE (event.get ()) != GST_EVENT_GAP)
      continue;
    const Stretch gap = gap_of (event);
    assert_equals_uint64 (gap.start, end);
    end = gap.end;
  }
}
GST_END_TEST;

static Suite *
transcriber_harness_suite (void)
{
  Suite *suite = suite_create ("transcriber_harness");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_the_first_buffer_begins_the_stream);
  tcase_add_test (tcase, test_text_and_gaps_leave_no_hole);
  tcase_add_test (tcase, test_a_flush_begins_anew);
  tcase_add_test (tcase, test_latency_is_that_of_both);
  tcase_add_test (tcase, test_live_gaps_follow_the_clock);
  return suite;
}

GST_CHECK_MAIN (transcriber_harness)
