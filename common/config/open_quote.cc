#include "common/config/open_quote.h"

#include <cstddef>

namespace mansio::config {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Behind the quoted text that begins at `begin`; npos when it does not end.
size_t EndOfQuoted(std::string_view line, size_t begin) {
  const char quote = line[begin];
  for (size_t i = begin + 1; i < line.size(); ++i) {
    if (line[i] == '\\' && quote == '"') {
      ++i;
    } else if (line[i] == quote) {
      const bool doubled = quote == '\'' && i + 1 < line.size() && line[i + 1] == quote;
      if (!doubled) return i + 1;
      ++i;
    }
  }
  return std::string_view::npos;
}

// Looks through a file line by line, only as closely as finding quotes takes.
class QuoteScan {
 public:
  // False when a quote in the line does not end.
  bool Take(std::string_view line) {
    const size_t indent = line.find_first_not_of(" \t\r");
    if (indent == std::string_view::npos) return true;
    if (indent > block_) return true;
    block_ = kNoBlock;
    at_begin_ = true;
    for (size_t i = indent; i < line.size();) {
      if (line[i] == '#' && (i == 0 || IsBlank(line[i - 1]))) break;
      if (at_begin_ && (line[i] == '"' || line[i] == '\'')) {
        i = EndOfQuoted(line, i);
        if (i == std::string_view::npos) return false;
        at_begin_ = false;
        continue;
      }
      if (at_begin_ && depth_ == 0 && (line[i] == '|' || line[i] == '>')) {
        block_ = indent;  // text of any kind, as far as it is indented
        break;
      }
      Step(line[i], i + 1 == line.size() || IsBlank(line[i + 1]));
      ++i;
    }
    return true;
  }

 private:
  // One character of plain text. `before_blank`: it ends the line or stands before a blank.
  void Step(char c, bool before_blank) {
    if (IsBlank(c)) return;
    if (at_begin_ && (c == '[' || c == '{')) {
      ++depth_;
    } else if (depth_ > 0 && (c == ']' || c == '}')) {
      --depth_;
      at_begin_ = false;
    } else if (c == ':' || (at_begin_ && (c == '-' || c == '?'))) {
      at_begin_ = before_blank;
    } else {
      at_begin_ = depth_ > 0 && c == ',';
    }
  }

  static constexpr size_t kNoBlock = std::string_view::npos;

  size_t block_ = kNoBlock;  // the indentation of the key of a block of text
  size_t depth_ = 0;         // of brackets
  bool at_begin_ = true;     // of a key, a value or an item
};

}  // namespace

std::optional<int> LineOfOpenQuote(std::string_view yaml) {
  QuoteScan scan;
  for (int line = 1; !yaml.empty(); ++line) {
    const size_t end = yaml.find('\n');
    if (!scan.Take(yaml.substr(0, end))) return line;
    yaml.remove_prefix(end == std::string_view::npos ? yaml.size() : end + 1);
  }
  return std::nullopt;
}

}  // namespace mansio::config
