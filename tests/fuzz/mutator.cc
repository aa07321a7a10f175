#include "tests/fuzz/mutator.h"

#include <algorithm>
#include <iterator>

namespace mansio::fuzz {

// Lengths and counts of a format break most often at these.
void Mutator::PutNumber(std::string& text) {
  constexpr uint64_t kEdges[] = {0,
                                 1,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x7fff,
                                 0xffff,
                                 0x7fffffff,
                                 0x80000000,
                                 0xffffffff,
                                 0x7fffffffffffffff,
                                 0x8000000000000000,
                                 ~uint64_t{0}};
  const uint64_t number = kEdges[Below(std::size(kEdges))];
  const size_t at = Below(text.size() + 1);
  const size_t width = std::min(size_t{1} << Below(4), text.size() - at);
  for (size_t i = 0; i < width; ++i) text[at + i] = static_cast<char>(number >> (8 * i));
}

void Mutator::Change(std::string& text) {
  const size_t at = Below(text.size() + 1);
  const size_t length = Below(std::min<size_t>(text.size() - at, 32) + 1);
  switch (Below(9)) {
    case 0:
      if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << Below(8)));
      break;
    case 1:
      if (at < text.size()) text[at] = static_cast<char>(Below(256));
      break;
    case 2:
      text.insert(at, 1, static_cast<char>(Below(256)));
      break;
    case 3:
      text.erase(at, length);
      break;
    case 4:
      text.insert(at, std::string(text.substr(at, length)));
      break;
    case 5:
      text.resize(at);
      break;
    case 6:
      PutNumber(text);
      break;
    case 7:
      text.insert(at, Below(64), text.empty() ? '\0' : text[Below(text.size())]);
      break;
    default: {
      const std::string& other = AnyInput();
      const size_t from = Below(other.size() + 1);
      text.replace(at, length, other.substr(from, Below(other.size() - from + 1)));
    }
  }
}

std::string Mutator::Next() {
  std::string text = AnyInput();
  for (size_t changes = 1 + Below(6); changes > 0; --changes) Change(text);
  if (text.size() > max_bytes_) text.resize(max_bytes_);
  return text;
}

}  // namespace mansio::fuzz
