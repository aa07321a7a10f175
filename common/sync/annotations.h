#ifndef MANSIO_COMMON_SYNC_ANNOTATIONS_H_
#define MANSIO_COMMON_SYNC_ANNOTATIONS_H_

// Happens-before annotations for ThreadSanitizer.
//
// The distribution's Abseil and gRPC are not compiled with ThreadSanitizer, so it does not see that
// a hand-over through them (a completion-queue tag, for example) orders memory accesses. The thread
// that hands an object over calls TsanRelease(ptr) before it does so; the thread that takes it
// calls TsanAcquire(ptr) after. In other builds both are empty. Thread safe.

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace mansio {

// Everything this thread did so far happens before a later TsanAcquire(ptr) of another thread.
inline void TsanRelease([[maybe_unused]] const void* ptr) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(const_cast<void*>(ptr));
#endif
}

// Everything done before an earlier TsanRelease(ptr) happened before what this thread does next.
inline void TsanAcquire([[maybe_unused]] const void* ptr) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(const_cast<void*>(ptr));
#endif
}

}  // namespace mansio

#endif  // MANSIO_COMMON_SYNC_ANNOTATIONS_H_
