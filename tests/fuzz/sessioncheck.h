// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "scriptednet.h"
#include "streammodel.h"

#include "sis/session.h"

#include <set>
#include <vector>

namespace sisfuzz {

/* Audio of which every few samples say where in the stream they lie. */
std::span<const std::byte>
stream_of (sis::AudioFormat format, sis::Position first, sis::Position samples);
constexpr sis::Position longest_stream = 400'000; /* samples */
constexpr int rate = 8000;
constexpr sis::AudioFormat pcm{ sis::Encoding::Pcm16, rate };
constexpr sis::AudioFormat mulaw{ sis::Encoding::Mulaw, rate };

/* What never may be told. */
constexpr const char *secret_token = "MIIYqAYJ/KoZIhvc+NAQcCoIIYmTCCGJUC";
constexpr const char *escaped_token
    = R"(MIIYqAYJ\/\u004boZIhvc+NAQcCoIIYmTCCGJUC)";
constexpr const char *secret_key = "kSk7/1dd9Qh+QvKB0pXWyV1SsTqO5Xx4";

/* What goes to the service: the messages' order, their sizes, and that audio is
 * what was offered, where the model says that it has to go on. */
class WireCheck
{
public:
  explicit WireCheck (StreamModel &model) : model_ (model) {}
  void connect (World &world);

  /* How far the session is, as the service sees it. */
  bool is_started () const { return is_started_; }
  bool is_ended () const { return is_ended_; }

  /* What may be sent, in order. */
  void offered (sis::AudioFormat format, sis::Position first,
                sis::Position samples);
  /* On the connection that there is, before it is heard. */
  void said (const sis::ServerMessage &message);

private:
  struct Offered
  {
    sis::AudioFormat format;
    sis::Position first, end;
  };

  void on_handshake (const sis::Connection::Settings &settings);
  void on_text (const std::string &text);
  void on_audio (std::span<const std::byte> audio);
  bool is_at (std::span<const std::byte> audio, sis::Position at) const;
  sis::Position place_of (std::span<const std::byte> audio,
                          StreamModel::Window window) const;
  sis::Position search (std::span<const std::byte> audio,
                        sis::Position from) const;

  StreamModel &model_;
  std::vector<Offered> offered_;
  sis::AudioFormat format_;
  bool has_start_ = false, is_started_ = false, is_ended_ = false;
  bool is_padded_ = false;
};

/* What the session tells: in an order that makes sense, and no secrets. */
class EventCheck final : public sis::Listener
{
public:
  explicit EventCheck (StreamModel &model) : model_ (model) {}
  void on_event (const sis::Event &event) override;
  void on_log (const std::string &line) override;

  bool has_failed () const { return has_failed_; }
  bool is_closed = false; /* nothing more is to be told */
  /* Done once, from within the next event. */
  std::function<void ()> prank;
  /* All that was offered was given up, and this is being told. */
  std::function<void ()> on_given_up;

private:
  void check (const sis::Connecting &connecting);
  void check (const sis::Started &started);
  void check (const sis::Transcript &transcript);
  void check (const sis::Occurrence &occurrence);
  void check (const sis::Ended &ended);
  void check (const sis::Overflow &overflow);
  void check (const sis::Progress &progress);
  void check (const sis::Warning &warning);
  void check (const sis::Failure &failure);
  static void check_text (const std::string &text, std::size_t limit = 4096);

  /* Of a final that came with both its times. */
  struct Final
  {
    unsigned session;
    sis::Milliseconds start, end;
    std::string text;
    auto operator<=> (const Final &) const = default;
  };

  StreamModel &model_;
  std::set<Final> told_;
  unsigned attempts_ = 0, sessions_ = 0, finals_ = 0;
  bool is_open_ = false, has_failed_ = false;
};

} // namespace sisfuzz
