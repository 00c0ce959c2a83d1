// SPDX-License-Identifier: LGPL-2.1-or-later
/* Messages in an order, or a number, that makes no sense. */
#include "attack.h"
#include "scale.h"

#include <atomic>
#include <cstdio>
#include <malloc.h>
#include <thread>
#include <unistd.h>

using namespace sischeck;
using sistest::encode_frame;

namespace {

/* Of this process, in MB, but for what is free again. */
double
resident ()
{
  malloc_trim (0);
  long pages = 0;
  std::FILE *file = std::fopen ("/proc/self/statm", "r");
  fail_unless (file != nullptr && std::fscanf (file, "%*d %ld", &pages) == 1);
  std::fclose (file);
  return double (pages) * double (sysconf (_SC_PAGESIZE)) / 1e6;
}

void
wait_until_all_is_heard (const Attack &attack)
{
  fail_unless (attack.peer->write_frame (Opcode::Ping, "heard?"));
  while (const auto frame = attack.peer->read_frame (patience ()))
    if (frame->opcode == Opcode::Pong)
      return;
  ck_abort_msg ("no answer to a ping");
}

/* Counts results in place of keeping them. */
GstBusSyncReply
count_results (GstBus *, GstMessage *message, gpointer counter)
{
  if (!gst_message_has_name (message, "sis-result"))
    return GST_BUS_PASS;
  ++*static_cast<std::atomic<int> *> (counter);
  gst_message_unref (message);
  return GST_BUS_DROP;
}

std::string
numbered (int i)
{
  return R"({"resp_type":"RESULT","trace_id":"t","segments":[{"start_time":)"
         + std::to_string (i % 1000) + R"(,"end_time":)"
         + std::to_string (i % 1000 + 1)
         + R"(,"is_final":true,"result":{"text":")" + std::to_string (i)
         + R"("}}]})";
}

} // namespace

/* All are told, none is kept. */
GST_START_TEST (test_a_flood_of_small_results)
{
  const int count = scaled (100'000);
  Attack attack;
  std::atomic<int> counter = 0;
  g_autoptr (GstBus) bus = gst_element_get_bus (attack.pipeline->get ());
  gst_bus_set_sync_handler (bus, count_results, &counter, nullptr);
  attack.answer_start ();
  const auto tell = [&] (int from, int to) {
    for (int i = from; i < to; i++)
      fail_unless (attack.peer->write_frame (Opcode::Text, numbered (i)));
    wait_until_all_is_heard (attack);
  };
  tell (0, count / 10);
  const double before = resident ();
  tell (count / 10, count);
  const double growth = resident () - before;
  attack.end_stream ();
  attack.say (sistest::end_message ("t", "NORMAL"));
  fail_unless (attack.pipeline->wait_for_eos ());
  assert_equals_int (counter, count);
  fail_unless (growth < 1.0 || !measures_memory (), "%f MB", growth);
  gst_bus_set_sync_handler (bus, nullptr, nullptr, nullptr);
}
GST_END_TEST;

/* In the middle of it. */
GST_START_TEST (test_a_flood_does_not_hold_up_the_application)
{
  Attack attack ("");
  attack.answer_start ();
  std::atomic<bool> is_over = false;
  std::thread flood ([&] {
    for (int i = 0;
         !is_over && attack.peer->write_frame (Opcode::Text, numbered (i));
         i++) {
    }
  });
  fail_unless (attack.pipeline->wait_for_element_message ("sis-result"));
  const auto since = std::chrono::steady_clock::now ();
  attack.pipeline->set_state (GST_STATE_NULL);
  const auto took = std::chrono::steady_clock::now () - since;
  is_over = true;
  flood.join ();
  fail_unless (took < patience () / 30, "%d ms", int (took / 1ms));
}
GST_END_TEST;

/* Longer than any message may be: left out, and given back. */
GST_START_TEST (test_five_megabytes_in_fragments_are_left_out)
{
  Attack attack;
  attack.answer_start ();
  const std::string piece (50'000, ' ');
  const auto say_too_much = [&] {
    for (int i = 0; i < 100; i++)
      fail_unless (attack.peer->write_frame (
          i == 0 ? Opcode::Text : Opcode::Continuation, piece, i == 99));
    wait_until_all_is_heard (attack);
  };
  for (int i = 0; i < 3; i++)
    say_too_much ();
  const double before = resident ();
  for (int i = 0; i < scaled (10); i++)
    say_too_much ();
  const double growth = resident () - before;
  /* malloc may keep what one took, 8 MB; ten that are kept would be 50. */
  fail_unless (growth < 10.0 || !measures_memory (), "%f MB", growth);
  attack.say (result_of ("one"));
  fail_unless (attack.pipeline->wait_for_element_message ("sis-result"));
  attack.finish ("one");
  assert_equals_int (attack.warnings (), 1);
}
GST_END_TEST;

/* 25 MB, or what of it is read; a pong between its frames excuses nothing. */
GST_START_TEST (test_a_message_without_an_end_is_a_lost_connection)
{
  Attack attack;
  attack.answer_start ();
  const std::string piece (500'000, ' ');
  bool is_heard = true;
  for (int i = 0; is_heard && i < 50; i++)
    is_heard = attack.peer->write (
        encode_frame (i == 0 ? Opcode::Text : Opcode::Continuation, piece,
                      false)
            + encode_frame (Opcode::Pong, ""),
        patience () / 15);
  const Problem problem = only_error (*attack.pipeline);
  fail_unless (problem.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE));
  fail_unless (problem.text.find ("without an end") != std::string::npos);
}
GST_END_TEST;

GST_START_TEST (test_start_answered_twice_is_one_session)
{
  Attack attack;
  attack.answer_start ();
  attack.say (sistest::start_message ("another"));
  attack.say (result_of ("one"));
  attack.say (sistest::start_message ("t"));
  fail_unless (attack.pipeline->wait_for_element_message ("sis-result"));
  attack.finish ("one");
  assert_sessions (*attack.pipeline, 1);
  assert_same_text (text_of (attack.pipeline->named ("sis-end")[0], "trace_id"),
                    "t");
  assert_equals_int (attack.warnings (), 0);
}
GST_END_TEST;

GST_START_TEST (test_results_before_start_are_not_heard)
{
  Attack attack;
  attack.say (result_of ("too early"));
  attack.say (sistest::event_message ("t", "VOICE_END", Milliseconds (1)));
  attack.say (sistest::end_message ("t", "NORMAL"));
  attack.answer_start ();
  attack.say (result_of ("one"));
  fail_unless (attack.pipeline->wait_for_element_message ("sis-result"));
  attack.finish ("one");
  assert_sessions (*attack.pipeline, 1);
}
GST_END_TEST;

/* What comes does not make the wait longer if it says nothing new. */
GST_START_TEST (test_an_end_that_never_comes_is_waited_for_no_longer)
{
  Attack attack ("timeout=" + std::to_string (patience () / 15s) + " ");
  attack.answer_start ();
  attack.say (result_of ("one"));
  fail_unless (attack.pipeline->wait_for_element_message ("sis-result"));
  attack.end_stream ();
  GstMessage *eos = nullptr;
  for (int i = 0; eos == nullptr && i < 100; i++) {
    attack.send (encode_frame (Opcode::Pong, "")
                 + encode_frame (Opcode::Ping, "")
                 + encode_frame (Opcode::Text, result_of ("one"))
                 + encode_frame (Opcode::Text, R"({"resp_type":"NEWS"})"));
    eos = attack.pipeline->wait_for (GST_MESSAGE_EOS, patience () / 150);
  }
  fail_unless (eos != nullptr);
  assert_same_text (text_of (attack.pipeline->named ("sis-end")[0], "reason"),
                    "TIMEOUT");
  assert_equals_int (attack.warnings (), 1);
  fail_unless (attack.pipeline->from_sink (GST_MESSAGE_ERROR).empty ());
}
GST_END_TEST;

GST_START_TEST (test_end_answered_twice_is_one_end)
{
  Attack attack;
  attack.answer_start ();
  attack.say (result_of ("one"));
  attack.end_stream ();
  const std::string end
      = encode_frame (Opcode::Text, sistest::end_message ("t", "NORMAL"));
  const std::string error = encode_frame (
      Opcode::Text, sistest::error_message ("t", "SIS.0032", "x", true));
  attack.send (end + end + error + end);
  fail_unless (attack.pipeline->wait_for_eos ());
  attack.pipeline->collect ();
  assert_same_text (attack.pipeline->finals (), "one");
  assert_sessions (*attack.pipeline, 1);
  assert_equals_int (attack.warnings (), 0);
  fail_unless (attack.pipeline->from_sink (GST_MESSAGE_ERROR).empty ());
}
GST_END_TEST;

/* In whatever way JSON writes it. */
GST_START_TEST (test_a_token_that_is_said_again_is_not_told)
{
  for (const char *said : { "0123456789abcdef/+", R"(0123456789abcdef\/+)",
                            R"(\u00301234567\u00389abcdef/\u002b)" }) {
    Attack attack ("reconnect=never auth-token=0123456789abcdef/+ ");
    attack.say (std::string (R"({"resp_type":"START","trace_id":")") + said
                + "\"}");
    attack.say (result_of (said));
    fail_unless (attack.pipeline->wait_for_element_message ("sis-result"));
    assert_same_text (
        text_of (attack.pipeline->named ("sis-start")[0], "trace_id"), "***");
    attack.finish ("***");
  }
}
GST_END_TEST;

static Suite *
wire_sessions_suite (void)
{
  Suite *suite = suite_create ("wire_sessions");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_flood_of_small_results);
  tcase_add_test (tcase, test_a_flood_does_not_hold_up_the_application);
  tcase_add_test (tcase, test_five_megabytes_in_fragments_are_left_out);
  tcase_add_test (tcase, test_a_message_without_an_end_is_a_lost_connection);
  tcase_add_test (tcase, test_start_answered_twice_is_one_session);
  tcase_add_test (tcase, test_results_before_start_are_not_heard);
  tcase_add_test (tcase, test_an_end_that_never_comes_is_waited_for_no_longer);
  tcase_add_test (tcase, test_end_answered_twice_is_one_end);
  tcase_add_test (tcase, test_a_token_that_is_said_again_is_not_told);
  return suite;
}

GST_CHECK_MAIN (wire_sessions)
