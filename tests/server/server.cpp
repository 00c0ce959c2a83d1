// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server.h"

#include "book.h"
#include "loop.h"
#include "messages.h"
#include "session.h"

#include <algorithm>
#include <libsoup/soup.h>
#include <map>
#include <optional>
#include <utility>

namespace sistest {

namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

std::optional<Mode>
mode_of_path (const std::string &path)
{
  static constexpr struct
  {
    const char *name;
    Mode mode;
  } modes[] = { { "short-stream", Mode::Short },
                { "sentence-stream", Mode::Sentence },
                { "continue-stream", Mode::Continue } };
  g_auto (GStrv) parts = g_strsplit (path.c_str (), "/", -1);
  if (g_strv_length (parts) != 5 || *parts[0] != '\0'
      || !g_str_equal (parts[1], "v1") || *parts[2] == '\0'
      || !g_str_equal (parts[3], "rasr"))
    return std::nullopt;
  for (const auto &known : modes)
    if (g_str_equal (parts[4], known.name))
      return known.mode;
  return std::nullopt;
}

Headers
headers_of (SoupServerMessage *message)
{
  Headers headers;
  SoupMessageHeadersIter iter;
  const char *name = nullptr, *value = nullptr;
  soup_message_headers_iter_init (
      &iter, soup_server_message_get_request_headers (message));
  while (soup_message_headers_iter_next (&iter, &name, &value))
    headers.emplace_back (name, value);
  return headers;
}

void
send_reply (SoupServerMessage *message, const HttpReply &reply)
{
  soup_server_message_set_status (
      message, reply.status,
      reply.reason.empty () ? nullptr : reply.reason.c_str ());
  SoupMessageHeaders *headers
      = soup_server_message_get_response_headers (message);
  for (const auto &[name, value] : reply.headers)
    soup_message_headers_remove (headers, name.c_str ()); /* such as Date */
  for (const auto &[name, value] : reply.headers)
    soup_message_headers_append (headers, name.c_str (), value.c_str ());
  soup_server_message_set_response (message, reply.content_type.c_str (),
                                    SOUP_MEMORY_COPY, reply.body.data (),
                                    reply.body.size ());
}

void
hang_up_on (SoupServerMessage *message)
{
  ObjectPtr<GIOStream> stream (soup_server_message_steal_connection (message));
  g_io_stream_close (stream.get (), nullptr, nullptr);
}

} // namespace

class Server::Impl
{
public:
  using Answer = std::function<HttpReply (const Request &)>;

  explicit Impl (Options options) : options_ (std::move (options)) {}
  ~Impl () { stop (); }

  bool start (std::string *error);
  void stop ();
  std::string url () const;
  int port () const { return port_; }
  void script (std::vector<Behaviour> behaviours);
  void answer (std::string path, Answer answer);
  std::vector<Request> requests () const;
  bool wait_for_requests (std::size_t count, Milliseconds limit) const;
  const Book &book () const { return book_; }

private:
  /* A handshake on its way to an answer. */
  struct Pending
  {
    ObjectPtr<SoupServerMessage> message;
    Behaviour behaviour;
    std::string path;
    gulong wrote = 0;
    Source timer;
  };

  /* Another request on its way to an answer. */
  struct Waiting
  {
    ObjectPtr<SoupServerMessage> message;
    Source timer;
  };

  bool listen (std::string *error);
  void on_request (SoupServerMessage *message, std::string path);
  bool answer_other (SoupServerMessage *message, const std::string &path);
  void answer_later (SoupServerMessage *message, const HttpReply &reply);
  void answer_handshake (std::size_t index);
  std::optional<HttpReply> refusal (std::size_t index,
                                    const Pending &pending) const;
  void refuse (std::size_t index, const HttpReply &reply);
  void accept (std::size_t index);
  void note_status (std::size_t index);
  void upgrade (std::size_t index);
  void drop (std::size_t index);
  void forget (std::size_t index);
  void log (std::size_t index, const std::string &text) const;
  Behaviour next_behaviour ();

  const Options options_;
  int port_ = 0;
  Book book_;

  mutable std::mutex mutex_; /* of what follows */
  mutable std::condition_variable requested_;
  std::vector<Behaviour> behaviours_{ {} };
  std::size_t next_ = 0;
  std::map<std::string, Answer> answers_;
  std::vector<Request> requests_;

  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Workers> workers_;

  /* The loop's thread alone. */
  ObjectPtr<SoupServer> soup_;
  std::map<std::size_t, Pending> pending_;
  std::map<SoupServerMessage *, Waiting> waiting_;
  std::map<std::size_t, std::unique_ptr<Session>> sessions_;
};

bool
Server::Impl::start (std::string *error)
{
  loop_ = std::make_unique<Loop> ();
  workers_ = std::make_unique<Workers> (
      std::max (1u, std::thread::hardware_concurrency ()));
  bool good = false;
  loop_->call ([&] { good = listen (error); });
  if (!good)
    stop ();
  return good;
}

void
Server::Impl::stop ()
{
  if (!loop_)
    return;
  loop_->call ([this] {
    if (soup_)
      soup_server_disconnect (soup_.get ());
    for (auto &[index, pending] : pending_)
      g_clear_signal_handler (&pending.wrote, pending.message.get ());
    pending_.clear ();
    waiting_.clear ();
    sessions_.clear ();
    soup_.reset ();
  });
  workers_.reset ();
  loop_.reset ();
}

bool
Server::Impl::listen (std::string *error)
{
  g_autoptr (GError) failure = nullptr;
  soup_.reset (soup_server_new ("server-header", "sis-server", nullptr));
  auto flags = static_cast<SoupServerListenOptions> (0);
  if (!options_.certificate.empty ()) {
    g_autoptr (GTlsCertificate) certificate = g_tls_certificate_new_from_file (
        options_.certificate.c_str (), &failure);
    if (certificate != nullptr)
      soup_server_set_tls_certificate (soup_.get (), certificate);
    flags = SOUP_SERVER_LISTEN_HTTPS;
  }
  /* libsoup warns if it asks for the address when the client has gone. */
  g_signal_connect (soup_.get (), "request-started",
                    G_CALLBACK (+[] (SoupServer *, SoupServerMessage *message) {
                      soup_server_message_get_remote_address (message);
                    }),
                    nullptr);
  soup_server_add_handler (
      soup_.get (), nullptr,
      [] (SoupServer *, SoupServerMessage *message, const char *path,
          GHashTable *, gpointer self) {
        static_cast<Impl *> (self)->on_request (message, path);
      },
      this, nullptr);

  const auto listen_at = [&] (const char *host, int port) {
    g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string (
        host, static_cast<guint> (port));
    return failure == nullptr
           && soup_server_listen (soup_.get (), address, flags, &failure);
  };
  if (listen_at ("127.0.0.1", options_.port)) {
    GSList *uris = soup_server_get_uris (soup_.get ());
    port_ = g_uri_get_port (static_cast<GUri *> (uris->data));
    g_slist_free_full (uris, reinterpret_cast<GDestroyNotify> (g_uri_unref));
    if (options_.ipv6)
      listen_at ("::1", port_);
  }
  if (failure != nullptr && error != nullptr)
    *error = failure->message;
  return failure == nullptr;
}

std::string
Server::Impl::url () const
{
  return (options_.certificate.empty () ? "ws" : "wss")
         + ("://127.0.0.1:" + std::to_string (port_));
}

void
Server::Impl::script (std::vector<Behaviour> behaviours)
{
  const std::lock_guard lock (mutex_);
  behaviours_ = std::move (behaviours);
  if (behaviours_.empty ())
    behaviours_.emplace_back ();
  next_ = 0;
}

void
Server::Impl::answer (std::string path, Answer answer)
{
  const std::lock_guard lock (mutex_);
  answers_[std::move (path)] = std::move (answer);
}

std::vector<Server::Request>
Server::Impl::requests () const
{
  const std::lock_guard lock (mutex_);
  return requests_;
}

bool
Server::Impl::wait_for_requests (std::size_t count, Milliseconds limit) const
{
  std::unique_lock lock (mutex_);
  return requested_.wait_for (lock, limit,
                              [&] { return requests_.size () >= count; });
}

Behaviour
Server::Impl::next_behaviour ()
{
  const std::lock_guard lock (mutex_);
  const auto index = std::min (next_, behaviours_.size () - 1);
  next_ += 1;
  return behaviours_[index];
}

void
Server::Impl::on_request (SoupServerMessage *message, std::string path)
{
  if (answer_other (message, path))
    return;
  /* The service knows no path with a query. */
  const char *query = g_uri_get_query (soup_server_message_get_uri (message));
  if (query != nullptr)
    path += std::string ("?") + query;
  const std::size_t index
      = book_.open ({ .path = path, .headers = headers_of (message) });
  log (index, path);
  Pending &pending = pending_[index];
  pending.message.reset (
      static_cast<SoupServerMessage *> (g_object_ref (message)));
  pending.behaviour = next_behaviour ();
  pending.path = path;

  /* Answered from a task of our own: a message cannot be stolen from here. */
  soup_server_message_pause (message);
  const Handshake &handshake = pending.behaviour.handshake;
  if (handshake.drop)
    loop_->post ([this, index] { drop (index); });
  else if (handshake.answer)
    pending.timer.start_timer (loop_->context (), handshake.delay,
                               [this, index] { answer_handshake (index); });
}

bool
Server::Impl::answer_other (SoupServerMessage *message, const std::string &path)
{
  Answer answer;
  {
    const std::lock_guard lock (mutex_);
    const auto found = answers_.find (path);
    if (found == answers_.end ())
      return false;
    answer = found->second;
  }
  const SoupMessageBody *body = soup_server_message_get_request_body (message);
  Request request{ soup_server_message_get_method (message),
                   path,
                   { body->data, static_cast<std::size_t> (body->length) },
                   headers_of (message) };
  const HttpReply reply = answer (request);
  if (reply.delay > Milliseconds (0) || reply.drop || !reply.answer)
    answer_later (message, reply);
  else
    send_reply (message, reply);
  const std::lock_guard lock (mutex_);
  requests_.push_back (std::move (request));
  requested_.notify_all ();
  return true;
}

void
Server::Impl::answer_later (SoupServerMessage *message, const HttpReply &reply)
{
  soup_server_message_pause (message);
  Waiting &waiting = waiting_[message];
  waiting.message.reset (
      static_cast<SoupServerMessage *> (g_object_ref (message)));
  if (!reply.answer)
    return;
  const Task answer = [this, message, reply] {
    const auto node = waiting_.extract (message);
    if (reply.drop) {
      hang_up_on (message);
      return;
    }
    send_reply (message, reply);
    soup_server_message_unpause (message);
  };
  waiting.timer.start_timer (loop_->context (), reply.delay, answer);
}

/* Why this handshake gets no 101, if so. */
std::optional<HttpReply>
Server::Impl::refusal (std::size_t index, const Pending &pending) const
{
  const Handshake &handshake = pending.behaviour.handshake;
  if (handshake.reply)
    return handshake.reply;
  if (!mode_of_path (pending.path))
    return HttpReply{ .status = 404,
                      .body = gateway_body (
                          "APIG.0101", "The API does not exist or has not been "
                                       "published in the environment") };
  const char *token = soup_message_headers_get_one (
      soup_server_message_get_request_headers (pending.message.get ()),
      "X-Auth-Token");
  if (!handshake.token.empty ()
      && (token == nullptr || token != handshake.token))
    return HttpReply{ .status = 401,
                      .body = gateway_body (
                          "APIG.0301",
                          "Incorrect IAM authentication information: "
                          "decrypt token fail") };
  return handshake.check ? handshake.check (book_.at (index)) : std::nullopt;
}

void
Server::Impl::answer_handshake (std::size_t index)
{
  const auto found = pending_.find (index);
  if (found == pending_.end ())
    return;
  Pending &pending = found->second;
  const auto reply = refusal (index, pending);
  if (!reply)
    accept (index);
  else if (reply->answer)
    pending.timer.start_timer (
        loop_->context (), reply->delay,
        [this, index, reply = *reply] { refuse (index, reply); });
}

void
Server::Impl::refuse (std::size_t index, const HttpReply &reply)
{
  if (reply.drop) {
    drop (index);
    return;
  }
  SoupServerMessage *message = pending_[index].message.get ();
  send_reply (message, reply);
  note_status (index);
  soup_server_message_unpause (message);
  pending_.erase (index);
}

void
Server::Impl::accept (std::size_t index)
{
  Pending &pending = pending_[index];
  SoupServerMessage *message = pending.message.get ();
  const bool good = soup_websocket_server_process_handshake (
      message, nullptr, nullptr, nullptr, nullptr);
  if (good) {
    struct Arrival
    {
      Impl *self;
      std::size_t index;
    };
    pending.wrote = g_signal_connect_data (
        message, "wrote-informational",
        G_CALLBACK (+[] (SoupServerMessage *, gpointer data) {
          const auto *arrival = static_cast<Arrival *> (data);
          arrival->self->upgrade (arrival->index);
        }),
        new Arrival{ this, index },
        [] (gpointer data, GClosure *) {
          delete static_cast<Arrival *> (data);
        },
        static_cast<GConnectFlags> (0));
  }
  note_status (index);
  soup_server_message_unpause (message);
  if (!good)
    pending_.erase (index);
}

void
Server::Impl::note_status (std::size_t index)
{
  const unsigned status
      = soup_server_message_get_status (pending_[index].message.get ());
  book_.update (index,
                [=] (Record &record) { record.handshake_status = status; });
  log (index, "handshake answered with " + std::to_string (status));
}

void
Server::Impl::upgrade (std::size_t index)
{
  auto node = pending_.extract (index);
  Pending &pending = node.mapped ();
  ObjectPtr<GSocket> socket (static_cast<GSocket *> (
      g_object_ref (soup_server_message_get_socket (pending.message.get ()))));
  ObjectPtr<GIOStream> stream (
      soup_server_message_steal_connection (pending.message.get ()));
  g_clear_signal_handler (&pending.wrote, pending.message.get ());
  const Surroundings surroundings{
    *loop_,
    *workers_,
    book_,
    index,
    [this, index] (const std::string &text) { log (index, text); },
    [this, index] { loop_->post ([this, index] { forget (index); }); }
  };
  sessions_[index] = std::make_unique<Session> (
      surroundings, pending.behaviour, *mode_of_path (pending.path),
      std::move (stream), std::move (socket));
}

void
Server::Impl::drop (std::size_t index)
{
  auto node = pending_.extract (index);
  if (node.empty ())
    return;
  hang_up_on (node.mapped ().message.get ());
  forget (index);
}

void
Server::Impl::forget (std::size_t index)
{
  sessions_.erase (index);
  book_.update (index, [] (Record &record) { record.gone = true; });
}

void
Server::Impl::log (std::size_t index, const std::string &text) const
{
  if (options_.log)
    options_.log ("connection " + std::to_string (index) + ": " + text);
}

Server::Server (Options options)
    : impl_ (std::make_unique<Impl> (std::move (options)))
{
}

Server::~Server () = default;

bool
Server::start (std::string *error)
{
  return impl_->start (error);
}

void
Server::stop ()
{
  impl_->stop ();
}

std::string
Server::url () const
{
  return impl_->url ();
}

int
Server::port () const
{
  return impl_->port ();
}

void
Server::script (std::vector<Behaviour> behaviours)
{
  impl_->script (std::move (behaviours));
}

void
Server::answer (std::string path, HttpReply reply)
{
  answer (std::move (path),
          [reply = std::move (reply)] (const Request &) { return reply; });
}

void
Server::answer (std::string path,
                std::function<HttpReply (const Request &)> reply)
{
  impl_->answer (std::move (path), std::move (reply));
}

std::vector<Server::Request>
Server::requests () const
{
  return impl_->requests ();
}

bool
Server::wait_for_requests (std::size_t count, Milliseconds limit) const
{
  return impl_->wait_for_requests (count, limit);
}

std::vector<Record>
Server::connections () const
{
  return impl_->book ().all ();
}

bool
Server::wait (const Predicate &predicate, Milliseconds limit) const
{
  return impl_->book ().wait (predicate, limit);
}

} // namespace sistest
