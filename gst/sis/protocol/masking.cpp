// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/masking.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <glib.h>
#include <limits>
#include <span>

namespace sis {
namespace {

constexpr std::string_view mask = "***";
constexpr std::string_view ellipsis = "\u2026";

/* What is shorter is in any text, and not looked for. */
constexpr std::size_t shortest_secret = 4;

/* So much in common with a secret tells it from any other text. Such a text
 * has one of the parts of the secret in it that are looked for, which begin
 * every few bytes. */
constexpr std::size_t telling = 16;
constexpr std::size_t step = 4;
constexpr std::size_t part_size = telling - step + 1;

/* Of the secrets that were. */
constexpr std::size_t most_older = 8, most_older_bytes = 16 << 10;

/* Where each byte of a text was in the one that it was made of, and its end. */
using Origin = std::vector<std::uint32_t>;

/* As forms write blanks. */
void
fold (std::string &text)
{
  std::ranges::replace (text, '+', ' ');
}

/* The byte that an escape at the front stands for; else -1. */
int
escaped (std::string_view text)
{
  if (text.size () < 3 || text[0] != '%' || !g_ascii_isxdigit (text[1])
      || !g_ascii_isxdigit (text[2]))
    return -1;
  return g_ascii_xdigit_value (text[1]) * 16 + g_ascii_xdigit_value (text[2]);
}

std::string
decoded (std::string_view text, Origin &origin)
{
  std::string out;
  out.reserve (text.size ());
  origin.reserve (text.size () + 1);
  std::size_t at = 0;
  while (at < text.size ()) {
    const int byte = escaped (text.substr (at));
    origin.push_back (std::uint32_t (at));
    out += byte < 0 ? text[at] : char (byte);
    at += byte < 0 ? 1 : 3;
  }
  origin.push_back (std::uint32_t (at));
  return out;
}

bool
is_within_character (char c)
{
  return (static_cast<unsigned char> (c) & 0xC0) == 0x80;
}

Secret
folded (const Secret &secret)
{
  std::string text = secret.value ();
  fold (text);
  Secret out (text);
  explicit_bzero (text.data (), text.size ());
  return out;
}

std::size_t
number_of_parts (std::size_t size)
{
  constexpr std::size_t most = std::numeric_limits<std::uint16_t>::max ();
  return size < telling ? 0 : std::min ((size - part_size) / step + 1, most);
}

} // namespace

/* The bytes of a text that are to be hidden. */
class Masking::Marks
{
public:
  explicit Marks (std::size_t size) : size_ (size) {}

  /* What is marked next was decoded of the text. */
  void set_origin (const Origin *origin) { origin_ = origin; }

  void add (std::size_t begin, std::size_t end)
  {
    if (origin_ != nullptr) {
      begin = (*origin_)[begin];
      end = (*origin_)[end];
    }
    marked_.resize (size_);
    std::memset (&marked_[begin], marked, end - begin);
  }

  /* The text with a mask in place of each stretch of characters of which a byte
   * is marked. */
  std::string apply (const std::string &text) const
  {
    if (marked_.empty ())
      return text;
    std::string out;
    std::size_t at = 0;
    for (;;) {
      const std::size_t first = std::min (marked_.find (marked, at), size_);
      std::size_t begin = first;
      while (begin > at && begin < size_ && is_within_character (text[begin]))
        begin--;
      out.append (text, at, begin - at);
      if (first == size_)
        return out;
      out += mask;
      at = end_of_marked (text, first);
    }
  }

private:
  static constexpr char marked = 1;

  /* Of the characters of which a byte is marked. */
  std::size_t end_of_marked (std::string_view text, std::size_t at) const
  {
    do {
      at = std::min (marked_.find ('\0', at), size_);
      while (at < size_ && is_within_character (text[at]))
        at++;
    } while (at < size_ && marked_[at] == marked);
    return at;
  }

  const std::size_t size_;
  const Origin *origin_ = nullptr;
  std::string marked_; /* empty: nothing is */
};

void
Masking::set (const std::vector<Secret> &secrets)
{
  std::vector<Secret> now;
  for (const Secret &secret : secrets) {
    Secret known = folded (secret);
    if (known.value ().size () >= shortest_secret
        && std::ranges::find (now, known) == now.end ())
      now.push_back (std::move (known));
  }
  if (std::ranges::equal (now, std::span (secrets_).first (current_)))
    return;
  const std::vector<Secret> before = std::exchange (secrets_, std::move (now));
  current_ = secrets_.size ();
  remember (before);
  index ();
}

void
Masking::add (const std::vector<Secret> &secrets)
{
  std::vector<Secret> all (secrets_.begin (),
                           secrets_.begin () + std::ptrdiff_t (current_));
  all.insert (all.end (), secrets.begin (), secrets.end ());
  set (all);
}

/* Of `before` (the last ones first) what is no longer current. */
void
Masking::remember (const std::vector<Secret> &before)
{
  std::size_t bytes = 0;
  for (const Secret &secret : before) {
    if (std::ranges::find (secrets_, secret) != secrets_.end ())
      continue;
    bytes += secret.value ().size ();
    const std::size_t count = secrets_.size () - current_;
    if (count == most_older || (count > 0 && bytes > most_older_bytes))
      return;
    secrets_.push_back (secret);
  }
}

void
Masking::index ()
{
  std::size_t count = 0;
  for (const Secret &secret : secrets_)
    count += number_of_parts (secret.value ().size ());
  places_ = std::vector<Place> (count > 0 ? std::bit_ceil (2 * count) : 0);
  /* Nobody can choose texts that fall into the same slots. */
  seed_ = std::uint64_t (g_random_int ()) << 32 | g_random_int ();
  for (std::size_t i = 0; i < secrets_.size (); i++)
    for (std::size_t k = 0; k < number_of_parts (secrets_[i].value ().size ());
         k++) {
      const Place place{ std::uint16_t (i + 1), std::uint16_t (k) };
      Place &slot = places_[slot_of (part (place).data ())];
      if (slot.secret == 0)
        slot = place;
    }
}

std::string_view
Masking::part (Place place) const noexcept
{
  const std::string_view secret = secrets_[place.secret - 1].value ();
  return secret.substr (place.step * step, part_size);
}

/* Where such a part is, or would be. */
std::size_t
Masking::slot_of (const char *text) const noexcept
{
  std::uint64_t head, tail;
  std::memcpy (&head, text, sizeof head);
  std::memcpy (&tail, text + part_size - sizeof tail, sizeof tail);
  std::uint64_t hash = (head ^ seed_) * 0x9e3779b97f4a7c15;
  hash = (hash ^ hash >> 32 ^ tail) * 0xd6e8feb86659fd93;
  std::size_t slot = std::size_t (hash >> 32);
  for (;; slot++) {
    slot &= places_.size () - 1;
    if (places_[slot].secret == 0
        || std::memcmp (part (places_[slot]).data (), text, part_size) == 0)
      return slot;
  }
}

void
Masking::mark_parts (std::string_view text, Marks &marks) const
{
  if (places_.empty ())
    return;
  for (std::size_t at = 0; at + part_size <= text.size (); at++) {
    const Place place = places_[slot_of (text.data () + at)];
    if (place.secret == 0)
      continue;
    const std::string_view secret = secrets_[place.secret - 1].value ();
    const std::size_t begin = place.step * step, end = begin + part_size;
    /* The next part begins a few bytes on, if they have that in common. */
    std::size_t before = 0, after = 0;
    while (before < std::min ({ step - 1, at, begin })
           && text[at - before - 1] == secret[begin - before - 1])
      before++;
    while (after < step - 1 && at + part_size + after < text.size ()
           && end + after < secret.size ()
           && text[at + part_size + after] == secret[end + after])
      after++;
    marks.add (at - before, at + part_size + after);
  }
}

/* Secrets that are short; and the heads of all, where the text was cut. */
void
Masking::mark_short (std::string_view text, Marks &marks) const
{
  constexpr auto none = std::string_view::npos;
  const auto mark_head = [&] (std::string_view secret, std::size_t end) {
    for (std::size_t n = std::min (secret.size (), telling) - 1;
         n >= shortest_secret; n--)
      if (text.substr (0, end).ends_with (secret.substr (0, n)))
        return marks.add (end - n, end);
  };
  for (const Secret &each : secrets_) {
    const std::string_view secret = each.value ();
    mark_head (secret, text.size ());
    for (auto at = text.find (ellipsis); at != none;
         at = text.find (ellipsis, at + 1))
      mark_head (secret, at);
    if (secret.size () < telling)
      for (auto at = text.find (secret); at != none;
           at = text.find (secret, at + 1))
        marks.add (at, at + secret.size ());
  }
}

void
Masking::mark (std::string text, bool is_speech, Marks &marks) const
{
  fold (text);
  mark_parts (text, marks);
  if (!is_speech)
    mark_short (text, marks);
}

std::string
Masking::without_secrets (std::string text, bool is_speech) const
{
  if (is_speech ? places_.empty () || text.size () < part_size
                : secrets_.empty ())
    return text;
  Marks marks (text.size ());
  mark (text, is_speech, marks);
  if (text.find ('%') != std::string::npos) {
    Origin origin;
    std::string plain = decoded (text, origin);
    marks.set_origin (&origin);
    mark (std::move (plain), is_speech, marks);
  }
  return marks.apply (text);
}

std::string
Masking::masked (std::string text) const
{
  return without_secrets (std::move (text), false);
}

std::string
Masking::masked_speech (std::string text) const
{
  return without_secrets (std::move (text), true);
}

std::size_t
Masking::size () const noexcept
{
  std::size_t bytes = 0;
  for (const Secret &secret : secrets_)
    bytes += secret.value ().size ();
  return bytes;
}

} // namespace sis
