#ifndef MANSIO_BROKER_CORE_FEATURE_SET_H_
#define MANSIO_BROKER_CORE_FEATURE_SET_H_

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "broker/core/feature.h"
#include "common/rpc/server.h"
#include "store/state_machine.h"

namespace mansio::broker {

// The broker as the store sees it: hands each record to the feature that owns its kind, each
// checkpoint pair to the feature that owns its key. Filled before the store is opened.
class FeatureSet : public store::StateMachine {
 public:
  // Borrowed. Order matters: a feature is applied, captured and restored in the order of adding.
  void Add(Feature* feature);

  void Attach(store::Store* store) override;
  void Apply(const store::RecordView& record) override;
  void BatchBegin() override;
  void BatchEnd() override;
  void CaptureDirty(store::StateSink& sink) override;
  void CaptureAll(store::StateSink& sink) override;
  absl::Status Restore(std::string_view key, std::string_view value) override;
  void Clear() override;
  std::vector<store::LiveMessage> LiveMessages(store::QueueKey queue, store::QueueOffset from,
                                               store::QueueOffset to, size_t max) const override;

 private:
  std::vector<Feature*> features_;
  std::array<std::vector<Feature*>, 256> by_kind_;
  std::array<Feature*, 256> by_prefix_{};
  std::optional<rpc::CompletionScope> completions_;  // open between BatchBegin and BatchEnd
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CORE_FEATURE_SET_H_
