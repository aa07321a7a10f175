#ifndef MANSIO_BROKER_CORE_FEATURE_H_
#define MANSIO_BROKER_CORE_FEATURE_H_

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "store/record.h"
#include "store/state_machine.h"

namespace mansio::broker {

// One part of the broker's state: the record kinds it owns, how they are folded, and what it keeps
// in a checkpoint under its own key prefix. A new feature is a new folder with one of these, added
// to the FeatureSet in broker/server/broker.cc. All calls as for store::StateMachine (log thread;
// memory only).
class Feature {
 public:
  virtual ~Feature() = default;
  // The record kinds that Apply is called for. kMessageRecord may be claimed by several features.
  virtual std::vector<store::RecordKind> Kinds() const = 0;
  // The first byte of its checkpoint keys; unique among features ('A'..'z').
  virtual char KeyPrefix() const = 0;

  // The store that it lives in; before the first Restore or Apply.
  virtual void Attach(store::Store* store) { (void)store; }
  virtual void Apply(const store::RecordView& record) = 0;
  // The records of a batch were applied and their appends answered.
  virtual void BatchEnd() {}

  virtual void CaptureDirty(store::StateSink& sink) = 0;
  virtual void CaptureAll(store::StateSink& sink) = 0;
  virtual absl::Status Restore(std::string_view key, std::string_view value) = 0;
  virtual void Clear() = 0;

  // Its live messages in a stretch of a queue; nothing by default.
  virtual std::vector<store::LiveMessage> LiveMessages(store::QueueKey queue,
                                                       store::QueueOffset from,
                                                       store::QueueOffset to, size_t max) const {
    (void)queue, (void)from, (void)to, (void)max;
    return {};
  }
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CORE_FEATURE_H_
