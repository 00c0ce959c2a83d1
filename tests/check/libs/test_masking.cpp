// SPDX-License-Identifier: LGPL-2.1-or-later
/* What others repeat of the secrets they were told, and what they say else. */
#include "sis/protocol/masking.h"
#include "sis/protocol/text.h"

#include "../scale.h"

#include <ctime>
#include <random>

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>

using sis::Masking;
using sis::Secret;

namespace {

/* As long as those of IAM. */
const std::string &
long_token ()
{
  static const std::string token = [] {
    std::minstd_rand random (1);
    constexpr std::string_view letters
        = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    while (text.size () < 3000)
      text += letters[random () % letters.size ()];
    return text;
  }();
  return token;
}

std::string
masked (const std::string &text, const std::vector<std::string> &secrets)
{
  std::vector<Secret> all;
  for (const std::string &secret : secrets)
    all.emplace_back (secret);
  Masking masking;
  masking.set (all);
  return masking.masked (text);
}

std::string
masked_speech (const std::string &text, const std::string &secret)
{
  Masking masking;
  masking.set ({ Secret (secret) });
  return masking.masked_speech (text);
}

void
assert_text (const std::string &actual, const std::string &expected)
{
  fail_unless (actual == expected, "'%s' is not '%s'", actual.c_str (),
               expected.c_str ());
}

/* Each character for which `is_meant` is true of its position. */
template <typename IsMeant>
std::string
encoded (const std::string &text, const char *digits, IsMeant is_meant)
{
  std::string out;
  for (std::size_t i = 0; i < text.size (); i++) {
    const auto byte = static_cast<unsigned char> (text[i]);
    if (is_meant (i))
      ((out += '%') += digits[byte >> 4]) += digits[byte & 15];
    else
      out += text[i];
  }
  return out;
}

const char upper[] = "0123456789ABCDEF";
const char lower[] = "0123456789abcdef";

} // namespace

GST_START_TEST (test_what_repeats_a_secret_is_masked)
{
  const std::vector<std::string> secrets{ "hush", "abc", "" };
  assert_text (masked ("hush, hushush: abc", secrets), "***, ***: abc");
  assert_text (masked ("nothing", secrets), "nothing");
  assert_text (masked ("", secrets), "");
  assert_text (masked ("hush hush", {}), "hush hush");
}
GST_END_TEST;

/* Somebody may have cut it. */
GST_START_TEST (test_what_was_cut_off_is_masked)
{
  const std::vector<std::string> secrets{ "0123456789abcdefghijkl" };
  assert_text (masked ("0123456789abcdefghijk", secrets), "***");
  assert_text (masked ("no 0123456789abcdef, sorry", secrets), "no ***, sorry");
  assert_text (masked ("no 01234\u2026", secrets), "no ***\u2026");
  assert_text (masked ("no 01234567 0123", secrets), "no 01234567 ***");
  assert_text (masked ("no 012\u2026 or 012", secrets), "no 012\u2026 or 012");
  assert_text (masked ("no passw\u2026", { "password" }), "no ***\u2026");
}
GST_END_TEST;

/* Head, middle or tail. */
GST_START_TEST (test_parts_of_a_secret_are_masked)
{
  const std::string &token = long_token ();
  for (std::size_t at = 0; at + 16 <= token.size (); at++)
    assert_text (masked ("a <" + token.substr (at, 16) + "> b", { token }),
                 "a <***> b");
  for (const std::size_t size : { 17, 20, 64, 1000, 2999 })
    for (const std::size_t at :
         { std::size_t (0), (token.size () - size) / 2, token.size () - size })
      assert_text (masked (token.substr (at, size), { token }), "***");
  for (std::size_t at = 0; at + 12 <= 100; at++) {
    const std::string text = "a <" + token.substr (at, 12) + "> b";
    assert_text (masked (text, { token }), text);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_secret_in_another_form_is_masked)
{
  const std::string secrets[]
      = { "p&ss w/rd",     "\u5bc6\u7801\u7801", "a%41b%zz%",
          "1+1 = 2 + 0",   long_token (),        "%%%%",
          "MIIT+abc/def==" };
  for (const std::string &secret : secrets) {
    const auto all = [] (std::size_t) { return true; };
    const auto some = [] (std::size_t i) { return i % 3 == 1; };
    const auto one = [] (std::size_t i) { return i == 2; };
    for (const std::string &form :
         { secret, encoded (secret, upper, all), encoded (secret, lower, all),
           encoded (secret, upper, some), encoded (secret, lower, some),
           encoded (secret, lower, one) })
      assert_text (masked ("%4 <" + form + "> 100% %", { secret }),
                   "%4 <***> 100% %");
  }
  assert_text (masked ("key=p%26ss+w%2frd", { "p&ss w/rd" }), "key=***");
  assert_text (masked ("%41%42", { "ABCD" }), "%41%42");
  /* Cut off, too. */
  assert_text (masked ("p%26ss+w", { "p&ss w/rd" }), "***");
  assert_text (masked (encoded (long_token ().substr (99, 20), lower,
                                [] (std::size_t) { return true; }),
                       { long_token () }),
               "***");
}
GST_END_TEST;

/* Whichever of them is known first. */
GST_START_TEST (test_secrets_within_secrets_are_masked_whole)
{
  assert_text (masked ("abcdef abcd", { "abcd", "abcdef" }), "*** ***");
  assert_text (masked ("abcdef abcd", { "abcdef", "abcd" }), "*** ***");
  assert_text (masked ("cdefabcd", { "abcd", "cdef" }), "***");
  assert_text (masked ("abcdef", { "abcd", "cdef" }), "***");
  assert_text (
      masked ("Basic 0123456789 ok", { "0123456789", "Basic 01234567" }),
      "*** ok");
}
GST_END_TEST;

GST_START_TEST (test_what_is_left_is_utf8)
{
  /* The same first byte, or the same last ones. */
  assert_text (masked ("0123456789abcde\u00e4!", { "0123456789abcde\u00e9" }),
               "***!");
  assert_text (masked ("\u4e8c0123456789abcdef", { "\u308c0123456789abcdef" }),
               "***");
  std::minstd_rand random (2);
  const std::string secret
      = "\u7b2c\u4e00\u7b2c\u4e8c\u7b2c\u4e09\u00e9\u00e8\U0001F600";
  for (int i = 0; i < sischeck::scaled (2000); i++) {
    std::string text;
    for (int k = 0; k < 30; k++)
      text += secret[random () % secret.size ()];
    const std::string said = sis::clean_text (
        secret.substr (random () % secret.size ()) + text, 1000);
    const std::string left = masked (said, { secret });
    fail_unless (
        g_utf8_validate (left.data (), gssize (left.size ()), nullptr));
  }
}
GST_END_TEST;

/* A short secret may be a word of the language. */
GST_START_TEST (test_speech_is_masked_by_long_secrets_alone)
{
  assert_text (masked_speech ("the password is hush", "hush"),
               "the password is hush");
  assert_text (masked_speech ("what they speak is Chin",
                              "Chinese (Mandarin, Simplified)"),
               "what they speak is Chin");
  assert_text (masked_speech ("as Chinese, say", "Chinese (Mandarin)"),
               "as Chinese, say");
  const std::string &token = long_token ();
  Masking masking;
  masking.set ({ Secret (token), Secret ("hush") });
  assert_text (masking.masked_speech ("hush, not " + token), "hush, not ***");
  assert_text (masked_speech ("it is " + token + "!", token), "it is ***!");
  assert_text (masked_speech ("it is " + token.substr (700, 64) + "!", token),
               "it is ***!");
}
GST_END_TEST;

/* No text keeps so much of a secret, however it was put together. */
GST_START_TEST (test_nothing_telling_is_left)
{
  std::minstd_rand random (3);
  for (int i = 0; i < sischeck::scaled (3000); i++) {
    /* Of few letters: parts of it repeat themselves. */
    std::string secret;
    for (std::size_t n = 4 + random () % 60; secret.size () < n;)
      secret += "ab+%"[random () % (1 + random () % 4)];
    std::string text;
    for (int part = 0; part < 6; part++) {
      const std::size_t at = random () % secret.size ();
      text += secret.substr (at, random () % (secret.size () - at + 1));
      text += "ab-"[random () % 3];
    }
    const std::string left = masked (text, { secret });
    fail_unless (left.find (secret) == std::string::npos);
    for (std::size_t at = 0; at + 16 <= secret.size (); at++)
      fail_unless (left.find (secret.substr (at, 16)) == std::string::npos,
                   "'%s' of '%s' has parts of '%s'", left.c_str (),
                   text.c_str (), secret.c_str ());
  }
}
GST_END_TEST;

/* The longest message, and letters chosen to take time: some 30 ms, ten times
 * that with a sanitizer. */
GST_START_TEST (test_no_text_takes_long)
{
  const std::size_t size = sischeck::scaled (1 << 20);
  const auto repeated = [size] (const std::string &part) {
    std::string text;
    while (text.size () < size)
      text += part;
    return text;
  };
  const std::string &token = long_token ();
  const std::string same (32 << 10, 'a');
  const std::pair<std::string, std::string> cases[]
      = { { repeated (token), token },
          { repeated (token.substr (400, 15) + "!"), token },
          { repeated (token.substr (400, 16) + "!"), token },
          { repeated ("a"), same },
          { repeated ("aaaaaaaaaaaaa!"), same },
          { repeated ("%61"), same },
          { repeated ("%"), same + "%" },
          { repeated ("\u7b2c"), token },
          { repeated (token.substr (0, 4) + "\u2026"), token } };
  for (const auto &[text, secret] : cases) {
    Masking masking;
    const std::clock_t start = std::clock ();
    masking.set ({ Secret (secret) });
    const std::string speech = masking.masked_speech (text);
    const double ms = 1e3 * double (std::clock () - start) / CLOCKS_PER_SEC;
    g_print ("# %s... %.1f ms\n", text.substr (0, 9).c_str (), ms);
    fail_unless (ms < 400, "%s...: %f ms", text.substr (0, 9).c_str (), ms);
  }
}
GST_END_TEST;

/* A late answer may repeat the token before. */
GST_START_TEST (test_the_last_few_are_remembered)
{
  const auto name = [] (int i) { return "secret-" + std::to_string (i); };
  Masking masking;
  for (int i = 100; i < 200; i++)
    masking.set ({ Secret ("constant"), Secret (name (i)) });
  for (int i = 192; i < 200; i++)
    assert_text (masking.masked (name (i)), "***");
  assert_text (masking.masked ("constant"), "***");
  assert_text (masking.masked (name (150) + " "), name (150) + " ");
  masking.add ({ Secret ("another") });
  assert_text (masking.masked ("another, " + name (199)), "***, ***");

  /* Long ones are fewer, but the last one is. */
  const std::string longest (32 << 10, 'x');
  masking.set ({ Secret (longest) });
  masking.set ({ Secret (longest + "y") });
  masking.set ({});
  assert_text (masking.masked ("<" + longest + "y>"), "<***>");
  fail_unless (masking.size () <= 64 << 10);
  for (int i = 0; i < 10; i++)
    masking.set ({ Secret (std::string (32 << 10, char ('a' + i))) });
  fail_unless (masking.size () <= 96 << 10, "%zu", masking.size ());
}
GST_END_TEST;

static Suite *
masking_suite (void)
{
  Suite *suite = suite_create ("masking");
  TCase *tcase = tcase_create ("general");
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  tcase_add_test (tcase, test_what_repeats_a_secret_is_masked);
  tcase_add_test (tcase, test_what_was_cut_off_is_masked);
  tcase_add_test (tcase, test_parts_of_a_secret_are_masked);
  tcase_add_test (tcase, test_a_secret_in_another_form_is_masked);
  tcase_add_test (tcase, test_secrets_within_secrets_are_masked_whole);
  tcase_add_test (tcase, test_what_is_left_is_utf8);
  tcase_add_test (tcase, test_speech_is_masked_by_long_secrets_alone);
  tcase_add_test (tcase, test_nothing_telling_is_left);
  tcase_add_test (tcase, test_no_text_takes_long);
  tcase_add_test (tcase, test_the_last_few_are_remembered);
  return suite;
}

GST_CHECK_MAIN (masking)
