#ifndef MANSIO_COMMON_SYNC_SYNC_H_
#define MANSIO_COMMON_SYNC_SYNC_H_

// The only locks of the project: absl::Mutex and absl::CondVar, with two additions.
//  - ThreadSanitizer is told about each lock operation, because the distribution's Abseil is not
//    compiled with it and its locks would be invisible (false races everywhere).
//  - Clang's thread annotations (ABSL_GUARDED_BY, ABSL_EXCLUSIVE_LOCKS_REQUIRED, ...) work on them
//    and are available to whoever includes this header.

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define MANSIO_TSAN_MUTEX(operation, ...) __tsan_mutex_##operation(__VA_ARGS__)
#else
#define MANSIO_TSAN_MUTEX(operation, ...) static_cast<void>(0)
#endif

namespace mansio {

// Debian builds Abseil with its deadlock detector on, which costs every lock operation of the
// process. For the start of main; tests keep the detector.
inline void TurnOffDeadlockDetection() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

class CondVar;

// A lock that is not re-entrant, with shared (reader) and exclusive mode. Prefer MutexLock and
// ReaderMutexLock to calling Lock and Unlock by hand.
class ABSL_LOCKABLE Mutex {
 public:
  Mutex() { MANSIO_TSAN_MUTEX(create, this, __tsan_mutex_not_static); }
  ~Mutex() { MANSIO_TSAN_MUTEX(destroy, this, __tsan_mutex_not_static); }
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // Waits until no thread holds the lock in either mode, then holds it exclusively.
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    MANSIO_TSAN_MUTEX(pre_lock, this, 0);
    mutex_.Lock();
    MANSIO_TSAN_MUTEX(post_lock, this, 0, 0);
  }

  // Releases a lock held exclusively by this thread.
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    MANSIO_TSAN_MUTEX(pre_unlock, this, 0);
    mutex_.Unlock();
    MANSIO_TSAN_MUTEX(post_unlock, this, 0);
  }

  // Takes the lock exclusively if that needs no waiting; says whether it did.
  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) {
    MANSIO_TSAN_MUTEX(pre_lock, this, __tsan_mutex_try_lock);
    const bool locked = mutex_.TryLock();
    MANSIO_TSAN_MUTEX(post_lock, this,
                      locked ? __tsan_mutex_try_lock : __tsan_mutex_try_lock_failed, 0);
    return locked;
  }

  // Waits until no thread holds the lock exclusively, then holds it shared with other readers.
  void ReaderLock() ABSL_SHARED_LOCK_FUNCTION() {
    MANSIO_TSAN_MUTEX(pre_lock, this, __tsan_mutex_read_lock);
    mutex_.ReaderLock();
    MANSIO_TSAN_MUTEX(post_lock, this, __tsan_mutex_read_lock, 0);
  }

  // Releases a lock held shared by this thread.
  void ReaderUnlock() ABSL_UNLOCK_FUNCTION() {
    MANSIO_TSAN_MUTEX(pre_unlock, this, __tsan_mutex_read_lock);
    mutex_.ReaderUnlock();
    MANSIO_TSAN_MUTEX(post_unlock, this, __tsan_mutex_read_lock);
  }

  // Fatal unless this thread holds the lock exclusively (checked in debug builds of Abseil only).
  void AssertHeld() const ABSL_ASSERT_EXCLUSIVE_LOCK() { mutex_.AssertHeld(); }

 private:
  friend class CondVar;
  absl::Mutex mutex_{absl::kConstInit};  // This constructor leaves ThreadSanitizer to us.
};

// Holds a Mutex exclusively for its own lifetime.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_->Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

// Holds a Mutex shared with other readers for its own lifetime.
class ABSL_SCOPED_LOCKABLE ReaderMutexLock {
 public:
  explicit ReaderMutexLock(Mutex* mutex) ABSL_SHARED_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_->ReaderLock();
  }
  ~ReaderMutexLock() ABSL_UNLOCK_FUNCTION() { mutex_->ReaderUnlock(); }
  ReaderMutexLock(const ReaderMutexLock&) = delete;
  ReaderMutexLock& operator=(const ReaderMutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

// A condition variable. Each wait needs the mutex held exclusively, releases it while it waits and
// holds it again when it returns. Waits may return without a signal: wait in a loop.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  // Waits for a signal.
  void Wait(Mutex* mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Released released(mutex);
    condition_.Wait(&mutex->mutex_);
  }

  // Waits for a signal, at most `timeout` of real time. Returns true when the time ran out.
  bool WaitFor(Mutex* mutex, absl::Duration timeout) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Released released(mutex);
    return condition_.WaitWithTimeout(&mutex->mutex_, timeout);
  }

  // Waits for a signal, at most until the wall clock shows `deadline`. Returns true when it does.
  bool WaitUntil(Mutex* mutex, absl::Time deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    Released released(mutex);
    return condition_.WaitWithDeadline(&mutex->mutex_, deadline);
  }

  void Signal() { condition_.Signal(); }        // Wakes one waiting thread, if there is any.
  void SignalAll() { condition_.SignalAll(); }  // Wakes all waiting threads.

 private:
  // Tells ThreadSanitizer that the mutex is free for as long as the wait lasts.
  class Released {
   public:
    explicit Released([[maybe_unused]] Mutex* mutex) : mutex_(mutex) {
      MANSIO_TSAN_MUTEX(pre_unlock, mutex_, 0);
      MANSIO_TSAN_MUTEX(post_unlock, mutex_, 0);
    }
    ~Released() {
      MANSIO_TSAN_MUTEX(pre_lock, mutex_, 0);
      MANSIO_TSAN_MUTEX(post_lock, mutex_, 0, 0);
    }

   private:
    [[maybe_unused]] Mutex* const mutex_;
  };

  absl::CondVar condition_;
};

}  // namespace mansio

#undef MANSIO_TSAN_MUTEX

#endif  // MANSIO_COMMON_SYNC_SYNC_H_
