#ifndef MANSIO_BROKER_REPLICATION_WIRE_H_
#define MANSIO_BROKER_REPLICATION_WIRE_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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
  // Ends the stream; OK when another one of the same slave has come. Closed() follows.
  virtual void End(const absl::Status& why) = 0;
};
class MasterStream {
 public:
  virtual ~MasterStream() = default;
  virtual void Send(v1::SlaveMessage message) = 0;
  virtual void End(const absl::Status& why) = 0;
};

using WireReigns = google::protobuf::RepeatedPtrField<v1::ReignStart>;
void ReignsToWire(const store::EpochHistory& epochs, WireReigns* reigns);
// InvalidArgument when they are not in order.
absl::StatusOr<store::EpochHistory> ReignsFromWire(const WireReigns& reigns);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_WIRE_H_
