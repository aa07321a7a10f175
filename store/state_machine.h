#ifndef MANSIO_STORE_STATE_MACHINE_H_
#define MANSIO_STORE_STATE_MACHINE_H_

#include <functional>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "store/record.h"
#include "store/types.h"

namespace mansio::store {

class Store;

// Receives key/value pairs of derived state: a checkpoint batch, or SNAPSHOT frames in the log.
// Keys are bytes that start with the owner's prefix; a pair replaces the one with the same key.
class StateSink {
 public:
  virtual ~StateSink() = default;
  virtual void Put(std::string_view key, std::string_view value) = 0;
  virtual void Delete(std::string_view key) = 0;
};

// A message that must outlive its segment, because the fold will still read it.
struct LiveMessage {
  QueueOffset offset = 0;
  // It lives until this long after its store time; for ever by default.
  absl::Duration keep = absl::InfiniteDuration();
};

// The deterministic fold of the log that the broker is (design section 1.1). Apply, Capture*,
// BatchBegin and BatchEnd run on the log thread, or on the recovering thread before it starts; they
// use memory only and cannot fail.
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Called once by Store::Open, before the first Restore or Apply: the store to define topics in.
  virtual void Attach(Store* store) { (void)store; }

  // Folds one committed record. Called in log order, for every record of every kind >= 16 and for
  // messages; the store has already entered the message in its ConsumeQueue.
  virtual void Apply(const RecordView& record) = 0;

  // Around the Apply calls and the callbacks of one batch. The broker holds its
  // rpc::CompletionScope between them and wakes parked receives in BatchEnd.
  virtual void BatchBegin() {}
  virtual void BatchEnd() {}

  // Writes what changed since the last CaptureDirty (after Restore or Clear: since then), as of the
  // last applied record, and forgets that it is dirty. The sink copies to memory at once.
  virtual void CaptureDirty(StateSink& sink) = 0;
  // Writes the whole state, for SNAPSHOT frames; dirty marks stay.
  virtual void CaptureAll(StateSink& sink) = 0;
  // Gives back one pair that CaptureDirty or CaptureAll wrote. Damage is DataLoss with a sentence.
  virtual absl::Status Restore(std::string_view key, std::string_view value) = 0;
  // Forgets everything: recovery starts over from the log alone.
  virtual void Clear() = 0;

  // The live messages among offsets [from, to) of a queue: pending timers and halves, leased
  // messages, dead letters. The first `max` of them, lowest first; the caller goes on behind the
  // last. Retention asks before a segment goes, for stretches that leave with it, and carries the
  // live ones forward (design section 5); they stay readable under the same queue offset. Log
  // thread, between two batches; a look-up in an ordered index, never a walk over all there is.
  //
  // Consumers get no new message of the stretch any more when this is called, so that what is
  // leased by now, claims included, is all that ever will be. A message may be named that is no
  // longer live when it is carried: nothing happens but a few bytes more in the log.
  virtual std::vector<LiveMessage> LiveMessages(QueueKey queue, QueueOffset from, QueueOffset to,
                                                size_t max) const {
    (void)queue, (void)from, (void)to, (void)max;
    return {};
  }
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_STATE_MACHINE_H_
