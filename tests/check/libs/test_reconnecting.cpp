// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is tried again, how often and when: the table of the contract. */
#include "sis/protocol/message.h"
#include "sis/stream/reconnect.h"

#include <algorithm>

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using namespace sis;
using namespace std::chrono_literals;
using enum FailureCause;

namespace {

constexpr Reconnecting::Circumstances at_first{ .is_first_handshake = true };
constexpr Reconnecting::Circumstances later{ .was_started = true };
constexpr Reconnecting::Circumstances live{ .was_started = true,
                                            .is_live = true };

Failure
failure (FailureCause cause, Transience transience = Transience::Yes)
{
  Failure f;
  f.cause = cause;
  f.transience = transience;
  return f;
}

Failure
refusal (int status, const char *code = "")
{
  return failure_of_refusal ({ .http_status = status, .error_code = code });
}

const Failure lost = failure (Lost);
const Failure doubtful = failure (Error, Transience::Maybe);

bool
is_retried (Reconnect policy, const Failure &f,
            const Reconnecting::Circumstances &now)
{
  return Reconnecting ({ .policy = policy }).try_again (f, now);
}

/* Is it tried again? With `never` nothing is. */
struct Row
{
  const char *name;
  Failure failure;
  bool first_transport, first_always, later_transport, later_always;
};

constexpr bool yes = true, no = false;

const Row rows[] = {
  { "connection lost", lost, yes, yes, yes, yes },
  { "lost for whatever reason", failure (Lost, Transience::No), yes, yes, yes,
    yes },
  { "time-out", failure (Timeout), yes, yes, yes, yes },
  { "unknown host", failure (Connect, Transience::No), no, yes, yes, yes },
  { "refused", failure (Connect), no, yes, yes, yes },
  { "TLS", failure (Tls), no, no, no, no },
  { "settings", failure (Local), no, no, no, no },
  { "200", refusal (200), no, no, no, no },
  { "301", refusal (301), no, yes, no, yes },
  { "302", refusal (302), no, yes, no, yes },
  { "308", refusal (308), no, yes, no, yes },
  { "400", refusal (400), no, no, no, no },
  { "401", refusal (401), no, no, no, no },
  { "403", refusal (403), no, no, no, no },
  { "404", refusal (404), no, no, no, no },
  { "404 that may pass", refusal (404, "APIG.0103"), no, no, no, no },
  { "407", refusal (407), no, no, no, no },
  { "408", refusal (408), yes, yes, yes, yes },
  { "418", refusal (418), no, no, no, no },
  { "429", refusal (429), yes, yes, yes, yes },
  { "429 with a code", refusal (429, "APIG.0308"), yes, yes, yes, yes },
  { "500", refusal (500), yes, yes, yes, yes },
  { "500 that may pass", refusal (500, "APIG.0601"), yes, yes, yes, yes },
  { "502", refusal (502, "APIG.0201"), yes, yes, yes, yes },
  { "503", refusal (503), yes, yes, yes, yes },
  { "504", refusal (504), yes, yes, yes, yes },
  { "ERROR, transient", failure (Error), yes, yes, yes, yes },
  { "ERROR, doubtful", doubtful, yes, yes, yes, yes },
  { "ERROR, other", failure (Error, Transience::No), no, no, no, no },
  { "ERROR, credentials", failure (Error, Transience::Renew), no, no, no, no },
  { "FATAL, transient", failure (FatalError), no, yes, no, yes },
  { "FATAL, doubtful", failure (FatalError, Transience::Maybe), no, yes, no,
    yes },
  { "FATAL, other", failure (FatalError, Transience::No), no, no, no, no },
};

/* How many attempts follow before the error. */
int
count_attempts (Reconnecting &reconnecting, const Failure &f,
                const Reconnecting::Circumstances &now, int most = 1000)
{
  int n = 0;
  while (n < most && reconnecting.try_again (f, now))
    n++;
  return n;
}

} // namespace

GST_START_TEST (test_the_table_says_what_is_tried_again)
{
  const Row &row = rows[__i__];
  const auto check
      = [&row] (const char *when, Reconnect policy,
                const Reconnecting::Circumstances &now, bool expected) {
          fail_unless (is_retried (policy, row.failure, now) == expected,
                       "%s: %s", row.name, when);
        };
  check ("never, first", Reconnect::Never, at_first, no);
  check ("never, later", Reconnect::Never, later, no);
  check ("transport, first", Reconnect::Transport, at_first,
         row.first_transport);
  check ("transport, later", Reconnect::Transport, later, row.later_transport);
  check ("always, first", Reconnect::Always, at_first, row.first_always);
  check ("always, later", Reconnect::Always, later, row.later_always);
}
GST_END_TEST;

GST_START_TEST (test_what_the_service_reports_is_tried_again_by_its_code)
{
  const auto check = [] (const char *code, bool fatal) {
    ErrorReply reply;
    reply.fatal = fatal;
    reply.error_code = code;
    return is_retried (Reconnect::Transport, failure_of_reply (reply), later);
  };
  for (const char *code : { "SIS.0303", "SIS.0304", "SIS.0312", "SIS.0033" }) {
    fail_unless (check (code, false), "%s", code);
    fail_if (check (code, true), "%s", code);
  }
  for (const char *code :
       { "SIS.0032", "SIS.0103", "SIS.0301", "SIS.9999", "unknown", "" })
    fail_if (check (code, false), "%s", code);
}
GST_END_TEST;

GST_START_TEST (test_doubtful_failures_are_passed_over_twice_in_a_row)
{
  for (const Reconnect policy : { Reconnect::Transport, Reconnect::Always }) {
    Reconnecting reconnecting ({ .policy = policy });
    assert_equals_int (count_attempts (reconnecting, doubtful, live), 2);
    /* A failure of another kind, … */
    fail_unless (reconnecting.try_again (lost, live));
    assert_equals_int (count_attempts (reconnecting, doubtful, live), 2);
    /* … or a session that got on breaks the row. */
    reconnecting.reset ();
    assert_equals_int (count_attempts (reconnecting, doubtful, live), 2);
  }
}
GST_END_TEST;

GST_START_TEST (test_all_kinds_of_doubtful_failures_are_in_one_row)
{
  Reconnecting reconnecting ({ .policy = Reconnect::Always });
  fail_unless (reconnecting.try_again (doubtful, later));
  fail_unless (
      reconnecting.try_again (failure (FatalError, Transience::Maybe), later));
  fail_if (reconnecting.try_again (refusal (500, "APIG.0601"), later));
}
GST_END_TEST;

GST_START_TEST (test_attempts_are_limited_as_set)
{
  for (const int limit : { 0, 1, 7, 200 })
    for (const auto &now : { later, live }) {
      Reconnecting reconnecting ({ .max_attempts = limit });
      assert_equals_int (count_attempts (reconnecting, lost, now), limit);
      assert_equals_int (reconnecting.attempts (), limit);
      reconnecting.reset ();
      assert_equals_int (reconnecting.attempts (), 0);
      assert_equals_int (count_attempts (reconnecting, lost, now), limit);
    }
}
GST_END_TEST;

GST_START_TEST (test_attempts_are_without_limit_when_live_and_once_started)
{
  for (int i = 0; i < 8; i++) {
    const Reconnecting::Circumstances now{ .was_started = (i & 1) != 0,
                                           .is_live = (i & 2) != 0,
                                           .is_draining = (i & 4) != 0 };
    Reconnecting reconnecting ({});
    assert_equals_int (count_attempts (reconnecting, lost, now),
                       i == 3 ? 1000 : 10);
  }
}
GST_END_TEST;

/* To ten, whatever came before. */
GST_START_TEST (test_the_drain_limits_the_attempts_of_a_live_stream)
{
  Reconnecting reconnecting ({});
  assert_equals_int (count_attempts (reconnecting, lost, live, 50), 50);
  Reconnecting::Circumstances draining = live;
  draining.is_draining = true;
  assert_equals_int (count_attempts (reconnecting, lost, draining), 10);
}
GST_END_TEST;

GST_START_TEST (test_what_is_not_tried_again_is_not_counted)
{
  Reconnecting reconnecting ({});
  fail_if (reconnecting.try_again (failure (Tls), later));
  assert_equals_int (reconnecting.attempts (), 0);
}
GST_END_TEST;

/* A certificate does not get better; where TLS worked before, a connection was
 * cut. */
GST_START_TEST (test_broken_tls_is_tried_again_where_it_worked_before)
{
  for (const Reconnect policy : { Reconnect::Transport, Reconnect::Always })
    for (const bool was_started : { false, true }) {
      const Reconnecting::Circumstances now{ .was_started = was_started };
      Failure broken{ .cause = FailureCause::TlsBroken,
                      .transience = Transience::Yes };
      Reconnecting reconnecting ({ .policy = policy });
      fail_unless (reconnecting.try_again (broken, now) == was_started);
      broken.cause = FailureCause::Tls;
      fail_if (reconnecting.try_again (broken, now));
    }
}
GST_END_TEST;

GST_START_TEST (test_delays_double_up_to_the_longest)
{
  Reconnecting reconnecting ({ .delay = 200ms, .max_delay = 30s });
  Nanoseconds longest = 200ms;
  for (int n = 1; n <= 100; n++) {
    fail_unless (reconnecting.try_again (lost, live));
    fail_unless (reconnecting.delay (lost, 0.0) == 0s);
    fail_unless (reconnecting.delay (lost, 1.0) == longest);
    fail_unless (reconnecting.delay (lost, 0.5) == longest / 2);
    longest = std::min<Nanoseconds> (2 * longest, 30s);
  }
  reconnecting.reset ();
  fail_unless (reconnecting.try_again (lost, live));
  fail_unless (reconnecting.delay (lost, 1.0) == 200ms);
}
GST_END_TEST;

GST_START_TEST (test_a_busy_service_is_left_alone_for_two_seconds)
{
  const Failure busy = refusal (429);
  Reconnecting reconnecting ({});
  for (int n = 1; n <= 20; n++) {
    fail_unless (reconnecting.try_again (busy, live));
    fail_unless (reconnecting.delay (busy, 0.0) == 2s);
    fail_unless (reconnecting.delay (busy, 1.0)
                 == std::max<Nanoseconds> (2s, reconnecting.delay (lost, 1.0)));
  }
}
GST_END_TEST;

/* The properties take any number of nanoseconds. */
GST_START_TEST (test_delays_of_any_length_do_not_overflow)
{
  constexpr Nanoseconds centuries = 24h * 365 * 200;
  for (const Nanoseconds shortest :
       { Nanoseconds (1ms), Nanoseconds (1h), centuries })
    for (const Nanoseconds longest : { Nanoseconds (0), Nanoseconds (1ms),
                                       centuries, Nanoseconds::max () }) {
      Reconnecting reconnecting ({ .delay = shortest, .max_delay = longest });
      Nanoseconds before{};
      for (int n = 0; n < 100; n++) {
        fail_unless (reconnecting.try_again (lost, live));
        const Nanoseconds delay = reconnecting.delay (lost, 1.0);
        fail_unless (delay >= before);
        before = delay;
      }
    }
}
GST_END_TEST;

static Suite *
reconnect_suite (void)
{
  Suite *suite = suite_create ("reconnect");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_loop_test (tcase, test_the_table_says_what_is_tried_again, 0,
                       G_N_ELEMENTS (rows));
  tcase_add_test (tcase,
                  test_what_the_service_reports_is_tried_again_by_its_code);
  tcase_add_test (tcase, test_doubtful_failures_are_passed_over_twice_in_a_row);
  tcase_add_test (tcase, test_all_kinds_of_doubtful_failures_are_in_one_row);
  tcase_add_test (tcase, test_attempts_are_limited_as_set);
  tcase_add_test (tcase,
                  test_attempts_are_without_limit_when_live_and_once_started);
  tcase_add_test (tcase, test_the_drain_limits_the_attempts_of_a_live_stream);
  tcase_add_test (tcase, test_what_is_not_tried_again_is_not_counted);
  tcase_add_test (tcase, test_broken_tls_is_tried_again_where_it_worked_before);
  tcase_add_test (tcase, test_delays_double_up_to_the_longest);
  tcase_add_test (tcase, test_a_busy_service_is_left_alone_for_two_seconds);
  tcase_add_test (tcase, test_delays_of_any_length_do_not_overflow);
  return suite;
}

GST_CHECK_MAIN (reconnect)
