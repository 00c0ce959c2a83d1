// SPDX-License-Identifier: LGPL-2.1-or-later
/* The audio store does at random what it can do, and agrees with a model. */
#include "audiowalk.h"

#include "../scale.h"

#include <random>

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using sis::Position;

GST_START_TEST (test_the_store_agrees_with_a_simple_model)
{
  std::mt19937 random{ unsigned (__i__) };
  audiowalk::Walk walk (
      [&random] (Position from, Position to) {
        return std::uniform_int_distribution<Position> (from, to) (random);
      },
      [] (const std::string &what) { fail ("%s", what.c_str ()); });
  for (int i = 0; i < 500; i++)
    walk.step ();
  walk.finish ();
}
GST_END_TEST;

static Suite *
audiostore_random_suite (void)
{
  Suite *suite = suite_create ("audiostore_random");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_set_timeout (tcase, 30);
  tcase_add_loop_test (tcase, test_the_store_agrees_with_a_simple_model, 0,
                       sischeck::scaled (50));
  return suite;
}

GST_CHECK_MAIN (audiostore_random)
