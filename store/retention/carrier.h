#ifndef MANSIO_STORE_RETENTION_CARRIER_H_
#define MANSIO_STORE_RETENTION_CARRIER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/clock/broker_time.h"
#include "store/checkpoint/checkpointer.h"
#include "store/derived_state.h"
#include "store/log/commit_log.h"
#include "store/queue/consume_queues.h"
#include "store/retention/waiting_append.h"
#include "store/state_machine.h"

namespace mansio::store {

// Appends again what is live below the log's minimum to come (design section 5). The machine is
// asked on the log thread, a little at a time; reading and appending happen on the caller's thread,
// each piece after the one before is applied, so that a send waits for one piece at most. What was
// carried when the power goes is found where it stands now, and not carried a second time.
class Carrier {
 public:
  // All borrowed. Pieces are of about `piece_bytes`. `closing` ends the work between two of them.
  Carrier(BrokerTime* time, CommitLog* log, DerivedState* state, Checkpointer* checkpointer,
          size_t piece_bytes, const std::atomic<bool>* closing);

  // Carries every live message that stands below `offset`, where the queues begin at `minima` from
  // then on. Returns when all are applied; Cancelled when the store is closing. Blocks; not on the
  // log thread. A message that is damaged or whose file is missing stays behind, with an error in
  // the log: waiting would not bring it back, and the disk would fill.
  absl::Status Run(LogOffset offset, absl::Span<const QueueMinimum> minima);

  uint64_t messages() const { return messages_; }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Live {
    QueueKey queue;
    LiveMessage message;
  };

  // What the machine is to be asked about.
  void FindStretches(LogOffset offset, absl::Span<const QueueMinimum> minima);
  // The next of its answers; none at the end.
  absl::StatusOr<std::vector<Live>> NextLive();
  absl::Status CarryOne(const Live& live, LogOffset offset);
  // The message at `entry`, checked against its CRC.
  absl::StatusOr<StoredMessage> Read(const Live& live, const QueueEntry& entry) const;
  absl::Status SendPiece();

  BrokerTime* const time_;
  CommitLog* const log_;
  DerivedState* const state_;
  Checkpointer* const checkpointer_;
  const size_t piece_bytes_;
  const std::atomic<bool>* const closing_;
  std::vector<QueueStretch> stretches_;
  size_t asked_ = 0;  // stretches done
  std::unique_ptr<WaitingAppend> piece_;
  uint64_t messages_ = 0;
  uint64_t bytes_ = 0;
  uint64_t lost_ = 0;
  std::string first_loss_;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_RETENTION_CARRIER_H_
