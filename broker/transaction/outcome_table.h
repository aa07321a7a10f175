#ifndef MANSIO_BROKER_TRANSACTION_OUTCOME_TABLE_H_
#define MANSIO_BROKER_TRANSACTION_OUTCOME_TABLE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "broker/transaction/records.h"
#include "store/state_machine.h"

namespace mansio::broker {

// How the newest transactions ended, so that an end that comes twice is answered truthfully: two
// bits for each half, of the newest kBlocks * kBlockHalves ones (256 KiB). Part of the fold; not
// thread-safe.
class OutcomeTable {
 public:
  static constexpr store::QueueOffset kBlockHalves = 4096;
  static constexpr size_t kBlocks = 256;

  // A half begins; `half` grows from call to call.
  void Add(store::Epoch epoch, store::QueueOffset half);
  // It ends. Too old a half is not remembered.
  void Set(store::QueueOffset half, TransactionOutcome outcome);
  // nullopt when no half of this epoch has the offset, or it is too old.
  std::optional<TransactionOutcome> Find(store::Epoch epoch, store::QueueOffset half) const;

  // The epoch in which a remembered half began.
  std::optional<store::Epoch> EpochOf(store::QueueOffset half) const;

  // Checkpoints: keys begin with `prefix`, and Restore is given what follows it.
  void CaptureDirty(std::string_view prefix, store::StateSink& sink);
  void CaptureAll(std::string_view prefix, store::StateSink& sink) const;
  absl::Status Restore(std::string_view key, std::string_view value);
  void Clear();

 private:
  struct Block {
    std::array<uint8_t, kBlockHalves / 4> bits{};
  };
  // The halves from `first` on began in `epoch`.
  struct Run {
    store::QueueOffset first = 0;
    store::Epoch epoch = 0;
  };

  void Forget();
  std::string EncodeRuns() const;

  absl::btree_map<uint32_t, Block> blocks_;  // by offset / kBlockHalves
  std::deque<Run> runs_;                     // of the blocks' halves, ascending
  absl::flat_hash_set<uint32_t> dirty_;      // changed or forgotten blocks
  bool dirty_runs_ = false;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_TRANSACTION_OUTCOME_TABLE_H_
