#ifndef MANSIO_BROKER_INSPECTION_MESSAGE_TRACE_H_
#define MANSIO_BROKER_INSPECTION_MESSAGE_TRACE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "broker/consumption/records.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/client_registry.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::broker {

// What the log says of one message and of its copies: one call of mansio.v1.TraceMessage, which
// reads a bounded part of the log. Not thread-safe; blocks: only inside Store::RunCold.
class MessageTrace {
 public:
  static constexpr uint64_t kMaxBytes = 16u << 20;  // of log in one call
  // With one id, the newest of which are looked at: a client that uses an id again and again.
  static constexpr int kMaxCopies = 2000;
  static constexpr int kMaxEvents = 5000;

  // All borrowed.
  struct Environment {
    store::Store* store = nullptr;
    const Metadata* metadata = nullptr;
    const gateway::ClientRegistry* clients = nullptr;
  };
  MessageTrace(Environment environment, std::string message_id);

  // From where the message was stored on, or, to go on, from `next` of the call before.
  // MESSAGE_NOT_FOUND (wire status) when the log does not have it.
  absl::StatusOr<v1::MessageTrace> Run(store::LogOffset next);

 private:
  using Place = std::pair<store::QueueKey, store::QueueOffset>;

  // Where the message and its copies before `from` stand; returns where the first one was stored.
  absl::StatusOr<store::LogOffset> FindPlaces(store::LogOffset from);
  void See(const store::RecordView& record);
  void SeeMessage(const store::MessageView& message);
  void SeeQueues(std::string_view what, uint32_t group, uint32_t topic,
                 const std::vector<QueueOffsets>& queues, std::string_view client,
                 const std::string& detail);
  void SeeLease(const LeaseRecord& lease);
  void SeeEnd(std::string_view what, const LeasesEndRecord& end, const std::string& detail);
  void SeeMove(const PositionMovedRecord& moved);
  void SeeOther(const store::RecordView& record);
  // The place, if it is one of the message's, gets an event.
  void SeePlace(std::string_view what, store::QueueKey queue, store::QueueOffset offset,
                const std::string& detail);
  v1::TraceEvent* AddEvent(std::string_view what, store::QueueKey queue, store::QueueOffset offset);
  std::string GroupName(uint32_t id) const;
  std::string ClientName(uint64_t hash);

  const Environment environment_;
  const std::string message_id_;
  absl::flat_hash_set<Place> places_;
  absl::flat_hash_map<uint64_t, std::string> clients_;
  store::StoreTime time_ = 0;  // of the record that is looked at
  v1::MessageTrace trace_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_INSPECTION_MESSAGE_TRACE_H_
