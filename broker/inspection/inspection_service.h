#ifndef MANSIO_BROKER_INSPECTION_INSPECTION_SERVICE_H_
#define MANSIO_BROKER_INSPECTION_INSPECTION_SERVICE_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::broker {

// The part of mansio.v1.Admin that shows single messages: found by key, id and time, read by queue
// and offset, and what the log says of one. Reads on the cold pool, a bounded piece for each call,
// in turns (Turn), until the caller does not wait any more.
// Thread-safe once Attach has been called.
class InspectionService {
 public:
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    gateway::ClientRegistry* clients = nullptr;
  };
  InspectionService(std::string broker_name, Environment environment)
      : broker_name_(std::move(broker_name)), environment_(environment) {}

  // Before the first call.
  void Attach(store::Store* store) { store_ = store; }
  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  void Query(rpc::UnaryCall& call, const v1::QueryMessagesRequest& request) const;
  void Get(rpc::UnaryCall& call, const v1::GetMessageRequest& request) const;
  void Trace(rpc::UnaryCall& call, const v1::TraceMessageRequest& request) const;
  absl::StatusOr<v1::GetMessageResponse> ReadOne(const Topic& topic, store::QueueKey queue,
                                                 store::QueueOffset offset) const;

  template <typename Response>
  void Answer(rpc::UnaryCall& call, absl::StatusOr<Response> result) const;
  // Answers with what `work` returns, on the cold pool.
  template <typename Response, typename Work>
  void AnswerCold(rpc::UnaryCall& call, Work work) const;

  // Answers with what a MessageQuery or MessageTrace finds, one at a time, until `end` at most.
  template <typename Search>
  void AnswerSearch(rpc::UnaryCall& call, absl::Time end, Search search) const;
  // Queues its next turn; false when the pool is full.
  template <typename Search>
  bool GoOn(rpc::UnaryCall& call, absl::Time end, std::shared_ptr<Search> search) const;

  const std::string broker_name_;
  const Environment environment_;
  store::Store* store_ = nullptr;
  mutable std::atomic<bool> searching_{false};
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_INSPECTION_INSPECTION_SERVICE_H_
