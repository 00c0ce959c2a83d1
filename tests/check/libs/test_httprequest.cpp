// SPDX-License-Identifier: LGPL-2.1-or-later
/* Who refused a request: told by the connection it went over. */
#include "sis/net/httprequest.h"

#include "proxy.h"
#include "server.h"

#include <future>
#include <gst/check/gstcheck.h>
#include <libsoup/soup.h>

using sis::Failure;
using sistest::Proxy;
using sistest::Server;

namespace {

const char ca[] = TEST_DATA "/tls/ca.pem";

/* On the loop, until it is told what became of it. */
class Request
{
public:
  Request (std::shared_ptr<sis::IoLoop> loop,
           std::shared_ptr<sis::HttpSession> session, const std::string &url,
           std::promise<Failure> &failure)
      : loop_ (std::move (loop)), failure_ (failure),
        http_ (*loop_, std::move (session),
               { .url = url, .who = sis::Refuser::Iam })
  {
    soup_session_send_and_read_async (http_.session (), http_.message (),
                                      G_PRIORITY_DEFAULT, http_.cancellable (),
                                      &Request::on_read, this);
  }

private:
  static void on_read (GObject *session, GAsyncResult *result, void *data)
  {
    const std::unique_ptr<Request> self (static_cast<Request *> (data));
    g_autoptr (GError) error = nullptr;
    g_autoptr (GBytes) body = soup_session_send_and_read_finish (
        SOUP_SESSION (session), result, &error);
    self->http_.stop_timer ();
    self->failure_.set_value (self->http_.failure (error));
  }

  const std::shared_ptr<sis::IoLoop> loop_;
  std::promise<Failure> &failure_;
  sis::HttpRequest http_;
};

/* A way through a proxy to a service that knows nothing. */
struct Route
{
  Route ()
  {
    fail_unless (server.start () && proxy.start ());
    auto parsed = sis::parse_proxy (sis::Secret (proxy.url ()));
    transport.proxy = std::get<sis::Proxy> (parsed);
    transport.tls_database.reset (g_tls_file_database_new (ca, nullptr),
                                  g_object_unref);
    std::promise<void> made;
    loop->invoke ([&] {
      session = loop->http_session_on_loop ({ .transport = transport });
      made.set_value ();
    });
    made.get_future ().wait ();
  }
  ~Route ()
  {
    loop->invoke ([session = std::move (session)] {});
  }

  Failure ask ()
  {
    std::promise<Failure> failure;
    loop->invoke ([&] {
      new Request (loop, session, "https" + server.url ().substr (3) + "/none",
                   failure);
    });
    return failure.get_future ().get ();
  }

  Server server{ Server::Options{ .certificate = TEST_DATA "/tls/good.pem" } };
  Proxy proxy{ Proxy::Kind::Http };
  sis::Transport transport;
  const std::shared_ptr<sis::IoLoop> loop = sis::IoLoop::acquire ();
  std::shared_ptr<sis::HttpSession> session;
};

void
assert_is_by (const Failure &failure, const char *who)
{
  fail_unless (failure.text.starts_with (who), "%s", failure.text.c_str ());
}

} // namespace

GST_START_TEST (test_what_is_refused_over_a_used_connection_is_not_the_proxys)
{
  Route route;
  std::size_t requests = 0;
  /* libsoup keeps a connection for a second: a slow machine may miss it. */
  while (route.proxy.connections ().size () == requests && requests < 10) {
    assert_is_by (route.ask (), "IAM refused");
    requests++;
  }
  fail_unless (requests < 10, "no connection was used again");
}
GST_END_TEST;

GST_START_TEST (test_what_the_proxy_refuses_is_the_proxys)
{
  Route route;
  route.proxy.script ({ { .reply = sistest::HttpReply{ .status = 404 } }, {} });
  assert_is_by (route.ask (), "The proxy 127.0.0.1");
  assert_is_by (route.ask (), "IAM refused");
}
GST_END_TEST;

static Suite *
httprequest_suite (void)
{
  Suite *suite = suite_create ("httprequest");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (
      tcase, test_what_is_refused_over_a_used_connection_is_not_the_proxys);
  tcase_add_test (tcase, test_what_the_proxy_refuses_is_the_proxys);
  return suite;
}

GST_CHECK_MAIN (httprequest)
