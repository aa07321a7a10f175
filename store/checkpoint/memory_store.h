#ifndef MANSIO_STORE_CHECKPOINT_MEMORY_STORE_H_
#define MANSIO_STORE_CHECKPOINT_MEMORY_STORE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sync/sync.h"
#include "store/checkpoint/key_value_store.h"

namespace mansio::store {

// A KeyValueStore in memory, for tests: it survives the Store above it, and gives out and takes
// back its whole content, so that a test can set it to what was durable at a moment of its choice.
class MemoryStore : public KeyValueStore {
 public:
  using Content = std::map<std::string, std::string, std::less<>>;

  absl::Status Write(const KeyValueBatch& batch) override;
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override;
  absl::Status Scan(
      std::string_view begin, std::string_view end,
      absl::FunctionRef<bool(std::string_view, std::string_view)> visit) const override;
  absl::Status Wipe() override;

  // The present content, shared; it never changes (each Write makes a new one).
  std::shared_ptr<const Content> content() const;
  void SetContent(std::shared_ptr<const Content> content);
  // Lets every Write fail from now on, as on a full disk; or no more.
  void FailWrites(bool fail);

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const Content> content_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<const Content>();
  bool fail_writes_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_CHECKPOINT_MEMORY_STORE_H_
