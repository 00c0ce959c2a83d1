// SPDX-License-Identifier: LGPL-2.1-or-later
#include "halfserver.h"
#include "messages.h"
#include "selftest-client.h"
#include "server.h"

#include <algorithm>
#include <cstring>
#include <thread>

using namespace sistest;
using namespace std::chrono_literals;

namespace {

/* A server with this script, listening. */
struct Fixture
{
  explicit Fixture (std::vector<Behaviour> behaviours = {})
  {
    server.script (std::move (behaviours));
    std::string reason;
    if (!server.start (&reason))
      g_error ("%s", reason.c_str ());
  }
  bool wait (const std::function<bool (const Record &)> &predicate) const
  {
    return server.wait ([&] (const auto &records) {
      return !records.empty () && predicate (records[0]);
    });
  }
  Server server{ { .log = wake_up } };
};

constexpr const char *sentence_stream = "/v1/p/rasr/sentence-stream";
constexpr const char *short_stream = "/v1/p/rasr/short-stream";

/* Connected, and START answered. */
void
begin (Client &client, const std::string &config = {})
{
  g_assert_true (client.connect ());
  g_assert_true (client.start (config));
}

void
test_handshake_is_checked ()
{
  Behaviour guarded;
  guarded.handshake.token = "secret";
  Fixture fixture ({ guarded });
  const std::string url = fixture.server.url ();

  Client without (url);
  g_assert_false (without.connect ());
  g_assert_cmpuint (without.status (), ==, 401);
  Client wrong (url, "/v1/p/rasr/continue-stream",
                { { "X-Auth-Token", "guess" } });
  g_assert_false (wrong.connect ());
  Client lost (url, "/v1/p/rasr/other-stream",
               { { "X-Auth-Token", "secret" } });
  g_assert_false (lost.connect ());
  g_assert_cmpuint (lost.status (), ==, 404);
  Client right (url, "/v1/p/rasr/continue-stream",
                { { "X-Auth-Token", "secret" } });
  g_assert_true (right.connect ());

  const auto records = fixture.server.connections ();
  g_assert_cmpuint (records.size (), ==, 4);
  g_assert_cmpuint (records[0].handshake_status, ==, 401);
  g_assert_cmpuint (records[3].handshake_status, ==, 101);
  assert_text (records[3].header ("x-auth-token"), "secret");
}

void
test_handshake_misbehaves ()
{
  Fixture fixture ({
      { .handshake = { .reply = HttpReply{ .status = 307,
                                           .headers = { { "Location",
                                                          "http://a/" } } } } },
      { .handshake = { .delay = 50ms } },
      { .handshake = { .drop = true } },
      { .handshake = { .answer = false } },
      { .handshake = { .delay = 500ms } },
      {},
  });
  const std::string url = fixture.server.url ();
  Client redirected (url);
  g_assert_false (redirected.connect ());
  assert_text (redirected.response_header ("Location"), "http://a/");
  Client delayed (url);
  g_assert_true (delayed.connect ());
  Client dropped (url);
  g_assert_false (dropped.connect ());
  for (const std::size_t count : { 4u, 5u }) { /* unanswered, then too late */
    Client impatient (url);
    g_assert_true (Client::run_until (
        [&] { return fixture.server.connections ().size () == count; }));
    impatient.give_up ();
    g_assert_false (impatient.connect ());
  }
  /* The late answer to the one that went away does no harm. */
  g_assert_true (fixture.server.wait (
      [] (const auto &records) { return records[4].handshake_status != 0; }));
  Client good (url);
  g_assert_true (good.connect ());
}

void
test_start_is_validated ()
{
  static constexpr struct
  {
    const char *request, *code, *message;
  } cases[] = {
    { "{", "SIS.0032", "invalid json" },
    { "[]", "SIS.0032", "invalid json" },
    { "{}", "SIS.0012", "'command' is missing" },
    { R"({"command":"GO"})", "SIS.0032", "'command' is invalid" },
    { R"({"command":"END"})", "SIS.0032", "END without START" },
    { R"({"command":"START"})", "SIS.0012", "'config' is missing" },
    { R"({"command":"START","config":{"property":"a_16k_b"}})", "SIS.0012",
      "'audio_format' is missing" },
    { R"({"command":"START","config":{"audio_format":"mp3",)"
      R"("property":"a_16k_b"}})",
      "SIS.0032", "'audio_format' is invalid" },
    { R"({"command":"START","config":{"audio_format":"pcm8k16bit",)"
      R"("property":"a_16k_b"}})",
      "SIS.0301", "audio_format does not fit the property" },
    { R"(+"add_punc":true)", "SIS.0032", "'add_punc' is invalid" },
    { R"(+"vad_head":60001)", "SIS.0032", "'vad_head' is invalid" },
    { R"(+"vad_tail":"500")", "SIS.0032", "'vad_tail' is invalid" },
    { R"(+"max_seconds":0)", "SIS.0032", "'max_seconds' is invalid" },
    { R"(+"xyz":1)", "SIS.0032", "'xyz' is invalid" },
    { R"(+"vocabulary_id":"v")", "SIS.0201", "vocabulary is not found" },
  };
  Fixture fixture;
  Client client (fixture.server.url ());
  g_assert_true (client.connect ());
  std::size_t errors = 0;
  for (const auto &[request, code, message] : cases) {
    client.send_text (
        request[0] != '+'
            ? std::string (request)
            : R"({"command":"START","config":{"audio_format":"ulaw16k8bit",)"
              R"("property":"a_16k_b",)"
                  + std::string (request + 1) + "}}");
    g_assert_true (client.wait_for ("ERROR", ++errors));
    assert_text (client.last ("ERROR", "error_code"), code);
    assert_text (client.last ("ERROR", "error_msg"), message);
  }
  g_assert_cmpuint (client.count ("END"), ==, 0);
  g_assert_cmpuint (fixture.server.connections ()[0].violations.size (), ==,
                    errors);
  g_assert_true (client.start (R"("vad_head":0,"user_words":["a"])"));
  assert_text (fixture.server.connections ()[0].config["vad_head"], "0");
}

void
test_order_and_sizes_are_watched ()
{
  Fixture fixture;
  Client client (fixture.server.url ());
  g_assert_true (client.connect ());
  client.send_audio (silence (100ms));
  g_assert_true (client.wait_for ("ERROR", 1));
  g_assert_cmpuint (client.count ("END"), ==, 0);

  for (const std::string &bad : { silence (5ms), silence (2100ms) }) {
    g_assert_true (client.start ());
    const auto ends = client.count ("END");
    client.send_audio (bad);
    client.send_audio (silence (100ms)); /* ignored */
    g_assert_true (client.wait_for ("END", ends + 1));
    assert_text (client.last ("END", "reason"), "ERROR");
  }
  g_assert_true (client.start ());
  client.send_start ();
  g_assert_true (client.wait_for ("END", 3));
  g_assert_cmpuint (client.count ("ERROR"), ==, 4);

  const auto record = fixture.server.connections ()[0];
  const std::vector<std::string> violations{ "audio before START",
                                             "message of 160 bytes",
                                             "message of 67200 bytes",
                                             "START twice" };
  g_assert_true (record.violations == violations);
  g_assert_cmpuint (record.audio_bytes, ==, 32u * (300 + 5 + 2100));
  g_assert_true (record.audio_digest == fnv1a (record.audio));
}

void
test_sentences_tile_the_session ()
{
  Fixture fixture;
  Client client (fixture.server.url ());
  begin (client, R"("interim_results":"yes","need_word_info":"yes")");
  client.send_in_chunks (silence (5300ms));
  g_assert_true (client.end ());
  const auto finals = client.segments ();
  g_assert_cmpuint (finals.size (), ==, 3);
  assert_text (finals[2].text, "sentence 2");
  g_assert_true (finals[1].start == 2000ms && finals[1].end == 4000ms);
  g_assert_true (finals[2].start == 4000ms && finals[2].end == 5300ms);
  g_assert_cmpuint (finals[2].words.size (), ==, 2);
  g_assert_cmpuint (client.segments (false).size (), ==, 8);
  const auto record = fixture.server.connections ()[0];
  g_assert_cmpuint (record.violations.size (), ==, 0);
  g_assert_true (record.ended && !record.cancelled);
  g_assert_cmpuint (record.chunks.size (), ==, 53);

  /* Again on the same connection: the clock starts anew. */
  g_assert_true (client.start ());
  client.send_audio (silence (100ms));
  g_assert_true (client.end (R"("true")"));
  assert_text (client.last ("END", "reason"), "CANCEL");
  g_assert_cmpuint (client.segments ().size (), ==, 3);
}

/* The words of all finals, in order. */
std::string
words_of (const Client &client)
{
  std::string all;
  for (const Segment &segment : client.segments ())
    all += segment.text + " ";
  return all;
}

void
test_index_words_do_not_depend_on_the_cut ()
{
  Fixture fixture ({ { .recognizer = index_recognizer () } });
  const std::string audio = index_audio (12340, 300);
  std::string expected;
  for (int word = 1234; word < 1264; word++)
    expected += "w" + std::to_string (word) + " ";

  for (const std::size_t cut : { 0u, 32000u, 33600u, 38400u, 35000u }) {
    std::string words;
    for (const auto &part : { audio.substr (0, cut), audio.substr (cut) }) {
      if (part.empty ())
        continue;
      Client client (fixture.server.url ());
      begin (client, R"("need_word_info":"yes")");
      client.send_in_chunks (part, 3500);
      g_assert_true (client.end ());
      words += words_of (client);
      for (const Segment &segment : client.segments ())
        for (const Word &word : segment.words)
          g_assert_true (word.start >= segment.start && word.end > word.start
                         && word.end <= segment.end
                         && word.end - word.start <= 100ms);
    }
    assert_text (words, expected);
  }
}

void
test_short_stream_is_one_utterance ()
{
  Fixture fixture;
  Client client (fixture.server.url (), short_stream);
  begin (client, R"("interim_results":"yes")");
  client.send_in_chunks (silence (5000ms));
  g_assert_true (client.wait_for ("RESULT", 9));
  g_assert_cmpuint (client.segments ().size (), ==, 0);
  g_assert_true (client.end ());
  const auto finals = client.segments ();
  g_assert_cmpuint (finals.size (), ==, 1);
  assert_text (finals[0].text, "sentence 0 sentence 1 sentence 2");
  g_assert_true (finals[0].start == 0ms && finals[0].end == 5000ms);
}

void
test_sentence_stream_is_one_sentence ()
{
  Fixture fixture ({ { .after_sentence = { end () } },
                     { .recognizer = silent_recognizer () } });
  Client client (fixture.server.url (), sentence_stream);
  begin (client);
  client.send_in_chunks (silence (2500ms));
  g_assert_true (client.wait_for ("END"));
  const std::vector<std::string> events{ "VOICE_START", "VOICE_END" };
  g_assert_cmpuint (client.count ("EVENT"), ==, 2);
  assert_text (client.last ("EVENT", "event"), "VOICE_END");
  assert_text (client.last ("END", "reason"), "NORMAL");
  g_assert_cmpuint (client.segments ().size (), ==, 1);

  Client mute (fixture.server.url (), sentence_stream);
  begin (mute, R"("vad_head":300)");
  mute.send_in_chunks (silence (500ms));
  g_assert_true (mute.wait_for ("EVENT"));
  assert_text (mute.last ("EVENT", "event"), "EXCEEDED_SILENCE");
  g_assert_true (mute.end ());
}

void
test_a_session_has_a_longest_length ()
{
  Fixture fixture ({ { .max_session = 1000ms },
                     { .max_session = 1000ms, .exceeded_is_error = true } });
  Client told (fixture.server.url ());
  begin (told);
  told.send_in_chunks (silence (1550ms), 3500);
  g_assert_true (told.end ());
  g_assert_cmpuint (told.count ("EVENT"), ==, 1);
  assert_text (told.last ("EVENT", "event"), "EXCEEDED_AUDIO");
  g_assert_true (told.segments ().back ().end == 1000ms);

  Client failed (fixture.server.url ());
  begin (failed);
  failed.send_in_chunks (silence (1500ms));
  g_assert_true (failed.wait_for ("END"));
  assert_text (failed.last ("ERROR", "error_code"), "SIS.0311");
}

void
test_a_silent_client_is_dropped ()
{
  Fixture fixture ({ { .timeout = 500ms } });
  Client before (fixture.server.url ()), started (fixture.server.url ()),
      ended (fixture.server.url ());
  g_assert_true (before.connect () && started.connect () && ended.connect ());
  g_assert_true (started.start () && ended.start ());
  ended.send_audio (silence (100ms));
  g_assert_true (ended.end ());
  for (Client *client : { &before, &started, &ended }) {
    g_assert_true (client->wait_for_close ());
    assert_text (client->last ("FATAL_ERROR", "error_code"), "SIS.0304");
    g_assert_cmpuint (client->close_code (), ==, 1000);
  }
  g_assert_true (fixture.server.wait ([] (const auto &records) {
    return std::ranges::all_of (records, &Record::gone);
  }));
}

void
test_several_clients_do_not_meet ()
{
  Fixture fixture;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 8; i++) {
    clients.push_back (std::make_unique<Client> (fixture.server.url ()));
    begin (*clients.back ());
  }
  for (int chunk = 0; chunk < 25; chunk++)
    for (const auto &client : clients)
      client->send_audio (silence (100ms));
  std::vector<std::string> ids;
  for (const auto &client : clients) {
    g_assert_true (client->end ());
    g_assert_cmpuint (client->segments ().size (), ==, 2);
    ids.push_back (client->last ("END", "trace_id"));
  }
  std::ranges::sort (ids);
  g_assert_true (std::ranges::adjacent_find (ids) == ids.end ());
}

void
test_actions_end_the_connection ()
{
  Fixture fixture (
      { { .actions = { { 200ms, reset () } } },
        { .actions = { { 200ms, hang_up () } } },
        { .actions = { { 200ms, close_with (4001) } } },
        { .actions = { { 200ms, fatal ("SIS.0305", "m", 1011) } } },
        { .end = { .answer = false, .after = { close_with (1001) } } } });
  const unsigned short codes[] = { 0, 0, 4001, 1011, 1001 };
  for (const unsigned short code : codes) {
    Client client (fixture.server.url ());
    begin (client);
    client.send_audio (silence (100ms));
    client.send_audio (silence (100ms));
    if (code == 1001)
      client.send_text (R"({"command":"END"})");
    g_assert_true (client.wait_for_close ());
    g_assert_cmpuint (client.close_code (), ==, code);
    g_assert_cmpuint (client.count ("FATAL_ERROR"), ==, code == 1011);
  }
  g_assert_true (fixture.server.wait ([] (const auto &records) {
    return records.size () == 5 && std::ranges::all_of (records, &Record::gone);
  }));
  g_assert_true (fixture.server.connections ()[2].close_code == 4001);
}

void
test_actions_go_on ()
{
  Segment own{ .start = 100ms, .end = 200ms, .text = "own" };
  Fixture fixture ({ { .end = { .delay = 20ms,
                                .before = { send_result ({ own }) },
                                .after = { end () } },
                       .actions = { { 100ms, send_text ("garbage") },
                                    { 100ms, send_binary ("\1\2") },
                                    { 100ms, stop_reading (50ms) } },
                       .result_delay = 20ms,
                       .repeat_finals = true } });
  Client client (fixture.server.url ());
  begin (client);
  client.send_in_chunks (silence (2000ms));
  g_assert_true (client.end ());
  g_assert_true (client.wait_for ("END", 2));
  std::string all;
  for (const Segment &segment : client.segments ())
    all += segment.text + ";";
  assert_text (all, "sentence 0;sentence 0;own;");
  assert_text (client.texts ()[1], "garbage");
}

void
test_errors_end_the_session ()
{
  const Action odd = without_trace_id (error ("SIS.0303", "engine"));
  Fixture fixture ({ { .start = { .answer = false, .after = { odd } } },
                     { .start = { .after = { odd } } },
                     { .actions = { { 100ms, unfollowed (odd) } } } });
  for (const std::size_t ends : { 0u, 1u, 0u }) {
    Client client (fixture.server.url ());
    g_assert_true (client.connect ());
    client.send_start ();
    if (ends == 0 && fixture.server.connections ().size () == 3)
      client.send_audio (silence (100ms));
    g_assert_true (client.wait_for ("ERROR"));
    assert_text (client.last ("ERROR", "trace_id"), "");
    if (ends == 1)
      g_assert_true (client.wait_for ("END"));
    g_assert_cmpuint (client.count ("END"), ==, ends);
  }
}

void
test_vanished_server_says_nothing ()
{
  Fixture fixture (
      { { .actions = { { 100ms, vanish () } }, .timeout = 50ms } });
  Client client (fixture.server.url ());
  begin (client);
  client.send_in_chunks (silence (300ms));
  g_assert_true (fixture.wait (
      [] (const Record &record) { return record.audio_bytes >= 3200; }));
  g_assert_false (
      Client::run_until ([&] { return client.texts ().size () > 1; }, 150ms));
  fixture.server.stop ();
  g_assert_true (client.wait_for_close ());
}

void
test_other_resources_are_answered ()
{
  Fixture fixture;
  fixture.server.answer ("/v3/auth/tokens",
                         { .status = 201,
                           .body = "{}",
                           .headers = { { "X-Subject-Token", "T" } } });
  g_autoptr (SoupSession) session = soup_session_new ();
  const std::string url
      = "http" + fixture.server.url ().substr (2) + "/v3/auth/tokens";
  g_autoptr (SoupMessage) message = soup_message_new ("POST", url.c_str ());
  g_autoptr (GBytes) body = g_bytes_new_static ("{\"auth\":1}", 10);
  soup_message_set_request_body_from_bytes (message, "application/json", body);
  bool done = false;
  soup_session_send_and_read_async (
      session, message, G_PRIORITY_DEFAULT, nullptr,
      [] (GObject *source, GAsyncResult *result, gpointer data) {
        g_autoptr (GBytes) bytes = soup_session_send_and_read_finish (
            SOUP_SESSION (source), result, nullptr);
        g_assert_cmpuint (g_bytes_get_size (bytes), ==, 2);
        *static_cast<bool *> (data) = true;
      },
      &done);
  g_assert_true (Client::run_until ([&] { return done; }));
  g_assert_cmpuint (soup_message_get_status (message), ==, 201);
  const auto requests = fixture.server.requests ();
  g_assert_cmpuint (requests.size (), ==, 1);
  assert_text (requests[0].body, "{\"auth\":1}");
}

void
test_codings_are_expanded ()
{
  using Samples = std::vector<std::int16_t>;
  const auto expand = [] (const char *name, std::string_view bytes) {
    return Decoder (*Format::from_name (name)).decode (bytes);
  };
  g_assert_true (expand ("ulaw8k8bit", { "\xff\x7f\x00\x80\xef", 5 })
                 == Samples ({ 0, 0, -32124, 32124, 132 }));
  g_assert_true (expand ("alaw16k8bit", "\xd5\x55\xaa\x2a\xc5")
                 == Samples ({ 8, -8, 32256, -32256, 264 }));
  Decoder cut (*Format::from_name ("pcm16k16bit"));
  g_assert_true (cut.decode ("\x01\x02\xfe") == Samples ({ 0x0201 }));
  g_assert_true (cut.decode ("\xff") == Samples ({ -2 }));
}

void
test_half_server_writes_any_bytes ()
{
  HalfServer half;
  g_assert_true (half.start ());
  Client client (half.url ());
  g_assert_true (client.connect ());
  const auto peer = half.accept ();
  g_assert_true (peer != nullptr);
  g_assert_nonnull (strstr (peer->request ().c_str (), "GET /v1/p/rasr/"));
  client.send_text ("hello");
  const auto frame = peer->read_frame ();
  g_assert_true (frame && frame->opcode == Opcode::Text);
  assert_text (frame->payload, "hello");
  g_assert_false (peer->read_frame (20ms).has_value ());

  g_assert_true (peer->write_frame (Opcode::Text, "{\"resp_", false));
  g_assert_true (peer->write_frame (Opcode::Continuation, "type\":\"START\"}"));
  g_assert_true (client.wait_for ("START"));
  g_assert_true (peer->write ("\xff\xff\xff\xff"));
  peer->close ();
  g_assert_true (client.wait_for_close ());
  g_assert_true (peer->wait_for_end ());

  HalfServer mute;
  g_assert_true (mute.start (false));
  Client refused (mute.url ());
  std::thread test ([&] {
    const auto other = mute.accept ();
    g_assert_true (other && other->write ("HTTP/1.1 418 Teapot\r\n\r\n"));
    other->close ();
  });
  g_assert_false (refused.connect ());
  g_assert_cmpuint (refused.status (), ==, 418);
  test.join ();
}

} // namespace

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, nullptr);
  if (argc > 1 && std::string_view (argv[1]) == "speech") {
    add_speech_tests ();
    return g_test_run ();
  }
  const struct
  {
    const char *path;
    void (*run) ();
  } tests[] = {
    { "/handshake/checked", test_handshake_is_checked },
    { "/handshake/misbehaves", test_handshake_misbehaves },
    { "/start/validated", test_start_is_validated },
    { "/session/order-and-sizes", test_order_and_sizes_are_watched },
    { "/session/sentences", test_sentences_tile_the_session },
    { "/session/index", test_index_words_do_not_depend_on_the_cut },
    { "/session/short-stream", test_short_stream_is_one_utterance },
    { "/session/sentence-stream", test_sentence_stream_is_one_sentence },
    { "/session/longest", test_a_session_has_a_longest_length },
    { "/session/timeout", test_a_silent_client_is_dropped },
    { "/session/several", test_several_clients_do_not_meet },
    { "/actions/ending", test_actions_end_the_connection },
    { "/actions/going-on", test_actions_go_on },
    { "/actions/errors", test_errors_end_the_session },
    { "/actions/vanish", test_vanished_server_says_nothing },
    { "/other-resources", test_other_resources_are_answered },
    { "/codings", test_codings_are_expanded },
    { "/half-server", test_half_server_writes_any_bytes },
  };
  for (const auto &test : tests)
    g_test_add_func (test.path, test.run);
  add_http_tests ();
  add_iam_tests ();
  add_proxy_tests ();
  add_signature_tests ();
  add_tls_tests ();
  add_program_tests ();
  return g_test_run ();
}
