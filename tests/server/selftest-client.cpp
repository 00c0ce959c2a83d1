// SPDX-License-Identifier: LGPL-2.1-or-later
#include "selftest-client.h"

#include <algorithm>
#include <json-glib/json-glib.h>

using sistest::Segment;

namespace {

constexpr const char *config
    = R"("audio_format":"pcm16k16bit","property":"english_16k_general")";

/* The message as an object, borrowed from the parser; null if it is none. */
JsonObject *
load (JsonParser *parser, const std::string &text)
{
  if (!json_parser_load_from_data (parser, text.c_str (), -1, nullptr))
    return nullptr;
  JsonNode *root = json_parser_get_root (parser);
  return root != nullptr && JSON_NODE_HOLDS_OBJECT (root)
             ? json_node_get_object (root)
             : nullptr;
}

std::string
member_of (const std::string &text, const char *name)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *object = load (parser, text);
  if (object == nullptr)
    return {};
  return json_object_get_string_member_with_default (object, name, "");
}

sistest::Milliseconds
time_of (JsonObject *object, const char *name)
{
  return sistest::Milliseconds (json_object_get_int_member (object, name));
}

Segment
segment_of (JsonObject *object)
{
  Segment segment{
    .start = time_of (object, "start_time"),
    .end = time_of (object, "end_time"),
    .is_final = json_object_get_boolean_member (object, "is_final") != FALSE
  };
  JsonObject *result = json_object_get_object_member (object, "result");
  segment.text = json_object_get_string_member (result, "text");
  segment.score = json_object_get_double_member (result, "score");
  if (!json_object_has_member (result, "word_info"))
    return segment;
  JsonArray *words = json_object_get_array_member (result, "word_info");
  for (guint i = 0; i < json_array_get_length (words); i++) {
    JsonObject *word = json_array_get_object_element (words, i);
    segment.words.push_back ({ json_object_get_string_member (word, "word"),
                               time_of (word, "start_time"),
                               time_of (word, "end_time") });
  }
  return segment;
}

} // namespace

Client::Client (const std::string &base_url, const std::string &tail,
                const Headers &headers, const std::string &proxy)
    : session_ (soup_session_new ()),
      message_ (soup_message_new ("GET", (base_url + tail).c_str ()))
{
  if (!proxy.empty ()) {
    g_autoptr (GProxyResolver) resolver
        = g_simple_proxy_resolver_new (proxy.c_str (), nullptr);
    soup_session_set_proxy_resolver (session_, resolver);
  }
  soup_message_add_flags (message_, SOUP_MESSAGE_NO_REDIRECT);
  g_signal_connect (message_, "accept-certificate",
                    G_CALLBACK (+[] () -> gboolean { return TRUE; }), nullptr);
  for (const auto &[name, value] : headers)
    soup_message_headers_append (soup_message_get_request_headers (message_),
                                 name.c_str (), value.c_str ());
  soup_session_websocket_connect_async (
      session_, message_, nullptr, nullptr, G_PRIORITY_DEFAULT, cancellable_,
      [] (GObject *session, GAsyncResult *result, gpointer data) {
        auto *self = static_cast<Client *> (data);
        self->connection_ = soup_session_websocket_connect_finish (
            SOUP_SESSION (session), result, nullptr);
        self->answered_ = true;
      },
      this);
}

Client::~Client ()
{
  give_up ();
  run_until ([this] { return answered_; });
  if (connection_ != nullptr) {
    g_signal_handlers_disconnect_by_data (connection_, this);
    soup_session_abort (session_);
    g_object_unref (connection_);
  }
  g_object_unref (message_);
  g_object_unref (session_);
  g_object_unref (cancellable_);
}

bool
Client::run_until (const std::function<bool ()> &predicate, Milliseconds limit)
{
  bool late = false;
  const guint timer = g_timeout_add (
      static_cast<guint> (limit.count ()),
      [] (gpointer data) -> gboolean {
        *static_cast<bool *> (data) = true;
        return G_SOURCE_CONTINUE;
      },
      &late);
  while (!late && !predicate ())
    g_main_context_iteration (nullptr, TRUE);
  g_source_remove (timer);
  return predicate ();
}

bool
Client::connect ()
{
  run_until ([this] { return answered_; });
  if (connection_ == nullptr)
    return false;
  soup_websocket_connection_set_max_incoming_payload_size (connection_,
                                                           1 << 20);
  g_signal_connect (
      connection_, "message",
      G_CALLBACK (+[] (SoupWebsocketConnection *, int, GBytes *bytes,
                       gpointer data) {
        gsize size = 0;
        const auto *text
            = static_cast<const char *> (g_bytes_get_data (bytes, &size));
        auto *self = static_cast<Client *> (data);
        self->texts_.emplace_back (text, size);
        self->types_.push_back (member_of (self->texts_.back (), "resp_type"));
      }),
      this);
  g_signal_connect (
      connection_, "pong",
      G_CALLBACK (+[] (SoupWebsocketConnection *, GBytes *, gpointer data) {
        static_cast<Client *> (data)->pongs_ += 1;
      }),
      this);
  return true;
}

void
Client::give_up ()
{
  g_cancellable_cancel (cancellable_);
}

std::string
Client::response_header (const char *name) const
{
  const char *value = soup_message_headers_get_one (
      soup_message_get_response_headers (message_), name);
  return value != nullptr ? value : "";
}

void
Client::send_start (const std::string &more)
{
  send_text (std::string (R"({"command":"START","config":{)") + config
             + (more.empty () ? "" : ",") + more + "}}");
}

bool
Client::start (const std::string &more)
{
  const auto answers = count ("START");
  send_start (more);
  return wait_for ("START", answers + 1);
}

void
Client::send_text (const std::string &text)
{
  soup_websocket_connection_send_text (connection_, text.c_str ());
}

void
Client::send_audio (const std::string &bytes)
{
  soup_websocket_connection_send_binary (connection_, bytes.data (),
                                         bytes.size ());
}

void
Client::send_in_chunks (const std::string &bytes, std::size_t size)
{
  for (std::size_t i = 0; i < bytes.size (); i += size)
    send_audio (bytes.substr (i, size));
}

bool
Client::end (const char *cancel)
{
  send_text (std::string (R"({"command":"END","cancel":)") + cancel + "}");
  return wait_for ("END", count ("END") + 1);
}

bool
Client::wait_for (const std::string &resp_type, std::size_t wanted)
{
  return run_until ([&] { return count (resp_type) >= wanted; },
                    std::chrono::seconds (300));
}

bool
Client::wait_for_close ()
{
  return run_until ([this] {
    return soup_websocket_connection_get_state (connection_)
           == SOUP_WEBSOCKET_STATE_CLOSED;
  });
}

std::size_t
Client::count (const std::string &resp_type) const
{
  return static_cast<std::size_t> (std::ranges::count (types_, resp_type));
}

std::string
Client::last (const std::string &resp_type, const char *member) const
{
  for (std::size_t i = texts_.size (); i-- > 0;)
    if (types_[i] == resp_type)
      return member_of (texts_[i], member);
  return {};
}

std::vector<Segment>
Client::segments (bool final_ones) const
{
  std::vector<Segment> found;
  for (const std::string &text : texts_) {
    g_autoptr (JsonParser) parser = json_parser_new ();
    JsonObject *object = load (parser, text);
    if (object == nullptr || !json_object_has_member (object, "segments"))
      continue;
    JsonArray *array = json_object_get_array_member (object, "segments");
    for (guint i = 0; i < json_array_get_length (array); i++) {
      Segment segment = segment_of (json_array_get_object_element (array, i));
      if (segment.is_final == final_ones)
        found.push_back (std::move (segment));
    }
  }
  return found;
}

unsigned short
Client::close_code () const
{
  return soup_websocket_connection_get_close_code (connection_);
}

std::string
index_audio (int first, int blocks)
{
  std::string bytes;
  for (int block = first; block < first + blocks; block++)
    for (int i = 0; i < 160; i++) {
      bytes.push_back (static_cast<char> (block & 0xFF));
      bytes.push_back (static_cast<char> (block >> 8 & 0x7F));
    }
  return bytes;
}

std::string
silence (std::chrono::milliseconds duration)
{
  return std::string (static_cast<std::size_t> (duration.count ()) * 32, '\0');
}
