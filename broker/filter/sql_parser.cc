#include "broker/filter/sql_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/filter/sql_lexer.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace {

// What is known of a value before there is a message. A property's text can become any kind.
enum class SqlKind { kAny, kBoolean, kNumber, kText };

std::string_view NameOf(SqlKind kind) {
  switch (kind) {
    case SqlKind::kBoolean:
      return "a condition";
    case SqlKind::kNumber:
      return "a number";
    case SqlKind::kText:
      return "a text";
    default:
      return "a property";
  }
}

absl::Status IllegalSql(std::string sentence) {
  return WireError(apache::rocketmq::v2::ILLEGAL_FILTER_EXPRESSION, std::move(sentence));
}

// The operator of a comparison of two values; nullopt for another token.
std::optional<SqlOp> EqualityOf(SqlTokenKind kind) {
  if (kind == SqlTokenKind::kEqual) return SqlOp::kEqual;
  if (kind == SqlTokenKind::kNotEqual) return SqlOp::kNotEqual;
  return std::nullopt;
}

std::optional<SqlOp> OrderOf(SqlTokenKind kind) {
  switch (kind) {
    case SqlTokenKind::kGreater:
      return SqlOp::kGreater;
    case SqlTokenKind::kGreaterEqual:
      return SqlOp::kGreaterEqual;
    case SqlTokenKind::kLess:
      return SqlOp::kLess;
    case SqlTokenKind::kLessEqual:
      return SqlOp::kLessEqual;
    default:
      return std::nullopt;
  }
}

std::optional<SqlOp> SearchOf(SqlTokenKind kind) {
  switch (kind) {
    case SqlTokenKind::kContains:
      return SqlOp::kContains;
    case SqlTokenKind::kStartsWith:
      return SqlOp::kStartsWith;
    case SqlTokenKind::kEndsWith:
      return SqlOp::kEndsWith;
    default:
      return std::nullopt;
  }
}

// How much a step adds to the stack.
int StackEffect(SqlOp op) {
  switch (op) {
    case SqlOp::kProperty:
    case SqlOp::kConstant:
      return 1;
    case SqlOp::kBetween:
      return -2;
    case SqlOp::kEqual:
    case SqlOp::kNotEqual:
    case SqlOp::kGreater:
    case SqlOp::kGreaterEqual:
    case SqlOp::kLess:
    case SqlOp::kLessEqual:
    case SqlOp::kAnd:
    case SqlOp::kOr:
      return -1;
    default:
      return 0;
  }
}

// Recursive descent with one token of look-ahead. Each rule emits the steps of what it has read and
// returns its kind. After the first fault the look-ahead is kEnd for good, so that all rules
// return.
class SqlParser {
 public:
  explicit SqlParser(std::string_view expression) : expression_(expression), lexer_(expression) {
    Advance();
  }

  absl::StatusOr<SqlProgram> Run() {
    const size_t start = look_.offset;
    if (look_.kind == SqlTokenKind::kEnd && fault_.ok()) {
      return IllegalSql(
          "the SQL expression is empty; write a condition such as color = 'red', or TRUE for all");
    }
    NeedTruth(Or(), start);
    if (look_.kind != SqlTokenKind::kEnd) {
      Fail(look_.offset, "here the expression should end, or go on with AND or OR");
    }
    if (!fault_.ok()) return fault_;
    program_.steps.shrink_to_fit();  // it may live long, in many receives
    program_.constants.shrink_to_fit();
    return std::move(program_);
  }

 private:
  // ---- Rules ----

  SqlKind Or() { return Chain(SqlTokenKind::kOr, SqlOp::kSkipIfTrue, SqlOp::kOr, &SqlParser::And); }
  SqlKind And() {
    return Chain(SqlTokenKind::kAnd, SqlOp::kSkipIfFalse, SqlOp::kAnd, &SqlParser::Equality);
  }

  // `part {word part}`; what follows is skipped when the first part decides.
  SqlKind Chain(SqlTokenKind word, SqlOp skip, SqlOp join, SqlKind (SqlParser::*part)()) {
    size_t start = look_.offset;
    SqlKind kind = (this->*part)();
    while (look_.kind == word) {
      NeedTruth(kind, start);
      Advance();
      const size_t jump = Emit(skip);
      start = look_.offset;
      NeedTruth((this->*part)(), start);
      Emit(join);
      program_.steps[jump].argument = static_cast<uint32_t>(program_.steps.size());
      kind = SqlKind::kBoolean;
    }
    return kind;
  }

  SqlKind Equality() {
    SqlKind kind = Comparison();
    for (;;) {
      const size_t at = look_.offset;
      if (const auto op = EqualityOf(look_.kind)) {
        Advance();
        NeedSameKind(kind, Comparison(), at);
        Emit(*op);
      } else if (Accept(SqlTokenKind::kIs)) {
        const bool negated = Accept(SqlTokenKind::kNot);
        Expect(SqlTokenKind::kNull, "IS is followed by NULL or NOT NULL");
        Emit(SqlOp::kIsNull);
        if (negated) Emit(SqlOp::kNot);
      } else {
        return kind;
      }
      kind = SqlKind::kBoolean;
    }
  }

  SqlKind Comparison() {
    SqlKind kind = Unary();
    for (;;) {
      const size_t at = look_.offset;
      if (const auto op = OrderOf(look_.kind)) {
        Advance();
        NeedNumber(kind, at);
        NeedNumber(Unary(), at);
        Emit(*op);
      } else {
        const bool negated = Accept(SqlTokenKind::kNot);
        if (!Test(kind, at)) {
          if (negated) {
            Fail(look_.offset,
                 "here NOT is followed by BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH");
          }
          return kind;
        }
        if (negated) Emit(SqlOp::kNot);
      }
      kind = SqlKind::kBoolean;
    }
  }

  // BETWEEN, IN and the searches, behind their left side; false when none of them is next.
  bool Test(SqlKind kind, size_t at) {
    if (Accept(SqlTokenKind::kBetween)) {
      NeedNumber(kind, at);
      NeedNumber(Unary(), at);
      Expect(SqlTokenKind::kAnd, "BETWEEN is followed by two numbers with AND between them");
      NeedNumber(Unary(), at);
      Emit(SqlOp::kBetween);
      return true;
    }
    if (Accept(SqlTokenKind::kIn)) {
      NeedText(kind, at);
      Emit(SqlOp::kIn, List());
      return true;
    }
    if (const auto op = SearchOf(look_.kind)) {
      Advance();
      NeedText(kind, at);
      const uint32_t text = AddConstant(look_.text);
      Expect(SqlTokenKind::kText, "here a text in single quotes is needed");
      Emit(*op, text);
      return true;
    }
    return false;
  }

  uint32_t List() {
    constexpr std::string_view kNeed = "IN is followed by texts in parentheses: IN ('a', 'b')";
    std::vector<std::string> list;
    Expect(SqlTokenKind::kOpen, kNeed);
    do {
      list.push_back(look_.text);
      Expect(SqlTokenKind::kText, kNeed);
    } while (Accept(SqlTokenKind::kComma));
    Expect(SqlTokenKind::kClose, kNeed);
    std::sort(list.begin(), list.end());
    list.shrink_to_fit();
    program_.lists.push_back(std::move(list));
    return static_cast<uint32_t>(program_.lists.size() - 1);
  }

  SqlKind Unary() {
    const SqlTokenKind sign = look_.kind;
    if (sign != SqlTokenKind::kPlus && sign != SqlTokenKind::kMinus && sign != SqlTokenKind::kNot) {
      return Primary();
    }
    const size_t at = look_.offset;
    Advance();
    if (!Deeper(at)) return SqlKind::kAny;
    const SqlKind kind = Unary();
    --depth_;
    if (sign == SqlTokenKind::kNot) {
      NeedTruth(kind, at);
      Emit(SqlOp::kNot);
      return SqlKind::kBoolean;
    }
    NeedNumber(kind, at);
    Emit(sign == SqlTokenKind::kPlus ? SqlOp::kPlus : SqlOp::kMinus);
    return SqlKind::kNumber;
  }

  SqlKind Primary() {
    const SqlToken token = look_;
    switch (token.kind) {
      case SqlTokenKind::kOpen: {
        Advance();
        if (!Deeper(token.offset)) return SqlKind::kAny;
        const SqlKind kind = Or();
        --depth_;
        Expect(SqlTokenKind::kClose, "here a closing parenthesis is missing, or AND or OR");
        return kind;
      }
      case SqlTokenKind::kIdentifier:
        Advance();
        Emit(SqlOp::kProperty, Name(token));
        return SqlKind::kAny;
      case SqlTokenKind::kText:
        return Literal(token.text, SqlKind::kText);
      case SqlTokenKind::kInteger:
        return Literal(token.integer, SqlKind::kNumber);
      case SqlTokenKind::kReal:
        return Literal(token.real, SqlKind::kNumber);
      case SqlTokenKind::kTrue:
        return Literal(true, SqlKind::kBoolean);
      case SqlTokenKind::kFalse:
        return Literal(false, SqlKind::kBoolean);
      case SqlTokenKind::kNull:
        return Literal(std::monostate(), SqlKind::kAny);
      default:
        Fail(token.offset,
             "here a property name, a text in single quotes, a number, TRUE, FALSE, "
             "NULL or an opening parenthesis is needed");
        return SqlKind::kAny;
    }
  }

  // ---- What kinds go together ----

  void NeedTruth(SqlKind kind, size_t at) {
    if (kind == SqlKind::kAny) {
      Emit(SqlOp::kTruth);
    } else if (kind != SqlKind::kBoolean) {
      Fail(at, fmt::format("{} alone is neither true nor false; compare it with something",
                           NameOf(kind)));
    }
  }
  void NeedNumber(SqlKind kind, size_t at) {
    if (kind == SqlKind::kAny || kind == SqlKind::kNumber) return;
    Fail(at,
         fmt::format("{} has no order and no sign, only numbers have; use = or <>{}", NameOf(kind),
                     kind == SqlKind::kBoolean ? ", and parentheses behind NOT" : ""));
  }
  void NeedText(SqlKind kind, size_t at) {
    if (kind == SqlKind::kAny || kind == SqlKind::kText) return;
    Fail(at, fmt::format("IN, CONTAINS, STARTSWITH and ENDSWITH look at a text, not at {}; write "
                         "a property name before them{}",
                         NameOf(kind),
                         kind == SqlKind::kBoolean ? ", and parentheses behind NOT" : ""));
  }
  void NeedSameKind(SqlKind a, SqlKind b, size_t at) {
    if (a == SqlKind::kAny || b == SqlKind::kAny || a == b) return;
    Fail(at, fmt::format("{} cannot equal {}; compare values of one kind{}", NameOf(a), NameOf(b),
                         a == SqlKind::kBoolean ? ", and put parentheses behind NOT" : ""));
  }

  // ---- Tools ----

  void Advance() {
    if (!fault_.ok()) return;
    look_ = lexer_.Next();
    if (look_.kind == SqlTokenKind::kWrong) Fail(look_.offset, look_.text);
  }
  bool Accept(SqlTokenKind kind) {
    if (look_.kind != kind) return false;
    Advance();
    return true;
  }
  void Expect(SqlTokenKind kind, std::string_view need) {
    if (!Accept(kind)) Fail(look_.offset, need);
  }

  bool Deeper(size_t at) {
    if (++depth_ <= kMaxSqlDepth) return true;
    Fail(at,
         fmt::format("parentheses, NOTs and signs are nested more than {} deep; write it flatter",
                     kMaxSqlDepth));
    return false;
  }

  size_t Emit(SqlOp op, uint32_t argument = 0) {
    if (program_.steps.size() >= kMaxSqlSteps) {
      Fail(look_.offset, fmt::format("the expression has more than {} values and operators; use IN "
                                     "for many texts, or split the subscription",
                                     kMaxSqlSteps));
    }
    stack_ += StackEffect(op);
    program_.max_stack = std::max(program_.max_stack, static_cast<size_t>(std::max(stack_, 0)));
    program_.steps.push_back({op, argument});
    return program_.steps.size() - 1;
  }
  uint32_t AddConstant(SqlProgram::Constant constant) {
    program_.constants.push_back(std::move(constant));
    return static_cast<uint32_t>(program_.constants.size() - 1);
  }
  SqlKind Literal(SqlProgram::Constant constant, SqlKind kind) {
    Advance();
    Emit(SqlOp::kConstant, AddConstant(std::move(constant)));
    return kind;
  }
  uint32_t Name(const SqlToken& token) {
    const auto number = static_cast<uint32_t>(program_.names.size());
    const auto [name, added] = program_.names.try_emplace(std::string(token.source), number);
    if (added && number >= kMaxSqlNames) {
      Fail(token.offset,
           fmt::format("the expression names more than {} different properties", kMaxSqlNames));
    }
    return name->second;
  }

  // The first fault counts.
  void Fail(size_t offset, std::string_view why) {
    if (fault_.ok()) {
      const std::string_view before = expression_.substr(0, offset);
      const auto characters = std::count_if(before.begin(), before.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
      });
      const std::string_view rest = expression_.substr(before.size());
      fault_ = IllegalSql(fmt::format(
          "the SQL expression is wrong at character {} ({}): {}", characters + 1,
          rest.empty() ? "its end" : fmt::format("'{}'", EscapeForLog(Excerpt(rest))), why));
    }
    look_ = SqlToken();
    look_.offset = expression_.size();
  }
  // The first few characters, whole ones.
  static std::string_view Excerpt(std::string_view rest) {
    constexpr int kCharacters = 16;
    size_t size = 0;
    for (int i = 0; i < kCharacters && size < rest.size(); ++i) {
      size += std::max<size_t>(1, FirstCodePoint(rest.substr(size)).length);
    }
    return rest.substr(0, size);
  }

  const std::string_view expression_;
  SqlLexer lexer_;
  SqlToken look_;
  absl::Status fault_;
  SqlProgram program_;
  size_t depth_ = 0;
  int stack_ = 0;
};

}  // namespace

absl::StatusOr<SqlProgram> CompileSql(std::string_view expression) {
  if (expression.size() > kMaxSqlBytes) {
    return IllegalSql(fmt::format("an SQL expression has at most {} bytes, this one has {}",
                                  kMaxSqlBytes, expression.size()));
  }
  return SqlParser(expression).Run();
}

}  // namespace mansio::broker
