#ifndef MANSIO_BROKER_SEND_SEND_SERVICE_H_
#define MANSIO_BROKER_SEND_SEND_SERVICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/delay/delay.h"
#include "broker/metadata/metadata.h"
#include "broker/send/half_store.h"
#include "broker/send/send_append.h"
#include "broker/send/validation.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"
#include "store/store.h"

namespace apache::rocketmq::v2 {
class SendMessageRequest;
}

namespace mansio {
class BrokerTime;
}

namespace mansio::gateway {
class SendHolds;
}

namespace mansio::broker {

struct SendOptions {
  std::string broker_name;
  SendLimits limits;
  bool auto_create_topics = false;  // with the type of the first message sent to it
  uint32_t default_queues = 8;      // of a topic created so
};

// SendMessage (RocketMQ 5 API): validates, picks the queue, encodes straight into an append,
// and answers when the log says that it is stored. Thread-safe once Attach has been called.
class SendService {
 public:
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    gateway::ClientRegistry* clients = nullptr;
    BrokerTime* time = nullptr;
    Delay* delay = nullptr;
    HalfStore* halves = nullptr;
    gateway::SendHolds* holds = nullptr;  // null: none ever
  };
  SendService(SendOptions options, Environment environment);

  // Where to store; before the first call.
  void Attach(store::Store* store) { store_ = store; }
  // Adds its method.
  void Register(rpc::MethodTable& methods);

 private:
  using Request = apache::rocketmq::v2::SendMessageRequest;

  void Handle(rpc::UnaryCall& call);
  void HandleLarge(rpc::UnaryCall& call);
  // The topic to store in; nullptr when it is to be created first.
  absl::StatusOr<TopicPtr> Check(const Request& request) const;
  void CreateTopicAndHandle(rpc::UnaryCall& call, const Request& request);
  // On a thread of the cold pool.
  void StoreLarge(rpc::UnaryCall& call, Request& request, const Topic& topic);
  void StoreRequest(rpc::UnaryCall& call, Request& request, const Topic& topic);
  void StoreOne(rpc::UnaryCall& call, Request& request, const Topic& topic);
  void StoreBatch(rpc::UnaryCall& call, Request& request, const Topic& topic);
  // What the receipt of a message is to say of its recall.
  RecallHandleOf RecallHandleFor(const std::optional<Delay::Waiting>& waiting, const Topic& topic,
                                 const std::string& message_id) const;

  const SendOptions options_;
  const Environment environment_;
  store::Store* store_ = nullptr;
  std::atomic<size_t> large_bytes_{0};  // of large requests that are not in the log yet
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SEND_SEND_SERVICE_H_
