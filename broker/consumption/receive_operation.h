#ifndef MANSIO_BROKER_CONSUMPTION_RECEIVE_OPERATION_H_
#define MANSIO_BROKER_CONSUMPTION_RECEIVE_OPERATION_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/consumption/context.h"
#include "broker/consumption/group_progress.h"
#include "broker/consumption/receive_request.h"
#include "broker/message/stored_message.h"
#include "common/rpc/call.h"

namespace mansio::broker {

// One ReceiveMessage from request to answer:
//
//   Begin → group and position known → Attempt → took messages → their lease gets its place in the
//   log
//         → bodies are read → Deliver
//                                 Attempt → nothing → parked → woken → Attempt … until the polling
//                                 time
//
// All steps run on the call's rpc thread, but for Wake, the time-out and the log's callbacks, which
// only post to it. Whoever takes it out of the WaitList goes on with it, so that there is one
// answer.
class ReceiveOperation : public ParkedReceive,
                         public std::enable_shared_from_this<ReceiveOperation> {
 public:
  ReceiveOperation(ConsumptionContext& context, rpc::ServerStreamCall& call, ReceiveRequest request,
                   uint64_t owner);

  void Begin();

  // ParkedReceive
  void Wake() override;
  size_t wanted() const override { return request_.batch; }

 private:
  class LeaseAppend;
  struct Judgement;
  using Messages = std::vector<absl::StatusOr<store::StoredMessage>>;

  // Of a broadcast group, the client's place in it is what receives.
  void JoinGroup(absl::StatusOr<GroupPtr> group);
  void FixPosition(absl::StatusOr<GroupPtr> group);
  // Whether the group and its position on the topic are still there.
  bool HasPosition() const;
  // Tries to take messages, and parks when there are none.
  void Attempt();
  // `refused`: why nothing could be taken, as an answer; Cancelled when nobody is there to get it.
  TakeOutcome TakeAndLog(absl::Status* refused);
  // `leases`: of this broker now, fewer than its limit.
  TakeRequest NewTake(size_t leases) const;
  absl::Status AtLimit(const TakeOutcome& outcome) const;
  // What logs taken_, or what was passed over when it is empty; completes the records.
  std::unique_ptr<store::Append> NewAppend(const GroupProgressPtr& progress, TakeOutcome& outcome,
                                           int64_t deadline_ms);
  // Ends without a message where there may be some, or without anybody to get it: another receive
  // goes on.
  void PassOn();
  // Reads what Attempt did not find in memory, then goes on with it.
  void LoadCold(store::QueueKey queue, store::QueueOffset from);
  // The right to let the filter read old messages; false while another receive of the group does.
  bool ClaimScan();
  void ReleaseScan();
  // The search has failed: another receive has its turn.
  void FailScan(const absl::Status& status);
  bool ScansTooLong();
  void Park();
  void TimeOut();
  void Cancelled();

  // The leases are in the log; their messages are read, from memory if they are all there.
  void Read();
  void ReadCold();
  void Deliver(Messages messages);
  // Whether both belong to one batch of a FIFO group.
  bool InOneBatch(const TakenMessage& a, const TakenMessage& b) const;
  // Takes out of taken_ and `messages` what cannot be read now; it comes again later, uncounted. Of
  // a FIFO group all of the message group goes with it, or what is behind it would overtake. Sets
  // unreadable_ unless everything was read.
  void PutOffUnreadable(Messages& messages);
  // After how long each message that cannot be read now is tried again.
  std::vector<int64_t> NextReads(const std::vector<size_t>& failed) const;
  // What is to become of each message of taken_.
  Judgement Judge(const Messages& messages) const;
  void ReportDamage(const TakenMessage& taken, const absl::Status& status) const;

  void Answer(const absl::Status& status, std::vector<rpc::Payload> messages);
  // For operators who ask why the group gets nothing.
  void NoteRefusal(const absl::Status& status);
  void CountDelivered(const std::vector<size_t>& delivered,
                      const std::vector<rpc::Payload>& payloads);
  // That nothing was found, or could be read.
  void AnswerNothing();

  ConsumptionContext& context_;
  rpc::ServerStreamCall& call_;
  const ReceiveRequest request_;
  const uint64_t owner_;
  const int64_t give_up_ms_;  // BrokerTime::PassedMillis at the end of the polling
  GroupPtr group_;
  TopicPtr topic_;
  std::vector<TakenMessage> taken_;
  store::LogPosition lease_;  // of taken_, once the log has placed it
  bool held_ = false;         // taken_ is leased by an earlier receive with the same attempt id
  absl::Status unreadable_;   // why some messages could not be read now
  std::optional<ColdEntries> cold_;
  TimerQueue::Id timer_ = 0;
  bool timer_set_ = false;
  int late_rounds_ = 0;
  bool scanning_ = false;  // it has what ClaimScan gives
  bool finished_ = false;  // rpc thread only
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_RECEIVE_OPERATION_H_
