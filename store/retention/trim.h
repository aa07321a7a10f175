#ifndef MANSIO_STORE_RETENTION_TRIM_H_
#define MANSIO_STORE_RETENTION_TRIM_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "store/queue/consume_queues.h"
#include "store/types.h"

namespace mansio::store {

// The body of a TRIM record: the log's new minimum, and the new minimum of each queue that loses
// messages by it, so that applying it needs no look-up. Many queues make several records; the last
// one counts.
//
//   body := log minimum:u64 last:u8 (topic:u32 queue:u32 min:u64)*
struct TrimBody {
  LogOffset offset = 0;
  bool last = true;
  std::vector<QueueMinimum> minima;
};

inline constexpr size_t kTrimMinimumBytes = 16;  // that a queue takes in the record

std::string EncodeTrim(LogOffset offset, bool last, absl::Span<const QueueMinimum> minima);
absl::StatusOr<TrimBody> DecodeTrim(std::string_view body);

}  // namespace mansio::store

#endif  // MANSIO_STORE_RETENTION_TRIM_H_
