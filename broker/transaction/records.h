#ifndef MANSIO_BROKER_TRANSACTION_RECORDS_H_
#define MANSIO_BROKER_TRANSACTION_RECORDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "store/record.h"
#include "store/types.h"

// What transactions log. A half is named by its offset in the half topic, which it keeps when its
// bytes are carried forward.
namespace mansio::broker {

// Where halves wait, invisible: a system topic of one queue.
inline constexpr std::string_view kHalfTopic = "RMQ_SYS_TRANS_HALF_TOPIC";
// Where a half goes that nobody decided; no client can name it, `mansio transaction` shows it.
inline constexpr std::string_view kExpiredTopic = "TRANS_CHECK_MAX_TIME_TOPIC";

// A half, behind its message and in one frame with it.
inline constexpr store::RecordKind kHalfRecord = 48;
// The end of a half. In one frame with the copy of its message in its topic when it is committed,
// in kExpiredTopic when it is given up.
inline constexpr store::RecordKind kTransactionEndRecord = 49;
// Producers were asked about halves.
inline constexpr store::RecordKind kHalvesCheckedRecord = 50;

enum class TransactionOutcome : uint8_t {  // two bits, on disk
  kPending = 0,
  kCommitted = 1,
  kRolledBack = 2,
  kExpired = 3,  // rolled back by the broker, after the last check
};

struct HalfRecord {
  uint32_t topic = 0;       // where it goes when it is committed
  int64_t recovery_ms = 0;  // until its first check; 0: as configured

  std::string Encode() const;
  static absl::StatusOr<HalfRecord> Decode(std::string_view body);
};

struct TransactionEndRecord {
  store::QueueOffset half = 0;
  TransactionOutcome outcome = TransactionOutcome::kRolledBack;

  std::string Encode() const;
  static absl::StatusOr<TransactionEndRecord> Decode(std::string_view body);
};

struct HalvesCheckedRecord {
  int64_t at_ms = 0;  // broker time
  std::vector<store::QueueOffset> halves;

  std::string Encode() const;
  static absl::StatusOr<HalvesCheckedRecord> Decode(std::string_view body);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_TRANSACTION_RECORDS_H_
