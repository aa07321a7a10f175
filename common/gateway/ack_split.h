#ifndef MANSIO_COMMON_GATEWAY_ACK_SPLIT_H_
#define MANSIO_COMMON_GATEWAY_ACK_SPLIT_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "common/rpc/call.h"
#include "common/sync/sync.h"

namespace mansio::gateway {

// An ack whose entries belong to several brokers: one request for each, and one answer when all
// have answered, its entries in the order of the request. Held by whoever is still to answer.
// Thread-safe once its parts were made.
class AckSplit : public std::enable_shared_from_this<AckSplit> {
 public:
  struct Part {
    std::string broker;  // "" for entries whose handle names none
    apache::rocketmq::v2::AckMessageRequest request;
    std::vector<int> entries;  // their places in the whole
  };

  // `call` is ended by this object.
  AckSplit(rpc::UnaryCall& call, const apache::rocketmq::v2::AckMessageRequest& request);

  // One for each broker that a handle names. Once; the parts do not move.
  std::deque<Part>& Parts();
  // Each part is answered once: with an encoded AckMessageResponse or with why there is none, or by
  // this node's own handler.
  void Answer(const Part& part, absl::StatusOr<rpc::Payload> response);
  void ServeHere(const Part& part, const rpc::UnaryHandler& local);
  // Ends the call when it has no parts yet.
  void Refuse(const absl::Status& status);

 private:
  rpc::UnaryCall& call_;
  const apache::rocketmq::v2::AckMessageRequest request_;
  std::deque<Part> parts_;
  Mutex mutex_;
  size_t unanswered_ ABSL_GUARDED_BY(mutex_) = 0;
  apache::rocketmq::v2::AckMessageResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_ACK_SPLIT_H_
