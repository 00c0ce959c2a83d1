// SPDX-License-Identifier: LGPL-2.1-or-later
/* The least a client can cost: masks the audio and writes it to a socket.
 * Prints one line of JSON. */
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

} // namespace

int
main (int argc, char **argv)
{
  int hours = 1;
  char *url = nullptr;
  const GOptionEntry entries[]
      = { { "url", 0, 0, G_OPTION_ARG_STRING, &url, "ws://127.0.0.1:PORT",
            "URL" },
          { "hours", 0, 0, G_OPTION_ARG_INT, &hours, "Of audio", "N" },
          {} };
  bench::parse (&argc, &argv, entries, "Writes audio as fast as it can.");
  const int port = url != nullptr ? std::atoi (std::strrchr (url, ':') + 1) : 0;
  const int socket = ::socket (AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons (std::uint16_t (port));
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  constexpr std::string_view request
      = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  char answer[4096];
  if (connect (socket, reinterpret_cast<sockaddr *> (&address), sizeof address)
          != 0
      || !write_all (socket, request.data (), request.size ())
      || read (socket, answer, sizeof answer) <= 0) {
    std::perror ("write-loop");
    return 1;
  }

  constexpr std::size_t size = bench::chunk_bytes;
  constexpr std::uint32_t mask = 0x12345678;
  std::vector<std::uint32_t> audio (size / sizeof mask);
  std::vector<unsigned char> frame (8 + size);
  frame[0] = 0x82;
  frame[1] = 0x80 | 126;
  frame[2] = size >> 8;
  frame[3] = size & 255;
  std::memcpy (&frame[4], &mask, sizeof mask);
  const double before = bench::cpu_seconds ();
  for (unsigned i = 0; i < unsigned (hours) * bench::chunks_per_hour; i++) {
    for (std::size_t k = 0; k < audio.size (); k++) {
      const std::uint32_t masked = audio[k] ^ mask;
      std::memcpy (&frame[8 + k * sizeof mask], &masked, sizeof masked);
    }
    if (!write_all (socket, frame.data (), frame.size ()))
      return 1;
  }
  const double cpu = bench::cpu_seconds () - before;
  constexpr unsigned char close_frame[] = { 0x88, 0x80, 0, 0, 0, 0 };
  write_all (socket, close_frame, sizeof close_frame);
  while (read (socket, answer, sizeof answer) > 0) {
  }
  close (socket);
  std::printf ("{\"program\":\"write-loop\",\"cpu_per_audio_hour\":%.4f}\n",
               cpu / hours);
  return 0;
}
