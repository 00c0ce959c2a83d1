// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/secret.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sis {

/* What others were told and may repeat, and texts of theirs without it: each
 * secret as it stands or percent-encoded, in whole or in parts, becomes "***".
 * Takes a time in proportion to the text, whatever is in it. For one thread. */
class Masking
{
public:
  /* These are the secrets now. Of those that were, the last few are kept: an
   * answer may be late. */
  void set (const std::vector<Secret> &secrets);
  /* And these. */
  void add (const std::vector<Secret> &secrets);

  /* For short texts: errors, labels, lines of the log. A text may have been cut
   * at its end, or at "…", within a secret. */
  std::string masked (std::string text) const;

  /* For what was said, of any length: only what is common to it and a secret of
   * 16 bytes and more is hidden, as a short password may be a word of the
   * language. */
  std::string masked_speech (std::string text) const;

  /* Bytes of secrets that are kept. */
  std::size_t size () const noexcept;

private:
  /* Where a part of a secret stands: its number from 1 on (0: nowhere), and how
   * many steps into it. */
  struct Place
  {
    std::uint16_t secret = 0, step = 0;
  };
  class Marks;

  void remember (const std::vector<Secret> &before);
  void index ();
  std::string_view part (Place place) const noexcept;
  std::size_t slot_of (const char *text) const noexcept;
  void mark_parts (std::string_view text, Marks &marks) const;
  void mark_short (std::string_view text, Marks &marks) const;
  void mark (std::string text, bool is_speech, Marks &marks) const;
  std::string without_secrets (std::string text, bool is_speech) const;

  std::vector<Secret> secrets_; /* as in a form: with blanks for '+' */
  std::size_t current_ = 0;     /* so many of them, the others were before */
  std::vector<Place> places_;   /* a hash table of the parts of long secrets */
  std::uint64_t seed_ = 0;
};

} // namespace sis
