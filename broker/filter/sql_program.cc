#include "broker/filter/sql_program.h"

#include <string.h>

#include <algorithm>
#include <charconv>
#include <compare>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/match.h"

namespace mansio::broker {

namespace {

constexpr size_t kMaxNumberText = 128;

using Unknown = std::monostate;

SqlValue Number(const SqlValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return SqlNumber(*text);
  return std::holds_alternative<bool>(value) ? SqlValue() : value;
}

SqlValue Truth(const SqlValue& value) {
  const auto* text = std::get_if<std::string_view>(&value);
  if (text == nullptr) return std::holds_alternative<bool>(value) ? value : SqlValue();
  const absl::string_view word(text->data(), text->size());
  if (absl::EqualsIgnoreCase(word, "true")) return true;
  if (absl::EqualsIgnoreCase(word, "false")) return false;
  return Unknown();
}

bool IsUnknown(const SqlValue& value) { return std::holds_alternative<Unknown>(value); }
bool IsBool(const SqlValue& value) { return std::holds_alternative<bool>(value); }
bool IsText(const SqlValue& value) { return std::holds_alternative<std::string_view>(value); }
bool Is(bool wanted, const SqlValue& value) {
  const bool* truth = std::get_if<bool>(&value);
  return truth != nullptr && *truth == wanted;
}

double Real(const SqlValue& number) {
  if (const auto* integer = std::get_if<int64_t>(&number)) return static_cast<double>(*integer);
  return std::get<double>(number);
}

// nullopt when one of them is no number.
std::optional<std::partial_ordering> CompareNumbers(const SqlValue& left, const SqlValue& right) {
  const SqlValue a = Number(left);
  const SqlValue b = Number(right);
  if (IsUnknown(a) || IsUnknown(b)) return std::nullopt;
  if (std::holds_alternative<int64_t>(a) && std::holds_alternative<int64_t>(b)) {
    return std::get<int64_t>(a) <=> std::get<int64_t>(b);
  }
  return Real(a) <=> Real(b);
}

SqlValue Equal(const SqlValue& a, const SqlValue& b) {
  if (IsUnknown(a) || IsUnknown(b)) return Unknown();
  if (IsText(a) && IsText(b)) return std::get<std::string_view>(a) == std::get<std::string_view>(b);
  if (IsBool(a) || IsBool(b)) {
    const SqlValue left = Truth(a);
    const SqlValue right = Truth(b);
    if (IsUnknown(left) || IsUnknown(right)) return Unknown();
    return std::get<bool>(left) == std::get<bool>(right);
  }
  const auto order = CompareNumbers(a, b);
  if (!order.has_value()) return Unknown();
  return *order == 0;
}

SqlValue Ordered(SqlOp op, const SqlValue& a, const SqlValue& b) {
  const auto order = CompareNumbers(a, b);
  if (!order.has_value()) return Unknown();
  switch (op) {
    case SqlOp::kGreater:
      return *order > 0;
    case SqlOp::kGreaterEqual:
      return *order >= 0;
    case SqlOp::kLess:
      return *order < 0;
    default:
      return *order <= 0;
  }
}

SqlValue Not(const SqlValue& value) {
  if (const bool* truth = std::get_if<bool>(&value)) return !*truth;
  return Unknown();
}

SqlValue And(const SqlValue& a, const SqlValue& b) {
  if (Is(false, a) || Is(false, b)) return false;
  if (Is(true, a) && Is(true, b)) return true;
  return Unknown();
}

SqlValue Or(const SqlValue& a, const SqlValue& b) {
  if (Is(true, a) || Is(true, b)) return true;
  if (Is(false, a) && Is(false, b)) return false;
  return Unknown();
}

SqlValue Minus(const SqlValue& value) {
  const SqlValue number = Number(value);
  if (const auto* integer = std::get_if<int64_t>(&number)) {
    if (*integer == std::numeric_limits<int64_t>::min()) return -static_cast<double>(*integer);
    return -*integer;
  }
  if (const auto* real = std::get_if<double>(&number)) return -*real;
  return Unknown();
}

SqlValue Search(SqlOp op, const SqlValue& value, std::string_view wanted) {
  const auto* text = std::get_if<std::string_view>(&value);
  if (text == nullptr) return Unknown();
  switch (op) {
    case SqlOp::kStartsWith:
      return text->substr(0, wanted.size()) == wanted;
    case SqlOp::kEndsWith:
      return text->size() >= wanted.size() && text->substr(text->size() - wanted.size()) == wanted;
    default:
      // memmem takes at most a small multiple of the text's length; std::string_view::find, that
      // times the length of what is looked for.
      if (wanted.empty()) return true;
      return text->size() >= wanted.size() &&  // memmem takes no null of an empty text
             memmem(text->data(), text->size(), wanted.data(), wanted.size()) != nullptr;
  }
}

SqlValue In(const SqlValue& value, const std::vector<std::string>& list) {
  const auto* text = std::get_if<std::string_view>(&value);
  if (text == nullptr) return Unknown();
  return std::binary_search(list.begin(), list.end(), *text, std::less<>());
}

SqlValue ValueOf(const SqlProgram::Constant& constant) {
  return std::visit([](const auto& value) { return SqlValue(value); }, constant);
}

// One run of a program.
class Machine {
 public:
  Machine(const SqlProgram& program, absl::Span<const SqlValue> properties)
      : program_(program), properties_(properties) {
    stack_.reserve(program.max_stack);
  }

  bool Run() {
    for (size_t at = 0; at < program_.steps.size(); ++at) {
      const SqlStep& step = program_.steps[at];
      if (step.op == SqlOp::kSkipIfFalse || step.op == SqlOp::kSkipIfTrue) {
        if (Is(step.op == SqlOp::kSkipIfTrue, stack_.back())) at = step.argument - 1;
      } else {
        Do(step);
      }
    }
    return Is(true, stack_.back());
  }

 private:
  SqlValue Pop() {
    const SqlValue value = stack_.back();
    stack_.pop_back();
    return value;
  }

  void Do(const SqlStep& step) {
    switch (step.op) {
      case SqlOp::kProperty:
        return stack_.push_back(properties_[step.argument]);
      case SqlOp::kConstant:
        return stack_.push_back(ValueOf(program_.constants[step.argument]));
      case SqlOp::kBetween: {
        const SqlValue high = Pop();
        const SqlValue low = Pop();
        SqlValue& value = stack_.back();
        value =
            And(Ordered(SqlOp::kGreaterEqual, value, low), Ordered(SqlOp::kLessEqual, value, high));
        return;
      }
      case SqlOp::kEqual:
      case SqlOp::kNotEqual:
      case SqlOp::kGreater:
      case SqlOp::kGreaterEqual:
      case SqlOp::kLess:
      case SqlOp::kLessEqual:
      case SqlOp::kAnd:
      case SqlOp::kOr: {
        const SqlValue right = Pop();
        stack_.back() = OfTwo(step.op, stack_.back(), right);
        return;
      }
      default:
        stack_.back() = OfOne(step, stack_.back());
    }
  }

  static SqlValue OfTwo(SqlOp op, const SqlValue& left, const SqlValue& right) {
    switch (op) {
      case SqlOp::kEqual:
        return Equal(left, right);
      case SqlOp::kNotEqual:
        return Not(Equal(left, right));
      case SqlOp::kAnd:
        return And(left, right);
      case SqlOp::kOr:
        return Or(left, right);
      default:
        return Ordered(op, left, right);
    }
  }

  SqlValue OfOne(const SqlStep& step, const SqlValue& value) const {
    switch (step.op) {
      case SqlOp::kTruth:
        return Truth(value);
      case SqlOp::kNot:
        return Not(value);
      case SqlOp::kPlus:
        return Number(value);
      case SqlOp::kMinus:
        return Minus(value);
      case SqlOp::kIsNull:
        return IsUnknown(value);
      case SqlOp::kIn:
        return In(value, program_.lists[step.argument]);
      default:
        return Search(step.op, value, std::get<std::string>(program_.constants[step.argument]));
    }
  }

  const SqlProgram& program_;
  const absl::Span<const SqlValue> properties_;
  absl::InlinedVector<SqlValue, 8> stack_;
};

}  // namespace

SqlValue SqlNumber(std::string_view text) {
  if (text.empty() || text.size() > kMaxNumberText) return Unknown();
  if (text[0] == '+') {
    text.remove_prefix(1);
    if (text.empty() || text[0] == '-') return Unknown();
  }
  // from_chars also takes inf and nan.
  const size_t sign = text[0] == '-' ? 1 : 0;
  if (text.size() <= sign || !((text[sign] >= '0' && text[sign] <= '9') || text[sign] == '.')) {
    return Unknown();
  }
  const char* const end = text.data() + text.size();
  int64_t integer = 0;
  if (const auto parsed = std::from_chars(text.data(), end, integer);
      parsed.ec == std::errc() && parsed.ptr == end) {
    return integer;
  }
  double real = 0;
  const auto parsed = std::from_chars(text.data(), end, real);
  if (parsed.ec != std::errc() || parsed.ptr != end) return Unknown();
  return real;
}

bool SqlProgram::IsTrue(absl::Span<const SqlValue> properties) const {
  return Machine(*this, properties).Run();
}

}  // namespace mansio::broker
