// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/base/glibptr.h"

#include <json-glib/json-glib.h>
#include <optional>
#include <string>
#include <string_view>

/* Total access to JSON that comes from outside: nothing here trusts a type, a
 * range or a length. Private to this folder. */
namespace sis::json {

using NodePtr = std::unique_ptr<JsonNode, Deleter<json_node_unref>>;

/* The object that `text` is, or null and in `problem` why it is none. The text
 * has to be JSON by the letter, but for control characters within strings. What
 * json-glib would get wrong is put right on the way: an escaped NUL, half a
 * surrogate pair, an integer of more digits than it holds. */
NodePtr parse_object (std::string_view text, std::string &problem) noexcept;

/* Members by name; a null object has none. A member that is absent or of
 * another type gives "", nullopt, null. Numbers and booleans may come as
 * strings, labels as numbers. */
std::string text_member (JsonObject *object, const char *name,
                         std::size_t limit) noexcept;
std::optional<double> number_member (JsonObject *object,
                                     const char *name) noexcept;
bool flag_member (JsonObject *object, const char *name) noexcept;
JsonObject *object_member (JsonObject *object, const char *name) noexcept;
JsonArray *array_member (JsonObject *object, const char *name) noexcept;
bool has_member (JsonObject *object, const char *name) noexcept;

/* The object at an index of an array, or null. */
JsonObject *object_element (JsonArray *array, unsigned index) noexcept;

} // namespace sis::json
