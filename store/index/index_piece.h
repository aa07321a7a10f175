#ifndef MANSIO_STORE_INDEX_INDEX_PIECE_H_
#define MANSIO_STORE_INDEX_INDEX_PIECE_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "store/index/index_format.h"
#include "store/index/message_keys.h"
#include "store/log/commit_log.h"
#include "store/types.h"

namespace mansio::store {

// A stretch of the log that is being indexed, in memory. Not thread-safe.
struct IndexPiece {
  explicit IndexPiece(LogOffset from) : begin(from), next(from) {}

  LogOffset begin = 0;
  LogOffset next = 0;  // the start of a frame: what is before it is indexed
  Epoch epoch = 0;     // of the last frame; 0: none yet
  StoreTime first_time = 0;
  StoreTime last_time = 0;
  std::vector<IndexEntry> entries;

  IndexHeader Header() const {
    return {.begin = begin,
            .end = next,
            .epoch = epoch,
            .first_time = first_time,
            .last_time = last_time};
  }
};

// Indexes some of the frames from piece.next on that begin below `limit`, which are applied: about
// `max_bytes` of them, at least one. Messages that were carried forward count where they stand now.
// NotFound when retention was faster, DataLoss names the place when the log is damaged there; the
// piece is then as far as it came.
absl::Status IndexSome(CommitLog* log, const MessageKeys& keys, LogOffset limit, size_t max_bytes,
                       IndexPiece* piece);

}  // namespace mansio::store

#endif  // MANSIO_STORE_INDEX_INDEX_PIECE_H_
