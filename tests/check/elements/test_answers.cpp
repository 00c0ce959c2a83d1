// SPDX-License-Identifier: LGPL-2.1-or-later
/* Answers of HTTP that never end: the head says what there is to say. */
#include "halfserver.h"
#include "iam.h"

#include "failing.h"

#include <thread>

using namespace sischeck;
using sistest::HalfServer;
using sistest::Server;

namespace {

using Peer = std::shared_ptr<HalfServer::Peer>;

Peer
write_answer (HalfServer &half, const std::string &answer)
{
  Peer peer = half.accept ();
  fail_unless (peer != nullptr && peer->write (answer));
  return peer;
}

std::string
chunk_of (const std::string &piece)
{
  char size[20];
  g_snprintf (size, sizeof size, "%zx\r\n", piece.size ());
  return size + piece + "\r\n";
}
struct Body
{
  std::string head;  /* a header field and the first chunk */
  std::string piece; /* repeated without an end */
};

Body
large_chunks ()
{
  return { "\r\n\r\n", chunk_of (std::string (0x10000, ' ')) };
}

/* Longer to read than to send. */
Body
tiny_chunks ()
{
  std::string piece;
  while (piece.size () < 0x10000)
    piece += chunk_of (" ");
  return { "\r\n\r\n", piece };
}

/* The next kB of a stream that unfolds to a thousand times as much. */
std::string
deflate_zeros (GConverter *compressor)
{
  const std::string zeros (0x100000, '\0');
  std::string out (0x10000, '\0');
  gsize read = 0, written = 0;
  while (read < zeros.size ()) {
    gsize in = 0, more = 0;
    fail_unless (g_converter_convert (
                     compressor, zeros.data () + read, zeros.size () - read,
                     out.data () + written, out.size () - written,
                     G_CONVERTER_FLUSH, &in, &more, nullptr)
                 != G_CONVERTER_ERROR);
    read += in;
    written += more;
  }
  return chunk_of (out.substr (0, written));
}

Body
compressed_chunks ()
{
  g_autoptr (GZlibCompressor) compressor
      = g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9);
  const std::string first = deflate_zeros (G_CONVERTER (compressor));
  return { "\r\nContent-Encoding: gzip\r\n\r\n" + first,
           deflate_zeros (G_CONVERTER (compressor)) };
}

constexpr Body (*endless_bodies[]) ()
    = { large_chunks, tiny_chunks, compressed_chunks };
constexpr int n_endless_bodies = G_N_ELEMENTS (endless_bodies);

/* Until nobody reads it any more. */
Peer
refuse_without_end (HalfServer &half, const std::string &status_line, int kind)
{
  const Body body = endless_bodies[kind]();
  const Peer peer = write_answer (
      half, status_line + "\r\nTransfer-Encoding: chunked" + body.head);
  while (peer->write (body.piece))
    ;
  return peer;
}

void
log_in (const Pipeline &pipeline, const HalfServer &iam, const char *user)
{
  const std::string endpoint = "http" + iam.url ().substr (2);
  g_object_set (pipeline.sink (), "user-name", user, "domain-name", "d",
                "password", "p", "iam-endpoint", endpoint.c_str (), nullptr);
}

void
assert_refused (Pipeline &pipeline, int code, guint status)
{
  const Problem error = only_error (pipeline);
  fail_unless (error.is (GST_RESOURCE_ERROR, code), "%d: %s", error.code,
               error.text.c_str ());
  assert_equals_int (uint_of (error.details, "http_status"), status);
}

} // namespace

GST_START_TEST (test_a_refusal_whose_body_does_not_come)
{
  const std::tuple<const char *, int, guint> cases[] = {
    { "HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n",
      GST_RESOURCE_ERROR_NOT_AUTHORIZED, 401 },
    { "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
      "10\r\n{\"error_code\":\"A\r\n",
      GST_RESOURCE_ERROR_NOT_FOUND, 404 },
    { "HTTP/1.1 503 Busy\r\n\r\n", GST_RESOURCE_ERROR_BUSY, 503 },
  };
  const auto &[answer, code, status] = cases[__i__];
  HalfServer half;
  fail_unless (half.start (false));
  Pipeline pipeline (launch_line (half.url (), prompt ("never")));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  const Peer peer = write_answer (half, answer);
  assert_refused (pipeline, code, status);
}
GST_END_TEST;

GST_START_TEST (test_a_refusal_whose_body_never_ends)
{
  HalfServer half;
  fail_unless (half.start (false));
  Pipeline pipeline (launch_line (half.url (), prompt ("never")));
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  const Peer peer = refuse_without_end (half, "HTTP/1.1 403 Forbidden", __i__);
  assert_refused (pipeline, GST_RESOURCE_ERROR_NOT_AUTHORIZED, 403);
}
GST_END_TEST;

GST_START_TEST (test_a_refusal_of_iam_whose_body_does_not_end)
{
  HalfServer iam;
  Server server;
  fail_unless (iam.start (false) && server.start ());
  Pipeline pipeline (launch_line (server.url (), prompt ("never")));
  const bool is_silent = __i__ == n_endless_bodies;
  log_in (pipeline, iam, is_silent ? "silent" : "endless");
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  const std::string head = "HTTP/1.1 401 Unauthorized";
  const Peer peer = is_silent ? write_answer (
                        iam, head + "\r\nTransfer-Encoding: chunked\r\n\r\n")
                              : refuse_without_end (iam, head, __i__);
  assert_refused (pipeline, GST_RESOURCE_ERROR_NOT_AUTHORIZED, 401);
  fail_unless (server.connections ().empty ());
}
GST_END_TEST;

/* The token is in the head. */
GST_START_TEST (test_a_token_whose_body_does_not_come)
{
  HalfServer iam;
  Server server;
  server.script ({ { .handshake = { .token = "of-the-head" },
                     .recognizer = sistest::index_recognizer () } });
  fail_unless (iam.start (false) && server.start ());
  Pipeline pipeline (launch_line (server.url (), prompt ("never")));
  log_in (pipeline, iam, __i__ == 0 ? "halting" : "cut");
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  const Peer peer = write_answer (
      iam, "HTTP/1.1 201 Created\r\nX-Subject-Token: of-the-head\r\n"
           "Content-Length: 1000\r\n\r\n{\"token\":");
  if (__i__ == 1)
    peer->close ();
  pipeline.end ();
  fail_unless (pipeline.wait_for_eos ());
  assert_same_text (pipeline.finals (), index_words (0, 10));
}
GST_END_TEST;

/* The service's, then IAM's. */
GST_START_TEST (test_provisional_answers_without_end)
{
  HalfServer half;
  Server server;
  fail_unless (half.start (false) && server.start ());
  Pipeline pipeline (
      launch_line (__i__ == 0 ? half.url () : server.url (), prompt ("never")));
  if (__i__ == 1)
    log_in (pipeline, half, "user");
  pipeline.play ();
  pipeline.push (indexed_audio (0, 16000), 0);
  const Peer peer = write_answer (half, "");
  std::thread flood ([&peer] {
    std::string answers;
    while (answers.size () < 65536)
      answers += "HTTP/1.1 103 Early Hints\r\n\r\n";
    while (peer->write (answers, patience ()))
      ;
  });
  const Problem error = only_error (pipeline);
  fail_unless (error.is (GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE),
               "%d: %s", error.code, error.text.c_str ());
  fail_unless (error.text.find ("provisional") != std::string::npos, "%s",
               error.text.c_str ());
  flood.join ();
}
GST_END_TEST;

static Suite *
answers_suite (void)
{
  Suite *suite = suite_create ("answers");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_a_refusal_whose_body_does_not_come, 0, 3);
  tcase_add_loop_test (tcase, test_a_refusal_whose_body_never_ends, 0,
                       n_endless_bodies);
  tcase_add_loop_test (tcase, test_provisional_answers_without_end, 0, 2);
  tcase_add_loop_test (tcase, test_a_refusal_of_iam_whose_body_does_not_end, 0,
                       n_endless_bodies + 1);
  tcase_add_loop_test (tcase, test_a_token_whose_body_does_not_come, 0, 2);
  return suite;
}

GST_CHECK_MAIN (answers)
