// SPDX-License-Identifier: LGPL-2.1-or-later
#include "proxyvisit.h"

#include "relay.h"

#include <cstring>
#include <libsoup/soup.h>
#include <tuple>

namespace sistest {

namespace {

Proxy::Head
parse_head (const std::string &text)
{
  Proxy::Head head{ .text = text };
  g_auto (GStrv) lines = g_strsplit (text.c_str (), "\r\n", -1);
  g_auto (GStrv) words = g_strsplit (lines[0], " ", -1);
  if (g_strv_length (words) == 3) {
    head.method = words[0];
    head.target = words[1];
  }
  for (char **line = lines + 1; *line != nullptr; line++) {
    char *colon = strchr (*line, ':');
    if (colon != nullptr)
      head.headers.emplace_back (std::string (*line, colon),
                                 g_strstrip (colon + 1));
  }
  return head;
}

/* User and password. */
std::pair<std::string, std::string>
basic_credentials (const std::string &header)
{
  static constexpr std::string_view scheme = "Basic ";
  if (!header.starts_with (scheme))
    return {};
  gsize size = 0;
  g_autofree guchar *bytes
      = g_base64_decode (header.c_str () + scheme.size (), &size);
  const std::string text (reinterpret_cast<char *> (bytes), size);
  const std::size_t colon = text.find (':');
  return colon == std::string::npos
             ? std::pair (text, std::string ())
             : std::pair (text.substr (0, colon), text.substr (colon + 1));
}

/* An absolute URI's "host:port", and what to ask the host for. */
bool
split_uri (const std::string &uri, std::string &target, std::string &path)
{
  const std::size_t start = uri.find ("://");
  if (start == std::string::npos)
    return false;
  const std::size_t host = start + 3;
  const std::size_t slash = std::min (uri.find ('/', host), uri.size ());
  target = uri.substr (host, slash - host);
  if (target.find (':') == std::string::npos || target.ends_with (']'))
    target += ":80";
  path = slash < uri.size () ? uri.substr (slash) : "/";
  return uri.starts_with ("http://") || uri.starts_with ("ws://");
}

} // namespace

ProxyVisit::ProxyVisit (Socket &client, Proxy::Manners manners, Routes routes,
                        Notes &notes, std::size_t index)
    : client_ (client), manners_ (std::move (manners)),
      routes_ (std::move (routes)), notes_ (notes), index_ (index)
{
}

void
ProxyVisit::serve (Proxy::Kind kind)
{
  switch (kind) {
  case Proxy::Kind::Http:
    serve_http ();
    break;
  case Proxy::Kind::Socks4:
    serve_socks4 ();
    break;
  case Proxy::Kind::Socks5:
    serve_socks5 ();
    break;
  }
}

void
ProxyVisit::serve_http ()
{
  Next next = Next::Another;
  while (next == Next::Another) {
    const auto text = client_.read_up_to ("\r\n\r\n", patience);
    if (!text)
      return;
    const Proxy::Head head = parse_head (*text);
    note ([&] (auto &connection) { connection.heads.push_back (head); });
    next = serve_request (head);
  }
}

ProxyVisit::Next
ProxyVisit::serve_request (const Proxy::Head &head)
{
  const std::string given = head.header ("Proxy-Authorization");
  const auto credentials = basic_credentials (given);
  if (!given.empty ())
    note ([&] (auto &connection) {
      std::tie (connection.user, connection.password) = credentials;
    });
  if (!wait_to_answer ())
    return Next::Over;
  const bool allowed = is_right (credentials.first, credentials.second);
  if (allowed && !manners_.reply) {
    lead_on (head);
    return Next::Over;
  }
  /* The body that a request other than CONNECT may have. */
  const auto length
      = g_ascii_strtoull (head.header ("Content-Length").c_str (), nullptr, 10);
  if (!client_.read_bytes (length))
    return Next::Over;
  if (allowed)
    return send (*manners_.reply);
  HttpReply refusal{ .status = 407,
                     .body = "Who are you?",
                     .content_type = "text/plain",
                     .headers
                     = { { "Proxy-Authenticate", "Basic realm=\"proxy\"" } } };
  if (manners_.close_after_407)
    refusal.headers.emplace_back ("Connection", "close");
  return send (refusal);
}

ProxyVisit::Next
ProxyVisit::send (const HttpReply &reply)
{
  std::string text
      = "HTTP/1.1 " + std::to_string (reply.status) + " "
        + (reply.reason.empty () ? soup_status_get_phrase (reply.status)
                                 : reply.reason.c_str ())
        + "\r\nContent-Length: " + std::to_string (reply.body.size ())
        + "\r\nContent-Type: " + reply.content_type + "\r\n";
  Next next = Next::Another;
  for (const auto &[name, value] : reply.headers) {
    text.append (name).append (": ").append (value).append ("\r\n");
    if (name == "Connection" && value == "close")
      next = Next::Over;
  }
  text += "\r\n" + reply.body;
  return client_.write (text) ? next : Next::Over;
}

/* On to the target: by a tunnel, or with the request as the target wants it. */
void
ProxyVisit::lead_on (const Proxy::Head &head)
{
  const bool is_tunnel = head.method == "CONNECT";
  std::string name = head.target, path;
  if (!is_tunnel && !split_uri (head.target, name, path)) {
    send ({ .status = 400 });
    return;
  }
  const auto target = connect (name);
  if (!target) {
    send ({ .status = 502 });
    return;
  }
  if (is_tunnel) {
    if (!client_.write ("HTTP/1.1 200 Connection established\r\n\r\n"))
      return;
  } else {
    std::string text = head.method + " " + path + " HTTP/1.1\r\n";
    for (const auto &[key, value] : head.headers)
      if (g_ascii_strncasecmp (key.c_str (), "Proxy-", 6) != 0)
        text.append (key).append (": ").append (value).append ("\r\n");
    if (head.header ("Upgrade").empty ())
      text += "Connection: close\r\n"; /* one request is enough */
    client_.unread (text + "\r\n");
  }
  lead (*target);
}

bool
ProxyVisit::wait_to_answer ()
{
  if (manners_.drop)
    return false;
  if (!manners_.answer) {
    client_.wait_for_end (patience);
    return false;
  }
  GPollFD fd{ -1, 0, 0 };
  if (g_cancellable_make_pollfd (client_.stop (), &fd)) {
    g_poll (&fd, 1, static_cast<int> (manners_.delay.count ()));
    g_cancellable_release_fd (client_.stop ());
  }
  return !g_cancellable_is_cancelled (client_.stop ());
}

bool
ProxyVisit::is_right (const std::string &user,
                      const std::string &password) const
{
  return !manners_.never_content
         && (manners_.user.empty ()
             || (user == manners_.user && password == manners_.password));
}

/* Null if there is none: names of other machines are not even looked up. */
std::unique_ptr<Socket>
ProxyVisit::connect (const std::string &target)
{
  note ([&] (auto &connection) { connection.target = target; });
  const auto route = routes_.find (target);
  if (route != routes_.end ())
    return Socket::connect (route->second, false, client_.stop ());
  const std::size_t colon = target.rfind (':');
  if (colon == std::string::npos)
    return nullptr;
  const std::string host = target.substr (0, colon);
  const int port = static_cast<int> (
      g_ascii_strtoull (target.c_str () + colon + 1, nullptr, 10));
  if (host == "127.0.0.1" || host == "localhost")
    return Socket::connect (port, false, client_.stop ());
  return host == "[::1]" ? Socket::connect (port, true, client_.stop ())
                         : nullptr;
}

void
ProxyVisit::lead (Socket &target)
{
  const Observer observe = [this] (bool from_client, std::string_view bytes) {
    note ([&] (Proxy::Connection &connection) {
      auto &all = from_client ? connection.sent : connection.received;
      all.append (bytes.substr (0, Proxy::most_bytes - all.size ()));
    });
  };
  note ([] (auto &connection) { connection.led = true; });
  /* What came along with the request. */
  const std::string first = client_.take_unread ();
  observe (true, first);
  if (!target.write (first))
    return;
  Channel there (client_.get ()), back (target.get ());
  relay (there, back, client_.stop (), observe);
}

} // namespace sistest
