// SPDX-License-Identifier: LGPL-2.1-or-later
/* Whom the sink trusts over wss://, and how it says that it does not. */
#include "tlsfront.h"

#include "failing.h"
#include "saying.h"
#include "stage.h"

#include <gio/gio.h>

using namespace sischeck;
using sistest::Server;
using sistest::TlsFront;

namespace {

std::string
pem (const char *name)
{
  return std::string (TEST_DATA "/tls/") + name + ".pem";
}

std::unique_ptr<Server>
serve (const char *certificate)
{
  auto server = std::make_unique<Server> (
      Server::Options{ .certificate = pem (certificate) });
  server->script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server->start ());
  return server;
}

/* A second of audio for it. */
std::unique_ptr<Pipeline>
play (const std::string &url, const std::string &properties)
{
  auto pipeline = std::make_unique<Pipeline> (
      launch_line (url, "auth-token=secret-of-tls " + properties));
  pipeline->play ();
  pipeline->push (indexed_audio (0, 16000), 0);
  return pipeline;
}

std::string
trust ()
{
  return " ssl-ca-file=" + pem ("ca") + " ";
}

void
assert_all_said (Pipeline &pipeline)
{
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 10));
}

void
assert_refused (const Server &server, const std::string &url,
                const std::string &properties, const char *part)
{
  const auto pipeline = play (url, prompt ("always") + properties);
  const Problem error = only_error (*pipeline);
  fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE));
  fail_unless (error.text.find (part) != std::string::npos, "no '%s' in: %s",
               part, error.text.c_str ());
  fail_unless (error.text.find ("secret-of-tls") == std::string::npos);
  fail_unless (server.connections ().empty ());
  assert_attempts_count_on (*pipeline, 1);
}

} // namespace

GST_START_TEST (test_a_private_authority_is_trusted_if_the_user_says_so)
{
  const auto server = serve ("good");
  assert_all_said (*play (server->url (), trust ()));
  assert_same_text (server->connections ()[0].header ("X-Auth-Token"),
                    "secret-of-tls");
  assert_refused (*serve ("good"), server->url (), "", "ssl-ca-file");
}
GST_END_TEST;

GST_START_TEST (test_a_database_of_the_application_is_trusted)
{
  const auto server = serve ("good");
  g_autoptr (GError) error = nullptr;
  g_autoptr (GTlsDatabase) database
      = g_tls_file_database_new (pem ("ca").c_str (), &error);
  g_assert_no_error (error);
  Pipeline pipeline (launch_line (server->url (), "auth-token=t"));
  g_object_set (pipeline.sink (), "tls-database", database, nullptr);
  g_autoptr (GTlsDatabase) read = nullptr;
  g_object_get (pipeline.sink (), "tls-database", &read, nullptr);
  fail_unless (read == database);
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  assert_all_said (pipeline);
}
GST_END_TEST;

namespace {

/* What is wrong with a certificate that the authority signed, or not. */
struct Certificate
{
  const char *name, *in_text;
};

const Certificate certificates[] = {
  { "self-signed", "signed by nobody" },
  { "expired", "expired" },
  { "not-yet", "not valid yet" },
  { "wrong-host", "another host" },
};

} // namespace

GST_START_TEST (test_each_bad_certificate_is_an_error_of_its_own)
{
  const Certificate &certificate = certificates[__i__];
  const auto server = serve (certificate.name);
  assert_refused (*server, server->url (), trust (), certificate.in_text);
}
GST_END_TEST;

GST_START_TEST (test_a_name_is_checked_as_well_as_an_address)
{
  const auto server = serve ("good");
  const std::string port = ":" + std::to_string (server->port ());
  assert_all_said (*play ("wss://localhost" + port, trust ()));
  const auto other = serve ("wrong-host");
  const auto pipeline
      = play ("wss://localhost:" + std::to_string (other->port ()), trust ());
  fail_unless (only_error (*pipeline).text.find ("another host")
               != std::string::npos);
}
GST_END_TEST;

GST_START_TEST (test_tls_is_of_version_1_2_or_newer)
{
  const std::pair<TlsFront::Version, const char *> versions[]
      = { { TlsFront::Version::Tls12, "TLS1.2" },
          { TlsFront::Version::Tls13, "TLS1.3" } };
  Server server;
  server.script ({ { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  for (const auto &[version, name] : versions) {
    TlsFront front (pem ("good"), version);
    fail_unless (front.start (server.port ()));
    assert_all_said (*play (front.url (), trust ()));
    assert_same_text (front.handshakes ().at (0).version, name);
  }
  const std::size_t before = server.connections ().size ();
  TlsFront old (pem ("good"), TlsFront::Version::Tls11);
  fail_unless (old.start (server.port ()));
  const auto pipeline = play (old.url (), trust ());
  fail_unless (only_error (*pipeline).is (GST_RESOURCE_ERROR,
                                          GST_RESOURCE_ERROR_OPEN_WRITE));
  assert_equals_int (server.connections ().size (), before);
}
GST_END_TEST;

/* With a lost connection in between, and the bare port of TLS at last. */
/* TLS decrypts a record at once, and no socket tells what is left of it. */
GST_START_TEST (test_a_long_message_is_read_to_its_end)
{
  const std::string words (12000, 'x');
  Server server (Server::Options{ .certificate = pem ("good") });
  server.script ({ scripted ({ { 1000ms, sistest::send_result ({ said (
                                             0, 800, words.c_str ()) }) } }) });
  fail_unless (server.start ());
  const auto pipeline
      = play (server.url (), trust () + "keepalive-interval=0 idle-timeout=0");
  fail_unless (pipeline->wait_for_element_message ("sis-result") != nullptr);
  assert_same_text (pipeline->finals (), words);
}
GST_END_TEST;

GST_START_TEST (test_a_lost_connection_is_made_again_over_tls)
{
  Server server (Server::Options{ .certificate = pem ("good") });
  server.script ({ { .actions = { { 1500ms, sistest::reset () } },
                     .recognizer = sistest::index_recognizer () },
                   { .recognizer = sistest::index_recognizer () } });
  fail_unless (server.start ());
  const auto pipeline = play (server.url (), trust () + prompt ("transport"));
  pipeline->push (indexed_audio (16000, 11200));
  fail_unless (pipeline->wait_for (GST_MESSAGE_WARNING) != nullptr);
  pipeline->push (indexed_audio (27200, 4800));
  pipeline->end ();
  fail_unless (pipeline->wait_for_eos ());
  assert_same_text (pipeline->finals (), index_words (0, 20));
  assert_equals_int (server.connections ().size (), 2);
}
GST_END_TEST;

/* It waits for the end of a request, and hears none. */
GST_START_TEST (test_what_does_not_speak_tls_times_out)
{
  Server server;
  fail_unless (server.start ());
  const auto pipeline
      = play ("wss://127.0.0.1:" + std::to_string (server.port ()),
              trust () + hurried ("never"));
  const Problem error = only_error (*pipeline);
  fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE));
  fail_unless (server.connections ().empty ());
}
GST_END_TEST;

GST_START_TEST (test_settings_of_trust_are_checked_before_any_connection)
{
  const std::pair<std::string, const char *> cases[] = {
    { "ssl-ca-file=/nonexistent.pem", "ssl-ca-file" },
    { "ssl-ca-file=" TEST_DATA "/tls/README.md", "ssl-ca-file" },
  };
  for (const auto &[properties, part] : cases) {
    Pipeline pipeline (
        launch_line ("wss://127.0.0.1:1", "auth-token=t " + properties));
    fail_unless (pipeline.set_state (GST_STATE_PAUSED)
                 == GST_STATE_CHANGE_FAILURE);
    pipeline.collect ();
    const Problem error (pipeline.from_sink (GST_MESSAGE_ERROR).at (0));
    fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
    fail_unless (error.text.find (part) != std::string::npos, "%s",
                 error.text.c_str ());
  }
  g_autoptr (GTlsDatabase) database
      = g_tls_file_database_new (pem ("ca").c_str (), nullptr);
  Pipeline both (launch_line ("ws://127.0.0.1:1", trust ()));
  g_object_set (both.sink (), "tls-database", database, nullptr);
  fail_unless (both.set_state (GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE);
}
GST_END_TEST;

static Suite *
tls_suite (void)
{
  Suite *suite = suite_create ("tls");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase,
                  test_a_private_authority_is_trusted_if_the_user_says_so);
  tcase_add_test (tcase, test_a_database_of_the_application_is_trusted);
  tcase_add_loop_test (tcase, test_each_bad_certificate_is_an_error_of_its_own,
                       0, int (std::size (certificates)));
  tcase_add_test (tcase, test_a_name_is_checked_as_well_as_an_address);
  tcase_add_test (tcase, test_tls_is_of_version_1_2_or_newer);
  tcase_add_test (tcase, test_a_long_message_is_read_to_its_end);
  tcase_add_test (tcase, test_a_lost_connection_is_made_again_over_tls);
  tcase_add_test (tcase, test_what_does_not_speak_tls_times_out);
  tcase_add_test (tcase,
                  test_settings_of_trust_are_checked_before_any_connection);
  return suite;
}

GST_CHECK_MAIN (tls)
