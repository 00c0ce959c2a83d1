// SPDX-License-Identifier: LGPL-2.1-or-later
/* The audio store holds little more memory than audio, whatever becomes of the
 * audio. */
#include "audiobytes.h"

#include "sis/stream/audiostore.h"

#include <cstdlib>
#include <malloc.h>
#include <new>

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using namespace sis;
using namespace std::chrono_literals;
using audiobytes::pcm;

/* What C++ holds of the heap in this process. */
static std::size_t heap_bytes;

void *
operator new (std::size_t size)
{
  void *const memory = std::malloc (size);
  g_assert (memory);
  heap_bytes += malloc_usable_size (memory);
  return memory;
}

void
operator delete (void *memory) noexcept
{
  heap_bytes -= malloc_usable_size (memory);
  std::free (memory);
}

void
operator delete (void *memory, std::size_t) noexcept
{
  operator delete (memory);
}

namespace {

constexpr Position rate = 16000;
constexpr Position chunk = 1600;

/* A block that is being filled, one that is being emptied, and what keeps
 * account of the blocks. */
constexpr std::size_t allowance = 2 * 32000 + 40000;

class Watch
{
public:
  /* What the store may hold of audio. */
  explicit Watch (Position samples)
      : limit_ (std::size_t (samples) * 2 + allowance)
  {
  }

  void look () { most_ = std::max (most_, heap_bytes - before_); }

  void assert_modest () const
  {
    fail_unless (most_ <= limit_,
                 "%" G_GSIZE_FORMAT " kB, not %" G_GSIZE_FORMAT, most_ / 1000,
                 limit_ / 1000);
  }

private:
  const std::size_t before_ = heap_bytes;
  const std::size_t limit_;
  std::size_t most_ = 0;
};

/* A store that is fed with a second of audio again and again. */
struct Feed
{
  explicit Feed (const AudioStore::Limits &limits) : store (limits) {}

  void put (Position samples)
  {
    position += Position (
        store.append (pcm, position,
                      std::span (audio).first (std::size_t (samples) * 2))
        / 2);
  }

  void leave_out (Position samples)
  {
    store.refuse (samples);
    position += samples;
  }

  const std::vector<std::byte> audio = audiobytes::make (pcm, 0, rate);
  AudioStore store;
  Position position = 0;
};

} // namespace

GST_START_TEST (test_a_steady_stream_holds_what_may_be_sent_once_more)
{
  Feed feed ({ .max_waiting = 2s, .max_replay = 5s });
  Watch watch (7 * rate);
  for (int i = 0; i < 600; i++) {
    feed.put (chunk);
    feed.store.next (pcm, chunk);
    watch.look ();
  }
  assert_equals_int64 (feed.store.account ().unacknowledged, 5 * rate);
  watch.assert_modest ();
}
GST_END_TEST;

GST_START_TEST (test_covered_audio_is_given_back)
{
  Feed feed ({});
  Watch watch (chunk);
  for (int i = 0; i < 300; i++) {
    feed.put (chunk);
    feed.store.next (pcm, chunk);
    feed.store.cover (feed.position);
    watch.look ();
  }
  feed.store.clear ();
  watch.look ();
  watch.assert_modest ();
}
GST_END_TEST;

/* Each time that there is room for a message again, a little is taken and the
 * rest is refused. */
GST_START_TEST (test_dropping_what_is_new_wastes_no_memory)
{
  Feed feed ({ .max_waiting = 10s, .max_replay = 10s });
  Watch watch (20 * rate);
  for (int i = 0; i < 300; i++) {
    feed.put (chunk);
    feed.leave_out (9 * chunk);
    if (!feed.store.has_room ())
      feed.store.next (pcm, chunk);
    watch.look ();
  }
  watch.assert_modest ();
}
GST_END_TEST;

/* Of each second one message is sent and kept. */
GST_START_TEST (test_dropping_what_is_old_wastes_no_memory)
{
  Feed feed ({ .max_waiting = 1s, .max_replay = 10s });
  Watch watch (11 * rate);
  for (int i = 0; i < 100; i++) {
    feed.store.make_room (rate);
    feed.put (rate);
    feed.store.next (pcm, chunk);
    watch.look ();
  }
  assert_equals_int64 (feed.store.account ().unacknowledged, 10 * rate);
  watch.assert_modest ();
}
GST_END_TEST;

/* Each is for a session of its own, as pauses are between them. */
GST_START_TEST (test_short_bursts_of_audio_waste_no_memory)
{
  Feed feed ({ .max_waiting = 30s });
  Watch watch (30 * rate);
  for (int i = 0; i < 300; i++) {
    feed.put (chunk);
    feed.store.break_off ();
    watch.look ();
  }
  watch.assert_modest ();
}
GST_END_TEST;

static Suite *
audiostore_memory_suite (void)
{
  Suite *suite = suite_create ("audiostore_memory");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_steady_stream_holds_what_may_be_sent_once_more);
  tcase_add_test (tcase, test_covered_audio_is_given_back);
  tcase_add_test (tcase, test_dropping_what_is_new_wastes_no_memory);
  tcase_add_test (tcase, test_dropping_what_is_old_wastes_no_memory);
  tcase_add_test (tcase, test_short_bursts_of_audio_waste_no_memory);
  return suite;
}

GST_CHECK_MAIN (audiostore_memory)
