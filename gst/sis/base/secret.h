// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/glibptr.h"

#include <cstring>
#include <initializer_list>
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
  /* Several parts, of which no copy is left behind. */
  Secret (std::initializer_list<std::string_view> parts)
  {
    std::size_t size = 0;
    for (std::string_view part : parts)
      size += part.size ();
    value_.reserve (size);
    for (std::string_view part : parts)
      value_ += part;
  }
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

/* What a C function made of a secret; its own copy is overwritten. */
inline Secret
take_secret (GCharPtr text)
{
  const std::string_view value = text.get ();
  Secret secret (value);
  explicit_bzero (text.get (), value.size ());
  return secret;
}

} // namespace sis
