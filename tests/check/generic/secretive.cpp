// SPDX-License-Identifier: LGPL-2.1-or-later
/* A program that is full of secrets, and prints all that an application can get
 * to see of an element: run by secrets.py, which looks for them in its output.
 *
 *   secretive SCENARIO sissink|sistranscriber
 *
 * The secrets are in the environment: TEST_TOKEN and so on. */
#include "iam.h"
#include "proxy.h"

#include <cstdio>
#include <functional>
#include <gst/gst.h>
#include <map>

using sistest::Behaviour;
using sistest::Proxy;
using sistest::Server;

namespace {

std::string
secret (const char *name)
{
  return g_getenv (name);
}

/* In small letters, and what needs no escape, too. */
std::string
percent_encoded (const std::string &text)
{
  std::string out;
  for (const char c : text) {
    g_autofree char *escape
        = g_strdup_printf ("%%%02x", static_cast<unsigned char> (c));
    out += escape;
  }
  return out;
}

/* What the service answers with, to be repeated in its own words. */
sistest::HttpReply
refusal (unsigned status)
{
  return { .status = status,
           .reason = "Not " + secret ("TEST_TOKEN"),
           .body = R"({"error_code":"APIG.0301","error_msg":"bad )"
                   + secret ("TEST_TOKEN") + R"(","request_id":")"
                   + secret ("TEST_TOKEN") + R"("})" };
}

/* A server, what is set to reach it, and what else has to run. */
struct Stage
{
  Server plain,
      secure{ Server::Options{ .certificate = TEST_DATA "/tls/good.pem" } };
  Proxy proxy{ Proxy::Kind::Http };
  GstElement *pipeline = nullptr, *element = nullptr;
  std::unique_ptr<sistest::Iam> iam;
};

void
set (Stage &stage, const char *name, const std::string &value)
{
  g_object_set (stage.element, name, value.c_str (), nullptr);
}

void
set_headers (Stage &stage)
{
  GstStructure *headers
      = gst_structure_new ("headers", "X-Mine", G_TYPE_STRING,
                           secret ("TEST_HEADER").c_str (), nullptr);
  g_object_set (stage.element, "extra-headers", headers, nullptr);
  gst_structure_free (headers);
}

void
use_token (Stage &stage)
{
  set (stage, "auth-token", secret ("TEST_TOKEN"));
}

void
use_key (Stage &stage)
{
  set (stage, "access-key", "AK0123456789");
  set (stage, "secret-key", secret ("TEST_SECRET_KEY"));
  set (stage, "security-token", secret ("TEST_SECURITY_TOKEN"));
}

void
use_login (Stage &stage, sistest::Iam::Grant grant)
{
  stage.iam = std::make_unique<sistest::Iam> (
      stage.plain, sistest::Iam::Account{ .password = secret ("TEST_PASSWORD"),
                                          .project_id = "demo" });
  stage.iam->script ({ std::move (grant) });
  set (stage, "user-name", "tester");
  set (stage, "domain-name", "company");
  set (stage, "password", secret ("TEST_PASSWORD"));
  set (stage, "iam-endpoint", "http" + stage.plain.url ().substr (2));
}

void
use_proxy (Stage &stage, Proxy::Manners manners)
{
  stage.proxy.script ({ std::move (manners) });
  set (stage, "proxy",
       stage.proxy.url (secret ("TEST_PROXY_USER") + ":"
                        + secret ("TEST_PROXY_PASSWORD")));
  set (stage, "endpoint", stage.secure.url ());
  set (stage, "ssl-ca-file", TEST_DATA "/tls/ca.pem");
}

using Scenario = std::function<void (Stage &)>;

const std::map<std::string, Scenario> scenarios{
  { "success", use_token },
  { "key", use_key },
  { "login", [] (Stage &stage) { use_login (stage, { .token_size = 200 }); } },
  { "refusal",
    [] (Stage &stage) {
      stage.plain.script ({ { .handshake = { .reply = refusal (401) } } });
      use_token (stage);
    } },
  { "key-refusal",
    [] (Stage &stage) {
      sistest::HttpReply reply{ .status = 401 };
      reply.body = R"({"error_code":"APIG.0301","error_msg":"no )"
                   + secret ("TEST_SECRET_KEY") + " "
                   + secret ("TEST_SECURITY_TOKEN") + R"("})";
      stage.plain.script ({ { .handshake = { .reply = reply } } });
      use_key (stage);
    } },
  { "login-refusal",
    [] (Stage &stage) {
      use_login (stage, { .reply = sistest::keystone_refusal (
                              401, "wrong: " + secret ("TEST_PASSWORD")) });
    } },
  { "redirect",
    [] (Stage &stage) {
      sistest::HttpReply reply{ .status = 302 };
      reply.headers = { { "Location", "http://a/?" + secret ("TEST_TOKEN") } };
      stage.plain.script ({ { .handshake = { .reply = reply } } });
      use_token (stage);
    } },
  { "encoded-refusal",
    [] (Stage &stage) {
      sistest::HttpReply reply{ .status = 403 };
      const std::string token = secret ("TEST_TOKEN");
      reply.reason = "No " + percent_encoded (token);
      reply.body = R"({"error_code":"APIG.0302","error_msg":"no )"
                   + percent_encoded (token.substr (100, 50)) + " or "
                   + percent_encoded (secret ("TEST_HEADER")) + R"("})";
      stage.plain.script ({ { .handshake = { .reply = reply } } });
      use_token (stage);
    } },
  { "cut-refusal",
    [] (Stage &stage) {
      sistest::HttpReply reply{ .status = 403 };
      const std::string token = secret ("TEST_TOKEN");
      reply.body = R"({"error_code":"APIG.0302","error_msg":"no )"
                   + token.substr (20, 64) + " or "
                   + token.substr (token.size () - 64) + R"("})";
      stage.plain.script ({ { .handshake = { .reply = reply } } });
      use_token (stage);
    } },
  { "error",
    [] (Stage &stage) {
      stage.plain.script (
          { { .start = { .answer = false,
                         .after = { sistest::error (
                             "SIS.0032", "no " + secret ("TEST_TOKEN") + " "
                                             + secret ("TEST_HEADER")) } } } });
      use_token (stage);
    } },
  { "transcript",
    [] (Stage &stage) {
      sistest::Segment segment;
      segment.is_final = true;
      segment.end = sistest::Milliseconds (200);
      segment.text = "I heard " + secret ("TEST_TOKEN") + " and "
                     + percent_encoded (secret ("TEST_TOKEN").substr (30, 30));
      stage.plain.script (
          { { .actions = { { sistest::Milliseconds (200),
                             sistest::send_result ({ segment }) } } } });
      use_token (stage);
    } },
  { "echo",
    [] (Stage &stage) {
      const std::string token = secret ("TEST_TOKEN");
      stage.plain.script (
          { { .actions = { { {},
                             sistest::send_text (R"({"resp_type":")" + token
                                                 + R"("})") },
                           { {},
                             sistest::send_text (
                                 R"({"resp_type":"EVENT","trace_id":")" + token
                                 + R"(","event":")" + token + R"("})") } } } });
      use_token (stage);
    } },
  { "gone",
    [] (Stage &stage) {
      set (stage, "endpoint", "ws://127.0.0.1:1");
      use_token (stage);
    } },
  { "setting",
    [] (Stage &stage) {
      set (stage, "auth-token",
           secret ("TEST_TOKEN") + "\n" + secret ("TEST_TOKEN"));
    } },
  { "proxy",
    [] (Stage &stage) {
      use_proxy (stage, { .user = secret ("TEST_PROXY_USER"),
                          .password = secret ("TEST_PROXY_PASSWORD") });
      use_token (stage);
    } },
  { "proxy-refusal",
    [] (Stage &stage) {
      use_proxy (stage, { .user = "somebody", .never_content = true });
      use_token (stage);
    } },
  { "proxy-setting",
    [] (Stage &stage) {
      set (stage, "endpoint", stage.secure.url ());
      set (stage, "proxy",
           "ftp://" + secret ("TEST_PROXY_USER") + ":"
               + secret ("TEST_PROXY_PASSWORD") + "@127.0.0.1");
      use_token (stage);
    } },
};

/* With all that can be read of it. */
void
print_object (GObject *object)
{
  guint n = 0;
  GParamSpec **specs
      = g_object_class_list_properties (G_OBJECT_GET_CLASS (object), &n);
  for (guint i = 0; i < n; i++) {
    if ((specs[i]->flags & G_PARAM_READABLE) == 0)
      continue;
    GValue value = G_VALUE_INIT;
    g_value_init (&value, specs[i]->value_type);
    g_object_get_property (object, specs[i]->name, &value);
    g_autofree char *text = g_strdup_value_contents (&value);
    std::printf ("property %s: %s\n", specs[i]->name, text);
    g_value_unset (&value);
  }
  g_free (specs);
}

void
print_message (GstMessage *message)
{
  g_autoptr (GError) error = nullptr;
  g_autofree char *debug = nullptr;
  const GstStructure *details = nullptr;
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, &debug);
    gst_message_parse_error_details (message, &details);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
    gst_message_parse_warning (message, &error, &debug);
    gst_message_parse_warning_details (message, &details);
  } else {
    details = gst_message_get_structure (message);
  }
  g_autofree char *text
      = details != nullptr ? gst_structure_to_string (details) : nullptr;
  std::printf ("message %s: %s %s %s\n", GST_MESSAGE_TYPE_NAME (message),
               error != nullptr ? error->message : "",
               debug != nullptr ? debug : "", text != nullptr ? text : "");
}

/* Prints the bus until the end, whichever it is. */
void
listen (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  for (bool is_over = false; !is_over;) {
    GstMessage *message = gst_bus_timed_pop (bus, 60 * GST_SECOND);
    if (message == nullptr)
      return;
    print_message (message);
    is_over
        = (GST_MESSAGE_TYPE (message) & (GST_MESSAGE_EOS | GST_MESSAGE_ERROR))
          != 0;
    gst_message_unref (message);
  }
}

void
play (Stage &stage)
{
  gst_element_set_state (stage.pipeline, GST_STATE_PLAYING);
  listen (stage.pipeline);
  GST_DEBUG_BIN_TO_DOT_FILE (GST_BIN (stage.pipeline), GST_DEBUG_GRAPH_SHOW_ALL,
                             "secretive");
  g_autofree char *dot = gst_debug_bin_to_dot_data (GST_BIN (stage.pipeline),
                                                    GST_DEBUG_GRAPH_SHOW_ALL);
  std::printf ("%s\n", dot);
  print_object (G_OBJECT (stage.element));
  gst_element_set_state (stage.pipeline, GST_STATE_NULL);
}

} // namespace

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  const auto scenario = scenarios.find (argc > 1 ? argv[1] : "");
  if (scenario == scenarios.end ()) {
    for (const auto &[name, run] : scenarios)
      std::printf ("%s\n", name.c_str ());
    return 2;
  }
  /* What it understands is part of the output. */
  const std::string element = argc > 2 ? argv[2] : "sissink";
  const char *rest = element == "sissink" ? "" : " ! fdsink";
  Stage stage;
  stage.pipeline
      = gst_parse_launch (("audiotestsrc num-buffers=20 ! " + element
                           + " name=element project-id=demo reconnect=never "
                           + (*rest == '\0' ? "sync=false" : rest))
                              .c_str (),
                          nullptr);
  if (stage.pipeline == nullptr || !stage.plain.start ()
      || !stage.secure.start () || !stage.proxy.start ())
    return 1;
  stage.element = gst_bin_get_by_name (GST_BIN (stage.pipeline), "element");
  set (stage, "endpoint", stage.plain.url ());
  set_headers (stage);
  scenario->second (stage);
  play (stage);
  gst_object_unref (stage.element);
  gst_object_unref (stage.pipeline);
  return 0;
}
