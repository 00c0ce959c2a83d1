// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sis {

/* Limits on what is shown of a text that comes from outside. */
constexpr std::size_t max_label_length = 1024; /* codes, ids, error texts */
constexpr std::size_t max_text_length = 64 * 1024;

/* Valid UTF-8, without control characters (C0, DEL, C1), the two Unicode line
 * breaks and what is not seen: directions, spaces without a width, tags,
 * noncharacters. At most `limit` bytes and cut at a character. What is not
 * UTF-8 becomes U+FFFD. For any text that comes from outside and is shown. */
std::string clean_text (std::string_view text, std::size_t limit) noexcept;

} // namespace sis
