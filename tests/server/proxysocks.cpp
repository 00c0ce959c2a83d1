// SPDX-License-Identifier: LGPL-2.1-or-later
#include "proxyvisit.h"

/* SOCKS 4, 4a (by their authors' memos) and 5 (RFC 1928, RFC 1929). */
namespace sistest {

namespace {

constexpr char connect_command = 1;

unsigned
byte (const std::string &bytes, std::size_t at)
{
  return static_cast<unsigned char> (bytes[at]);
}

std::string
port_of (const std::string &bytes, std::size_t at)
{
  return std::to_string (byte (bytes, at) << 8 | byte (bytes, at + 1));
}

std::string
address_of (const std::string &bytes, GSocketFamily family)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_bytes (
      reinterpret_cast<const guint8 *> (bytes.data ()), family);
  g_autofree char *text = g_inet_address_to_string (address);
  return family == G_SOCKET_FAMILY_IPV6 ? "[" + std::string (text) + "]" : text;
}

std::string
without_nul (std::string text)
{
  text.pop_back ();
  return text;
}

} // namespace

void
ProxyVisit::serve_socks4 ()
{
  static constexpr int granted = 90, failed = 91, other_user = 93;
  const std::string_view nul ("\0", 1);
  const auto request = client_.read_bytes (8, patience);
  if (!request || (*request)[0] != 4 || (*request)[1] != connect_command)
    return;
  const auto user = client_.read_up_to (nul);
  std::string host = address_of (request->substr (4), G_SOCKET_FAMILY_IPV4);
  if (host.starts_with ("0.0.0.") && host != "0.0.0.0") {
    const auto name = client_.read_up_to (nul);
    host = name ? without_nul (*name) : "";
  }
  if (!user)
    return;
  const std::string name = without_nul (*user);
  note ([&] (auto &connection) { connection.user = name; });
  if (!wait_to_answer ())
    return;
  const auto answer = [this] (int code) {
    std::string bytes (8, '\0');
    bytes[1] = static_cast<char> (code);
    return client_.write (bytes);
  };
  std::unique_ptr<Socket> target;
  if (!is_right (name, manners_.password))
    answer (other_user);
  else if (manners_.socks_reply != 0)
    answer (manners_.socks_reply);
  else if (target = connect (host + ":" + port_of (*request, 2)); !target)
    answer (failed);
  else if (answer (granted))
    lead (*target);
}

void
ProxyVisit::serve_socks5 ()
{
  static constexpr int succeeded = 0, unreachable = 4;
  if (!agree_on_method ())
    return;
  const auto target_name = read_address ();
  if (!target_name || !wait_to_answer ())
    return;
  const auto answer = [this] (int code) {
    std::string bytes ("\5\0\0\1\0\0\0\0\0\0", 10);
    bytes[1] = static_cast<char> (code);
    return client_.write (bytes);
  };
  std::unique_ptr<Socket> target;
  if (manners_.socks_reply != 0)
    answer (manners_.socks_reply);
  else if (target = connect (*target_name); !target)
    answer (unreachable);
  else if (answer (succeeded))
    lead (*target);
}

/* Nobody in particular, or user and password; true if the client may go on. */
bool
ProxyVisit::agree_on_method ()
{
  static constexpr char anybody = 0, password = 2, none = '\xff';
  const auto greeting = client_.read_bytes (2, patience);
  if (!greeting || (*greeting)[0] != 5)
    return false;
  const auto methods = client_.read_bytes (byte (*greeting, 1));
  if (!methods)
    return false;
  const auto offered = [&] (char method) {
    return methods->find (method) != std::string::npos;
  };
  char method = none;
  if (offered (anybody) && manners_.user.empty () && !manners_.never_content)
    method = anybody;
  else if (offered (password))
    method = password;
  if (!client_.write (std::string ({ '\5', method })))
    return false;
  return method == password ? check_password () : method == anybody;
}

bool
ProxyVisit::check_password ()
{
  const auto version = client_.read_bytes (1);
  std::string given[2];
  for (std::string &text : given) {
    const auto length = client_.read_bytes (1);
    const auto bytes = length ? client_.read_bytes (byte (*length, 0)) : length;
    if (!bytes)
      return false;
    text = *bytes;
  }
  note ([&] (auto &connection) {
    connection.user = given[0];
    connection.password = given[1];
  });
  const bool right = version == "\1" && is_right (given[0], given[1]);
  return client_.write (std::string ({ '\1', right ? '\0' : '\1' })) && right;
}

/* "host:port" of a request to connect. */
std::optional<std::string>
ProxyVisit::read_address ()
{
  static constexpr char ipv4 = 1, name = 3, ipv6 = 4;
  const auto request = client_.read_bytes (4);
  if (!request || (*request)[0] != 5 || (*request)[1] != connect_command)
    return std::nullopt;
  const char type = (*request)[3];
  std::size_t size = type == ipv6 ? 16 : 4;
  if (type == name) {
    const auto length = client_.read_bytes (1);
    size = length ? byte (*length, 0) : 0;
  } else if (type != ipv4 && type != ipv6) {
    return std::nullopt;
  }
  const auto host = client_.read_bytes (size);
  const auto port = client_.read_bytes (2);
  if (!host || !port)
    return std::nullopt;
  return (type == name
              ? *host
              : address_of (*host, type == ipv6 ? G_SOCKET_FAMILY_IPV6
                                                : G_SOCKET_FAMILY_IPV4))
         + ":" + port_of (*port, 0);
}

} // namespace sistest
