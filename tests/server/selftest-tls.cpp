// SPDX-License-Identifier: LGPL-2.1-or-later
#include "selftest-client.h"
#include "server.h"
#include "tlsfront.h"

#include <gnutls/gnutls.h>

using namespace sistest;
using namespace std::chrono_literals;

namespace {

using Version = TlsFront::Version;

std::string
file (const std::string &name)
{
  return std::string (TEST_DATA "/tls/") + name + ".pem";
}

/* What becomes of a request by a client that trusts the tests' authority. */
struct Outcome
{
  unsigned status = 0;
  int certificate_errors = -1; /* -1: it was not asked about the certificate */
  bool tls_error = false;
};

Outcome
get (const std::string &host, int port)
{
  g_autoptr (GTlsDatabase) database
      = g_tls_file_database_new (file ("ca").c_str (), nullptr);
  g_assert_nonnull (database);
  g_autoptr (SoupSession) session
      = soup_session_new_with_options ("tls-database", database, nullptr);
  const std::string url
      = "https://" + host + ":" + std::to_string (port) + "/here";
  g_autoptr (SoupMessage) message = soup_message_new ("GET", url.c_str ());
  Outcome outcome;
  g_signal_connect (
      message, "accept-certificate",
      G_CALLBACK (+[] (SoupMessage *, GTlsCertificate *,
                       GTlsCertificateFlags errors, gpointer data) -> gboolean {
        static_cast<Outcome *> (data)->certificate_errors
            = static_cast<int> (errors);
        return FALSE;
      }),
      &outcome);
  g_autoptr (GError) error = nullptr;
  g_autoptr (GBytes) body
      = soup_session_send_and_read (session, message, nullptr, &error);
  outcome.status = soup_message_get_status (message);
  outcome.tls_error = error != nullptr && error->domain == G_TLS_ERROR;
  return outcome;
}

void
test_certificates_are_what_they_are_called ()
{
  static constexpr struct
  {
    const char *name, *host;
    int errors;
  } cases[] = {
    { "good", "127.0.0.1", -1 },
    { "good", "localhost", -1 },
    { "self-signed", "127.0.0.1", G_TLS_CERTIFICATE_UNKNOWN_CA },
    { "self-signed", "localhost", G_TLS_CERTIFICATE_UNKNOWN_CA },
    { "expired", "127.0.0.1", G_TLS_CERTIFICATE_EXPIRED },
    { "not-yet", "127.0.0.1", G_TLS_CERTIFICATE_NOT_ACTIVATED },
    { "wrong-host", "127.0.0.1", G_TLS_CERTIFICATE_BAD_IDENTITY },
    { "wrong-host", "localhost", G_TLS_CERTIFICATE_BAD_IDENTITY },
  };
  for (const auto &[name, host, errors] : cases) {
    Server server ({ .certificate = file (name) });
    server.answer ("/here", HttpReply{});
    g_assert_true (server.start ());
    g_assert_true (server.url ().starts_with ("wss://"));
    const Outcome outcome = get (host, server.port ());
    g_assert_cmpint (outcome.certificate_errors, ==, errors);
    g_assert_cmpuint (outcome.status, ==, errors == -1 ? 200 : 0);
    g_assert_true (outcome.tls_error == (errors != -1));
    g_assert_cmpuint (server.requests ().size (), ==, errors == -1);
  }
}

/* GIO sends "::1" as the server's name, which GnuTLS refuses as a server: no
 * connection can show this. */
void
test_a_certificate_is_good_for_ipv6 ()
{
  g_autoptr (GTlsCertificate) authority
      = g_tls_certificate_new_from_file (file ("ca").c_str (), nullptr);
  g_autoptr (GSocketConnectable) there = g_network_address_new ("::1", 443);
  for (const char *name : { "good", "self-signed" }) {
    g_autoptr (GTlsCertificate) certificate
        = g_tls_certificate_new_from_file (file (name).c_str (), nullptr);
    const int errors = g_tls_certificate_verify (certificate, there, authority);
    g_assert_cmpint (
        errors & G_TLS_CERTIFICATE_BAD_IDENTITY, ==,
        g_str_equal (name, "good") ? 0 : G_TLS_CERTIFICATE_BAD_IDENTITY);
  }
}

/* A handshake with this version alone, by a client that trusts anybody. */
int
shake_hands (int port, const char *version)
{
  const auto socket = Socket::connect (port);
  g_assert_true (socket != nullptr);
  g_socket_set_blocking (socket->get (), TRUE);
  gnutls_certificate_credentials_t credentials = nullptr;
  gnutls_certificate_allocate_credentials (&credentials);
  gnutls_session_t tls = nullptr;
  gnutls_init (&tls, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
  gnutls_credentials_set (tls, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_priority_set_direct (
      tls, (std::string ("NORMAL:-VERS-ALL:+VERS-") + version).c_str (),
      nullptr);
  gnutls_transport_set_int (tls, g_socket_get_fd (socket->get ()));
  gnutls_handshake_set_timeout (tls, 10000);
  int result = GNUTLS_E_AGAIN;
  while (result != GNUTLS_E_SUCCESS && !gnutls_error_is_fatal (result))
    result = gnutls_handshake (tls);
  gnutls_bye (tls, GNUTLS_SHUT_WR);
  gnutls_deinit (tls);
  gnutls_certificate_free_credentials (credentials);
  return result;
}

void
test_a_front_speaks_one_version ()
{
  static constexpr struct
  {
    Version version;
    const char *name;
  } cases[] = { { Version::Tls11, "TLS1.1" },
                { Version::Tls12, "TLS1.2" },
                { Version::Tls13, "TLS1.3" } };
  Server server;
  server.answer ("/here", HttpReply{});
  g_assert_true (server.start ());
  for (const auto &[version, name] : cases) {
    TlsFront front (file ("good"), version);
    g_assert_true (front.start (server.port ()));
    const Outcome outcome = get ("localhost", front.port ());
    g_assert_true (
        front.wait ([] (const auto &made) { return !made.empty (); }));
    const auto first = front.handshakes ()[0];
    assert_text (first.server_name, "localhost");
    /* Some releases of GIO refuse TLS 1.1, others do not. */
    const bool good = outcome.status == 200;
    g_assert_true (good || version == Version::Tls11);
    g_assert_true (first.error.empty () == good);
    assert_text (first.version, good ? name : "");

    std::size_t count = 1;
    for (const auto &other : cases) {
      const bool same = other.version == version;
      const int result = shake_hands (front.port (), other.name);
      g_assert_true ((result == GNUTLS_E_SUCCESS) == same);
      count += 1;
      g_assert_true (front.wait (
          [=] (const auto &made) { return made.size () == count; }));
      assert_text (front.handshakes ().back ().version, same ? name : "");
      g_assert_true (front.handshakes ().back ().error.empty () == same);
    }
  }
}

void
test_a_front_needs_a_certificate ()
{
  TlsFront front (file ("none"));
  std::string reason;
  g_assert_false (front.start (1, &reason));
  g_assert_true (reason.find ("none.pem") != std::string::npos);
}

void
test_a_front_passes_all_on ()
{
  Server server ({ .log = wake_up });
  server.script ({ { .timeout = 20s },
                   { .actions = { { 200ms, reset () } } },
                   { .actions = { { 200ms, hang_up () } } },
                   {} });
  g_assert_true (server.start ());
  TlsFront front (file ("good"));
  g_assert_true (front.start (server.port ()));
  const std::string audio = index_audio (0, 3000);

  /* More than one read, in one record. */
  const std::string token (8000, 't');
  Client client (front.url (), "/v1/p/rasr/continue-stream",
                 { { "X-Auth-Token", token } });
  g_assert_true (client.connect () && client.start ());
  assert_text (server.connections ()[0].header ("X-Auth-Token"), token);
  client.send_in_chunks (audio, 32000);
  g_assert_true (client.end ());
  g_assert_cmpuint (client.segments ().size (), ==, 15);
  g_assert_true (server.connections ()[0].audio == audio);

  for (int i = 0; i < 2; i++) {
    Client cut (front.url ());
    g_assert_true (cut.connect () && cut.start ());
    cut.send_in_chunks (silence (200ms));
    g_assert_true (cut.wait_for_close ());
    g_assert_cmpuint (cut.close_code (), ==, 0);
  }
  {
    Client leaves (front.url ());
    g_assert_true (leaves.connect () && leaves.start ());
  }
  g_assert_true (
      server.wait ([] (const auto &records) { return records[3].gone; }));
}

} // namespace

void
add_tls_tests ()
{
  g_test_add_func ("/tls/certificates",
                   test_certificates_are_what_they_are_called);
  g_test_add_func ("/tls/ipv6", test_a_certificate_is_good_for_ipv6);
  g_test_add_func ("/tls/versions", test_a_front_speaks_one_version);
  g_test_add_func ("/tls/no-certificate", test_a_front_needs_a_certificate);
  g_test_add_func ("/tls/passes-on", test_a_front_passes_all_on);
}
