#ifndef MANSIO_BROKER_OFFSETS_OFFSETS_H_
#define MANSIO_BROKER_OFFSETS_OFFSETS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "broker/consumption/consumption.h"
#include "broker/core/feature.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"

namespace mansio {
class BrokerTime;
class TimerQueue;
}  // namespace mansio

namespace mansio::broker {

struct OffsetsOptions {
  std::string broker_name;
  std::string store_host;             // HOST:PORT put into messages
  int32_t pull_batch = 32;            // the most messages that one pull is given
  size_t max_answer_bytes = 8 << 20;  // in one pull; its first message goes whatever its size
  size_t max_parked_pulls = 200000;
  absl::Duration max_long_polling = absl::Seconds(20);
};

// Reading by offset: PullMessage, QueryOffset, and the positions that clients keep here with
// GetOffset and UpdateOffset (RocketMQ 5 API). A pull leases nothing and moves
// nothing: what a group has read is what its client says with UpdateOffset. Thread-safe.
class Offsets {
 public:
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    gateway::ClientRegistry* clients = nullptr;
    Consumption* consumption = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
  };
  static std::unique_ptr<Offsets> Create(OffsetsOptions options, Environment environment);
  virtual ~Offsets() = default;

  // Wakes parked pulls when messages come; keeps nothing in the log. For the FeatureSet.
  virtual Feature* feature() = 0;
  // Adds its methods.
  virtual void Register(rpc::MethodTable& methods) = 0;
  // Answers every parked pull (nothing found). Before the server shuts down.
  virtual void Stop() = 0;

  // Pulls that wait for a message.
  virtual size_t parked() const = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_OFFSETS_OFFSETS_H_
