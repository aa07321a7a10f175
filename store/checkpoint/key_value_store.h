#ifndef MANSIO_STORE_CHECKPOINT_KEY_VALUE_STORE_H_
#define MANSIO_STORE_CHECKPOINT_KEY_VALUE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mansio::store {

// Changes that become durable together or not at all. They take effect in the order in which they
// were added. Not thread-safe.
class KeyValueBatch {
 public:
  enum class Kind : uint8_t { kPut, kDelete, kDeleteRange };
  // For kDeleteRange `key` is the first key deleted and `value` the first one kept.
  struct Change {
    Kind kind;
    std::string_view key;
    std::string_view value;
  };

  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  // Deletes every key in [begin, end).
  void DeleteRange(std::string_view begin, std::string_view end);
  // Adds all changes of `later` behind the present ones.
  void Append(const KeyValueBatch& later);

  void Clear();
  bool empty() const { return changes_.empty(); }
  size_t bytes() const { return bytes_.size(); }
  void ForEach(absl::FunctionRef<void(const Change&)> visit) const;

 private:
  struct Place {
    Kind kind;
    size_t at;
    size_t key_bytes;
    size_t value_bytes;
  };
  void Add(Kind kind, std::string_view key, std::string_view value);

  std::string bytes_;
  std::vector<Place> changes_;
};

// An ordered map from bytes to bytes that changes only by whole durable batches: all that a
// checkpoint needs. Keys are ordered by memcmp. Thread-safe: reads see each batch whole or not at
// all; one thread writes at a time. Errors name the directory; DataLoss means that its content is
// damaged (it can be wiped and rebuilt from the log), every other code that the storage below
// refused.
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;

  // Applies `batch` atomically; it is durable when this returns OK.
  virtual absl::Status Write(const KeyValueBatch& batch) = 0;
  // The value of a key, or nullopt.
  virtual absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const = 0;
  // Visits the pairs of [begin, end) in order of their keys, as of one point in time, until `visit`
  // returns false. The views live until it returns.
  virtual absl::Status Scan(
      std::string_view begin, std::string_view end,
      absl::FunctionRef<bool(std::string_view key, std::string_view value)> visit) const = 0;
  // Deletes everything, also when the content is damaged; durable when it returns OK.
  virtual absl::Status Wipe() = 0;
};

// The first key behind all keys that begin with `prefix` (which has a byte below 0xff).
std::string PrefixEnd(std::string_view prefix);

}  // namespace mansio::store

#endif  // MANSIO_STORE_CHECKPOINT_KEY_VALUE_STORE_H_
