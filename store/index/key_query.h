#ifndef MANSIO_STORE_INDEX_KEY_QUERY_H_
#define MANSIO_STORE_INDEX_KEY_QUERY_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "store/types.h"

namespace mansio::store {

// What is looked for in the key index.
struct KeyQuery {
  uint64_t hash = 0;              // MessageKeys
  std::optional<uint32_t> topic;  // only this one
  // Only parts of the log that have messages of these times, both included; single messages may
  // be older or newer.
  StoreTime from = std::numeric_limits<StoreTime>::min();
  StoreTime until = std::numeric_limits<StoreTime>::max();
  LogOffset before = std::numeric_limits<LogOffset>::max();  // only what stands before it
  // At most so many files of the index are looked into, and at least one.
  size_t max_files = std::numeric_limits<size_t>::max();
};

// A message that may have the key: whoever asks reads it (Store::ReadMessageAt) and compares.
struct KeyMatch {
  LogOffset offset = 0;
  uint32_t topic = 0;
};

struct KeySearch {
  // Bytes of the log in the range of the query that are not indexed at the moment: there may be
  // more matches in them.
  uint64_t missing_bytes = 0;
  // Matches that stand before it were not looked for: go on with KeyQuery::before. 0: it is done.
  LogOffset rest_before = 0;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_INDEX_KEY_QUERY_H_
