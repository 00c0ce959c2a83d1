// SPDX-License-Identifier: LGPL-2.1-or-later
/* What libsoup itself costs: bare clients on one main loop, which send binary
 * messages, as fast as they can or in real time. Prints one line of JSON. */
#include "bench.h"

#include <libsoup/soup.h>

#include <memory>
#include <unistd.h>

namespace {

struct Options
{
  char *url = nullptr;
  int connections = 1;
  int seconds = 3600;
  int warm_up = 3;
  int message = int (bench::chunk_bytes);
  gboolean paced = FALSE, spread = FALSE, latency = FALSE;
} options;

GMainLoop *loop = nullptr;
std::vector<unsigned char> audio;
std::vector<std::int64_t> to_client_ns;
int open_connections = 0, failed = 0;
std::int64_t phases_from = 0;
bool is_measuring = false;
double cpu_before = 0, cpu = 0;

void
on_message (SoupWebsocketConnection *, int, GBytes *bytes, void *)
{
  const std::int64_t now = bench::now_ns ();
  if (!options.latency || !is_measuring)
    return;
  gsize size = 0;
  const auto *data
      = static_cast<const char *> (g_bytes_get_data (bytes, &size));
  const std::string_view text (data, size);
  constexpr std::string_view name = R"("text":")";
  const std::size_t at = text.find (name);
  if (at != std::string_view::npos)
    to_client_ns.push_back (now
                            - bench::time_in (text.substr (at + name.size ())));
}

void
send (SoupWebsocketConnection *websocket)
{
  if (options.latency)
    bench::stamp (audio.data (), is_measuring ? bench::now_ns () : 0);
  soup_websocket_connection_send_binary (websocket, audio.data (),
                                         gsize (options.message));
}

std::int64_t
period_us ()
{
  return std::int64_t (options.message) * 1000 / bench::bytes_per_ms;
}

/* Not as g_timeout_add () does, which counts from when it was late: audio would
 * fall behind real time. */
gboolean
on_tick (GSource *source, GSourceFunc, void *websocket)
{
  send (SOUP_WEBSOCKET_CONNECTION (websocket));
  g_source_set_ready_time (source,
                           g_source_get_ready_time (source) + period_us ());
  return G_SOURCE_CONTINUE;
}

GSourceFuncs tick_functions
    = { nullptr, nullptr, on_tick, nullptr, nullptr, nullptr };

/* The order in which connections are made is that of their phases. */
void
start_ticks (SoupWebsocketConnection *websocket)
{
  const std::int64_t phase
      = options.spread
            ? period_us () * (open_connections - 1) / options.connections
            : 0;
  const std::int64_t now = g_get_monotonic_time ();
  const std::int64_t periods = (now - phases_from) / period_us () + 1;
  GSource *source = g_source_new (&tick_functions, sizeof (GSource));
  g_source_set_callback (source, nullptr, websocket, nullptr);
  g_source_set_ready_time (source,
                           phases_from + periods * period_us () + phase);
  g_source_attach (source, nullptr);
  g_source_unref (source);
}

/* As the main loop is idle: fifty at a time. */
gboolean
on_idle (void *data)
{
  static int left = int (std::int64_t (options.seconds) * 10
                         * int (bench::chunk_bytes) / options.message);
  auto *websocket = static_cast<SoupWebsocketConnection *> (data);
  for (int i = 0; i < 50 && left > 0; i++, left--)
    send (websocket);
  if (left > 0)
    return G_SOURCE_CONTINUE;
  soup_websocket_connection_close (websocket, 1000, nullptr);
  return G_SOURCE_REMOVE;
}

void
fail (const char *why)
{
  std::fprintf (stderr, "bare-soup: %s\n", why);
  failed++;
  g_main_loop_quit (loop);
}

void
on_lost (SoupWebsocketConnection *, void *)
{
  fail ("a connection was lost");
}

void
on_connected (GObject *session, GAsyncResult *result, void *)
{
  g_autoptr (GError) error = nullptr;
  SoupWebsocketConnection *websocket = soup_session_websocket_connect_finish (
      SOUP_SESSION (session), result, &error);
  if (websocket == nullptr)
    return fail (error->message);
  open_connections++;
  g_signal_connect (websocket, "message", G_CALLBACK (on_message), nullptr);
  soup_websocket_connection_send_text (websocket,
                                       R"({"command":"START","config":{}})");
  if (options.paced) {
    start_ticks (websocket);
    g_signal_connect (websocket, "closed", G_CALLBACK (on_lost), nullptr);
  } else {
    g_signal_connect_swapped (websocket, "closed",
                              G_CALLBACK (g_main_loop_quit), loop);
    g_idle_add (on_idle, websocket);
  }
}

gboolean
on_warm (void *)
{
  if (open_connections < options.connections)
    fail ("not all are connected");
  is_measuring = true;
  cpu_before = bench::cpu_seconds ();
  return G_SOURCE_REMOVE;
}

gboolean
on_over (void *)
{
  cpu = bench::cpu_seconds () - cpu_before;
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

} // namespace

int
main (int argc, char **argv)
{
  const GOptionEntry entries[]
      = { { "url", 0, 0, G_OPTION_ARG_STRING, &options.url, "Of the server",
            "URL" },
          { "connections", 0, 0, G_OPTION_ARG_INT, &options.connections,
            "With --paced", "N" },
          { "seconds", 0, 0, G_OPTION_ARG_INT, &options.seconds,
            "Of audio; with --paced what is measured", "S" },
          { "warm-up", 0, 0, G_OPTION_ARG_INT, &options.warm_up,
            "With --paced: seconds before that", "S" },
          { "message", 0, 0, G_OPTION_ARG_INT, &options.message,
            "Length of messages", "BYTES" },
          { "paced", 0, 0, G_OPTION_ARG_NONE, &options.paced, "In real time",
            nullptr },
          { "spread", 0, 0, G_OPTION_ARG_NONE, &options.spread,
            "With --paced: not all at the same instants", nullptr },
          { "latency", 0, 0, G_OPTION_ARG_NONE, &options.latency,
            "Measure it, with --paced", nullptr },
          {} };
  bench::parse (&argc, &argv, entries, "Bare libsoup clients.");
  audio.resize (std::size_t (options.message));
  loop = g_main_loop_new (nullptr, FALSE);
  SoupSession *session = soup_session_new_with_options (
      "max-conns", G_MAXINT, "max-conns-per-host", G_MAXINT, nullptr);
  soup_session_remove_feature_by_type (session,
                                       SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
  for (int i = 0; i < (options.paced ? options.connections : 1); i++) {
    SoupMessage *message = soup_message_new ("GET", options.url);
    g_signal_connect (message, "accept-certificate",
                      G_CALLBACK (+[] () -> gboolean { return TRUE; }),
                      nullptr);
    soup_session_websocket_connect_async (session, message, nullptr, nullptr, 0,
                                          nullptr, on_connected, nullptr);
    g_object_unref (message);
  }
  cpu_before = bench::cpu_seconds ();
  phases_from = g_get_monotonic_time ();
  if (options.paced) {
    g_timeout_add_seconds (guint (options.warm_up), on_warm, nullptr);
    g_timeout_add_seconds (guint (options.warm_up + options.seconds), on_over,
                           nullptr);
  }
  g_main_loop_run (loop);
  if (!options.paced)
    cpu = bench::cpu_seconds () - cpu_before;
  const double hours = double (options.seconds) / 3600 * open_connections;
  std::printf ("{\"program\":\"bare-soup\",\"connections\":%d,"
               "\"cpu_per_audio_hour\":%.4f,\"to_client_us\":%s}\n",
               open_connections, hours > 0 ? cpu / hours : 0,
               bench::microseconds (to_client_ns).c_str ());
  return failed > 0;
}
