#include "broker/filter/sql_lexer.h"

#include <charconv>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace mansio::broker {

namespace {

using Kind = SqlTokenKind;

struct Keyword {
  std::string_view name;
  Kind kind;
};
constexpr Keyword kKeywords[] = {
    {"AND", Kind::kAnd},
    {"OR", Kind::kOr},
    {"NOT", Kind::kNot},
    {"IS", Kind::kIs},
    {"NULL", Kind::kNull},
    {"TRUE", Kind::kTrue},
    {"FALSE", Kind::kFalse},
    {"BETWEEN", Kind::kBetween},
    {"IN", Kind::kIn},
    {"CONTAINS", Kind::kContains},
    {"STARTSWITH", Kind::kStartsWith},
    {"ENDSWITH", Kind::kEndsWith},
};

bool SameWord(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase(absl::string_view(a.data(), a.size()),
                                absl::string_view(b.data(), b.size()));
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool BeginsName(char c) { return absl::ascii_isalpha(c) || c == '_' || c == '$'; }
bool ContinuesName(char c) { return BeginsName(c) || IsDigit(c); }

// What to write instead of a sign that other dialects have.
std::string_view CureOf(char c, char next) {
  switch (c) {
    case '!':
      return next == '=' ? "not equal is written <>" : "negation is written NOT";
    case '"':
    case '`':
      return "a text stands in single quotes, a property name in none";
    case '*':
    case '/':
    case '%':
      return "a filter does not calculate";
    case '&':
    case '|':
      return "conditions are joined with AND and OR";
    default:
      return "no expression contains this character outside a text";
  }
}

}  // namespace

SqlToken SqlLexer::Next() {
  SqlToken wrong;
  if (!SkipBlanks(wrong)) return wrong;
  if (at_ >= all_.size()) return Take(Kind::kEnd, 0);
  const char c = At(0);
  if (c == '\'') return Text();
  if (IsDigit(c) || (c == '.' && IsDigit(At(1)))) return Number();
  if (BeginsName(c)) return Word();
  return Sign();
}

SqlToken SqlLexer::Take(Kind kind, size_t size) {
  SqlToken token;
  token.kind = kind;
  token.offset = at_;
  token.source = all_.substr(at_, size);
  at_ += size;
  return token;
}

SqlToken SqlLexer::Wrong(SqlToken token, std::string sentence) {
  token.kind = Kind::kWrong;
  token.text = std::move(sentence);
  return token;
}

bool SqlLexer::SkipBlanks(SqlToken& wrong) {
  while (at_ < all_.size()) {
    if (absl::ascii_isspace(At(0))) {
      ++at_;
    } else if (At(0) == '-' && At(1) == '-') {
      const size_t end = all_.find_first_of("\r\n", at_);
      at_ = end == std::string_view::npos ? all_.size() : end;
    } else if (At(0) == '/' && At(1) == '*') {
      const size_t end = all_.find("*/", at_ + 2);
      if (end == std::string_view::npos) {
        wrong = Wrong(Take(Kind::kWrong, 2), "the comment has no end; close it with */");
        at_ = all_.size();
        return false;
      }
      at_ = end + 2;
    } else {
      break;
    }
  }
  return true;
}

SqlToken SqlLexer::Text() {
  std::string text;
  size_t end = at_ + 1;
  for (;;) {
    const size_t quote = all_.find('\'', end);
    if (quote == std::string_view::npos) {
      SqlToken token = Wrong(Take(Kind::kWrong, 1),
                             "the text has no closing quote; a quote within a text is written ''");
      at_ = all_.size();
      return token;
    }
    text.append(all_.substr(end, quote - end));
    end = quote + 1;
    if (end >= all_.size() || all_[end] != '\'') break;
    text.push_back('\'');
    ++end;
  }
  SqlToken token = Take(Kind::kText, end - at_);
  token.text = std::move(text);
  return token;
}

SqlToken SqlLexer::Number() {
  size_t n = 0;
  bool real = false;
  while (IsDigit(At(n))) ++n;
  if (At(n) == '.') {
    real = true;
    for (++n; IsDigit(At(n));) ++n;
  }
  const size_t exponent = n + ((At(n + 1) == '+' || At(n + 1) == '-') ? 2 : 1);
  if ((At(n) == 'e' || At(n) == 'E') && IsDigit(At(exponent))) {
    real = true;
    for (n = exponent; IsDigit(At(n));) ++n;
  }
  const size_t digits = n;
  if (!real && (At(n) == 'l' || At(n) == 'L')) ++n;
  size_t end = n;
  while (ContinuesName(At(end)) || At(end) == '.') ++end;
  if (end > n) {
    return Wrong(Take(Kind::kWrong, end),
                 "this is neither a number nor a property name; a name begins with a letter, _ or "
                 "$, and a text stands in single quotes");
  }
  SqlToken token = Take(real ? Kind::kReal : Kind::kInteger, n);
  const char* const first = token.source.data();
  const auto parsed = real ? std::from_chars(first, first + digits, token.real)
                           : std::from_chars(first, first + digits, token.integer);
  if (parsed.ec != std::errc()) {
    return Wrong(std::move(token),
                 "the number is too large; whole numbers go up to 9223372036854775807");
  }
  return token;
}

SqlToken SqlLexer::Word() {
  size_t n = 1;
  while (ContinuesName(At(n))) ++n;
  SqlToken token = Take(Kind::kIdentifier, n);
  for (const Keyword& keyword : kKeywords) {
    if (SameWord(token.source, keyword.name)) token.kind = keyword.kind;
  }
  if (SameWord(token.source, "LIKE")) {
    return Wrong(std::move(token), "there is no LIKE; use CONTAINS, STARTSWITH or ENDSWITH");
  }
  return token;
}

SqlToken SqlLexer::Sign() {
  switch (At(0)) {
    case '(':
      return Take(Kind::kOpen, 1);
    case ')':
      return Take(Kind::kClose, 1);
    case ',':
      return Take(Kind::kComma, 1);
    case '+':
      return Take(Kind::kPlus, 1);
    case '-':
      return Take(Kind::kMinus, 1);
    case '=':
      if (At(1) == '=') return Wrong(Take(Kind::kWrong, 2), "equality is written =");
      return Take(Kind::kEqual, 1);
    case '>':
      return At(1) == '=' ? Take(Kind::kGreaterEqual, 2) : Take(Kind::kGreater, 1);
    case '<':
      if (At(1) == '>') return Take(Kind::kNotEqual, 2);
      return At(1) == '=' ? Take(Kind::kLessEqual, 2) : Take(Kind::kLess, 1);
    default: {
      const std::string cure(CureOf(At(0), At(1)));
      return Wrong(Take(Kind::kWrong, 1), cure);
    }
  }
}

}  // namespace mansio::broker
