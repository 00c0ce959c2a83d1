// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/protocol/json.h"

#include "sis/protocol/message.h"
#include "sis/protocol/text.h"

#include <charconv>
#include <cmath>
#include <cstdint>

namespace sis::json {

namespace {

/* Bounds the tree that json-glib builds, which takes up to a few hundred bytes
 * for a value of two. A sentence of 4096 words has 16 thousand. */
constexpr int max_values = 1 << 16;

/* More digits than these may not fit into 64 bits, and json-glib wraps. */
constexpr std::size_t max_integer_digits = 18;

bool
is_digit (char c)
{
  return c >= '0' && c <= '9';
}

/* One pass over the text that says whether it is JSON, before json-glib makes
 * a tree of it: json-glib recurses without limit, and takes much that is no
 * JSON. Needs valid UTF-8 without NUL. */
class Checker
{
public:
  explicit Checker (std::string_view text) : text_ (text) {}

  /* False: `problem` says what is wrong. */
  bool check_object ();

  std::string_view problem () const { return problem_; }
  std::size_t offset () const { return pos_; }

  /* The text to be parsed: the one given, unless something was put right. */
  std::string_view text () const
  {
    return repaired_.empty () ? text_ : repaired_;
  }

private:
  enum class Expect { FirstKey, Key, FirstValue, Value, CommaOrEnd };

  std::optional<Expect> step (Expect expect);
  std::optional<Expect> key ();
  std::optional<Expect> value ();
  std::optional<Expect> open (bool is_object);
  std::optional<Expect> close ();
  std::optional<Expect> comma_or_end ();

  bool string ();
  bool escape ();
  bool unicode_escape ();
  bool number ();
  bool literal (std::string_view word);
  std::size_t digits ();
  std::optional<unsigned> hex4 (std::size_t at) const;

  bool take (char c);
  void skip_space ();
  void repair (std::size_t at, std::string_view replacement);
  bool fail (std::string_view problem);

  char peek () const { return pos_ < text_.size () ? text_[pos_] : '\0'; }

  /* Bit 0 tells of the innermost container whether it is an object. */
  bool in_object () const { return containers_ & 1; }

  const std::string_view text_;
  std::size_t pos_ = 0;
  int depth_ = 0;
  int values_ = 0;
  std::uint32_t containers_ = 0;
  std::string repaired_;
  std::string_view problem_;

  static_assert (max_message_depth <= 32, "one bit for each container");
};

bool
Checker::check_object ()
{
  skip_space ();
  if (peek () != '{')
    return fail ("not a JSON object");
  auto expect = std::optional (Expect::Value);
  do {
    skip_space ();
    expect = step (*expect);
  } while (expect && depth_ > 0);
  if (!expect)
    return fail (pos_ < text_.size () ? "not JSON" : "cut off");
  skip_space ();
  return pos_ == text_.size () || fail ("something after the object");
}

/* Takes one token (a key with its colon) and tells what may follow it. */
std::optional<Checker::Expect>
Checker::step (Expect expect)
{
  switch (expect) {
  case Expect::FirstKey:
    return peek () == '}' ? close () : key ();
  case Expect::Key:
    return key ();
  case Expect::FirstValue:
    return peek () == ']' ? close () : value ();
  case Expect::Value:
    return value ();
  case Expect::CommaOrEnd:
    break;
  }
  return comma_or_end ();
}

std::optional<Checker::Expect>
Checker::key ()
{
  if (!string ())
    return {};
  skip_space ();
  if (!take (':'))
    return {};
  return Expect::Value;
}

std::optional<Checker::Expect>
Checker::value ()
{
  if (++values_ > max_values) {
    fail ("too many values");
    return {};
  }
  bool ok;
  switch (peek ()) {
  case '{':
    return open (true);
  case '[':
    return open (false);
  case '"':
    ok = string ();
    break;
  case 't':
    ok = literal ("true");
    break;
  case 'f':
    ok = literal ("false");
    break;
  case 'n':
    ok = literal ("null");
    break;
  default:
    ok = number ();
    break;
  }
  return ok ? std::optional (Expect::CommaOrEnd) : std::nullopt;
}

std::optional<Checker::Expect>
Checker::open (bool is_object)
{
  if (depth_ == max_message_depth) {
    fail ("nested too deeply");
    return {};
  }
  ++depth_;
  ++pos_;
  containers_ = containers_ << 1 | (is_object ? 1 : 0);
  return is_object ? Expect::FirstKey : Expect::FirstValue;
}

std::optional<Checker::Expect>
Checker::close ()
{
  --depth_;
  ++pos_;
  containers_ >>= 1;
  return Expect::CommaOrEnd;
}

std::optional<Checker::Expect>
Checker::comma_or_end ()
{
  if (take (','))
    return in_object () ? Expect::Key : Expect::Value;
  if (peek () == (in_object () ? '}' : ']'))
    return close ();
  return {};
}

bool
Checker::string ()
{
  if (!take ('"'))
    return false;
  for (; pos_ < text_.size (); ++pos_) {
    if (text_[pos_] == '"') {
      ++pos_;
      return true;
    }
    if (text_[pos_] == '\\' && !escape ())
      return false;
  }
  return false;
}

/* Leaves the position at the last character of the escape. */
bool
Checker::escape ()
{
  ++pos_;
  switch (peek ()) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't':
    return true;
  case 'u':
    return unicode_escape ();
  default:
    return false;
  }
}

bool
Checker::unicode_escape ()
{
  const auto high = hex4 (pos_ + 1);
  if (!high)
    return false;
  if (*high >> 11 == 0xD800 >> 11) {
    const bool paired = *high < 0xDC00 && text_.substr (pos_ + 5, 2) == "\\u"
                        && hex4 (pos_ + 7).value_or (0) >> 10 == 0xDC00 >> 10;
    if (paired)
      pos_ += 6;
    else
      repair (pos_ + 1, "fffd");
  } else if (*high == 0) {
    /* A control character too, but one that does not end a C string. */
    repair (pos_ + 1, "0001");
  }
  pos_ += 4;
  return true;
}

bool
Checker::number ()
{
  take ('-');
  const bool leading_zero = peek () == '0';
  const std::size_t whole = digits ();
  if (whole == 0 || (leading_zero && whole > 1))
    return false;
  const std::size_t end = pos_;
  if (take ('.') && digits () == 0)
    return false;
  if (take ('e') || take ('E')) {
    if (!take ('+'))
      take ('-');
    if (digits () == 0)
      return false;
  }
  /* As a float it stays beyond every limit here. */
  if (pos_ == end && whole > max_integer_digits)
    repair (end - 2, "e9");
  return true;
}

bool
Checker::literal (std::string_view word)
{
  if (text_.substr (pos_, word.size ()) != word)
    return false;
  pos_ += word.size ();
  return true;
}

std::size_t
Checker::digits ()
{
  const std::size_t begin = pos_;
  while (is_digit (peek ()))
    ++pos_;
  return pos_ - begin;
}

std::optional<unsigned>
Checker::hex4 (std::size_t at) const
{
  if (at + 4 > text_.size ())
    return {};
  unsigned code = 0;
  for (std::size_t i = at; i < at + 4; ++i) {
    const int digit = g_ascii_xdigit_value (text_[i]);
    if (digit < 0)
      return {};
    code = code << 4 | static_cast<unsigned> (digit);
  }
  return code;
}

bool
Checker::take (char c)
{
  if (peek () != c)
    return false;
  ++pos_;
  return true;
}

void
Checker::skip_space ()
{
  for (; pos_ < text_.size (); ++pos_) {
    const char c = text_[pos_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
      return;
  }
}

void
Checker::repair (std::size_t at, std::string_view replacement)
{
  if (repaired_.empty ())
    repaired_ = text_;
  repaired_.replace (at, replacement.size (), replacement);
}

/* The first problem is the one that is told. */
bool
Checker::fail (std::string_view problem)
{
  if (problem_.empty ())
    problem_ = problem;
  return false;
}

JsonNode *
member (JsonObject *object, const char *name)
{
  return object ? json_object_get_member (object, name) : nullptr;
}

bool
holds (JsonNode *node, GType type)
{
  return node && JSON_NODE_HOLDS_VALUE (node)
         && json_node_get_value_type (node) == type;
}

/* "" unless it is a string. */
const char *
string_of (JsonNode *node)
{
  return holds (node, G_TYPE_STRING) ? json_node_get_string (node) : "";
}

template <typename Number>
std::string
decimal (Number number)
{
  char buffer[32];
  const auto [end, error]
      = std::to_chars (std::begin (buffer), std::end (buffer), number);
  return error == std::errc () ? std::string (buffer, end) : std::string ();
}

std::optional<double>
number_in (std::string_view text)
{
  double number = 0;
  const char *const end = text.data () + text.size ();
  const auto [stop, error] = std::from_chars (text.data (), end, number);
  if (error != std::errc () || stop != end)
    return {};
  return number;
}

} // namespace

NodePtr
parse_object (std::string_view text, std::string &problem) noexcept
{
  if (text.size () > max_message_length) {
    problem = "longer than " + decimal (max_message_length) + " bytes";
    return nullptr;
  }
  if (text.empty ()) {
    problem = "empty";
    return nullptr;
  }
  if (!g_utf8_validate_len (text.data (), text.size (), nullptr)) {
    problem = "not UTF-8 text";
    return nullptr;
  }
  Checker checker (text);
  if (!checker.check_object ()) {
    problem = checker.problem ();
    problem += ", at byte " + decimal (checker.offset ());
    return nullptr;
  }
  text = checker.text ();
  GObjectPtr<JsonParser> parser (json_parser_new ());
  g_autoptr (GError) error = nullptr;
  NodePtr root;
  if (json_parser_load_from_data (parser.get (), text.data (),
                                  static_cast<gssize> (text.size ()), &error))
    root.reset (json_parser_steal_root (parser.get ()));
  if (root && JSON_NODE_HOLDS_OBJECT (root.get ()))
    return root;
  problem = error ? error->message : "not a JSON object";
  return nullptr;
}

std::string
text_member (JsonObject *object, const char *name, std::size_t limit) noexcept
{
  JsonNode *const node = member (object, name);
  if (holds (node, G_TYPE_INT64))
    return decimal (json_node_get_int (node));
  if (holds (node, G_TYPE_DOUBLE))
    return decimal (json_node_get_double (node));
  return clean_text (string_of (node), limit);
}

std::optional<double>
number_member (JsonObject *object, const char *name) noexcept
{
  JsonNode *const node = member (object, name);
  std::optional<double> number;
  if (holds (node, G_TYPE_INT64))
    number = static_cast<double> (json_node_get_int (node));
  else if (holds (node, G_TYPE_DOUBLE))
    number = json_node_get_double (node);
  else
    number = number_in (string_of (node));
  return number && std::isfinite (*number) ? number : std::nullopt;
}

bool
flag_member (JsonObject *object, const char *name) noexcept
{
  JsonNode *const node = member (object, name);
  if (holds (node, G_TYPE_BOOLEAN))
    return json_node_get_boolean (node);
  if (holds (node, G_TYPE_INT64))
    return json_node_get_int (node) != 0;
  const char *const text = string_of (node);
  for (const char *yes : { "true", "yes", "1" }) {
    if (g_ascii_strcasecmp (text, yes) == 0)
      return true;
  }
  return false;
}

JsonObject *
object_member (JsonObject *object, const char *name) noexcept
{
  JsonNode *const node = member (object, name);
  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                               : nullptr;
}

JsonArray *
array_member (JsonObject *object, const char *name) noexcept
{
  JsonNode *const node = member (object, name);
  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node)
                                              : nullptr;
}

bool
has_member (JsonObject *object, const char *name) noexcept
{
  JsonNode *const node = member (object, name);
  return node && !JSON_NODE_HOLDS_NULL (node);
}

JsonObject *
object_element (JsonArray *array, unsigned index) noexcept
{
  JsonNode *const node = json_array_get_element (array, index);
  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                               : nullptr;
}

} // namespace sis::json
