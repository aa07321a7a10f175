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
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/consumption/records.h"
#include "broker/inspection/turn.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/client_registry.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::broker {

// What the log says of one message and of its copies: one call of mansio.v1.TraceMessage, which
// reads a bounded part of the log, a turn at a time. Not thread-safe; the turns may be of several
// threads, one after the other.
class MessageTrace {
 public:
  using Response = v1::TraceMessageResponse;
  static constexpr uint64_t kMaxBytes = 16u << 20;  // of log in one call
  // With one id, the newest of which are looked at: a client that uses an id again and again.
  static constexpr int kMaxCopies = 2000;
  static constexpr int kMaxEvents = 5000;

  // All borrowed.
  struct Environment {
    store::Store* store = nullptr;
    const Metadata* metadata = nullptr;
    const gateway::ClientRegistry* clients = nullptr;
    const std::string* broker = nullptr;  // its name
  };
  // From where the message was stored on, or, to go on, from `next` of the call before. Which
  // copies there are is looked up until `find_until` at most.
  MessageTrace(Environment environment, std::string message_id, store::LogOffset next,
               absl::Time find_until);

  // Goes on; true when it is done. Only inside Store::RunCold. MESSAGE_NOT_FOUND (wire status) when
  // the log does not have the message.
  absl::StatusOr<bool> Step(Turn& turn);
  // What was found: all but status and results. Once; only inside Store::RunCold.
  absl::StatusOr<Response> Take();

 private:
  using Place = std::pair<store::QueueKey, store::QueueOffset>;

  // Looks up where the message and its copies stand, newest first; true when it knows enough.
  absl::StatusOr<bool> FindSome(Turn& turn);
  void Find(const store::KeyMatch& match);
  absl::Status BeginReading();
  // Reads on at `at_`; behind the file of the log if that is damaged there.
  void ReadSome();
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
  const store::LogOffset asked_next_;  // 0: from where the message was stored
  const absl::Time find_until_;
  store::LogOffset before_;     // the log before this was not searched yet
  store::LogOffset first_ = 0;  // where the oldest copy that was found begins
  uint64_t missing_bytes_ = 0;  // of the index
  int copies_ = 0;
  bool all_found_ = false;
  bool reading_ = false;  // it knows where to
  store::LogOffset at_ = 0;
  uint64_t read_ = 0;
  absl::flat_hash_set<Place> places_;
  absl::flat_hash_map<uint64_t, std::string> clients_;
  store::StoreTime time_ = 0;  // of the record that is looked at
  v1::MessageTrace trace_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_INSPECTION_MESSAGE_TRACE_H_
