// SPDX-License-Identifier: LGPL-2.1-or-later
/* Each code that the service documents, on the bus: its domain and code, its
 * details, its text, and whether it is passed over. */
#include "failing.h"
#include "servicecodes.h"

#include <map>

using namespace sischeck;
using codes::Case;
using codes::Source;
using sistest::Behaviour;
using sistest::Server;

namespace {

/* Untyped: as the gateway may write it. Short: without what is optional. */
enum class Way { Error, FatalError, Untyped, Body, ShortBody, Status };

constexpr int never = 0, transport = 1, always = 2;
const char *const policies[] = { "never", "transport", "always" };

/* 100 ms of audio, and what is heard in it. */
constexpr std::size_t some_audio = 1600;
const Behaviour good{ .recognizer = sistest::index_recognizer () };

std::string
message_of (const Case &c)
{
  return "the text of " + c.name () + ", 错误";
}

std::string
request_id_of (const Case &c)
{
  return "request of " + c.name ();
}

Behaviour
answers_with (sistest::Action action)
{
  return { .start = { .after = { std::move (action) } },
           .recognizer = sistest::silent_recognizer () };
}

Behaviour
refuses_with (const Case &c, std::string body, const char *type)
{
  return { .handshake
           = { .reply = sistest::HttpReply{ .status = c.status,
                                            .body = std::move (body),
                                            .content_type = type } } };
}

Behaviour
failing (const Case &c, Way way)
{
  const std::string members = R"("error_code":")" + c.code
                              + R"(","error_msg":")" + message_of (c) + '"';
  switch (way) {
  case Way::Error:
    return answers_with (sistest::error (c.code, message_of (c)));
  case Way::FatalError:
    return answers_with (sistest::fatal (c.code, message_of (c)));
  case Way::Untyped:
    return answers_with (sistest::send_text ("{" + members + "}"));
  case Way::Body:
    return refuses_with (
        c, "{" + members + R"(,"request_id":")" + request_id_of (c) + "\"}",
        "application/json");
  case Way::ShortBody:
    return refuses_with (c, "{" + members + "}", "application/json");
  case Way::Status:
    break;
  }
  /* As a proxy's. */
  return refuses_with (c, "<html>error_code</html>", "text/html");
}

bool
is_refusal (Way way)
{
  return way == Way::Body || way == Way::ShortBody || way == Way::Status;
}

constexpr int all_failures = 3; /* that come, before all is well */

/* How many of them are passed over. */
int
passed_over (const Case &c, Way way, int policy)
{
  if (policy == never || (way == Way::FatalError && policy != always))
    return 0;
  if (is_refusal (way) && c.status / 100 == 3)
    return policy == always ? all_failures : 0;
  if (is_refusal (way) && c.status / 100 == 4 && c.status != 408
      && c.status != 429)
    return 0;
  return c.passes == 'Y' ? all_failures : c.passes == '?' ? 2 : 0;
}

/* Such as RESOURCE/NOT_FOUND. */
std::string
posted_as (const Problem &problem)
{
  const bool is_stream = problem.domain == GST_STREAM_ERROR;
  if (!is_stream && problem.domain != GST_RESOURCE_ERROR)
    return g_quark_to_string (problem.domain);
  auto *values = static_cast<GEnumClass *> (g_type_class_ref (
      is_stream ? GST_TYPE_STREAM_ERROR : GST_TYPE_RESOURCE_ERROR));
  const GEnumValue *value = g_enum_get_value (values, problem.code);
  std::string nick = value != nullptr ? value->value_nick : "?";
  for (char &c : nick)
    c = c == '-' ? '_' : g_ascii_toupper (c);
  g_type_class_unref (values);
  return (is_stream ? "STREAM/" : "RESOURCE/") + nick;
}

/* Fields with their types, so that two structures can be told apart. */
using Fields = std::map<std::string, std::string>;

Fields
fields_of (const GstStructure *details)
{
  Fields fields;
  if (details == nullptr)
    return fields;
  fields["name"] = gst_structure_get_name (details);
  const auto add = [] (GQuark field, const GValue *value, gpointer data) {
    g_autofree char *contents = g_strdup_value_contents (value);
    (*static_cast<Fields *> (data))[g_quark_to_string (field)]
        = G_VALUE_HOLDS_STRING (value)
              ? g_value_get_string (value)
              : std::string (G_VALUE_TYPE_NAME (value)) + " " + contents;
    return gboolean (TRUE);
  };
  gst_structure_foreach (details, add, &fields);
  return fields;
}

Fields
expected_fields (const Case &c, Way way, unsigned session,
                 const std::string &trace_id)
{
  Fields fields{ { "name", "sis-error" },
                 { "session", "guint " + std::to_string (session) } };
  if (!c.code.empty ())
    fields["error_code"] = c.code;
  if (way != Way::Status)
    fields["error_msg"] = message_of (c);
  if (!trace_id.empty ())
    fields["trace_id"] = trace_id;
  if (way == Way::Error || way == Way::FatalError)
    fields["resp_type"] = way == Way::Error ? "ERROR" : "FATAL_ERROR";
  if (is_refusal (way))
    fields["http_status"] = "guint " + std::to_string (c.status);
  if (way == Way::Body)
    fields["request_id"] = request_id_of (c);
  return fields;
}

std::string
to_text (const Fields &fields)
{
  std::string text;
  for (const auto &[name, value] : fields)
    text.append (" ").append (name).append ("='").append (value).append ("'");
  return text;
}

bool
is_plain_line (const std::string &text)
{
  for (const unsigned char c : text)
    if (c < ' ' || c == 0x7f)
      return false;
  return g_utf8_validate (text.c_str (), gssize (text.size ()), nullptr)
         && text.size () < 600 && text.ends_with (".");
}

/* What the text has to say, in this order. */
std::vector<std::string>
parts_of_text (const Case &c, Way way)
{
  if (way == Way::Status && c.status / 100 == 3)
    return { "redirects", c.advice };
  std::vector<std::string> parts;
  if (is_refusal (way))
    parts.push_back ("HTTP " + std::to_string (c.status));
  parts.push_back (c.code);
  if (way != Way::Status)
    parts.push_back (message_of (c));
  parts.push_back (c.advice);
  return parts;
}

/* A failure that comes several times in a row before all is well, and what the
 * bus hears of it. */
class Trial
{
public:
  Trial (const Case &code, Way way, int policy, int failures);

  /* Empty, or what is wrong. */
  std::string finish ();

private:
  void check (GstMessage *message, int index);
  void check_text (const Problem &problem, const std::string &trace_id);
  void check_the_rest ();
  void complain (const std::string &what)
  {
    complaint_ += case_.name () + ": " + what + "\n";
  }

  const Case case_;
  const Way way_;
  const int failures_, passed_;
  Server server_;
  std::unique_ptr<Pipeline> pipeline_;
  std::string complaint_;
};

Trial::Trial (const Case &code, Way way, int policy, int failures)
    : case_ (code), way_ (way), failures_ (failures),
      passed_ (std::min (failures, passed_over (code, way, policy)))
{
  std::vector<Behaviour> script (std::size_t (failures), failing (code, way));
  script.push_back (good);
  server_.script (script);
  fail_unless (server_.start ());
  pipeline_ = std::make_unique<Pipeline> (
      launch_line (server_.url (), hurried (policies[policy])));
  pipeline_->play ();
  pipeline_->push (indexed_audio (0, some_audio), 0);
}

std::string
Trial::finish ()
{
  const int messages = std::min (passed_ + 1, failures_);
  for (int i = 0; i < messages && complaint_.empty (); i++) {
    GstMessage *message = pipeline_->wait_for (GstMessageType (
        GST_MESSAGE_WARNING | GST_MESSAGE_ERROR | GST_MESSAGE_EOS));
    /* Nor would there be of the next ones. */
    fail_unless (message != nullptr, "%s: there is no message",
                 case_.name ().c_str ());
    check (message, i);
  }
  if (complaint_.empty ())
    check_the_rest ();
  return complaint_;
}

void
Trial::check (GstMessage *message, int index)
{
  const auto type = index < passed_ ? GST_MESSAGE_WARNING : GST_MESSAGE_ERROR;
  if (GST_MESSAGE_TYPE (message) != type
      || GST_MESSAGE_SRC (message) != GST_OBJECT (pipeline_->sink ())) {
    complain (std::string ("failure ") + std::to_string (index + 1) + " is no "
              + gst_message_type_get_name (type) + " but "
              + GST_MESSAGE_TYPE_NAME (message) + " of "
              + GST_MESSAGE_SRC_NAME (message));
    return;
  }
  const auto starts = pipeline_->named ("sis-start");
  const auto sessions = is_refusal (way_) ? 0u : unsigned (index) + 1;
  if (starts.size () != sessions) {
    complain (std::to_string (starts.size ()) + " sessions");
    return;
  }
  const std::string trace_id
      = sessions > 0 ? text_of (starts.back (), "trace_id") : "";
  const Problem problem (message);
  if (posted_as (problem) != case_.posted)
    complain ("is " + posted_as (problem) + ", not " + case_.posted);
  const Fields fields = fields_of (problem.details);
  const Fields expected = expected_fields (case_, way_, sessions, trace_id);
  if (fields != expected)
    complain ("has" + to_text (fields) + ", not" + to_text (expected));
  check_text (problem, trace_id);
}

void
Trial::check_text (const Problem &problem, const std::string &trace_id)
{
  std::size_t at = 0;
  for (const std::string &part : parts_of_text (case_, way_)) {
    at = problem.text.find (part, at);
    if (at == std::string::npos) {
      complain ("no '" + part + "' in its place in: " + problem.text);
      break;
    }
    at += part.size ();
  }
  if (!is_plain_line (problem.text))
    complain ("no plain line: " + problem.text);
  for (const std::string &id : { case_.code, trace_id })
    if (way_ != Way::Status && problem.debug.find (id) == std::string::npos)
      complain ("no '" + id + "' in: " + problem.debug);
}

/* After the last one all goes on, or nothing does. */
void
Trial::check_the_rest ()
{
  const bool goes_on = passed_ == failures_;
  const std::size_t attempts
      = std::size_t (std::min (passed_ + 1, failures_)) + goes_on;
  if (goes_on) {
    /* What is waited for before an attempt is no progress. */
    while (pipeline_->named ("sis-connecting").size () < attempts)
      fail_unless (pipeline_->wait_for (GST_MESSAGE_ELEMENT) != nullptr,
                   "%s: no attempt follows", case_.name ().c_str ());
    pipeline_->end ();
    if (!pipeline_->wait_for_eos ())
      complain ("no EOS");
    if (pipeline_->finals () != index_words (0, 1))
      complain ("heard '" + pipeline_->finals () + "'");
  } else if (!wait_for_state (*pipeline_, "failed"))
    complain ("the state is " + Stats (*pipeline_).state ());
  pipeline_->collect ();
  const std::size_t warnings
      = pipeline_->from_sink (GST_MESSAGE_WARNING).size (),
      errors = pipeline_->from_sink (GST_MESSAGE_ERROR).size ();
  if (warnings != std::size_t (passed_) || errors != (goes_on ? 0 : 1))
    complain (std::to_string (warnings) + " warnings and "
              + std::to_string (errors) + " errors");
  if (server_.connections ().size () != attempts)
    complain (std::to_string (server_.connections ().size ())
              + " connections, not " + std::to_string (attempts));
}

/* Another attempt is made after 2 s only. */
bool
is_throttled (const Case &c, Way way, int policy)
{
  return passed_over (c, way, policy) > 0 && c.posted == codes::busy
         && c.status != 503;
}

/* As much as gstcheck can pass on. */
void
assert_none (const std::string &complaints)
{
  fail_unless (complaints.empty (), "\n%.3000s", complaints.c_str ());
}

/* Each in a process of its own, to see where it hangs, if it does. */
constexpr int slices = 4;

/* Unless all are asked for, of a span of codes only the edges. */
void
try_slice (Source source, Way way, int policy, int slice, bool all = false)
{
  std::string complaints;
  const std::vector<Case> cases = codes::cases (source);
  fail_unless (cases.size () > 20);
  for (std::size_t i = std::size_t (slice); i < cases.size (); i += slices)
    if ((all || cases[i].is_edge) && !is_throttled (cases[i], way, policy))
      complaints
          += Trial (cases[i], way, policy, policy == never ? 1 : all_failures)
                 .finish ();
  assert_none (complaints);
}

/* Side by side, as each takes its time. */
using Trials = std::vector<std::unique_ptr<Trial>>;

void
add_throttled (Trials &trials, Source source, Way way, int policy)
{
  for (const Case &c : codes::cases (source))
    if (is_throttled (c, way, policy))
      trials.push_back (std::make_unique<Trial> (c, way, policy, 1));
}

void
try_all (const Trials &trials)
{
  std::string complaints;
  for (const auto &trial : trials)
    complaints += trial->finish ();
  assert_none (complaints);
}

} // namespace

GST_START_TEST (test_errors_have_their_domain_code_and_details)
{
  try_slice (Source::Session, Way::Error, never, __i__, true);
}
GST_END_TEST;

GST_START_TEST (test_fatal_errors_have_their_domain_code_and_details)
{
  try_slice (Source::Session, Way::FatalError, never, __i__, true);
}
GST_END_TEST;

GST_START_TEST (test_errors_without_a_type_are_errors)
{
  try_slice (Source::Session, Way::Untyped, never, __i__);
}
GST_END_TEST;

GST_START_TEST (test_the_body_of_a_refusal_tells_its_code)
{
  try_slice (Source::Body, Way::Body, never, __i__, true);
}
GST_END_TEST;

GST_START_TEST (test_the_body_of_a_refusal_may_lack_its_id)
{
  try_slice (Source::Body, Way::ShortBody, never, __i__);
}
GST_END_TEST;

GST_START_TEST (test_the_status_of_a_refusal_must_do_without_a_body)
{
  try_slice (Source::Status, Way::Status, never, __i__, true);
}
GST_END_TEST;

GST_START_TEST (test_errors_that_pass_are_passed_over)
{
  const int policy = __i__ % 2 == 0 ? transport : always;
  try_slice (Source::Session, Way::Error, policy, __i__ / 2);
}
GST_END_TEST;

GST_START_TEST (test_fatal_errors_that_pass_are_passed_over_always)
{
  const int policy = __i__ % 2 == 0 ? transport : always;
  try_slice (Source::Session, Way::FatalError, policy, __i__ / 2);
}
GST_END_TEST;

GST_START_TEST (test_refusals_whose_code_passes_are_passed_over)
{
  const int policy = __i__ % 2 == 0 ? transport : always;
  try_slice (Source::Body, Way::Body, policy, __i__ / 2);
}
GST_END_TEST;

GST_START_TEST (test_refusals_whose_status_passes_are_passed_over)
{
  const int policy = __i__ % 2 == 0 ? transport : always;
  try_slice (Source::Status, Way::Status, policy, __i__ / 2);
}
GST_END_TEST;

GST_START_TEST (test_a_service_that_is_overrun_is_passed_over)
{
  Trials trials;
  add_throttled (trials, Source::Session, Way::Error, transport);
  add_throttled (trials, Source::Session, Way::FatalError, always);
  add_throttled (trials, Source::Status, Way::Status, transport);
  fail_unless (trials.size () > 3);
  try_all (trials);
}
GST_END_TEST;

GST_START_TEST (test_a_gateway_that_throttles_is_passed_over)
{
  Trials trials;
  add_throttled (trials, Source::Body, Way::Body, transport);
  add_throttled (trials, Source::Body, Way::Body, always);
  fail_unless (trials.size () > 3);
  try_all (trials);
}
GST_END_TEST;

static Suite *
codes_suite (void)
{
  Suite *suite = suite_create ("codes");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_errors_have_their_domain_code_and_details, 0,
                       slices);
  tcase_add_loop_test (
      tcase, test_fatal_errors_have_their_domain_code_and_details, 0, slices);
  tcase_add_loop_test (tcase, test_errors_without_a_type_are_errors, 0, slices);
  tcase_add_loop_test (tcase, test_the_body_of_a_refusal_tells_its_code, 0,
                       slices);
  tcase_add_loop_test (tcase, test_the_body_of_a_refusal_may_lack_its_id, 0,
                       slices);
  tcase_add_loop_test (
      tcase, test_the_status_of_a_refusal_must_do_without_a_body, 0, slices);
  tcase_add_loop_test (tcase, test_errors_that_pass_are_passed_over, 0,
                       slices * 2);
  tcase_add_loop_test (
      tcase, test_fatal_errors_that_pass_are_passed_over_always, 0, slices * 2);
  tcase_add_loop_test (tcase, test_refusals_whose_code_passes_are_passed_over,
                       0, slices * 2);
  tcase_add_loop_test (tcase, test_refusals_whose_status_passes_are_passed_over,
                       0, slices * 2);
  tcase_add_test (tcase, test_a_service_that_is_overrun_is_passed_over);
  tcase_add_test (tcase, test_a_gateway_that_throttles_is_passed_over);
  return suite;
}

GST_CHECK_MAIN (codes)
