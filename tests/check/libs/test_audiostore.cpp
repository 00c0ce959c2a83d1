// SPDX-License-Identifier: LGPL-2.1-or-later
/* Audio on its way, and audio that may have to be sent once more. */
#include "audiobytes.h"

#include "sis/stream/audiostore.h"

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using namespace sis;
using namespace std::chrono_literals;
using audiobytes::mulaw, audiobytes::pcm;

namespace {

constexpr Position rate = 16000;
constexpr Position chunk = 1600;
constexpr Position minimum = 160;

/* A store with the position at which its audio goes on. */
struct Feed
{
  Feed () = default;
  explicit Feed (const AudioStore::Limits &limits) : store (limits) {}

  /* Returns how many samples were taken. */
  Position put (Position samples, AudioFormat format = pcm)
  {
    const auto bytes = audiobytes::make (format, position, samples);
    const std::size_t taken = store.append (format, position, bytes);
    const auto n = Position (taken / format.sample_bytes ());
    position += n;
    return n;
  }

  void leave_out (Position samples)
  {
    store.refuse (samples);
    position += samples;
  }

  /* Sends one message and tells how long it was; 0 if none is ready. */
  Position send (Position limit = rate, AudioFormat format = pcm)
  {
    const auto piece = store.next (format, limit);
    if (!piece)
      return 0;
    fail_unless (
        audiobytes::are_of (piece->format, piece->first, piece->bytes));
    last = piece->first;
    return piece->samples ();
  }

  Position send_all (Position limit = rate)
  {
    Position sent = 0;
    while (const Position n = send (limit))
      sent += n;
    return sent;
  }

  AudioAccount account () const { return store.account (); }

  AudioStore store{ {} };
  Position position = 0;
  Position last = -1; /* the first sample of the last message */
};

void
assert_balanced (const AudioAccount &a)
{
  assert_equals_int64 (a.in + a.filled, a.acknowledged + a.unacknowledged
                                            + a.evicted + a.waiting
                                            + a.dropped);
}

} // namespace

GST_START_TEST (test_messages_are_whole_chunks_joined_up_to_a_second)
{
  Feed feed ({ .chunk = 40ms });
  feed.put (639);
  fail_if (feed.store.ready_format ());
  assert_equals_int64 (feed.send (), 0);
  feed.put (2);
  fail_unless (feed.store.ready_format () == pcm);
  assert_equals_int64 (feed.send (), 640);
  feed.put (3 * rate - 641);
  Position sent = 640;
  while (const Position n = feed.send (10 * rate)) {
    assert_equals_int64 (feed.last, sent);
    fail_unless (n % 640 == 0 && n <= rate);
    sent += n;
  }
  assert_equals_int64 (sent, 3 * rate);
}
GST_END_TEST;

GST_START_TEST (test_a_message_obeys_its_limit_and_leaves_enough_for_another)
{
  for (const Position limit : { minimum, Position (320), Position (1000),
                                Position (1599), Position (1600) }) {
    Feed feed;
    feed.put (3 * chunk + 17);
    feed.store.seal ();
    Position sent = 0;
    while (const Position n = feed.send (limit)) {
      fail_unless (n <= limit);
      sent += n;
      fail_unless (n >= minimum || sent == 3 * chunk + 17);
    }
    assert_equals_int64 (sent, 3 * chunk + 17);
  }
}
GST_END_TEST;

GST_START_TEST (test_the_store_takes_no_more_than_its_bound)
{
  Feed feed ({ .max_waiting = 2s });
  assert_equals_int64 (feed.put (5 * rate), 2 * rate);
  fail_if (feed.store.has_room ());
  fail_unless (feed.store.waiting () == 2s);
  assert_equals_int64 (feed.put (1), 0);
  const Position n = feed.send (chunk);
  fail_unless (n > 0 && feed.store.has_room ());
  assert_equals_int64 (feed.put (rate), n);
}
GST_END_TEST;

GST_START_TEST (test_half_a_sample_is_not_taken)
{
  AudioStore store ({});
  const auto bytes = audiobytes::make (pcm, 0, 10);
  assert_equals_int (store.append (pcm, 0, std::span (bytes).first (7)), 6);
  assert_equals_int64 (store.end (), 3);
}
GST_END_TEST;

GST_START_TEST (test_a_sealed_tail_is_sent_as_short_as_it_is)
{
  Feed feed;
  feed.put (chunk + 7);
  assert_equals_int64 (feed.send (), chunk);
  assert_equals_int64 (feed.send (), 0);
  fail_if (feed.store.empty ());
  feed.store.seal ();
  assert_equals_int64 (feed.send (), 7);
  fail_unless (feed.store.empty ());
  feed.store.seal ();
  assert_equals_int64 (feed.send (), 0);
}
GST_END_TEST;

/* A watermark leaves a few samples at the end of a block. */
GST_START_TEST (test_what_is_too_short_for_a_message_waits_and_is_joined)
{
  Feed feed;
  feed.put (rate);
  feed.send_all ();
  feed.store.cover (rate - 50);
  feed.store.rewind ();
  assert_equals_int64 (feed.send (), 0);
  feed.put (chunk - 1);
  assert_equals_int64 (feed.send (), 0);
  feed.put (1);
  assert_equals_int64 (feed.send (), 50 + chunk);
  assert_equals_int64 (feed.last, rate - 50);
  assert_equals_int64 (feed.account ().replayed, 50);
}
GST_END_TEST;

GST_START_TEST (test_a_joined_message_obeys_its_limit)
{
  Feed feed;
  feed.put (rate);
  feed.send_all ();
  feed.store.cover (rate - 50);
  feed.store.rewind ();
  feed.put (2 * chunk);
  const Position n = feed.send (chunk);
  fail_unless (n >= minimum && n <= chunk, "%d samples", int (n));
  assert_equals_int64 (feed.send_all (chunk), 50 + 2 * chunk - n);
}
GST_END_TEST;

GST_START_TEST (test_formats_are_not_mixed_in_a_message)
{
  Feed feed;
  feed.put (500);
  feed.put (1600, mulaw);
  fail_unless (feed.store.ready_format () == pcm);
  assert_equals_int64 (feed.send (rate, mulaw), 0);
  assert_equals_int64 (feed.send (), 500);
  assert_equals_int64 (feed.send (), 0);
  assert_equals_int64 (feed.send (rate, mulaw), 1600);
  assert_equals_int64 (feed.last, 500);
}
GST_END_TEST;

GST_START_TEST (test_a_piece_outlives_the_store)
{
  std::optional<AudioPiece> piece;
  {
    Feed feed;
    feed.put (chunk);
    piece = feed.store.next (pcm, rate);
    feed.store.clear ();
  }
  fail_unless (audiobytes::are_of (pcm, 0, piece->bytes));
}
GST_END_TEST;

GST_START_TEST (test_audio_silence_and_what_is_refused_are_counted)
{
  AudioStore store ({});
  store.append (pcm, 0, audiobytes::make (pcm, 0, 100));
  store.append (pcm, 100, audiobytes::make (pcm, 100, 20),
                AudioStore::Kind::Silence);
  store.refuse (3);
  store.refuse (4, AudioStore::Kind::Silence);
  const AudioAccount a = store.account ();
  assert_equals_int64 (a.in, 103);
  assert_equals_int64 (a.filled, 24);
  assert_equals_int64 (a.waiting, 120);
  assert_equals_int64 (a.dropped, 7);
  assert_balanced (a);
}
GST_END_TEST;

GST_START_TEST (test_room_is_made_by_dropping_the_oldest_chunks)
{
  Feed feed ({ .max_waiting = 1s });
  feed.put (rate);
  assert_equals_int64 (feed.send (chunk), chunk);
  feed.put (chunk);
  const Stretch gone = feed.store.make_room (chunk + 1);
  assert_equals_int64 (gone.first, chunk);
  assert_equals_int64 (gone.samples, 2 * chunk);
  assert_equals_int64 (feed.account ().dropped, 2 * chunk);
  assert_equals_int64 (feed.store.make_room (2 * chunk).samples, 0);
  feed.send (chunk);
  assert_equals_int64 (feed.last, 3 * chunk);
  assert_balanced (feed.account ());
}
GST_END_TEST;

GST_START_TEST (test_making_room_spares_what_is_sent_once_more)
{
  Feed feed ({ .max_waiting = 1s });
  feed.put (rate);
  feed.send_all ();
  feed.put (rate);
  feed.store.rewind ();
  feed.store.make_room (rate);
  fail_if (feed.store.empty ());
  assert_equals_int64 (feed.send_all (), rate);
  assert_equals_int64 (feed.account ().replayed, rate);
  assert_equals_int64 (feed.account ().dropped, rate);
}
GST_END_TEST;

GST_START_TEST (test_the_store_is_empty_when_nothing_is_next)
{
  Feed feed ({ .max_waiting = 1s });
  fail_unless (feed.store.empty ());
  feed.put (chunk);
  fail_if (feed.store.empty ());
  feed.send ();
  fail_unless (feed.store.empty ());
  feed.put (10);
  feed.store.rewind ();
  feed.store.make_room (rate); /* drops the 10 */
  fail_if (feed.store.empty ());
  feed.send ();
  fail_unless (feed.store.empty ());
}
GST_END_TEST;

GST_START_TEST (test_no_message_reaches_over_a_hole)
{
  Feed feed;
  feed.put (2 * chunk + 200);
  feed.leave_out (5);
  feed.put (chunk);
  assert_equals_int64 (feed.send (), 2 * chunk + 200);
  assert_equals_int64 (feed.send (), chunk);
  assert_equals_int64 (feed.last, 2 * chunk + 205);
}
GST_END_TEST;

/* It could not be joined with anything, and not be sent alone. */
GST_START_TEST (test_less_than_a_message_before_a_hole_is_lost_with_it)
{
  Feed feed;
  feed.put (chunk + minimum - 1);
  feed.send ();
  feed.leave_out (5);
  feed.put (chunk);
  assert_equals_int64 (feed.account ().dropped, minimum - 1 + 5);
  assert_equals_int64 (feed.send_all (), chunk);
  assert_balanced (feed.account ());
}
GST_END_TEST;

/* A session ends after it, and may end with a padded message. */
GST_START_TEST (test_a_short_tail_before_a_break_is_kept_whatever_follows)
{
  Feed feed;
  feed.put (chunk + 50);
  feed.send ();
  feed.store.break_off ();
  feed.leave_out (5);
  feed.put (chunk);
  assert_equals_int64 (feed.account ().dropped, 5);
  assert_equals_int64 (feed.send (), 50);
  fail_unless (feed.store.is_at_break ());
}
GST_END_TEST;

/* The 50 samples are at the end of a block, and what could have been joined
 * with them is gone. */
GST_START_TEST (test_a_few_samples_before_a_hole_hold_nothing_up)
{
  Feed feed;
  feed.put (rate);
  feed.send_all ();
  feed.store.cover (rate - 50);
  feed.put (10);
  feed.leave_out (100);
  feed.put (chunk);
  feed.store.rewind ();
  fail_unless (feed.store.ready_format ().has_value ());
  assert_equals_int64 (feed.send_all (), 50 + chunk);
}
GST_END_TEST;

GST_START_TEST (test_a_few_samples_before_dropped_audio_hold_nothing_up)
{
  for (const bool is_end : { true, false }) {
    Feed feed ({ .max_waiting = 1s });
    feed.put (rate);
    feed.send_all ();
    feed.store.cover (rate - 50);
    feed.put (10);
    feed.store.rewind ();
    feed.store.make_room (rate);
    if (is_end)
      feed.store.seal ();
    else
      feed.put (chunk);
    assert_equals_int64 (feed.send (), 50);
    feed.store.seal ();
    assert_equals_int64 (feed.send_all (), is_end ? 0 : chunk);
    fail_unless (feed.store.empty ());
  }
}
GST_END_TEST;

GST_START_TEST (test_no_message_reaches_over_a_break)
{
  Feed feed;
  feed.put (chunk + 7);
  feed.store.break_off ();
  feed.put (chunk);
  fail_if (feed.store.is_at_break ());
  assert_equals_int64 (feed.send (), chunk + 7);
  fail_unless (feed.store.is_at_break ());
  assert_equals_int64 (feed.send (), chunk);
  fail_if (feed.store.is_at_break ());
  /* What is sent once more begins before the break, … */
  feed.store.rewind ();
  fail_if (feed.store.is_at_break ());
  /* … or behind it, in the midst of a session's audio. */
  feed.store.cover (chunk + 8);
  fail_if (feed.store.is_at_break ());
}
GST_END_TEST;

GST_START_TEST (test_a_break_outlasts_the_audio_behind_it)
{
  /* All that was put in first after the break is dropped: within its block, …
   */
  Feed within ({ .max_waiting = 2s });
  within.put (chunk);
  within.store.break_off ();
  within.put (2 * rate - chunk);
  within.send (chunk);
  within.store.make_room (within.position - chunk);
  fail_unless (within.store.is_at_break ());
  /* … the whole block, with one behind it, … */
  Feed whole ({ .max_waiting = 2s });
  whole.store.break_off ();
  whole.put (2 * rate);
  whole.store.make_room (rate);
  fail_unless (whole.store.is_at_break ());
  /* … the whole block, with audio to come. */
  Feed last ({ .max_waiting = 1s });
  last.store.break_off ();
  last.put (rate);
  last.store.make_room (rate);
  last.put (chunk);
  fail_unless (last.store.is_at_break ());
}
GST_END_TEST;

GST_START_TEST (test_what_is_covered_leaves_and_is_never_sent_again)
{
  Feed feed;
  feed.put (3 * chunk);
  feed.send (2 * chunk);
  feed.store.cover (chunk + 5);
  assert_equals_int64 (feed.store.covered (), chunk + 5);
  feed.store.cover (chunk);
  assert_equals_int64 (feed.store.covered (), chunk + 5);
  assert_equals_int64 (feed.account ().acknowledged, chunk + 5);
  feed.store.rewind ();
  assert_equals_int64 (feed.store.next_position (), chunk + 5);
  feed.send ();
  assert_equals_int64 (feed.last, chunk + 5);
  assert_equals_int64 (feed.account ().replayed, chunk - 5);
  assert_balanced (feed.account ());
}
GST_END_TEST;

GST_START_TEST (test_what_was_never_sent_cannot_be_covered)
{
  Feed feed;
  feed.put (3 * chunk);
  feed.send (chunk);
  feed.store.cover (2 * chunk);
  assert_equals_int64 (feed.store.covered (), chunk);
  assert_equals_int64 (feed.account ().waiting, 2 * chunk);
  feed.send ();
  assert_equals_int64 (feed.last, chunk);
}
GST_END_TEST;

GST_START_TEST (test_the_oldest_that_was_sent_is_evicted_beyond_the_bound)
{
  Feed feed ({ .max_replay = 1s });
  feed.put (2 * rate);
  assert_equals_int64 (feed.store.before_eviction (), rate);
  assert_equals_int64 (feed.send (), rate);
  assert_equals_int64 (feed.store.before_eviction (), 0);
  fail_if (feed.store.has_evicted ());
  assert_equals_int64 (feed.send (chunk), chunk);
  fail_unless (feed.store.has_evicted ());
  assert_equals_int64 (feed.account ().evicted, chunk);
  assert_equals_int64 (feed.account ().unacknowledged, rate);
  /* A second replayed evicts nothing. */
  feed.store.rewind ();
  assert_equals_int64 (feed.store.before_eviction (), rate);
  feed.send (chunk);
  assert_equals_int64 (feed.last, chunk);
  assert_equals_int64 (feed.account ().evicted, chunk);
  assert_balanced (feed.account ());
}
GST_END_TEST;

GST_START_TEST (test_without_replay_nothing_is_kept)
{
  Feed feed ({ .max_replay = 0s });
  feed.put (3 * chunk);
  const auto piece = feed.store.next (pcm, 2 * chunk);
  fail_unless (piece && audiobytes::are_of (pcm, 0, piece->bytes));
  assert_equals_int64 (feed.account ().evicted, 2 * chunk);
  feed.store.rewind ();
  feed.send ();
  assert_equals_int64 (feed.last, 2 * chunk);
}
GST_END_TEST;

GST_START_TEST (test_evicted_audio_is_lost_only_with_its_session)
{
  Feed feed ({ .max_replay = 1s });
  feed.put (2 * rate);
  feed.send_all ();
  feed.store.cover (chunk);
  assert_equals_int64 (feed.account ().evicted, rate);
  assert_equals_int64 (feed.account ().acknowledged, 0);
  const Stretch lost = feed.store.lose_evicted ();
  assert_equals_int64 (lost.first, chunk);
  assert_equals_int64 (lost.samples, rate - chunk);
  assert_equals_int64 (feed.account ().evicted, chunk);
  assert_equals_int64 (feed.account ().dropped, rate - chunk);
  fail_if (feed.store.has_evicted ());
  assert_equals_int64 (feed.store.lose_evicted ().samples, 0);
  assert_balanced (feed.account ());
}
GST_END_TEST;

GST_START_TEST (test_evicted_audio_with_many_holes_is_all_accounted_for)
{
  Feed feed ({ .max_replay = 0s });
  for (int i = 0; i < 1000; i++) {
    feed.put (minimum);
    feed.leave_out (1);
    feed.send ();
  }
  feed.store.seal ();
  feed.send_all ();
  assert_equals_int64 (feed.account ().evicted, 1000 * minimum);
  assert_equals_int64 (feed.store.lose_evicted ().samples, 1000 * minimum);
  assert_equals_int64 (feed.account ().evicted, 0);
  assert_balanced (feed.account ());
}
GST_END_TEST;

GST_START_TEST (test_what_is_let_go_is_not_sent_once_more)
{
  Feed feed;
  feed.put (3 * chunk);
  feed.send (2 * chunk);
  feed.store.cover (50);
  feed.store.rewind ();
  const Stretch gone = feed.store.let_go ();
  assert_equals_int64 (gone.first, 50);
  assert_equals_int64 (gone.samples, 2 * chunk - 50);
  assert_equals_int64 (feed.account ().dropped, 2 * chunk - 50);
  assert_equals_int64 (feed.send_all (), chunk);
  assert_equals_int64 (feed.last, 2 * chunk);
  assert_balanced (feed.account ());
}
GST_END_TEST;

GST_START_TEST (test_a_cleared_store_goes_on_where_it_was)
{
  Feed feed;
  feed.put (2 * chunk);
  feed.send (chunk);
  feed.store.break_off ();
  feed.store.clear ();
  fail_unless (feed.store.empty () && feed.store.waiting () == 0s);
  assert_equals_int64 (feed.account ().dropped, 2 * chunk);
  assert_equals_int64 (feed.store.end (), 2 * chunk);
  feed.store.rewind ();
  feed.put (chunk);
  fail_if (feed.store.is_at_break ());
  assert_equals_int64 (feed.send (), chunk);
  assert_equals_int64 (feed.last, 2 * chunk);
  assert_balanced (feed.account ());
}
GST_END_TEST;

static Suite *
audiostore_suite (void)
{
  Suite *suite = suite_create ("audiostore");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_messages_are_whole_chunks_joined_up_to_a_second);
  tcase_add_test (tcase,
                  test_a_message_obeys_its_limit_and_leaves_enough_for_another);
  tcase_add_test (tcase, test_the_store_takes_no_more_than_its_bound);
  tcase_add_test (tcase, test_half_a_sample_is_not_taken);
  tcase_add_test (tcase, test_a_sealed_tail_is_sent_as_short_as_it_is);
  tcase_add_test (tcase,
                  test_what_is_too_short_for_a_message_waits_and_is_joined);
  tcase_add_test (tcase, test_a_joined_message_obeys_its_limit);
  tcase_add_test (tcase, test_formats_are_not_mixed_in_a_message);
  tcase_add_test (tcase, test_a_piece_outlives_the_store);
  tcase_add_test (tcase, test_audio_silence_and_what_is_refused_are_counted);
  tcase_add_test (tcase, test_room_is_made_by_dropping_the_oldest_chunks);
  tcase_add_test (tcase, test_making_room_spares_what_is_sent_once_more);
  tcase_add_test (tcase, test_the_store_is_empty_when_nothing_is_next);
  tcase_add_test (tcase, test_no_message_reaches_over_a_hole);
  tcase_add_test (tcase,
                  test_less_than_a_message_before_a_hole_is_lost_with_it);
  tcase_add_test (tcase,
                  test_a_short_tail_before_a_break_is_kept_whatever_follows);
  tcase_add_test (tcase, test_a_few_samples_before_a_hole_hold_nothing_up);
  tcase_add_test (tcase,
                  test_a_few_samples_before_dropped_audio_hold_nothing_up);
  tcase_add_test (tcase, test_no_message_reaches_over_a_break);
  tcase_add_test (tcase, test_a_break_outlasts_the_audio_behind_it);
  tcase_add_test (tcase, test_what_is_covered_leaves_and_is_never_sent_again);
  tcase_add_test (tcase, test_what_was_never_sent_cannot_be_covered);
  tcase_add_test (tcase,
                  test_the_oldest_that_was_sent_is_evicted_beyond_the_bound);
  tcase_add_test (tcase, test_without_replay_nothing_is_kept);
  tcase_add_test (tcase, test_evicted_audio_is_lost_only_with_its_session);
  tcase_add_test (tcase,
                  test_evicted_audio_with_many_holes_is_all_accounted_for);
  tcase_add_test (tcase, test_what_is_let_go_is_not_sent_once_more);
  tcase_add_test (tcase, test_a_cleared_store_goes_on_where_it_was);
  return suite;
}

GST_CHECK_MAIN (audiostore)
