// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "halfserver.h"
#include "messages.h"

#include "failing.h"

#include <memory>

/* A sink in front of a peer whose every byte is the test's. */
namespace sischeck {

using sistest::Opcode;

/* A final of the first half second. */
inline std::string
result_of (const std::string &text)
{
  return R"({"resp_type":"RESULT","trace_id":"t","segments":[{"start_time":0,)"
         R"("end_time":500,"is_final":true,"result":{"text":")"
         + text + R"("}}]})";
}

class Attack
{
public:
  /* Up to START, which is not answered. */
  explicit Attack (const std::string &properties = "reconnect=never ")
  {
    fail_unless (half.start ());
    pipeline = std::make_unique<Pipeline> (
        launch_line (half.url (), "idle-timeout=0 " + properties));
    pipeline->play ();
    pipeline->push (indexed_audio (0, 16000));
    meet ();
  }

  /* The next connection, up to START. */
  void meet ()
  {
    peer = half.accept (patience ());
    fail_unless (peer != nullptr, "no connection");
    const auto start = peer->read_frame (patience ());
    fail_unless (start && start->opcode == Opcode::Text, "no START");
  }

  void say (std::string_view text)
  {
    fail_unless (peer->write_frame (Opcode::Text, text));
  }
  /* The client may have hung up. */
  void send (std::string_view bytes) { peer->write (bytes); }

  void answer_start ()
  {
    say (sistest::start_message ("t"));
    fail_unless (pipeline->wait_for_element_message ("sis-start") != nullptr);
  }

  void end_stream ()
  {
    pipeline->end ();
    wait_for_end ();
  }

  void wait_for_end ()
  {
    for (;;) {
      const auto frame = peer->read_frame (patience ());
      fail_unless (frame.has_value (), "no END");
      if (frame->opcode == Opcode::Text)
        break;
    }
  }

  /* All is well to the end. */
  void finish (const std::string &finals)
  {
    end_stream ();
    say (sistest::end_message ("t", "NORMAL"));
    fail_unless (pipeline->wait_for_eos ());
    assert_same_text (pipeline->finals (), finals);
    fail_unless (pipeline->from_sink (GST_MESSAGE_ERROR).empty ());
    const auto ends = pipeline->named ("sis-end");
    fail_unless (!ends.empty ());
    assert_same_text (text_of (ends.back (), "reason"), "NORMAL");
    take_leave ();
  }

  /* Answers a close, so that nobody waits for that. */
  void take_leave ()
  {
    while (const auto frame = peer->read_frame (patience ()))
      if (frame->opcode == Opcode::Close)
        break;
    peer->close ();
  }

  std::size_t warnings () const
  {
    return pipeline->from_sink (GST_MESSAGE_WARNING).size ();
  }

  sistest::HalfServer half;
  std::unique_ptr<Pipeline> pipeline;
  std::shared_ptr<sistest::HalfServer::Peer> peer;
};

} // namespace sischeck
