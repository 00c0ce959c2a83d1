// SPDX-License-Identifier: LGPL-2.1-or-later
/* Time, audio on its way, and what becomes of the service's segments. */
#include "sis/stream/audiostore.h"
#include "sis/stream/timeline.h"
#include "sis/stream/transcripts.h"

#include <cstring>
#include <map>
#include <numeric>
#include <random>

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using namespace sis;
using namespace std::chrono_literals;

namespace {

constexpr AudioFormat pcm{ Encoding::Pcm16, 16000 };
constexpr AudioFormat mulaw{ Encoding::Mulaw, 16000 };

Times
same_times (Nanoseconds time)
{
  return { time, time, time };
}

std::vector<std::byte>
counted_bytes (std::size_t first, std::size_t count)
{
  std::vector<std::byte> bytes (count);
  for (std::size_t i = 0; i < count; i++)
    bytes[i] = std::byte ((first + i) * 2654435761U >> 24);
  return bytes;
}

Segment
segment (int start, int end, bool is_final, const char *text = "x")
{
  return { .start_time = Milliseconds (start),
           .end_time = Milliseconds (end),
           .is_final = is_final,
           .has_result = true,
           .text = text };
}

/* A session of 40 s that starts at the stream's second 10. */
const SessionSpan session{ 16000, 160000, 160000 + 40 * 16000 };

/* The transcripts of a run with that session. */
struct Scribe
{
  Scribe () { timeline.add ({ 0, same_times (0ns) }); }

  std::optional<Transcript> take (const Segment &s)
  {
    return transcripts.take (s, "trace", 1, session, timeline);
  }

  Timeline timeline{ 16000 };
  Transcripts transcripts;
};

} // namespace

GST_START_TEST (test_samples_and_times_convert_without_drift)
{
  for (const int rate : { 8000, 16000 })
    for (const Position samples :
         { Position (0), Position (1), Position (7), Position (16001),
           Position (16000) * 3600 * 24 * 365 * 10 + 5 })
      fail_unless (time_to_samples (samples_to_time (samples, rate) + 1ns, rate)
                   == samples);
  fail_unless (samples_to_time (-16000, 16000) == -1s);
  fail_unless (time_to_samples (-1s, 16000) == -16000);
}
GST_END_TEST;

GST_START_TEST (test_times_without_an_anchor_are_zero)
{
  fail_unless (Timeline (16000).at (12345) == Times{});
}
GST_END_TEST;

GST_START_TEST (test_the_timeline_agrees_with_a_simple_model)
{
  std::mt19937 random (1);
  for (int round = 0; round < 200; round++) {
    Timeline timeline (16000);
    std::map<Position, Anchor> model;
    Position position = 0;
    Nanoseconds time{};
    for (int i = 0; i < 50; i++) {
      Anchor anchor{ .position = position, .times = same_times (time) };
      anchor.running_slope = random () % 4 == 0 ? 0.5 : 1.0;
      timeline.add (anchor);
      model[position] = anchor;
      const Position step = random () % 3000;
      position += step;
      time += samples_to_time (step, 16000);
      if (random () % 3 == 0)
        time += Nanoseconds (random () % 200'000'000) - 40ms;
    }
    for (int i = 0; i < 200; i++) {
      const Position p = Position (random () % (unsigned (position) + 2000));
      const auto &[first, anchor] = *std::prev (model.upper_bound (p));
      const double length = double (p - first) / 16000 * 1e9;
      const Times actual = timeline.at (p);
      const double timestamp
          = double (anchor.times.timestamp.count ()) + length;
      const double running = double (anchor.times.running_time.count ())
                             + length * anchor.running_slope;
      /* Less than a sample. */
      fail_unless (std::abs (double (actual.timestamp.count ()) - timestamp)
                   < 20000);
      fail_unless (std::abs (double (actual.running_time.count ()) - running)
                   < 20000);
    }
  }
}
GST_END_TEST;

/* 30 % of a microsecond a buffer is not much, an hour of it is. */
GST_START_TEST (test_small_deviations_do_not_add_up)
{
  Timeline timeline (16000);
  Nanoseconds time{};
  for (Position p = 0; p < 16000 * 3600; p += 160) {
    timeline.add ({ p, same_times (time) });
    const auto error = timeline.at (p).running_time - time;
    fail_unless (error < 62500ns && error > -62500ns);
    time += 10ms + 300ns;
  }
}
GST_END_TEST;

GST_START_TEST (test_a_steady_stream_needs_one_anchor)
{
  Timeline timeline (16000);
  for (Position p = 0; p < 16000 * 3600; p += 1024)
    timeline.add ({ p, same_times (samples_to_time (p, 16000)) });
  assert_equals_int (timeline.size (), 1);
}
GST_END_TEST;

GST_START_TEST (test_what_is_forgotten_does_not_move_the_rest)
{
  Timeline timeline (16000);
  for (int i = 0; i < 10; i++)
    timeline.add ({ i * 16000, same_times (i * 2s) });
  timeline.forget_before (5 * 16000 + 1);
  assert_equals_int (timeline.size (), 5);
  fail_unless (timeline.at (5 * 16000 + 8000).running_time == 10s + 500ms);
}
GST_END_TEST;

GST_START_TEST (test_messages_are_whole_chunks_joined_up_to_a_second)
{
  AudioStore store ({ .rate = 16000, .chunk = 40ms });
  const auto audio = counted_bytes (0, 32000 * 3);
  std::size_t at = 0;
  store.append (pcm, 0, std::span (audio).first (1278));
  fail_if (store.ready_format ());
  fail_if (store.next (pcm));
  store.append (pcm, 639, std::span (audio).subspan (1278, 4));
  auto piece = store.next (pcm);
  fail_unless (piece && piece->bytes.size () == 1280);
  at += 1280;
  store.append (pcm, 641, std::span (audio).subspan (1282));
  while ((piece = store.next (pcm))) {
    fail_unless (piece->first == Position (at / 2));
    fail_unless (piece->bytes.size () % 1280 == 0
                 && piece->bytes.size () <= 32000);
    fail_unless (std::memcmp (piece->bytes.data (), audio.data () + at,
                              piece->bytes.size ())
                 == 0);
    at += piece->bytes.size ();
  }
  fail_unless (at == audio.size () / 1280 * 1280);
}
GST_END_TEST;

GST_START_TEST (test_the_store_takes_no_more_than_its_bound)
{
  AudioStore store ({ .rate = 16000, .chunk = 100ms, .max_waiting = 2s });
  const auto audio = counted_bytes (0, 32000 * 5);
  assert_equals_int (store.append (pcm, 0, audio), 64000);
  fail_if (store.has_room ());
  fail_unless (store.waiting () == 2s);
  assert_equals_int (store.append (pcm, 32000, audio), 0);
  const auto piece = store.next (pcm);
  fail_unless (piece && store.has_room ());
  assert_equals_int (
      store.append (pcm, 32000, std::span (audio).subspan (64000)),
      piece->bytes.size ());
}
GST_END_TEST;

GST_START_TEST (test_a_sealed_tail_is_sent_as_short_as_it_is)
{
  AudioStore store ({ .rate = 16000, .chunk = 100ms });
  store.append (pcm, 0, counted_bytes (0, 3214));
  fail_unless (store.next (pcm)->bytes.size () == 3200);
  fail_if (store.next (pcm));
  fail_if (store.empty ());
  store.seal ();
  fail_unless (store.next (pcm)->bytes.size () == 14);
  fail_unless (store.empty ());
  store.seal ();
  fail_if (store.next (pcm));
}
GST_END_TEST;

GST_START_TEST (test_formats_are_not_mixed_in_a_message)
{
  AudioStore store ({ .rate = 16000, .chunk = 100ms });
  store.append (pcm, 0, counted_bytes (0, 1000));
  store.append (mulaw, 500, counted_bytes (0, 1600));
  fail_unless (store.ready_format () == pcm);
  fail_if (store.next (mulaw));
  fail_unless (store.next (pcm)->bytes.size () == 1000);
  fail_if (store.next (pcm));
  const auto piece = store.next (mulaw);
  fail_unless (piece && piece->first == 500 && piece->samples () == 1600);
}
GST_END_TEST;

GST_START_TEST (test_a_piece_outlives_the_store)
{
  std::optional<AudioPiece> piece;
  {
    AudioStore store ({ .rate = 16000 });
    store.append (pcm, 0, counted_bytes (0, 3200));
    piece = store.next (pcm);
    store.clear ();
  }
  fail_unless (
      std::memcmp (piece->bytes.data (), counted_bytes (0, 3200).data (), 3200)
      == 0);
}
GST_END_TEST;

GST_START_TEST (test_random_audio_comes_out_as_it_went_in)
{
  std::mt19937 random (2);
  for (int round = 0; round < 100; round++) {
    const auto chunk = std::chrono::milliseconds (20 + random () % 980);
    AudioStore store ({ .rate = 16000, .chunk = chunk, .max_waiting = 3s });
    const auto audio = counted_bytes (0, 32000 * 10);
    std::size_t in = 0;
    std::size_t out = 0;
    while (out < audio.size ()) {
      const std::size_t n
          = std::min<std::size_t> (random () % 9000 * 2, audio.size () - in);
      in += store.append (pcm, Position (in / 2),
                          std::span (audio).subspan (in, n));
      if (in == audio.size ())
        store.seal ();
      if (random () % 3 != 0)
        continue;
      while (const auto piece = store.next (pcm)) {
        fail_unless (piece->first == Position (out / 2));
        fail_unless (std::memcmp (piece->bytes.data (), audio.data () + out,
                                  piece->bytes.size ())
                     == 0);
        out += piece->bytes.size ();
      }
      fail_unless (store.waiting ()
                   == samples_to_time (Position (in - out) / 2, 16000));
    }
  }
}
GST_END_TEST;

GST_START_TEST (test_a_transcript_lies_on_the_pipelines_clock)
{
  Scribe scribe;
  scribe.timeline.add ({ 176000, same_times (60s) });
  Segment s = segment (500, 1500, true);
  s.words = { { "a", Milliseconds (600), Milliseconds (700) },
              { "b", std::nullopt, std::nullopt } };
  const auto transcript = scribe.take (s);
  fail_unless (transcript && transcript->span);
  fail_unless (transcript->span->start.running_time == 10s + 500ms);
  fail_unless (transcript->span->duration == 1s);
  fail_unless (transcript->words[0].span->start.running_time == 10s + 600ms);
  fail_if (transcript->words[1].span);
  fail_unless (scribe.take (segment (1500, 2500, true))->span->start
               == same_times (60s + 500ms));
}
GST_END_TEST;

GST_START_TEST (test_times_beyond_what_was_sent_are_clamped)
{
  Scribe scribe;
  const auto transcript = scribe.take (segment (39000, 200000, true));
  fail_unless (transcript->span->duration == 1s);
  fail_unless (transcript->end_time == 200000ms);
  const auto backwards = scribe.take (segment (3000, 2000, true));
  fail_unless (backwards->span->duration == 0ns);
}
GST_END_TEST;

GST_START_TEST (test_utterances_are_numbered_by_their_finals)
{
  Scribe scribe;
  assert_equals_int (scribe.take (segment (0, 500, false))->number, 1);
  assert_equals_int (scribe.take (segment (0, 900, false))->number, 1);
  assert_equals_int (scribe.take (segment (0, 1000, true))->number, 1);
  assert_equals_int (scribe.take (segment (1000, 1500, false))->number, 2);
  /* Several open ones count on by start. */
  assert_equals_int (scribe.take (segment (3000, 3500, false))->number, 3);
  assert_equals_int (scribe.take (segment (2000, 2500, false))->number, 3);
  assert_equals_int (scribe.take (segment (1000, 2000, true))->number, 2);
  assert_equals_int (scribe.take (segment (2000, 2700, false))->number, 3);
}
GST_END_TEST;

GST_START_TEST (test_an_interim_without_a_final_is_told_as_interrupted)
{
  Scribe scribe;
  scribe.take (segment (0, 1000, true));
  scribe.take (segment (1000, 1500, false, "so"));
  scribe.take (segment (1000, 1800, false, "so far"));
  const auto interrupted = scribe.transcripts.interrupt ();
  assert_equals_int (interrupted.size (), 1);
  fail_unless (interrupted[0].text == "so far" && interrupted[0].is_final
               && interrupted[0].interrupted && interrupted[0].number == 2);
  fail_unless (scribe.transcripts.interrupt ().empty ());
}
GST_END_TEST;

GST_START_TEST (test_an_interim_is_open_no_longer_than_it_may_be_taken_up)
{
  /* … when a final starts after its end, */
  Scribe left_behind;
  left_behind.take (segment (0, 1000, false));
  left_behind.take (segment (2000, 3000, true));
  fail_unless (left_behind.transcripts.interrupt ().empty ());
  /* … when 60 s of audio came after its start. */
  Scribe too_old;
  too_old.take (segment (1000, 2000, false));
  too_old.transcripts.take (segment (90000, 91000, false), "trace", 1,
                            { 16000, 160000, 160000 + 100 * 16000 },
                            too_old.timeline);
  assert_equals_int (too_old.transcripts.interrupt ().size (), 1);
}
GST_END_TEST;

GST_START_TEST (test_without_a_result_only_a_final_is_told)
{
  Scribe scribe;
  Segment s{ .start_time = 0ms, .end_time = 100ms };
  fail_if (scribe.take (s));
  s.is_final = true;
  fail_unless (scribe.take (s)->text.empty ());
}
GST_END_TEST;

static Suite *
stream_suite (void)
{
  Suite *suite = suite_create ("stream");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_samples_and_times_convert_without_drift);
  tcase_add_test (tcase, test_times_without_an_anchor_are_zero);
  tcase_add_test (tcase, test_the_timeline_agrees_with_a_simple_model);
  tcase_add_test (tcase, test_small_deviations_do_not_add_up);
  tcase_add_test (tcase, test_a_steady_stream_needs_one_anchor);
  tcase_add_test (tcase, test_what_is_forgotten_does_not_move_the_rest);
  tcase_add_test (tcase, test_messages_are_whole_chunks_joined_up_to_a_second);
  tcase_add_test (tcase, test_the_store_takes_no_more_than_its_bound);
  tcase_add_test (tcase, test_a_sealed_tail_is_sent_as_short_as_it_is);
  tcase_add_test (tcase, test_formats_are_not_mixed_in_a_message);
  tcase_add_test (tcase, test_a_piece_outlives_the_store);
  tcase_add_test (tcase, test_random_audio_comes_out_as_it_went_in);
  tcase_add_test (tcase, test_a_transcript_lies_on_the_pipelines_clock);
  tcase_add_test (tcase, test_times_beyond_what_was_sent_are_clamped);
  tcase_add_test (tcase, test_utterances_are_numbered_by_their_finals);
  tcase_add_test (tcase,
                  test_an_interim_without_a_final_is_told_as_interrupted);
  tcase_add_test (tcase,
                  test_an_interim_is_open_no_longer_than_it_may_be_taken_up);
  tcase_add_test (tcase, test_without_a_result_only_a_final_is_told);
  return suite;
}

GST_CHECK_MAIN (stream)
