#ifndef MANSIO_BROKER_DELAY_DELAY_ADMIN_H_
#define MANSIO_BROKER_DELAY_DELAY_ADMIN_H_

#include "absl/status/statusor.h"
#include "broker/delay/delay.h"
#include "broker/metadata/metadata.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// The part of mansio.v1.Admin that shows delayed messages, next due first, and takes them back. It
// reads messages on the cold pool. Thread-safe once the store is open.
class DelayAdmin {
 public:
  // How many pending messages are looked at for those of one topic.
  static constexpr size_t kMaxSearched = 20000;

  // Both borrowed.
  DelayAdmin(Delay* delay, const Metadata* metadata) : delay_(delay), metadata_(metadata) {}

  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  void Stats(rpc::UnaryCall& call, const v1::DelayStatsRequest& request) const;
  void List(rpc::UnaryCall& call, const v1::ListDelayedMessagesRequest& request) const;
  void Cancel(rpc::UnaryCall& call, const v1::CancelDelayedMessageRequest& request);
  // Blocks: on the cold pool. `topic` 0: of all.
  v1::ListDelayedMessagesResponse Read(uint32_t topic, size_t limit) const;
  absl::StatusOr<v1::DelayedMessage> ReadOne(const TimerKey& timer, uint32_t topic) const;
  template <typename Response>
  void Answer(rpc::UnaryCall& call, const absl::Status& status, Response response) const;

  Delay* const delay_;
  const Metadata* const metadata_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DELAY_DELAY_ADMIN_H_
