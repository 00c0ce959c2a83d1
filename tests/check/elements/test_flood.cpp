// SPDX-License-Identifier: LGPL-2.1-or-later
/* A peer that sends without a pause and reads nothing, beside healthy ones. */
#include "attack.h"

#include "server.h"
#include "stage.h"

#include <array>
#include <atomic>
#include <thread>

using namespace sischeck;
using sistest::encode_frame;

namespace {

/* Each one is answered, and the answers stay. */
std::string
pings ()
{
  const std::string ping = encode_frame (Opcode::Ping, "");
  std::string bytes;
  while (bytes.size () < 65536)
    bytes += ping;
  return bytes;
}

/* Much to read for their size. */
std::string
objects ()
{
  std::string text = R"({"resp_type":"RESULT","segments":[{})";
  for (int i = 0; i < 60000; i++)
    text += ",{}";
  return encode_frame (Opcode::Text, text + "]}");
}

class Flood
{
public:
  explicit Flood (const std::string &bytes) : attack ("reconnect=never ")
  {
    attack.answer_start ();
    thread_ = std::thread ([this, bytes] {
      while (!is_over_ && attack.peer->write (bytes, patience ())) {
      }
    });
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

  Attack attack;

private:
  std::atomic<bool> is_over_{ false };
  std::thread thread_;
};

void
push_sentence (Pipeline &pipeline)
{
  pipeline.push (indexed_audio (0, 2500 * per_ms));
}

void
wait_until_held_up (Pipeline &pipeline)
{
  do
    push_sentence (pipeline);
  while (pipeline.wait_for_element_message ("sis-result", 300ms) != nullptr);
}

} // namespace

/* They go on, slowly where the flood leaves pauses; else the one that is
 * flooded is told why. */
GST_START_TEST (test_a_flood_holds_up_no_other_for_long)
{
  for (const std::string &bytes : { pings (), objects () }) {
    sistest::Server server;
    fail_unless (server.start ());
    Pipeline healthy (launch_line (server.url ()));
    healthy.play ();
    push_sentence (healthy);
    fail_unless (healthy.wait_for_element_message ("sis-result"));
    Flood flood (bytes);
    const auto deadline = std::chrono::steady_clock::now () + patience ();
    GstMessage *error = nullptr;
    int heard = 0;
    while (error == nullptr && std::chrono::steady_clock::now () < deadline) {
      push_sentence (healthy);
      heard
          += healthy.wait_for_element_message ("sis-result", 100ms) != nullptr;
      error = flood.attack.pipeline->wait_for (GST_MESSAGE_ERROR, 1ms);
    }
    if (error != nullptr) {
      const Problem problem (error);
      fail_unless (problem.text.find ("without a pause") != std::string::npos,
                   "%s", problem.text.c_str ());
      flood.assert_cut ();
    }
    fail_unless (error != nullptr || heard >= 4, "%d results", heard);
    healthy.end ();
    fail_unless (healthy.wait_for_eos ());
    fail_unless (healthy.from_sink (GST_MESSAGE_ERROR).empty ());
    fail_unless (healthy.from_sink (GST_MESSAGE_WARNING).empty ());
  }
}
GST_END_TEST;

/* Nor does it go on behind what gave it up, where nobody else looks. */
GST_START_TEST (test_a_flood_ends_with_its_element)
{
  for (const std::string &bytes : { pings (), objects () }) {
    sistest::Server server;
    fail_unless (server.start ());
    Pipeline other (launch_line (server.url ()));
    other.play ();
    Flood flood (bytes);
    wait_until_held_up (other);
    flood.attack.pipeline->set_state (GST_STATE_NULL);
    flood.assert_cut ();
  }
}
GST_END_TEST;

/* However many they are. */
GST_START_TEST (test_a_flood_does_not_add_up_over_state_changes)
{
  sistest::Server server;
  fail_unless (server.start ());
  std::array<std::unique_ptr<Pipeline>, 12> pipelines;
  for (auto &pipeline : pipelines) {
    pipeline = std::make_unique<Pipeline> (launch_line (server.url ()));
    pipeline->play ();
    push_sentence (*pipeline);
    fail_unless (pipeline->wait_for_element_message ("sis-result"));
  }
  Flood flood (pings ());
  wait_until_held_up (*pipelines[0]);
  const auto since = std::chrono::steady_clock::now ();
  for (auto &pipeline : pipelines)
    pipeline->set_state (GST_STATE_NULL);
  const auto took = std::chrono::steady_clock::now () - since;
  fail_unless (took < 500ms * int (patience () / 15s), "%d ms",
               int (took / 1ms));
}
GST_END_TEST;

static Suite *
flood_suite (void)
{
  Suite *suite = suite_create ("flood");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_a_flood_holds_up_no_other_for_long);
  tcase_add_test (tcase, test_a_flood_ends_with_its_element);
  tcase_add_test (tcase, test_a_flood_does_not_add_up_over_state_changes);
  return suite;
}

GST_CHECK_MAIN (flood)
