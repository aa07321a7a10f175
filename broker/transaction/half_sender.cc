#include "broker/transaction/half_sender.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/timestamps.h"
#include "broker/message/stored_message.h"
#include "broker/send/send_append.h"
#include "broker/send/send_response.h"
#include "broker/transaction/transaction_id.h"
#include "common/clock/broker_time.h"
#include "common/gateway/preamble.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// Too long ones have been refused; a negative one is none.
int64_t RecoveryMs(const v2::SystemProperties& system) {
  return std::max<int64_t>(MillisOf(system.orphaned_transaction_recovery_duration()), 0);
}

}  // namespace

// A half on its way into the log; its id is known when it has its offset.
class HalfSender::HalfAppend : public store::Append {
 public:
  HalfAppend(rpc::UnaryCall* call, std::string message_id, TransactionId id,
             std::array<uint64_t, 2> key)
      : call_(call), message_id_(std::move(message_id)), id_(std::move(id)), key_(key) {}

  void Applied(const store::AppendResult& result) override {
    id_.epoch = result.epoch;
    id_.half = result.queue_offsets.front();
    call_->Finish(rpc::Payload(EncodeStored(message_id_, static_cast<int64_t>(id_.half),
                                            {.transaction_id = id_.Encode(key_)})));
  }
  void Failed(const absl::Status& status) override {
    call_->Finish(gateway::StatusResponse(ToSendStatus(status)));
  }

 private:
  rpc::UnaryCall* const call_;
  const std::string message_id_;
  TransactionId id_;
  const std::array<uint64_t, 2> key_;
};

void HalfSender::StoreHalf(rpc::UnaryCall& call, v2::Message& message, const Topic& topic) {
  const std::optional<store::QueueKey> queue = environment_.ender->HalfQueue();
  absl::Status refusal;
  if (environment_.state->pending() >= options_.max_pending) {
    refusal = WireError(
        v2::TOO_MANY_REQUESTS,
        fmt::format("the broker holds its limit of {} transactions that nobody has ended; end "
                    "some (`mansio transaction list`), or raise limits.pending-transactions",
                    options_.max_pending));
  } else if (const absl::Status room = environment_.state->store()->CheckCarryBudget();
             !room.ok()) {
    refusal = ToSendStatus(room);
  } else if (!queue) {
    refusal = WireError(v2::INTERNAL_SERVER_ERROR,
                        fmt::format("the system topic {} is missing; restart the broker, which "
                                    "creates it",
                                    kHalfTopic));
  } else if (const auto client = gateway::ClientId(call); client.ok()) {
    // So that it is asked about its halves also when its settings do not name the topic yet.
    refusal = environment_.clients->NotePublished(*client, topic.name);
  }
  if (!refusal.ok()) return call.Finish(gateway::StatusResponse(refusal));

  const int64_t now_ms = environment_.time->NowMillis();
  Provenance provenance;
  provenance.topic = topic.id;
  provenance.stored_ms = now_ms;
  const ContentEncoder encoder(&message, call.Peer(), now_ms, provenance);
  const v2::SystemProperties& system = message.system_properties();
  auto append = std::make_unique<HalfAppend>(&call, system.message_id(),
                                             TransactionId{options_.broker_name, topic.id, 0, 0},
                                             environment_.metadata->handle_key());
  encoder.EncodeTo(append->BeginMessage(*queue, TagHash(system.tag()), now_ms, encoder.size()),
                   BodyDigest(message.body()));
  append->SealMessage();
  append->AddRecord(kHalfRecord, HalfRecord{topic.id, RecoveryMs(system)}.Encode());
  store::Store& store = *environment_.state->store();
  if (absl::Status room = CheckRoomForEnd(store, append->size()); !room.ok()) {
    return call.Finish(gateway::StatusResponse(room));
  }
  const absl::Status submitted = store.Submit(std::move(append));
  if (!submitted.ok()) return call.Finish(gateway::StatusResponse(ToSendStatus(submitted)));
  topic.counters->sent_bytes.Record(static_cast<int64_t>(encoder.size()));
}

}  // namespace mansio::broker
