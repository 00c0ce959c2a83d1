// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tlsfront.h"

#include "relay.h"

#include <gnutls/gnutls.h>
#include <utility>

namespace sistest {

namespace {

using Credentials
    = std::shared_ptr<std::remove_pointer_t<gnutls_certificate_credentials_t>>;

Credentials
load_credentials (const std::string &file)
{
  gnutls_certificate_credentials_t credentials = nullptr;
  gnutls_certificate_allocate_credentials (&credentials);
  if (gnutls_certificate_set_x509_key_file (credentials, file.c_str (),
                                            file.c_str (), GNUTLS_X509_FMT_PEM)
      >= 0)
    return { credentials, gnutls_certificate_free_credentials };
  gnutls_certificate_free_credentials (credentials);
  return nullptr;
}

const char *
priority_of (TlsFront::Version version)
{
  switch (version) {
  case TlsFront::Version::Tls11:
    return "NORMAL:-VERS-ALL:+VERS-TLS1.1";
  case TlsFront::Version::Tls12:
    return "NORMAL:-VERS-ALL:+VERS-TLS1.2";
  case TlsFront::Version::Tls13:
    return "NORMAL:-VERS-ALL:+VERS-TLS1.3";
  case TlsFront::Version::Any:
    break;
  }
  return "NORMAL";
}

/* The server's side of TLS on a connection. */
class TlsChannel final : public Channel
{
public:
  TlsChannel (Socket &socket, gnutls_certificate_credentials_t credentials,
              const char *priority)
      : Channel (socket.get ()), stop_ (socket.stop ())
  {
    gnutls_init (&tls_, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    gnutls_priority_set_direct (tls_, priority, nullptr);
    gnutls_credentials_set (tls_, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int (tls_, g_socket_get_fd (socket.get ()));
  }
  ~TlsChannel () override { gnutls_deinit (tls_); }
  TlsChannel (const TlsChannel &) = delete;
  TlsChannel &operator= (const TlsChannel &) = delete;

  TlsFront::Handshake shake_hands ();
  /* Empty at the end or to stop. */
  std::string wait_for_bytes ();

  gssize read (char *bytes, gsize size) override
  {
    const gssize count = gnutls_record_recv (tls_, bytes, size);
    return count == GNUTLS_E_PREMATURE_TERMINATION ? 0 : outcome_of (count);
  }

  gssize write (const char *bytes, gsize size) override
  {
    return outcome_of (gnutls_record_send (tls_, bytes, size));
  }

  void finish () override
  {
    gnutls_bye (tls_, GNUTLS_SHUT_WR);
    Channel::finish ();
  }

  bool has_more () const override
  {
    return gnutls_record_check_pending (tls_) > 0;
  }

private:
  static gssize outcome_of (gssize count)
  {
    if (count >= 0)
      return count;
    return gnutls_error_is_fatal (static_cast<int> (count)) ? broken : later;
  }

  gnutls_session_t tls_ = nullptr;
  GCancellable *const stop_;
};

TlsFront::Handshake
TlsChannel::shake_hands ()
{
  const gint64 deadline = deadline_in (Socket::usual_limit);
  int result = GNUTLS_E_AGAIN;
  while (result != GNUTLS_E_SUCCESS && !gnutls_error_is_fatal (result)) {
    result = gnutls_handshake (tls_);
    const auto wanted
        = gnutls_record_get_direction (tls_) == 0 ? G_IO_IN : G_IO_OUT;
    const gint64 left = deadline - g_get_monotonic_time ();
    if (result == GNUTLS_E_AGAIN
        && (left <= 0
            || !g_socket_condition_timed_wait (socket (), wanted, left, stop_,
                                               nullptr)))
      result = GNUTLS_E_TIMEDOUT;
  }
  TlsFront::Handshake made;
  char name[256] = "";
  std::size_t size = sizeof name;
  unsigned type = GNUTLS_NAME_DNS;
  if (gnutls_server_name_get (tls_, name, &size, &type, 0) >= 0)
    made.server_name = name;
  if (result == GNUTLS_E_SUCCESS) {
    made.version
        = gnutls_protocol_get_name (gnutls_protocol_get_version (tls_));
  } else {
    made.error = gnutls_strerror (result);
    gnutls_alert_send_appropriate (tls_, result);
  }
  return made;
}

std::string
TlsChannel::wait_for_bytes ()
{
  char bytes[4096];
  gssize count = later;
  while ((count = read (bytes, sizeof bytes)) == later)
    if (!g_socket_condition_wait (socket (), G_IO_IN, stop_, nullptr))
      return {};
  return count > 0 ? std::string (bytes, static_cast<std::size_t> (count))
                   : std::string ();
}

} // namespace

class TlsFront::Impl
{
public:
  Impl (std::string certificate, Version version)
      : certificate_ (std::move (certificate)), version_ (version)
  {
  }

  bool start (int target_port, std::string *error);

  Acceptor acceptor_;
  BookOf<Handshake> book_;

private:
  void serve (Socket client, int target_port);

  const std::string certificate_;
  const Version version_;
  Credentials credentials_;
};

bool
TlsFront::Impl::start (int target_port, std::string *error)
{
  credentials_ = load_credentials (certificate_);
  if (!credentials_) {
    if (error != nullptr)
      *error = certificate_ + " is of no use";
    return false;
  }
  return acceptor_.start (
      [this, target_port] (ObjectPtr<GSocket> socket, GCancellable *stop) {
        serve ({ std::move (socket), stop }, target_port);
      },
      error);
}

void
TlsFront::Impl::serve (Socket client, int target_port)
{
  TlsChannel outside (client, credentials_.get (), priority_of (version_));
  const Handshake made = outside.shake_hands ();
  book_.open (made);
  if (made.version.empty ())
    return;
  /* The server need not know of those who say nothing. */
  const std::string first = outside.wait_for_bytes ();
  if (first.empty ())
    return;
  const auto target = Socket::connect (target_port, false, client.stop ());
  if (!target || !target->write (first))
    return;
  Channel inside (target->get ());
  relay (outside, inside, client.stop ());
}

TlsFront::TlsFront (std::string certificate, Version version)
    : impl_ (std::make_unique<Impl> (std::move (certificate), version))
{
}

TlsFront::~TlsFront ()
{
  stop ();
}

bool
TlsFront::start (int target_port, std::string *error)
{
  return impl_->start (target_port, error);
}

void
TlsFront::stop ()
{
  impl_->acceptor_.stop ();
}

int
TlsFront::port () const
{
  return impl_->acceptor_.port ();
}

std::string
TlsFront::url () const
{
  return "wss://127.0.0.1:" + std::to_string (port ());
}

std::vector<TlsFront::Handshake>
TlsFront::handshakes () const
{
  return impl_->book_.all ();
}

bool
TlsFront::wait (
    const std::function<bool (const std::vector<Handshake> &)> &is_met,
    Milliseconds limit) const
{
  return impl_->book_.wait (is_met, limit);
}

} // namespace sistest
