#include "broker/server/broker_features.h"

#include <algorithm>
#include <vector>

#include "broker/server/part_options.h"

namespace mansio::broker {

BrokerFeatures::BrokerFeatures(const BrokerConfig& config, const HostPort& advertised,
                               Environment environment)
    : time_(environment.time),
      metadata_({.topics = config.topics,
                 .queues_per_topic = config.queues_per_topic,
                 .groups = config.groups},
                time_),
      dead_letters_(&metadata_),
      mover_({}, environment.timers),
      budget_(config.move_bytes_per_second, environment.clock),
      consumption_(Consumption::Create(ConsumptionOptionsOf(config, advertised),
                                       {.metadata = &metadata_,
                                        .dead_letters = &dead_letters_,
                                        .clients = environment.clients,
                                        .time = time_,
                                        .timers = environment.timers,
                                        .mover = &mover_,
                                        .budget = &budget_})),
      delay_(DelayOptionsOf(config), {.metadata = &metadata_,
                                      .clients = environment.clients,
                                      .mover = &mover_,
                                      .budget = &budget_,
                                      .time = time_,
                                      .timers = environment.timers}),
      offsets_(
          Offsets::Create(OffsetsOptionsOf(config, advertised), {.metadata = &metadata_,
                                                                 .clients = environment.clients,
                                                                 .consumption = consumption_.get(),
                                                                 .time = time_,
                                                                 .timers = environment.timers})),
      transactions_(Transactions::Create(TransactionOptionsOf(config, advertised),
                                         {.metadata = &metadata_,
                                          .clients = environment.clients,
                                          .mover = &mover_,
                                          .budget = &budget_,
                                          .time = time_,
                                          .timers = environment.timers})),
      send_(SendOptionsOf(config), {.metadata = &metadata_,
                                    .clients = environment.clients,
                                    .time = time_,
                                    .delay = &delay_,
                                    .halves = transactions_->halves(),
                                    .holds = environment.holds}),
      admin_({.broker_name = config.name, .default_queues = config.default_queues},
             {.metadata = &metadata_,
              .consumption = consumption_.get(),
              .clients = environment.clients,
              .holds = environment.holds}),
      hold_service_(
          config.name,
          {.metadata = &metadata_, .consumption = consumption_.get(), .holds = environment.holds}),
      dead_letter_moves_({.max_resends = config.max_resends}, {.metadata = &metadata_,
                                                               .state = &dead_letters_,
                                                               .delay = &delay_,
                                                               .budget = &budget_,
                                                               .time = time_,
                                                               .timers = environment.timers}),
      dead_letter_service_({.broker_name = config.name, .limits = SendOptionsOf(config).limits},
                           {.metadata = &metadata_,
                            .state = &dead_letters_,
                            .moves = &dead_letter_moves_,
                            .time = time_}),
      delay_admin_(&delay_, &metadata_),
      inspection_(config.name, {.metadata = &metadata_, .clients = environment.clients}) {}

void BrokerFeatures::AddTo(FeatureSet* set) {
  set->Add(&metadata_);
  set->Add(&dead_letters_);
  for (Feature* feature : consumption_->features()) set->Add(feature);
  set->Add(delay_.feature());
  set->Add(offsets_->feature());
  set->Add(transactions_->feature());
}

void BrokerFeatures::Attach(store::Store* store) {
  send_.Attach(store);
  mover_.Attach(store);
  inspection_.Attach(store);
}

absl::Status BrokerFeatures::BeginDeciding() {
  if (absl::Status status = metadata_.EnsureHandleKey(); !status.ok()) return status;
  if (absl::Status status = transactions_->Start(); !status.ok()) return status;
  consumption_->Start();
  return delay_.Start();
}

void BrokerFeatures::ApplyChanges(const BrokerConfig& changed) {
  dead_letter_moves_.SetMaxResends(changed.max_resends);
  budget_.SetRate(changed.move_bytes_per_second);
}

void BrokerFeatures::Stop() {
  consumption_->Stop();
  delay_.Stop();
  offsets_->Stop();
  transactions_->Stop();
  mover_.Stop();
}

void BrokerFeatures::RegisterOwned(rpc::MethodTable& methods) {
  send_.Register(methods);
  delay_.Register(methods);
  consumption_->Register(methods);
  offsets_->Register(methods);
  transactions_->Register(methods);
}

void BrokerFeatures::RegisterAdmin(rpc::MethodTable& methods) {
  admin_.Register(methods);
  hold_service_.Register(methods);
  dead_letter_service_.Register(methods);
  delay_admin_.Register(methods);
  inspection_.Register(methods);
}

bool BrokerFeatures::HasPast() const {
  const std::vector<TopicPtr> topics = metadata_.Topics();
  return !metadata_.Groups().empty() ||
         std::any_of(topics.begin(), topics.end(),
                     [](const TopicPtr& topic) { return topic->kind != TopicKind::kSystem; });
}

void BrokerFeatures::AddSources(BrokerMetrics::Sources* sources) {
  sources->metadata = &metadata_;
  sources->dead_letters = &dead_letters_;
  sources->consumption = consumption_.get();
  sources->offsets = offsets_.get();
  sources->delay = &delay_;
  sources->transactions = transactions_.get();
}

}  // namespace mansio::broker
