// SPDX-License-Identifier: LGPL-2.1-or-later
#include "acceptor.h"
#include "proxy.h"
#include "relay.h"
#include "selftest-client.h"
#include "server.h"

using namespace sistest;
using namespace std::chrono_literals;

namespace {

using Kind = Proxy::Kind;
using Manners = Proxy::Manners;

constexpr const char *path = "/v1/p/rasr/continue-stream";
constexpr const char *basic_u_p = "Proxy-Authorization: Basic dTpw\r\n";

/* A proxy, and a server that answers at /here. */
struct Fixture
{
  explicit Fixture (Kind kind, std::vector<Manners> manners = {},
                    const std::string &certificate = {})
      : server (Server::Options{ .certificate = certificate, .log = wake_up }),
        proxy (kind)
  {
    server.answer ("/here", HttpReply{ .body = "welcome" });
    g_assert_true (server.start ());
    proxy.script (std::move (manners));
    g_assert_true (proxy.start ());
    proxy.route ("sis.example:443", server.port ());
  }

  std::string target () const
  {
    return "127.0.0.1:" + std::to_string (server.port ());
  }

  Server server;
  Proxy proxy;
};

std::string
connect_request (const std::string &target, const std::string &more = {})
{
  return "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" + more
         + "\r\n";
}

const std::string get_here
    = "GET /here HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/* The head that comes, and its body. */
std::string
read_answer (Socket &socket)
{
  std::string head = socket.read_up_to ("\r\n\r\n").value_or ("");
  const std::size_t length = head.find ("Content-Length: ");
  if (length == std::string::npos)
    return head;
  const auto size = g_ascii_strtoull (head.c_str () + length + 16, nullptr, 10);
  return head + socket.read_bytes (size).value_or ("");
}

std::string
status_of (const std::string &answer)
{
  return answer.substr (0, answer.find (' ', 9));
}

/* One session through the proxy. */
void
talk (Client &client, const Server &server)
{
  g_assert_true (client.connect () && client.start ());
  const std::string audio = index_audio (0, 1000);
  client.send_in_chunks (audio, 32000);
  g_assert_true (client.end ());
  g_assert_cmpuint (client.segments ().size (), ==, 5);
  g_assert_true (server.connections ().back ().audio == audio);
  assert_text (server.connections ().back ().header ("Proxy-Authorization"),
               "");
}

void
test_tunnels_hide_what_is_in_them ()
{
  Fixture fixture (Kind::Http, {}, TEST_DATA "/tls/good.pem");
  {
    Client client ("wss://sis.example", path,
                   { { "X-Auth-Token", "a secret" } }, fixture.proxy.url ());
    talk (client, fixture.server);
    assert_text (fixture.server.connections ()[0].header ("X-Auth-Token"),
                 "a secret");
  }
  g_assert_true (fixture.proxy.wait (
      [] (const auto &connections) { return connections[0].gone; }));
  const auto connection = fixture.proxy.connections ()[0];
  g_assert_cmpuint (connection.heads.size (), ==, 1);
  assert_text (connection.heads[0].method, "CONNECT");
  assert_text (connection.heads[0].target, "sis.example:443");
  assert_text (connection.heads[0].header ("host"), "sis.example");
  assert_text (connection.target, "sis.example:443");
  g_assert_true (connection.led);
  g_assert_cmpuint (connection.sent.size (), >, 320000);
  g_assert_cmpuint (connection.received.size (), >, 1000);
  g_assert_false (fixture.proxy.saw ("a secret"));
  g_assert_true (fixture.proxy.saw ("sis.example"));
}

std::string
ask_for (const Proxy &proxy, const char *target)
{
  const auto client = Socket::connect (proxy.port ());
  client->write (std::string ("GET ") + target + " HTTP/1.1\r\n\r\n");
  return read_answer (*client);
}

void
test_requests_in_the_clear_are_seen ()
{
  Fixture fixture (Kind::Http);
  Client client ("ws://sis.example:443", path,
                 { { "X-Auth-Token", "a secret" } }, fixture.proxy.url ());
  talk (client, fixture.server);
  const auto connection = fixture.proxy.connections ()[0];
  assert_text (connection.heads[0].method, "GET");
  assert_text (connection.heads[0].target,
               std::string ("ws://sis.example:443") + path);
  g_assert_true (fixture.proxy.saw ("a secret"));
  g_assert_true (connection.received.find ("HTTP/1.1 101 ") == 0);
  assert_text (fixture.server.connections ()[0].path, path);

  const std::string get = "GET http://" + fixture.target ()
                          + "/here HTTP/1.1\r\nHost: a\r\n" + basic_u_p
                          + "\r\n";
  const std::string answer = ask (fixture.proxy.port (), get);
  assert_text (status_of (answer), "HTTP/1.1 200");
  g_assert_true (answer.ends_with ("\r\n\r\nwelcome"));
  const auto requests = fixture.server.requests ();
  for (const auto &[name, value] : requests[0].headers)
    g_assert_false (name.starts_with ("Proxy-"));

  for (const char *target : { "/here", "ftp://a/" })
    g_assert_true (
        ask_for (fixture.proxy, target).starts_with ("HTTP/1.1 400"));
  g_assert_true (
      ask_for (fixture.proxy, "http://a/").starts_with ("HTTP/1.1 502"));
  assert_text (fixture.proxy.connections ().back ().target, "a:80");
}

void
test_credentials_are_asked_for ()
{
  const Manners kept{ .user = "u", .password = "p" };
  Manners closing = kept, grim = kept;
  closing.close_after_407 = true;
  grim.never_content = true;
  Fixture fixture (Kind::Http, { kept, closing, grim });
  const auto first = Socket::connect (fixture.proxy.port ());
  for (const char *given : { "", "Proxy-Authorization: Basic dTpx\r\n",
                             "Proxy-Authorization: Digest dTpw\r\n" }) {
    first->write (connect_request (fixture.target (), given));
    const std::string refusal = read_answer (*first);
    assert_text (status_of (refusal), "HTTP/1.1 407");
    g_assert_true (refusal.find ("\r\nProxy-Authenticate: Basic realm=\"proxy\""
                                 "\r\n")
                   != std::string::npos);
    g_assert_true (refusal.find ("Connection:") == std::string::npos);
  }
  first->write ("POST http://a/ HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
                + connect_request (fixture.target (), basic_u_p) + get_here);
  assert_text (status_of (read_answer (*first)), "HTTP/1.1 407");
  assert_text (status_of (read_answer (*first)), "HTTP/1.1 200");
  g_assert_true (first->read_all ().value_or ("").ends_with ("welcome"));
  const auto connection = fixture.proxy.connections ()[0];
  g_assert_cmpuint (connection.heads.size (), ==, 5);
  assert_text (connection.user, "u");
  assert_text (connection.password, "p");
  assert_text (connection.sent, get_here);

  const std::string closed
      = ask (fixture.proxy.port (), connect_request (fixture.target ()));
  assert_text (status_of (closed), "HTTP/1.1 407");
  g_assert_true (closed.find ("\r\nConnection: close\r\n")
                 != std::string::npos);
  const auto third = Socket::connect (fixture.proxy.port ());
  for (int i = 0; i < 2; i++) {
    third->write (connect_request (fixture.target (), basic_u_p));
    assert_text (status_of (read_answer (*third)), "HTTP/1.1 407");
  }
}

void
test_a_proxy_misbehaves ()
{
  Fixture fixture (
      Kind::Http,
      { { .reply = HttpReply{ .status = 403,
                              .body = "no",
                              .headers = { { "Connection", "close" } } } },
        { .reply = HttpReply{ .status = 503, .reason = "Full" } },
        { .drop = true },
        { .delay = 30ms },
        {},
        {},
        { .answer = false } });
  const int port = fixture.proxy.port ();
  const std::string request = connect_request (fixture.target ());
  const std::string refused = ask (port, request);
  assert_text (status_of (refused), "HTTP/1.1 403");
  g_assert_true (refused.ends_with ("\r\n\r\nno"));
  const auto full = Socket::connect (port);
  for (int i = 0; i < 2; i++) {
    full->write (request);
    g_assert_true (read_answer (*full).starts_with ("HTTP/1.1 503 Full\r\n"));
  }
  assert_text (ask (port, request), "");

  const gint64 start = g_get_monotonic_time ();
  g_assert_true (ask (port, request + get_here).ends_with ("welcome"));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 30000);

  /* A port that nobody listens at, and a machine that is not this one. */
  int none = 0;
  g_assert_true (listen_on_loopback (none, nullptr) != nullptr);
  for (const std::string &lost : { "127.0.0.1:" + std::to_string (none),
                                   std::string ("a.example:443") }) {
    const auto client = Socket::connect (port);
    client->write (connect_request (lost));
    assert_text (status_of (read_answer (*client)), "HTTP/1.1 502");
  }
  g_assert_false (fixture.proxy.connections ().back ().led);

  const auto mute = Socket::connect (port);
  mute->write (request);
  g_assert_true (fixture.proxy.wait ([] (const auto &connections) {
    return !connections.back ().heads.empty ();
  }));
  g_assert_false (mute->wait_for_end (30ms));
  fixture.proxy.stop ();
  g_assert_true (mute->wait_for_end ());
}

void
test_socks_leads_the_way ()
{
  for (const Kind kind : { Kind::Socks4, Kind::Socks5 }) {
    Fixture fixture (kind);
    Client client ("ws://127.0.0.1:" + std::to_string (fixture.server.port ()),
                   path, {}, fixture.proxy.url ());
    talk (client, fixture.server);
    const auto connection = fixture.proxy.connections ()[0];
    g_assert_true (connection.led && connection.heads.empty ());
    assert_text (connection.target, fixture.target ());
    assert_text (connection.user, "");
    g_assert_true (connection.sent.starts_with ("GET /v1/p/rasr/"));
    g_assert_true (connection.received.starts_with ("HTTP/1.1 101 "));
    assert_text (fixture.proxy.url ("u:p").substr (0, 16),
                 kind == Kind::Socks4 ? "socks4://u:p@127"
                                      : "socks5://u:p@127");
  }
}

void
test_socks_resolves_names ()
{
  const std::string_view nul ("\0", 1);
  Fixture four (Kind::Socks4);
  auto client = Socket::connect (four.proxy.port ());
  client->write (std::string ("\4\1\1\xbb\0\0\0\1u\0sis.example\0", 22)
                 + get_here);
  g_assert_true (client->read_bytes (8)
                 == std::string ("\0\x5a\0\0\0\0\0\0", 8));
  g_assert_true (client->read_all ().value_or ("").ends_with ("welcome"));
  assert_text (four.proxy.connections ()[0].user, "u");
  assert_text (four.proxy.connections ()[0].target, "sis.example:443");
  assert_text (four.proxy.connections ()[0].sent, get_here);

  Fixture five (Kind::Socks5);
  Client soup ("ws://sis.example:443", path, {}, five.proxy.url ());
  talk (soup, five.server);
  assert_text (five.proxy.connections ()[0].target, "sis.example:443");
  client = Socket::connect (five.proxy.port ());
  client->write (std::string ("\5\1\0\5\1\0\4", 7) + std::string (15, '\0')
                 + std::string ("\1\1\xbb", 3));
  g_assert_true (client->read_bytes (4) == std::string ("\5\0\5\4", 4));
  assert_text (five.proxy.connections ()[1].target, "[::1]:443");
}

void
test_socks_asks_for_credentials ()
{
  const Manners asking{ .user = "u", .password = "p" };
  Manners grim = asking;
  grim.never_content = true;
  Fixture fixture (Kind::Socks5, { asking, asking, asking, grim, {} });
  const std::string url
      = "ws://127.0.0.1:" + std::to_string (fixture.server.port ());
  static constexpr struct
  {
    const char *userinfo, *user, *password;
    bool good;
  } cases[] = { { "u:p", "u", "p", true },
                { "u:q", "u", "q", false },
                { "", "", "", false },
                { "u:p", "u", "p", false },
                { "u:p", "", "", true } /* nobody asks */ };
  std::size_t index = 0;
  for (const auto &[userinfo, user, password, good] : cases) {
    Client client (url, path, {}, fixture.proxy.url (userinfo));
    g_assert_true (client.connect () == good);
    const auto connection = fixture.proxy.connections ()[index++];
    assert_text (connection.user, user);
    assert_text (connection.password, password);
    g_assert_true (connection.led == good);
  }
  g_assert_cmpuint (fixture.server.connections ().size (), ==, 2);
}

void
test_socks_refuses ()
{
  Fixture five (Kind::Socks5, { { .socks_reply = 2 }, { .drop = true }, {} });
  const std::string request ("\5\1\0\5\1\0\3\1x\0\1", 11);
  const auto answer
      = [&] { return ask (five.proxy.port (), request).substr (0, 4); };
  g_assert_true (answer () == std::string ("\5\0\5\2", 4));
  g_assert_true (answer () == std::string ("\5\0", 2));
  g_assert_true (answer () == std::string ("\5\0\5\4", 4));
  g_assert_true (ask (five.proxy.port (), "GET / HTTP/1.1\r\n\r\n").empty ());

  Fixture four (Kind::Socks4, { { .socks_reply = 92 }, { .user = "v" }, {} });
  const std::string at_one ("\4\1\0\1\177\0\0\1u\0", 10);
  for (const char *code : { "\x5c", "\x5d", "\x5b" })
    g_assert_true (ask (four.proxy.port (), at_one).substr (1, 1) == code);
}

/* What a client of a tunnel to this acceptor gets to see. */
std::unique_ptr<Socket>
tunnel (const Proxy &proxy, const Acceptor &target)
{
  auto client = Socket::connect (proxy.port ());
  client->write (
      connect_request ("127.0.0.1:" + std::to_string (target.port ())));
  assert_text (status_of (read_answer (*client)), "HTTP/1.1 200");
  return client;
}

void
test_tunnels_end_as_their_ends_do ()
{
  Proxy proxy (Kind::Http);
  g_assert_true (proxy.start ());
  const std::string much = index_audio (0, 20000); /* 6.4 MB */

  /* One side ends, the other has still much to say. */
  Acceptor echo;
  g_assert_true (echo.start (
      [] (ObjectPtr<GSocket> socket, GCancellable *stop) {
        Socket peer (std::move (socket), stop);
        peer.write (peer.read_all ().value_or (""));
      },
      nullptr));
  const auto client = tunnel (proxy, echo);
  g_assert_true (client->write (much));
  client->close ();
  g_assert_true (client->read_all () == much);
  g_assert_true (proxy.wait (
      [] (const auto &connections) { return connections[0].gone; }));
  const auto connection = proxy.connections ()[0];
  g_assert_cmpuint (connection.sent.size (), ==, Proxy::most_bytes);
  g_assert_true (connection.sent == connection.received
                 && much.starts_with (connection.sent));

  Acceptor hostile;
  g_assert_true (hostile.start (
      [] (ObjectPtr<GSocket> socket, GCancellable *stop) {
        Socket peer (std::move (socket), stop);
        peer.read_bytes (1);
        peer.reset ();
      },
      nullptr));
  const auto victim = tunnel (proxy, hostile);
  g_assert_true (victim->write ("x"));
  g_assert_true (g_socket_condition_timed_wait (victim->get (), G_IO_IN,
                                                10000000, nullptr, nullptr));
  char byte = 0;
  g_autoptr (GError) error = nullptr;
  g_socket_receive (victim->get (), &byte, 1, nullptr, &error);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED); /* RST */
}

/* Takes a little at a time. */
class Stingy final : public Channel
{
public:
  using Channel::Channel;
  gssize write (const char *bytes, gsize size) override
  {
    return Channel::write (bytes, std::min<gsize> (size, 1000));
  }
};

void
test_a_relay_loses_nothing ()
{
  std::unique_ptr<Socket> ends[2], middles[2];
  for (int i = 0; i < 2; i++) {
    int port = 0;
    const auto listener = listen_on_loopback (port, nullptr);
    ends[i] = Socket::connect (port);
    middles[i]
        = std::make_unique<Socket> (ObjectPtr<GSocket> (g_socket_accept (
                                        listener.get (), nullptr, nullptr)),
                                    nullptr);
  }
  std::thread thread ([&] {
    Stingy a (middles[0]->get ()), b (middles[1]->get ());
    relay (a, b, nullptr);
  });
  const std::string bytes = index_audio (0, 100);
  for (int i = 0; i < 2; i++) {
    g_assert_true (ends[i]->write (bytes));
    ends[i]->close ();
    g_assert_true (ends[1 - i]->read_all () == bytes);
  }
  thread.join ();
}

} // namespace

void
add_proxy_tests ()
{
  g_test_add_func ("/proxy/tunnel", test_tunnels_hide_what_is_in_them);
  g_test_add_func ("/proxy/clear", test_requests_in_the_clear_are_seen);
  g_test_add_func ("/proxy/credentials", test_credentials_are_asked_for);
  g_test_add_func ("/proxy/misbehaves", test_a_proxy_misbehaves);
  g_test_add_func ("/proxy/ends", test_tunnels_end_as_their_ends_do);
  g_test_add_func ("/proxy/relay", test_a_relay_loses_nothing);
  g_test_add_func ("/proxy/socks", test_socks_leads_the_way);
  g_test_add_func ("/proxy/socks-names", test_socks_resolves_names);
  g_test_add_func ("/proxy/socks-credentials", test_socks_asks_for_credentials);
  g_test_add_func ("/proxy/socks-refuses", test_socks_refuses);
}
