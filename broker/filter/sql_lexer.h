#ifndef MANSIO_BROKER_FILTER_SQL_LEXER_H_
#define MANSIO_BROKER_FILTER_SQL_LEXER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mansio::broker {

enum class SqlTokenKind : uint8_t {
  kEnd,
  kWrong,  // `text` is the sentence that says why
  kIdentifier,
  kText,
  kInteger,
  kReal,
  kOpen,
  kClose,
  kComma,
  kPlus,
  kMinus,
  kEqual,
  kNotEqual,
  kGreater,
  kGreaterEqual,
  kLess,
  kLessEqual,
  // Keywords, in any case.
  kAnd,
  kOr,
  kNot,
  kIs,
  kNull,
  kTrue,
  kFalse,
  kBetween,
  kIn,
  kContains,
  kStartsWith,
  kEndsWith,
};

struct SqlToken {
  SqlTokenKind kind = SqlTokenKind::kEnd;
  size_t offset = 0;        // of its first byte
  std::string_view source;  // as it was written
  std::string text;         // kText: without quotes, '' undone; kWrong: the sentence
  int64_t integer = 0;
  double real = 0;
};

// The words of an SQL92 filter expression (RocketMQ 5 API). Blanks and comments (`--` to the
// end of the line, `/* */`) separate them. The expression must outlive the lexer and its tokens.
class SqlLexer {
 public:
  explicit SqlLexer(std::string_view expression) : all_(expression) {}
  // The next word; kEnd again and again after the last one.
  SqlToken Next();

 private:
  // False, with `wrong` filled, for a comment without an end.
  bool SkipBlanks(SqlToken& wrong);
  SqlToken Text();
  SqlToken Number();
  SqlToken Word();
  SqlToken Sign();
  // The token of the next `size` bytes, which are consumed.
  SqlToken Take(SqlTokenKind kind, size_t size);
  static SqlToken Wrong(SqlToken token, std::string sentence);
  char At(size_t i) const { return at_ + i < all_.size() ? all_[at_ + i] : '\0'; }

  const std::string_view all_;
  size_t at_ = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_FILTER_SQL_LEXER_H_
