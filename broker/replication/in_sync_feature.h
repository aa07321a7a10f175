#ifndef MANSIO_BROKER_REPLICATION_IN_SYNC_FEATURE_H_
#define MANSIO_BROKER_REPLICATION_IN_SYNC_FEATURE_H_

#include <set>
#include <string_view>
#include <vector>

#include "broker/core/feature.h"
#include "broker/replication/records.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// The in-sync set of the committed log, so that a start need not read the whole log for it.
// Thread-safe.
class InSyncFeature final : public Feature {
 public:
  // Empty when the log has never had one.
  std::set<BrokerId> members() const;

  std::vector<store::RecordKind> Kinds() const override { return {kInSyncSetRecord}; }
  char KeyPrefix() const override { return 'I'; }
  void Apply(const store::RecordView& record) override;
  void CaptureDirty(store::StateSink& sink) override;
  void CaptureAll(store::StateSink& sink) override;
  absl::Status Restore(std::string_view key, std::string_view value) override;
  void Clear() override;

 private:
  void Put(store::StateSink& sink) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::set<BrokerId> members_ ABSL_GUARDED_BY(mutex_);
  bool dirty_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_IN_SYNC_FEATURE_H_
