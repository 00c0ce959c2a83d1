// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "recognizer.h"

#include <functional>
#include <libsoup/soup.h>
#include <optional>
#include <string>
#include <vector>

/* g_assert_cmpstr for strings, temporary ones too. */
#define assert_text(text, expected)                                            \
  G_STMT_START                                                                 \
  {                                                                            \
    const std::string text_ (text), expected_ (expected);                      \
    g_assert_cmpstr (text_.c_str (), ==, expected_.c_str ());                  \
  }                                                                            \
  G_STMT_END

/* A plain client of the service on the test's own thread, on nothing but
 * libsoup and json-glib. */
class Client
{
public:
  using Milliseconds = std::chrono::milliseconds;
  using Headers = std::vector<std::pair<std::string, std::string>>;

  explicit Client (const std::string &base_url,
                   const std::string &tail = "/v1/p/rasr/continue-stream",
                   const Headers &headers = {}, const std::string &proxy = {});
  ~Client ();
  Client (const Client &) = delete;
  Client &operator= (const Client &) = delete;

  /* Runs the main context until the predicate holds; false if too late. */
  static bool run_until (const std::function<bool ()> &predicate,
                         Milliseconds limit = Milliseconds (10000));

  bool connect (); /* waits for the handshake's end */
  void give_up (); /* cancels the handshake */
  unsigned status () const { return soup_message_get_status (message_); }
  std::string response_header (const char *name) const;

  /* START with further members of `config`; start() waits for the answer. */
  void send_start (const std::string &more = {});
  bool start (const std::string &more = {});
  void send_text (const std::string &text);
  void send_audio (const std::string &bytes);
  void send_in_chunks (const std::string &bytes, std::size_t size = 3200);
  /* Sends END and waits for its answer. */
  bool end (const char *cancel = "false");

  bool wait_for (const std::string &resp_type, std::size_t count = 1);
  bool wait_for_close ();

  std::size_t count (const std::string &resp_type) const;
  /* A member of the last message of this type. */
  std::string last (const std::string &resp_type, const char *member) const;
  std::vector<sistest::Segment> segments (bool final_ones = true) const;
  const std::vector<std::string> &texts () const { return texts_; }
  std::size_t pongs () const { return pongs_; }
  unsigned short close_code () const;

private:
  SoupSession *session_;
  SoupMessage *message_;
  SoupWebsocketConnection *connection_ = nullptr;
  GCancellable *cancellable_ = g_cancellable_new ();
  bool answered_ = false;
  std::vector<std::string> texts_, types_; /* messages, their resp_type */
  std::size_t pongs_ = 0;
};

/* S16LE, 16 kHz: index-coded blocks of 10 ms from `first` on. */
std::string index_audio (int first, int blocks);
std::string silence (std::chrono::milliseconds duration);

/* Server::Options::log: what the server does wakes a client that waits for it.
 */
inline void
wake_up (const std::string &)
{
  g_main_context_wakeup (nullptr);
}

/* What a server on 127.0.0.1 says to a request until it closes. */
std::string ask (int port, const std::string &request);
/* The head of a handshake, but for Host and more headers that a test gives. */
std::string upgrade_request (const std::string &path,
                             const std::string &headers);

/* selftest-http.cpp, … */
void add_http_tests ();
void add_iam_tests ();
void add_proxy_tests ();
void add_signature_tests ();
void add_program_tests ();
void add_speech_tests ();
void add_tls_tests ();
