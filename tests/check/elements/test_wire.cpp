// SPDX-License-Identifier: LGPL-2.1-or-later
/* Frames that no library would send: the session goes on where it can, else
 * there is one clear error. */
#include "attack.h"
#include "stats.h"

using namespace sischeck;
using sistest::encode_frame;

namespace {

using namespace std::string_literals;

struct Violation
{
  const char *what;
  std::string bytes;
};

/* A header of two bytes, and what follows it. */
std::string
frame (int first, int second, const std::string &rest = {})
{
  return std::string{ char (first), char (second) } + rest;
}

const std::vector<Violation> &
violations ()
{
  static const std::vector<Violation> all = {
    { "opcode 3", frame (0x83, 0) },
    { "opcode 4", frame (0x84, 0) },
    { "opcode 5", frame (0x85, 0) },
    { "opcode 6", frame (0x86, 0) },
    { "opcode 7", frame (0x87, 2, "hi") },
    { "opcode 11", frame (0x8b, 0) },
    { "opcode 12", frame (0x8c, 0) },
    { "opcode 13", frame (0x8d, 0) },
    { "opcode 14", frame (0x8e, 0) },
    { "opcode 15", frame (0x8f, 2, "hi") },
    { "reserved bit 1", frame (0xc1, 2, "{}") },
    { "reserved bit 2", frame (0xa1, 2, "{}") },
    { "reserved bit 3", frame (0x91, 2, "{}") },
    { "reserved bit of a ping", frame (0xc9, 0) },
    { "masked text", frame (0x81, 0x85, "\0\0\0\0hello"s) },
    { "masked ping", frame (0x89, 0x80, "\0\0\0\0"s) },
    { "masked close", frame (0x88, 0x82, "\0\0\0\0\3\xe8"s) },
    { "ping of 126 bytes",
      encode_frame (Opcode::Ping, std::string (126, 'x')) },
    { "ping of 100,000 bytes",
      encode_frame (Opcode::Ping, std::string (100'000, 'x')) },
    { "close of 126 bytes",
      encode_frame (Opcode::Close,
                    sistest::close_payload (1000, std::string (124, 'x'))) },
    { "ping in fragments", frame (0x09, 1, "x") },
    { "close in fragments", frame (0x08, 2, "\3\xe8"s) },
    { "a fragment of nothing", frame (0x80, 2, "{}") },
    { "a last fragment of nothing", frame (0x00, 2, "{}") },
    { "text between fragments", frame (0x01, 1, "{") + frame (0x81, 1, "}") },
    { "binary between fragments", frame (0x01, 1, "{") + frame (0x82, 1, "}") },
    { "not UTF-8", frame (0x81, 2, "\xff\xff") },
    { "a surrogate in UTF-8", frame (0x81, 3, "\xed\xa0\x80") },
    { "half a character", frame (0x81, 1, "\xe7") },
    { "not UTF-8 in fragments",
      frame (0x01, 1, "\xe7") + frame (0x80, 1, "\xe7") },
    { "a length below 0",
      frame (0x81, 127, "\xff\xff\xff\xff\xff\xff\xff\xff") },
    { "a length of 2^62", frame (0x81, 127, "\x40\0\0\0\0\0\0\0"s) },
    { "8 MB announced",
      frame (0x81, 127, "\0\0\0\0\0\x80\0\0"s) + std::string (1000, ' ') },
  };
  return all;
}

void
assert_lost (Attack &attack, const char *what)
{
  const Problem problem = only_error (*attack.pipeline);
  fail_unless (problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE),
               "%s: %s", what, problem.text.c_str ());
  assert_sessions (*attack.pipeline, 1);
  assert_same_text (
      text_of (attack.pipeline->named ("sis-end").back (), "reason"), "LOST");
}

} // namespace

GST_START_TEST (test_a_violation_is_a_lost_connection)
{
  const Violation &violation = violations ()[std::size_t (__i__)];
  Attack attack;
  attack.answer_start ();
  attack.send (violation.bytes);
  assert_lost (attack, violation.what);
}
GST_END_TEST;

/* A peer that neither answers the close nor closes is not kept. */
GST_START_TEST (test_after_a_violation_the_connection_is_closed)
{
  Attack attack;
  attack.answer_start ();
  attack.send (violations ()[0].bytes);
  assert_lost (attack, violations ()[0].what);
  fail_unless (attack.peer->wait_for_end (patience ()));
}
GST_END_TEST;

/* Another connection, and nothing is missing. */
GST_START_TEST (test_after_a_violation_the_session_goes_on)
{
  const Violation &violation = violations ()[std::size_t (__i__)];
  Attack attack (prompt ("transport"));
  attack.answer_start ();
  attack.send (violation.bytes);
  const auto lost = attack.peer; /* stays */
  attack.meet ();
  attack.answer_start ();
  attack.say (result_of ("one"));
  attack.finish ("one");
  assert_sessions (*attack.pipeline, 2);
  assert_equals_int (attack.warnings (), 1);
}
GST_END_TEST;

GST_START_TEST (test_frames_may_come_byte_by_byte)
{
  Attack attack;
  const auto slowly = [&attack] (const std::string &text) {
    for (const char byte : encode_frame (Opcode::Text, text))
      fail_unless (attack.peer->write ({ &byte, 1 }));
  };
  slowly (sistest::start_message ("t"));
  slowly (result_of (std::string (200, 'a')));
  fail_unless (attack.pipeline->wait_for_element_message ("sis-result"));
  attack.finish (std::string (200, 'a'));
  assert_equals_int (attack.warnings (), 0);
}
GST_END_TEST;

/* With pings between them, and characters cut in two. */
GST_START_TEST (test_messages_may_come_in_fragments_of_a_byte)
{
  Attack attack;
  attack.answer_start ();
  const std::string text = result_of ("第一");
  for (std::size_t i = 0; i < text.size (); i++) {
    attack.peer->write_frame (i == 0 ? Opcode::Text : Opcode::Continuation,
                              text.substr (i, 1), i + 1 == text.size ());
    if (i % 10 == 0)
      attack.peer->write_frame (Opcode::Ping, "are you there?");
  }
  fail_unless (attack.pipeline->wait_for_element_message ("sis-result"));
  attack.finish ("第一");
  assert_equals_int (attack.warnings (), 0);
}
GST_END_TEST;

GST_START_TEST (test_empty_frames_mean_nothing)
{
  Attack attack;
  attack.answer_start ();
  for (int i = 0; i < 1000; i++)
    attack.send (frame (0x8a, 0) + frame (0x89, 0));
  /* Nobody asked for it, but it does no harm. */
  attack.peer->write_frame (Opcode::Pong, std::string (126, 'x'));
  attack.say (result_of ("one"));
  attack.send (frame (0x01, 0));
  for (int i = 0; i < 1000; i++)
    attack.send (frame (0x00, 0));
  attack.send (frame (0x80, 0));
  fail_unless (attack.pipeline->wait_for_element_message ("sis-result"));
  attack.finish ("one");
  /* An empty text is no message. */
  assert_equals_int (attack.warnings (), 1);
}
GST_END_TEST;

/* One warning a session; the rest is counted. */
GST_START_TEST (test_binary_messages_are_left_out)
{
  Attack attack;
  attack.answer_start ();
  for (int i = 0; i < 100; i++)
    attack.peer->write_frame (Opcode::Binary,
                              std::string (std::size_t (i), 'x'));
  attack.say (result_of ("one"));
  fail_unless (attack.pipeline->wait_for_element_message ("sis-result"));
  assert_equals_int (time_of (Stats (*attack.pipeline).get (), "malformed"),
                     100);
  attack.finish ("one");
  assert_equals_int (attack.warnings (), 1);
}
GST_END_TEST;

/* Whatever the code, and before END was answered: that is the fault. */
GST_START_TEST (test_a_close_is_a_lost_connection)
{
  static constexpr int codes[]
      = { 0,    1,    999,  1000, 1001, 1002, 1003, 1004, 1005,
          1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
          1015, 1016, 2999, 3000, 3999, 4000, 4999, 5000, 65535 };
  for (const int code : codes) {
    Attack attack;
    attack.answer_start ();
    attack.send (encode_frame (
        Opcode::Close,
        sistest::close_payload (code, code == 0 ? "" : "so long")));
    assert_lost (attack, std::to_string (code).c_str ());
  }
}
GST_END_TEST;

GST_START_TEST (test_what_follows_a_close_is_not_heard)
{
  Attack attack;
  attack.answer_start ();
  attack.send (encode_frame (Opcode::Close, sistest::close_payload (1000))
               + encode_frame (Opcode::Text, result_of ("too late"))
               + encode_frame (Opcode::Text, sistest::error_message (
                                                 "t", "SIS.0032", "x", false))
               + std::string (100'000, 'x'));
  assert_lost (attack, "close");
  fail_unless (attack.pipeline->named ("sis-result").empty ());
}
GST_END_TEST;

static Suite *
wire_suite (void)
{
  Suite *suite = suite_create ("wire");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  const int count = int (violations ().size ());
  tcase_add_loop_test (tcase, test_a_violation_is_a_lost_connection, 0, count);
  tcase_add_loop_test (tcase, test_after_a_violation_the_session_goes_on, 0,
                       count);
  tcase_add_test (tcase, test_after_a_violation_the_connection_is_closed);
  tcase_add_test (tcase, test_frames_may_come_byte_by_byte);
  tcase_add_test (tcase, test_messages_may_come_in_fragments_of_a_byte);
  tcase_add_test (tcase, test_empty_frames_mean_nothing);
  tcase_add_test (tcase, test_binary_messages_are_left_out);
  tcase_add_test (tcase, test_a_close_is_a_lost_connection);
  tcase_add_test (tcase, test_what_follows_a_close_is_not_heard);
  return suite;
}

GST_CHECK_MAIN (wire)
