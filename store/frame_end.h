#ifndef MANSIO_STORE_FRAME_END_H_
#define MANSIO_STORE_FRAME_END_H_

#include "store/log/commit_log.h"
#include "store/types.h"

namespace mansio::store {

// Whether a frame of the log ends at `offset`, so that the log can be read on from there. A
// checkpoint that is ahead of its log stands for a place where there is none: files are made ahead,
// so that their length does not tell. Looks back for the last good header, at most the greatest
// length of a frame.
bool FrameEndsAt(CommitLog* log, LogOffset offset);

}  // namespace mansio::store

#endif  // MANSIO_STORE_FRAME_END_H_
