// SPDX-License-Identifier: LGPL-2.1-or-later
/* Goes before two functions of GStreamer's test library. */
#include <gst/check/gstcheck.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <unistd.h>

namespace {

bool
is_own_process ()
{
  const char *fork = std::getenv ("CK_FORK");
  return fork == nullptr || std::strcmp (fork, "no") != 0;
}

} // namespace

/* Where all tests share one process the library leaves the failed one by
 * longjmp (): past destructors, so that its pipeline plays on. Nothing that
 * came after could be trusted, nor would the process end before the pipeline.
 */
#pragma GCC visibility push(default)
extern "C" {

void
_ck_assert_failed (const char *file, int line, const char *expression, ...)
{
  std::string message = expression;
  va_list arguments;
  va_start (arguments, expression);
  if (const char *format = va_arg (arguments, const char *)) {
    g_autofree char *text = g_strdup_vprintf (format, arguments);
    message = text;
  }
  va_end (arguments);
  if (is_own_process ()) {
    static const auto real = reinterpret_cast<decltype (&_ck_assert_failed)> (
        dlsym (RTLD_NEXT, "_ck_assert_failed"));
    real (file, line, expression, "%s", message.c_str (), nullptr);
  }
  std::fflush (stdout);
  std::fprintf (stderr, "%s:%d: %s\n", file, line, message.c_str ());
  _exit (EXIT_FAILURE);
}

/* The library's own checks, of criticals and warnings, do not come by here. */
int
gst_check_run_suite (Suite *suite, const char *name, const char *file)
{
  static const auto real = reinterpret_cast<decltype (&gst_check_run_suite)> (
      dlsym (RTLD_NEXT, "gst_check_run_suite"));
  const int failures = real (suite, name, file);
  if (failures == 0 || is_own_process ())
    return failures;
  std::fflush (stdout);
  _exit (EXIT_FAILURE);
}

} // extern "C"
#pragma GCC visibility pop
