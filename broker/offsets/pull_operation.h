#ifndef MANSIO_BROKER_OFFSETS_PULL_OPERATION_H_
#define MANSIO_BROKER_OFFSETS_PULL_OPERATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "broker/consumption/group_progress.h"
#include "broker/consumption/wait_list.h"
#include "broker/offsets/pull_request.h"
#include "common/timer/timer_queue.h"

namespace mansio::broker {

// One PullMessage from request to answer:
//
//   Attempt → entries that may match → their messages are read → Deliver
//           → none that match: on behind them
//           → the end of the queue: parked → woken → Attempt … until the polling time
//
// All steps run on the call's rpc thread, but for Wake, the time-out and reads from disk, which
// only post to it. Whoever takes it out of the WaitList goes on with it, so that there is one
// answer. The answer says where to pull next, also when nothing was found.
class PullOperation : public ParkedReceive, public std::enable_shared_from_this<PullOperation> {
 public:
  PullOperation(OffsetsContext& context, rpc::ServerStreamCall& call, PullRequest request);

  void Begin();

  // ParkedReceive
  void Wake() override;
  size_t wanted() const override { return 1; }

 private:
  // An entry that the filter may want.
  struct Candidate {
    store::QueueOffset offset = 0;
    store::QueueEntry entry;
  };
  using Messages = std::vector<absl::StatusOr<store::StoredMessage>>;

  void Attempt();
  void AttemptLater();
  std::optional<ColdEntries> Entries(size_t max);
  // Takes what may match from `entries`, up to the batch, and moves next_ behind what it looked at.
  void Choose(const ColdEntries& found);
  void LoadEntries();
  void Read();
  void Deliver(const Messages& messages);
  void ReportUnreadable(const Candidate& candidate, const absl::Status& status) const;
  std::optional<rpc::Payload> Encode(const Candidate& candidate,
                                     const store::StoredMessage& message) const;
  bool CanGoOn() const;
  void Park();
  void TimeOut();
  void Cancelled();

  void Answer(const absl::Status& status, std::vector<rpc::Payload> messages,
              std::optional<store::QueueOffset> next);
  void AnswerNothing();

  OffsetsContext& context_;
  rpc::ServerStreamCall& call_;
  const PullRequest request_;
  const store::QueueKey queue_;
  const int64_t give_up_ms_;  // broker time: the end of the polling
  store::QueueOffset next_ = 0;
  size_t scanned_ = 0;  // entries that were looked at
  std::vector<Candidate> candidates_;
  std::optional<ColdEntries> cold_;  // from next_ on, read from disk
  TimerQueue::Id timer_ = 0;
  bool timer_set_ = false;
  bool finished_ = false;  // rpc thread only
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_OFFSETS_PULL_OPERATION_H_
