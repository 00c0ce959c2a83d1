// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/* What a target defines, and libFuzzer or the driver beside this file calls
 * over and over again with any bytes. */
extern "C" int LLVMFuzzerTestOneInput (const std::uint8_t *data,
                                       std::size_t size);

namespace sisfuzz {

/* Not what was promised: says so and aborts. */
[[noreturn]] void fail (const char *file, int line, const std::string &what);

inline std::string_view
as_text (const std::uint8_t *data, std::size_t size)
{
  return { reinterpret_cast<const char *> (data), size };
}

/* The input as a source of choices; at its end, each is the first one. */
class Choices
{
public:
  explicit Choices (std::string_view input) : rest_ (input) {}

  bool is_over () const { return rest_.empty (); }

  unsigned byte ()
  {
    if (rest_.empty ())
      return 0;
    const auto byte = static_cast<unsigned char> (rest_.front ());
    rest_.remove_prefix (1);
    return byte;
  }

  /* Of from…to; takes no more bytes than it needs. */
  std::int64_t any (std::int64_t from, std::int64_t to)
  {
    const auto range = std::uint64_t (to - from) + 1;
    std::uint64_t value = byte ();
    for (std::uint64_t reach = 256; reach != 0 && reach < range; reach <<= 8)
      value = value << 8 | byte ();
    return from + std::int64_t (range == 0 ? value : value % range);
  }

  std::string_view rest () const { return rest_; }

  /* So many bytes, or what is left. */
  std::string_view take (std::size_t size)
  {
    const std::string_view taken = rest_.substr (0, size);
    rest_.remove_prefix (taken.size ());
    return taken;
  }

private:
  std::string_view rest_;
};

/* Valid UTF-8, at most so long, of characters that are seen: by Unicode's
 * categories, not by the list of the code that is tested. */
bool is_clean (std::string_view text, std::size_t limit);

} // namespace sisfuzz

#define fuzz_check(condition)                                                  \
  do {                                                                         \
    if (!(condition))                                                          \
      sisfuzz::fail (__FILE__, __LINE__, #condition);                          \
  } while (0)
