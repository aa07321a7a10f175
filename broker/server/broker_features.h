#ifndef MANSIO_BROKER_SERVER_BROKER_FEATURES_H_
#define MANSIO_BROKER_SERVER_BROKER_FEATURES_H_

#include <memory>

#include "absl/status/status.h"
#include "broker/admin/admin_service.h"
#include "broker/consumption/consumption.h"
#include "broker/core/feature_set.h"
#include "broker/deadletter/dead_letter_moves.h"
#include "broker/deadletter/dead_letter_service.h"
#include "broker/deadletter/dead_letter_state.h"
#include "broker/delay/delay.h"
#include "broker/delay/delay_admin.h"
#include "broker/inspection/inspection_service.h"
#include "broker/metadata/metadata.h"
#include "broker/metrics/broker_metrics.h"
#include "broker/move/append_budget.h"
#include "broker/move/mover.h"
#include "broker/offsets/offsets.h"
#include "broker/placement/hold_service.h"
#include "broker/send/send_service.h"
#include "broker/server/broker_config.h"
#include "broker/transaction/transactions.h"
#include "common/clock/broker_time.h"
#include "common/gateway/client_registry.h"
#include "common/gateway/send_holds.h"
#include "common/rpc/call.h"
#include "common/timer/timer_queue.h"
#include "store/store.h"

namespace mansio::broker {

// What a broker does with topics, groups and messages: its features with the states that they fold
// from the log, and their services. A new feature is added here. In the order of construction;
// nothing calls upwards. Thread-safe.
class BrokerFeatures {
 public:
  // All borrowed.
  struct Environment {
    const Clock* clock = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
    gateway::ClientRegistry* clients = nullptr;
    gateway::SendHolds* holds = nullptr;
  };
  // `advertised`: where clients reach this broker.
  BrokerFeatures(const BrokerConfig& config, const HostPort& advertised, Environment environment);

  // The store folds its log through these.
  void AddTo(FeatureSet* set);
  // It has; borrowed. Once.
  void Attach(store::Store* store);
  // From now on this broker decides what the log will say. May block; errors of the store.
  absl::Status BeginDeciding();
  // The keys that change while the broker runs.
  void ApplyChanges(const BrokerConfig& changed);
  // Nothing is decided any more. Idempotent.
  void Stop();

  // The methods that must be served by the broker whose topics and groups they are about.
  void RegisterOwned(rpc::MethodTable& methods);
  // The others, of the admin API.
  void RegisterAdmin(rpc::MethodTable& methods);

  Metadata* metadata() { return &metadata_; }
  const Metadata& metadata() const { return metadata_; }
  Consumption* consumption() { return consumption_.get(); }
  AdminService& admin() { return admin_; }
  // Whether the log has topics or groups.
  bool HasPast() const;
  // Enters what the metrics ask of features.
  void AddSources(BrokerMetrics::Sources* sources);

 private:
  BrokerTime* const time_;
  Metadata metadata_;
  DeadLetterState dead_letters_;
  Mover mover_;
  AppendBudget budget_;
  const std::unique_ptr<Consumption> consumption_;
  Delay delay_;
  const std::unique_ptr<Offsets> offsets_;
  const std::unique_ptr<Transactions> transactions_;
  SendService send_;
  AdminService admin_;
  HoldService hold_service_;
  DeadLetterMoves dead_letter_moves_;
  DeadLetterService dead_letter_service_;
  DelayAdmin delay_admin_;
  InspectionService inspection_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_BROKER_FEATURES_H_
