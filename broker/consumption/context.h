#ifndef MANSIO_BROKER_CONSUMPTION_CONTEXT_H_
#define MANSIO_BROKER_CONSUMPTION_CONTEXT_H_

#include <atomic>

#include "broker/consumption/broadcast_members.h"
#include "broker/consumption/consumption.h"
#include "broker/consumption/consumption_state.h"
#include "broker/consumption/expired_moves.h"
#include "broker/consumption/lease_keeper.h"
#include "broker/consumption/positions.h"
#include "broker/consumption/redelivery.h"
#include "broker/consumption/refusals.h"
#include "broker/consumption/wait_list.h"
#include "broker/deadletter/dead_letter_state.h"

namespace mansio::broker {

// What the services of this folder share. All borrowed from ConsumptionImpl.
struct ConsumptionContext {
  const ConsumptionOptions& options;
  Metadata& metadata;
  const DeadLetterState& dead_letters;
  gateway::ClientRegistry& clients;
  BrokerTime& time;
  TimerQueue& timers;
  ConsumptionState& state;
  WaitList& waiting;
  LeaseKeeper& leases;
  Positions& positions;
  Redelivery& redelivery;
  ExpiredMoves& expired;
  BroadcastMembers& members;
  DeliveryCounters& deliveries;
  Refusals& refusals;
  // Set when the broker stops: receives are answered instead of parked.
  const std::atomic<bool>& stopping;

  store::Store& store() const { return *state.store(); }
};

// The public code of a refused or failed append: TOO_MANY_REQUESTS at a limit,
// INTERNAL_SERVER_ERROR with the store's sentence otherwise.
absl::Status AppendRefused(const absl::Status& status);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_CONTEXT_H_
