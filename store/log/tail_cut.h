#ifndef MANSIO_STORE_LOG_TAIL_CUT_H_
#define MANSIO_STORE_LOG_TAIL_CUT_H_

#include <limits>

#include "absl/status/status.h"
#include "store/log/segment_set.h"
#include "store/types.h"

// Changing the end of the log at recovery, before anything is appended. Each function is durable
// when it returns and may be repeated after a crash in the middle of it.
namespace mansio::store {

// Writes zeros over [from, to), which may span segments.
absl::Status ZeroLog(const SegmentSet& segments, LogOffset from, LogOffset to);

// Takes [from, end of the log) out of the log: copies what the segment of `from` holds from there
// on, up to `written_end`, into a file "*.salvaged" and renames the later segments so. The bytes of
// the first are still in place afterwards: ZeroLog removes them.
absl::Status MoveTailAside(SegmentSet& segments, LogOffset from,
                           LogOffset written_end = std::numeric_limits<LogOffset>::max());

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_TAIL_CUT_H_
