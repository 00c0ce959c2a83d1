// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace sis {

/* Text that must not outlive its use: overwritten when replaced, moved from
 * and destroyed. There is no conversion to a string and no stream operator; a
 * secret is read by name, with value (), where it goes on the wire. */
class Secret
{
public:
  Secret () = default;
  explicit Secret (std::string_view value) : value_ (value) {}
  Secret (const Secret &other) = default;
  Secret (Secret &&other) noexcept : value_ (other.value_) { other.wipe (); }
  ~Secret () { wipe (); }

  Secret &operator= (const Secret &other)
  {
    if (this != &other) {
      wipe ();
      value_ = other.value_;
    }
    return *this;
  }
  Secret &operator= (Secret &&other) noexcept
  {
    *this = std::as_const (other);
    if (this != &other)
      other.wipe ();
    return *this;
  }

  bool operator== (const Secret &) const = default;
  bool empty () const noexcept { return value_.empty (); }
  const std::string &value () const noexcept { return value_; }

private:
  void wipe () noexcept
  {
    explicit_bzero (value_.data (), value_.capacity ());
    value_.clear ();
  }

  std::string value_;
};

/* What is shorter is in any text, and not looked for. */
constexpr std::size_t shortest_secret = 4;

/* How many bytes at the front of a text repeat a secret: all of it, or as much
 * as was left of a long one, or of any where the text was cut off. */
inline std::size_t
repeated (std::string_view text, std::string_view secret) noexcept
{
  constexpr std::size_t telling = 16;
  const auto differ = std::ranges::mismatch (text, secret);
  const auto n = std::size_t (differ.in1 - text.begin ());
  const bool is_cut
      = differ.in1 == text.end () || text.substr (n).starts_with ("\u2026");
  return n == secret.size () || n >= telling || (is_cut && n >= shortest_secret)
             ? n
             : 0;
}

/* Text of somebody else, who may have repeated what he was told, without that.
 */
inline std::string
masked (std::string text, std::span<const Secret> secrets)
{
  constexpr std::string_view mask = "***";
  for (const Secret &secret : secrets) {
    const std::string &value = secret.value ();
    if (value.size () < shortest_secret)
      continue;
    const std::string_view start (value.data (), shortest_secret);
    for (std::size_t at = 0;
         (at = text.find (start, at)) != std::string::npos;) {
      const std::size_t n
          = repeated (std::string_view (text).substr (at), value);
      if (n > 0)
        text.replace (at, n, mask);
      at += n > 0 ? mask.size () : 1;
    }
  }
  return text;
}

} // namespace sis
