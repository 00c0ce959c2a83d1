// SPDX-License-Identifier: LGPL-2.1-or-later
/* Frames as they come off the wire, whole and in pieces. */
#include "samples.h"

#include "sis/protocol/frames.h"

#include <string>

namespace {

using namespace std::string_literals;

void
read (sis::FrameCounter &counter, std::string_view bytes)
{
  counter.add (std::as_bytes (std::span (bytes)));
}

struct Frames
{
  const char *what;
  std::string bytes;
  guint64 pings, pongs, unfinished;
};

const std::string hello = "\x81\5hello"s;
const std::string begun = "\1\3hel"s; /* 5 bytes */
const std::string more = "\0\2lo"s;   /* 4 bytes */
const std::string last = "\x80\1!"s;
const std::string ping = "\x89\0"s;
const std::string ping_of_5 = "\x89\5\x89\x89\x89\x89\x89"s;
const std::string pong = "\x8a\1x"s;
const std::string of_126 = "\1\x7e\0\x7e"s + std::string (126, '\x89');
const std::string of_70000
    = "\2\x7f\0\0\0\0\0\1\x11\x70"s + std::string (70000, '\x89');
const std::string masked = "\1\x82mask\x89\x89"s;
const std::string masked_of_126
    = "\2\xfe\0\x7emask"s + std::string (126, '\x89');
const std::string masked_pong = "\x8a\x81mask\x8a"s;
const std::string close_frame = "\x88\2\3\xe8"s;

const Frames all[] = {
  { "nothing", "", 0, 0, 0 },
  { "a message", hello, 0, 0, 0 },
  { "messages", hello + hello + hello, 0, 0, 0 },
  { "a message begun", begun, 0, 0, 5 },
  { "a message under way", begun + more + more, 0, 0, 13 },
  { "a message in fragments", begun + more + last, 0, 0, 0 },
  { "another one behind it", begun + more + last + begun, 0, 0, 5 },
  { "a ping", ping, 1, 0, 0 },
  { "pings", ping + ping_of_5 + hello + ping, 3, 0, 0 },
  { "pongs", pong + pong, 0, 2, 0 },
  { "a close", close_frame, 0, 0, 0 },
  { "control frames between fragments", begun + ping + pong + more, 1, 1, 9 },
  { "a ping behind a whole message in fragments", begun + last + ping, 1, 0,
    0 },
  { "a fragment of 126 bytes", of_126 + ping, 1, 0, 130 },
  { "a fragment of 70,000 bytes", of_70000 + ping, 1, 0, 70010 },
  { "a masked fragment", masked + ping, 1, 0, 8 },
  { "a masked fragment of 126 bytes", masked_of_126 + ping, 1, 0, 134 },
  { "masked pongs", masked_pong + masked_pong + ping, 1, 2, 0 },
  { "a header", "\1\x7f\0\0\0\0\0\1\x11"s, 0, 0, 0 },
  { "half of a header", "\1"s, 0, 0, 0 },
  { "fragments of nothing", "\1\0\0\0\0\0"s, 0, 0, 6 },
};

void
assert_counts (const sis::FrameCounter &counter, const Frames &frames)
{
  fail_unless (counter.pings () == frames.pings, "%s: %" G_GUINT64_FORMAT,
               frames.what, counter.pings ());
  fail_unless (counter.pongs () == frames.pongs, "%s: %" G_GUINT64_FORMAT,
               frames.what, counter.pongs ());
  fail_unless (counter.unfinished () == frames.unfinished,
               "%s: %" G_GUINT64_FORMAT, frames.what, counter.unfinished ());
}

} // namespace

GST_START_TEST (test_frames_are_counted)
{
  sis::FrameCounter counter;
  read (counter, all[__i__].bytes);
  assert_counts (counter, all[__i__]);
}
GST_END_TEST;

GST_START_TEST (test_pieces_make_no_difference)
{
  const Frames &frames = all[__i__];
  for (std::size_t size : { 1, 2, 3, 7, 1024 }) {
    sis::FrameCounter counter;
    for (std::size_t at = 0; at < frames.bytes.size (); at += size)
      read (counter, std::string_view (frames.bytes).substr (at, size));
    assert_counts (counter, frames);
  }
}
GST_END_TEST;

/* No sum may wrap: it would begin anew. */
GST_START_TEST (test_a_frame_may_claim_any_length)
{
  sis::FrameCounter counter;
  read (counter, "\1\x7f\xff\xff\xff\xff\xff\xff\xff\xff"s + hello + ping);
  fail_unless (counter.unfinished () > G_MAXUINT64 / 8);
  assert_equals_uint64 (counter.pings (), 0);
}
GST_END_TEST;

static Suite *
frames_suite (void)
{
  Suite *suite = suite_create ("frames");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_frames_are_counted, 0,
                       int (G_N_ELEMENTS (all)));
  tcase_add_loop_test (tcase, test_pieces_make_no_difference, 0,
                       int (G_N_ELEMENTS (all)));
  tcase_add_test (tcase, test_a_frame_may_claim_any_length);
  return suite;
}

GST_CHECK_MAIN (frames)
