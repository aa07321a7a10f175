#ifndef MANSIO_STORE_STATE_MACHINE_H_
#define MANSIO_STORE_STATE_MACHINE_H_

#include <functional>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "store/record.h"

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
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_STATE_MACHINE_H_
