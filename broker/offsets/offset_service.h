#ifndef MANSIO_BROKER_OFFSETS_OFFSET_SERVICE_H_
#define MANSIO_BROKER_OFFSETS_OFFSET_SERVICE_H_

#include "broker/offsets/context.h"
#include "common/rpc/call.h"

namespace apache::rocketmq::v2 {
class GetOffsetRequest;
class QueryOffsetRequest;
class UpdateOffsetRequest;
}  // namespace apache::rocketmq::v2

namespace mansio::broker {

// The unary calls about offsets (RocketMQ 5 API). Thread-safe.
class OffsetService {
 public:
  explicit OffsetService(OffsetsContext& context) : context_(context) {}

  // The position of a group on a queue, of a broadcast group that of the calling client.
  // OFFSET_NOT_FOUND when there is none.
  void Get(rpc::UnaryCall& call, const apache::rocketmq::v2::GetOffsetRequest& request);
  // Sets it, forward or backward; the group is made at its first use. Answered when it is
  // committed. What the group holds of the queue under leases ends. ILLEGAL_OFFSET for one that is
  // negative or behind the end of the queue.
  void Update(rpc::UnaryCall& call, const apache::rocketmq::v2::UpdateOffsetRequest& request);
  // The beginning or end of a queue, or the first message stored at or after a time (the end when
  // there is none).
  void Query(rpc::UnaryCall& call, const apache::rocketmq::v2::QueryOffsetRequest& request);

 private:
  absl::StatusOr<store::QueueOffset> PositionOf(
      std::string_view client, const apache::rocketmq::v2::GetOffsetRequest& request) const;
  void QueryTime(rpc::UnaryCall& call, store::QueueKey queue, store::StoreTime time);

  OffsetsContext& context_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_OFFSETS_OFFSET_SERVICE_H_
