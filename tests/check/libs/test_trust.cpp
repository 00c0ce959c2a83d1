// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsistrust.h"

#include <gst/check/gstcheck.h>

using sis::load_trust;

namespace {

/* A file of certificates that may change. */
class File
{
public:
  File () : path_ (g_build_filename (g_get_tmp_dir (), "sis-XXXXXX", nullptr))
  {
    const int fd = g_mkstemp (path_);
    fail_unless (fd >= 0);
    close (fd);
    write (1);
  }
  ~File ()
  {
    unlink (path_);
    g_free (path_);
  }
  File (const File &) = delete;
  File &operator= (const File &) = delete;

  void write (int copies) const
  {
    g_autofree char *certificate = nullptr;
    fail_unless (g_file_get_contents (TEST_DATA "/tls/ca.pem", &certificate,
                                      nullptr, nullptr));
    std::string all;
    while (copies-- > 0)
      all += certificate;
    fail_unless (g_file_set_contents (path_, all.data (), gssize (all.size ()),
                                      nullptr));
  }
  const char *path () const { return path_; }

private:
  char *path_;
};

} // namespace

GST_START_TEST (test_elements_share_what_a_file_says)
{
  const File file;
  const auto first = load_trust (file.path (), nullptr);
  fail_unless (G_IS_TLS_DATABASE (first.get ()));
  fail_unless (load_trust (file.path (), nullptr) == first);
  g_autofree char *same
      = g_build_filename (TEST_DATA, "tls", "ca.pem", nullptr);
  fail_unless (load_trust (same, nullptr) != first);
}
GST_END_TEST;

GST_START_TEST (test_a_file_that_has_changed_is_read_anew)
{
  const File file;
  const auto first = load_trust (file.path (), nullptr);
  file.write (2);
  const auto second = load_trust (file.path (), nullptr);
  fail_unless (second != nullptr && second != first);
  fail_unless (load_trust (file.path (), nullptr) == second);
}
GST_END_TEST;

GST_START_TEST (test_what_nobody_keeps_is_given_back)
{
  const File file;
  auto kept = load_trust (file.path (), nullptr);
  gpointer watched = kept.get ();
  g_object_add_weak_pointer (static_cast<GObject *> (kept.get ()), &watched);
  kept.reset ();
  fail_unless (watched == nullptr);
  fail_unless (load_trust (file.path (), nullptr) != nullptr);
}
GST_END_TEST;

GST_START_TEST (test_a_file_that_is_none_is_an_error)
{
  for (const char *path : { "/nonexistent.pem", TEST_DATA "/tls/README.md" }) {
    g_autoptr (GError) error = nullptr;
    fail_unless (load_trust (path, &error) == nullptr);
    fail_unless (error != nullptr);
  }
}
GST_END_TEST;

static Suite *
trust_suite (void)
{
  Suite *suite = suite_create ("trust");
  TCase *tcase = tcase_create ("general");
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_elements_share_what_a_file_says);
  tcase_add_test (tcase, test_a_file_that_has_changed_is_read_anew);
  tcase_add_test (tcase, test_what_nobody_keeps_is_given_back);
  tcase_add_test (tcase, test_a_file_that_is_none_is_an_error);
  return suite;
}

GST_CHECK_MAIN (trust)
