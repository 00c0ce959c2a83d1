// SPDX-License-Identifier: LGPL-2.1-or-later
/* The least a client can cost with messages of one length: masks the audio and
 * writes it to a socket. Prints one line of JSON. */
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

bool
write_all (int socket, const void *data, std::size_t size)
{
  const auto *bytes = static_cast<const char *> (data);
  while (size > 0) {
    const ssize_t n = write (socket, bytes, size);
    if (n <= 0)
      return false;
    bytes += n;
    size -= std::size_t (n);
  }
  return true;
}

struct Options
{
  char *url = nullptr;
  int seconds = 3600;
  int message = int (bench::chunk_bytes);
  gboolean paced = FALSE;
} options;

/* The socket, with the handshake behind it; or -1. */
int
connect_to (const char *url)
{
  const int socket = ::socket (AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port
      = htons (std::uint16_t (std::atoi (std::strrchr (url, ':') + 1)));
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  constexpr std::string_view request
      = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  char answer[4096];
  if (connect (socket, reinterpret_cast<sockaddr *> (&address), sizeof address)
          != 0
      || !write_all (socket, request.data (), request.size ())
      || read (socket, answer, sizeof answer) <= 0)
    return -1;
  return socket;
}

constexpr std::uint32_t mask = 0x12345678;
constexpr std::size_t header_bytes = 8;

/* Room for a message behind its header. */
std::vector<unsigned char>
make_frame (std::size_t size)
{
  std::vector<unsigned char> frame (header_bytes + size);
  frame[0] = 0x82;
  frame[1] = 0x80 | 126;
  frame[2] = (unsigned char)(size >> 8);
  frame[3] = size & 255;
  std::memcpy (&frame[4], &mask, sizeof mask);
  return frame;
}

bool
write_audio (int socket)
{
  const std::vector<std::uint32_t> audio (std::size_t (options.message)
                                          / sizeof mask);
  std::vector<unsigned char> frame = make_frame (std::size_t (options.message));
  const std::int64_t count = std::int64_t (options.seconds)
                             * bench::bytes_per_second / options.message;
  for (std::int64_t i = 0; i < count; i++) {
    for (std::size_t k = 0; k < audio.size (); k++) {
      const std::uint32_t masked = audio[k] ^ mask;
      std::memcpy (&frame[header_bytes + k * sizeof mask], &masked,
                   sizeof masked);
    }
    if (!write_all (socket, frame.data (), frame.size ()))
      return false;
    if (options.paced)
      usleep (useconds_t (options.message) * 1000 / bench::bytes_per_ms);
  }
  return true;
}

void
close_in_order (int socket)
{
  constexpr unsigned char close_frame[] = { 0x88, 0x80, 0, 0, 0, 0 };
  write_all (socket, close_frame, sizeof close_frame);
  char answer[4096];
  while (read (socket, answer, sizeof answer) > 0) {
  }
  close (socket);
}

} // namespace

int
main (int argc, char **argv)
{
  const GOptionEntry entries[]
      = { { "url", 0, 0, G_OPTION_ARG_STRING, &options.url,
            "ws://127.0.0.1:PORT", "URL" },
          { "seconds", 0, 0, G_OPTION_ARG_INT, &options.seconds, "Of audio",
            "S" },
          { "message", 0, 0, G_OPTION_ARG_INT, &options.message,
            "Length of messages, 128 to 65532", "BYTES" },
          { "paced", 0, 0, G_OPTION_ARG_NONE, &options.paced, "In real time",
            nullptr },
          {} };
  bench::parse (&argc, &argv, entries, "Writes audio to a socket.");
  const int socket = connect_to (options.url);
  const double before = bench::cpu_seconds ();
  if (socket < 0 || !write_audio (socket)) {
    std::perror ("write-loop");
    return 1;
  }
  const double cpu = bench::cpu_seconds () - before;
  close_in_order (socket);
  std::printf ("{\"program\":\"write-loop\",\"cpu_per_audio_hour\":%.4f}\n",
               cpu * 3600 / options.seconds);
  return 0;
}
