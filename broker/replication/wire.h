#ifndef MANSIO_BROKER_REPLICATION_WIRE_H_
#define MANSIO_BROKER_REPLICATION_WIRE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/replication/records.h"
#include "google/protobuf/repeated_field.h"
#include "mansio/v1/replication.pb.h"
#include "store/log/epoch_history.h"

namespace mansio::broker {

// Where calls carry the stream, and where a proof of the cluster's secret is good.
inline constexpr std::string_view kReplicatePath = "/mansio.v1.Replication/Replicate";

// One end of an open stream. May be called with the lock of the Master or the Slave held: must only
// queue, and call back nothing.
class SlaveStream {
 public:
  virtual ~SlaveStream() = default;
  virtual void Send(v1::MasterMessage message) = 0;
  // Ends the stream; OK when the slave has said that it leaves. Closed() follows.
  virtual void End(const absl::Status& why) = 0;
};
// Whoever takes slaves' streams. Thread-safe.
class SlaveStreams {
 public:
  using Session = uint64_t;
  virtual ~SlaveStreams() = default;
  // A slave has opened a stream, which is let go of when it is closed.
  virtual Session Opened(std::shared_ptr<SlaveStream> stream) = 0;
  // A message of it. Ends the stream for what is out of place or cannot be served.
  virtual void Received(Session session, const v1::SlaveMessage& message) = 0;
  // Its stream has ended; it is not used any more.
  virtual void Closed(Session session) = 0;
};
class MasterStream {
 public:
  virtual ~MasterStream() = default;
  virtual void Send(v1::SlaveMessage message) = 0;
  virtual void End(const absl::Status& why) = 0;
};

// Whether it is of another member of this group, and no larger than any is. The error is for
// whoever has configured it. `self`: this broker's number.
absl::Status CheckHello(const v1::SlaveHello& hello, const std::string& cluster,
                        const std::string& broker, BrokerId self);

using WireReigns = google::protobuf::RepeatedPtrField<v1::ReignStart>;
void ReignsToWire(const store::EpochHistory& epochs, WireReigns* reigns);
// InvalidArgument when they are not in order, or more than any log has.
absl::StatusOr<store::EpochHistory> ReignsFromWire(const WireReigns& reigns);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_WIRE_H_
