#ifndef MANSIO_COMMON_NAMES_STRING_MAP_H_
#define MANSIO_COMMON_NAMES_STRING_MAP_H_

// Hash tables keyed by std::string that are searched with std::string_view, without a copy of the
// key. (The distribution's absl::string_view is a type of its own, so Abseil's default hash does
// not accept a std::string_view.) Not thread safe, as any container.

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace mansio {

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const {
    return absl::Hash<absl::string_view>{}(absl::string_view(text.data(), text.size()));
  }
};

struct StringEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return a == b; }
};

template <typename V>
using StringMap = absl::flat_hash_map<std::string, V, StringHash, StringEqual>;

using StringSet = absl::flat_hash_set<std::string, StringHash, StringEqual>;

}  // namespace mansio

#endif  // MANSIO_COMMON_NAMES_STRING_MAP_H_
