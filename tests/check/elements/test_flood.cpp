// SPDX-License-Identifier: LGPL-2.1-or-later
/* A peer that sends without a pause, alone and beside healthy ones. */
#include "attack.h"

#include "failing.h"
#include "scale.h"
#include "server.h"
#include "stage.h"

#include <array>
#include <atomic>
#include <functional>
#include <thread>

using namespace sischeck;
using sistest::encode_frame;

namespace {

std::string
repeated (const std::string &frame)
{
  std::string bytes;
  while (bytes.size () < 65536)
    bytes += frame;
  return bytes;
}

/* Much to read for their size. */
std::string
objects ()
{
  std::string text = R"({"resp_type":"RESULT","segments":[{})";
  for (int i = 0; i < scaled (60000); i++)
    text += ",{}";
  return encode_frame (Opcode::Text, text + "]}");
}

/* Each one is answered, and the answers stay. */
std::string
pings ()
{
  return repeated (encode_frame (Opcode::Ping, ""));
}

/* What means nothing, and is read to no end. */
const std::vector<std::string> &
idle_talk ()
{
  static const std::vector<std::string> all{
    objects (),
    repeated (encode_frame (Opcode::Text, "{}")),
    repeated (encode_frame (Opcode::Text, R"({"resp_type":"EVENT"})")),
    repeated (encode_frame (Opcode::Binary, "")),
    repeated (encode_frame (Opcode::Pong, "")),
    repeated (encode_frame (Opcode::Text, "", false)
              + encode_frame (Opcode::Continuation, "")),
  };
  return all;
}

/* Goes on talking; false: the client hung up. */
using Talk = std::function<bool (sistest::HalfServer::Peer &)>;

Talk
saying (const std::string &bytes)
{
  return [bytes] (auto &peer) { return peer.write (bytes, patience ()); };
}

/* For one that answers no pings. */
const std::string asked_by_nobody = "keepalive-interval=0 ";

/* Of one that reads the answers; 900 at most are to come. */
Talk
asking ()
{
  constexpr int at_once = 450;
  std::string some;
  for (int i = 0; i < at_once; i++)
    some += encode_frame (Opcode::Ping, "");
  return [some, is_first = true] (auto &peer) mutable {
    if (!peer.write (is_first ? some + some : some, patience ()))
      return false;
    is_first = false;
    for (int pongs = 0; pongs < at_once;) {
      const auto frame = peer.read_frame (patience ());
      if (!frame)
        return false;
      pongs += frame->opcode == Opcode::Pong;
    }
    return true;
  };
}

class Flood
{
public:
  explicit Flood (Talk talk, const std::string &properties = {})
      : attack ("reconnect=never " + properties)
  {
    attack.answer_start ();
    thread_ = std::thread ([this, talk = std::move (talk)] () mutable {
      for (bool is_read = true; is_read && !is_over_;) {
        is_read = talk (*attack.peer);
        is_running_ = true;
        is_running_.notify_all ();
      }
    });
    is_running_.wait (false);
  }
  ~Flood ()
  {
    is_over_ = true;
    attack.peer->close ();
    thread_.join ();
  }
  Flood (const Flood &) = delete;
  Flood &operator= (const Flood &) = delete;

  void assert_cut () { fail_unless (attack.peer->wait_for_end (patience ())); }

  void assert_too_many_pings ()
  {
    const Problem problem = only_error (*attack.pipeline);
    fail_unless (problem.text.find ("more pings") != std::string::npos, "%s",
                 problem.text.c_str ());
    assert_cut ();
  }

  Attack attack;

private:
  std::atomic<bool> is_running_{ false }, is_over_{ false };
  std::thread thread_;
};

void
assert_all_is_well (Pipeline &pipeline)
{
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  fail_unless (pipeline.from_sink (GST_MESSAGE_ERROR).empty ());
  fail_unless (pipeline.from_sink (GST_MESSAGE_WARNING).empty ());
}

} // namespace

/* One that sends as fast as it can, and one that does so in its own time. */
static void
assert_holds_up_no_other (const Talk &talk, const std::string &properties = {})
{
  sistest::Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  Pipeline fast (launch_line (server.url ()));
  Pipeline slow (launch_line (server.url (), "max-send-rate=8 "));
  fast.play ();
  slow.play ();
  Flood flood (talk, properties);
  const auto push = [] (Pipeline &pipeline, std::size_t seconds) {
    for (std::size_t i = 0; i < seconds; i++)
      pipeline.push (indexed_audio (i * 16000, 16000),
                     i == 0 ? 0 : GST_CLOCK_TIME_NONE);
  };
  const auto many = scaled<std::size_t> (60), few = scaled<std::size_t> (16);
  push (fast, many);
  push (slow, few);
  assert_all_is_well (fast);
  assert_all_is_well (slow);
  assert_same_text (fast.finals (), index_words (0, 10 * many));
  assert_same_text (slow.finals (), index_words (0, 10 * few));
  fail_unless (flood.attack.pipeline->from_sink (GST_MESSAGE_ERROR).empty ());
}

GST_START_TEST (test_idle_talk_holds_up_no_other)
{
  assert_holds_up_no_other (saying (idle_talk ()[std::size_t (__i__)]));
}
GST_END_TEST;

GST_START_TEST (test_answered_pings_hold_up_no_other)
{
  assert_holds_up_no_other (asking (), asked_by_nobody);
}
GST_END_TEST;

/* No answer comes: that has its time, whatever else comes. */
GST_START_TEST (test_idle_talk_delays_no_end)
{
  {
    Flood flood (saying (idle_talk ()[std::size_t (__i__)]),
                 "timeout=" + std::to_string (patience () / 15s) + " ");
    flood.attack.pipeline->end ();
    fail_unless (flood.attack.pipeline->wait_for_eos ());
    const auto warnings
        = flood.attack.pipeline->from_sink (GST_MESSAGE_WARNING);
    fail_unless (!warnings.empty ());
    const Problem problem (warnings.back ());
    fail_unless (problem.text.find ("last transcripts") != std::string::npos,
                 "%s", problem.text.c_str ());
    flood.attack.pipeline->set_state (GST_STATE_NULL);
    flood.assert_cut ();
  }
  fail_unless (wait_for_io_threads (0));
}
GST_END_TEST;

GST_START_TEST (test_too_many_pings_are_an_error)
{
  sistest::Server server;
  fail_unless (server.start ());
  Pipeline healthy (launch_line (server.url ()));
  healthy.play ();
  Flood flood (saying (pings ()));
  healthy.push (indexed_audio (0, 16000));
  assert_all_is_well (healthy);
  flood.assert_too_many_pings ();
}
GST_END_TEST;

/* Where nobody comes by. */
GST_START_TEST (test_too_many_pings_are_an_error_in_paused)
{
  Flood flood (saying (pings ()));
  flood.attack.pipeline->set_state (GST_STATE_PAUSED);
  flood.assert_too_many_pings ();
}
GST_END_TEST;

/* A peer that reads the answers may ask often, and without a pause. */
GST_START_TEST (test_many_pings_in_time_are_answered)
{
  Attack attack ("reconnect=never " + asked_by_nobody);
  attack.answer_start ();
  const Talk ask = asking ();
  for (int i = 0, many = scaled (200); i < many; i++)
    fail_unless (ask (*attack.peer), "after %d times: %s", i,
                 only_error (*attack.pipeline).text.c_str ());
  attack.say (result_of ("one"));
  attack.finish ("one");
}
GST_END_TEST;

/* Nor does it go on behind what gave it up. */
GST_START_TEST (test_a_flood_ends_with_its_element)
{
  for (const std::string &bytes : idle_talk ()) {
    Flood flood (saying (bytes));
    flood.attack.pipeline->set_state (GST_STATE_NULL);
    flood.assert_cut ();
  }
}
GST_END_TEST;

GST_START_TEST (test_a_flood_holds_up_no_state_change)
{
  sistest::Server server;
  fail_unless (server.start ());
  std::array<std::unique_ptr<Pipeline>, 12> pipelines;
  for (auto &pipeline : pipelines) {
    pipeline = std::make_unique<Pipeline> (launch_line (server.url ()));
    pipeline->play ();
    pipeline->push (indexed_audio (0, 40000));
    fail_unless (pipeline->wait_for_element_message ("sis-result"));
  }
  Flood flood (saying (objects ()));
  for (auto &pipeline : pipelines) {
    const auto since = std::chrono::steady_clock::now ();
    pipeline->set_state (GST_STATE_NULL);
    const auto took = std::chrono::steady_clock::now () - since;
    fail_unless (took < 500ms * int (patience () / 15s), "%d ms",
                 int (took / 1ms));
  }
}
GST_END_TEST;

static Suite *
flood_suite (void)
{
  Suite *suite = suite_create ("flood");
  TCase *tcase = tcase_create ("general");
  const int kinds = int (idle_talk ().size ());
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_idle_talk_holds_up_no_other, 0, kinds);
  tcase_add_loop_test (tcase, test_idle_talk_delays_no_end, 0, kinds);
  tcase_add_test (tcase, test_answered_pings_hold_up_no_other);
  tcase_add_test (tcase, test_too_many_pings_are_an_error);
  tcase_add_test (tcase, test_too_many_pings_are_an_error_in_paused);
  tcase_add_test (tcase, test_many_pings_in_time_are_answered);
  tcase_add_test (tcase, test_a_flood_ends_with_its_element);
  tcase_add_test (tcase, test_a_flood_holds_up_no_state_change);
  return suite;
}

GST_CHECK_MAIN (flood)
