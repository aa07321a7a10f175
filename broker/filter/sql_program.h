#ifndef MANSIO_BROKER_FILTER_SQL_PROGRAM_H_
#define MANSIO_BROKER_FILTER_SQL_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/types/span.h"
#include "common/names/string_map.h"

namespace mansio::broker {

// A value of three-valued logic; std::monostate is unknown (NULL).
using SqlValue = std::variant<std::monostate, bool, int64_t, double, std::string_view>;

// The steps of a program. Operands are taken from a stack, the last one from its top, and the
// result is put there. Unknown in gives unknown out, but for kAnd, kOr and kIsNull.
enum class SqlOp : uint8_t {
  kProperty,  // argument: which name
  kConstant,  // argument: which constant
  kTruth,     // a property used as a condition: the text true or false
  kNot,
  kPlus,
  kMinus,
  kEqual,
  kNotEqual,
  kGreater,  // numbers only, as the next four
  kGreaterEqual,
  kLess,
  kLessEqual,
  kBetween,  // value, low, high; the bounds belong to it
  kIsNull,
  kIn,        // argument: which list
  kContains,  // argument: which text constant, as the next two
  kStartsWith,
  kEndsWith,
  kAnd,
  kOr,
  kSkipIfFalse,  // argument: where to go on when the top is FALSE; takes nothing from the stack
  kSkipIfTrue,
};

struct SqlStep {
  SqlOp op;
  uint32_t argument = 0;
};

// A compiled SQL92 expression: a list of steps without loops, so that its cost is bounded by its
// length. Plain data that the parser fills; immutable afterwards and thread-safe.
struct SqlProgram {
  using Constant = std::variant<std::monostate, bool, int64_t, double, std::string>;

  std::vector<SqlStep> steps;
  std::vector<Constant> constants;
  std::vector<std::vector<std::string>> lists;  // of IN; each sorted
  StringMap<uint32_t> names;                    // the properties it mentions, numbered from 0
  size_t max_stack = 0;

  // Whether the expression is TRUE. `properties` has the value of each name by its number: text, or
  // unknown for one that the message does not have.
  bool IsTrue(absl::Span<const SqlValue> properties) const;
};

// A property's text as a number: [+-]digits with an optional fraction and exponent, at most 128
// characters, in range; otherwise unknown.
SqlValue SqlNumber(std::string_view text);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_FILTER_SQL_PROGRAM_H_
