#include "broker/delay/delay.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "broker/message/stored_message.h"
#include "common/clock/broker_time.h"
#include "common/gateway/preamble.h"
#include "common/gateway/public_service.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

absl::Status Gone() {
  return WireError(v2::NOT_FOUND,
                   "the message has been delivered already, or this broker never had it; there is "
                   "nothing to recall");
}

absl::Status CheckMessage(const RecallHandle& handle,
                          const absl::StatusOr<store::StoredMessage>& message) {
  if (absl::IsNotFound(message.status())) return Gone();
  const auto content = message.ok() ? DecodeContent(message->view.content)
                                    : absl::StatusOr<StoredContent>(message.status());
  if (!content.ok()) {
    return WireError(v2::INTERNAL_SERVER_ERROR,
                     fmt::format("the message cannot be read and was not recalled: {}",
                                 std::string(content.status().message())));
  }
  return MessageIdOf(*content) == handle.message_id ? absl::OkStatus() : Gone();
}

absl::Status Elsewhere(const std::string& broker) {
  return WireError(v2::NOT_FOUND, fmt::format("the message was sent to broker {}, which alone can "
                                              "recall it; ask that broker",
                                              EscapeForLog(broker, names::kMaxNodeNameLength)));
}

}  // namespace

int64_t DueOf(const google::protobuf::Timestamp& time) {
  const int64_t seconds = std::max<int64_t>(time.seconds(), 0);
  const int64_t nanos = std::max<int64_t>(time.nanos(), 0);
  return seconds * 1000 + (nanos + 999'999) / 1'000'000;
}

uint32_t DelayLevelOf(const v2::Message& message, size_t levels) {
  const auto& properties = message.user_properties();
  const auto found = properties.find(std::string(kDelayProperty));
  if (found == properties.end()) return 0;
  uint64_t level = 0;
  // More digits than fit are a large level, which stands for the last one.
  if (!absl::SimpleAtoi(found->second, &level)) return static_cast<uint32_t>(levels);
  return static_cast<uint32_t>(std::min<uint64_t>(level, levels));
}

// A recall on its way into the log.
class Delay::RecallAppend : public store::Append {
 public:
  RecallAppend(DelayState* state, const TimerKey& timer) : state_(state), timer_(timer) {
    AddRecord(kTimersRecalledRecord, EncodeTimers({timer}));
  }
  void Applied(const store::AppendResult&) override { state_->EndRecall(timer_, absl::OkStatus()); }
  void Failed(const absl::Status& status) override { state_->EndRecall(timer_, status); }

 private:
  DelayState* const state_;
  const TimerKey timer_;
};

Delay::Delay(DelayOptions options, Environment environment)
    : options_(std::move(options)),
      environment_(environment),
      state_(environment.metadata),
      firing_({.state = &state_,
               .metadata = environment.metadata,
               .mover = environment.mover,
               .budget = environment.budget,
               .time = environment.time,
               .timers = environment.timers}) {
  state_.OnEarlier([this] { firing_.Wake(); });
}

absl::Status Delay::Start() {
  Metadata& metadata = *environment_.metadata;
  const auto levels =
      metadata.EnsureSystemTopic(kLevelTopic, static_cast<uint32_t>(options_.levels_ms.size()));
  if (!levels.ok()) return levels.status();
  const auto exact = metadata.EnsureSystemTopic(kTimerTopic, 1);
  if (!exact.ok()) return exact.status();
  firing_.Start();
  return absl::OkStatus();
}

void Delay::Stop() { firing_.Stop(); }

absl::StatusOr<std::optional<Delay::Waiting>> Delay::Place(const v2::Message& message,
                                                           store::QueueKey target,
                                                           int64_t now_ms) const {
  const v2::SystemProperties& system = message.system_properties();
  const uint32_t level = DelayLevelOf(message, options_.levels_ms.size());
  int64_t due_ms = 0;
  if (level > 0) {
    due_ms = now_ms + options_.levels_ms[level - 1];
  } else if (system.has_delivery_timestamp()) {
    due_ms = DueOf(system.delivery_timestamp());
  }
  if (due_ms <= now_ms) return std::nullopt;
  return PlaceAt(target, due_ms, level);
}

absl::StatusOr<Delay::Waiting> Delay::PlaceAt(store::QueueKey target, int64_t due_ms,
                                              uint32_t level) const {
  if (state_.pending() >= options_.max_pending) {
    return WireError(v2::TOO_MANY_REQUESTS,
                     fmt::format("{} delayed messages are pending on this broker, as many as "
                                 "limits.pending-timers allows; wait until some are delivered, or "
                                 "raise the limit",
                                 state_.pending()));
  }
  if (const absl::Status room = state_.store()->CheckCarryBudget(); !room.ok()) {
    return WireError(v2::TOO_MANY_REQUESTS, std::string(room.message()));
  }
  return Waiting{state_.QueueOf(level),
                 {.topic = target.topic, .queue = target.queue, .due_ms = due_ms, .level = level}};
}

std::string Delay::HandleOf(const Waiting& waiting, store::QueueOffset offset,
                            std::string message_id) const {
  const Provenance& provenance = waiting.provenance;
  const RecallHandle handle{options_.broker_name, provenance.topic,
                            TimerKey::Of(provenance.due_ms, provenance.level, offset),
                            std::move(message_id)};
  return handle.Encode(environment_.metadata->handle_key());
}

absl::Status Delay::CheckTopic(const RecallHandle& handle, std::string_view topic) const {
  const TopicPtr known = environment_.metadata->FindTopic(topic);
  if (known == nullptr) return TopicNotFound(topic);
  if (!Takes(known->type, MessageType::kDelay)) {
    return WireError(v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
                     fmt::format("topic {} is not of type DELAY or MIXED; only messages of such "
                                 "topics can be recalled",
                                 topic));
  }
  if (known->id == handle.topic) return absl::OkStatus();
  return WireError(v2::BAD_REQUEST,
                   fmt::format("the recall handle does not belong to topic {}; name the topic "
                               "that the message was sent to",
                               topic));
}

void Delay::Recall(std::string_view text, std::string_view topic, RecallDone done) {
  const std::string broker = RecallHandle::BrokerOf(text);
  if (!broker.empty() && broker != options_.broker_name) return done(Elsewhere(broker));
  const auto handle = RecallHandle::Decode(text, environment_.metadata->handle_key());
  if (!handle.ok()) return done(handle.status());
  if (!topic.empty()) {
    if (absl::Status status = CheckTopic(*handle, topic); !status.ok()) return done(status);
  }
  if (!state_.IsPending(handle->timer)) return EndTimer(*handle, std::move(done));
  // A handle can outlive its message: where a power cut took one back that was not yet on the disk,
  // another may stand at its offset and be due in the same millisecond.
  environment_.mover->Gather(
      {{state_.QueueOf(handle->timer.level()), handle->timer.offset(), {}}},
      [this, handle = *handle,
       done = std::move(done)](const std::vector<absl::StatusOr<store::StoredMessage>>& messages) {
        const absl::Status same = CheckMessage(handle, messages.front());
        if (!same.ok()) return done(same);
        EndTimer(handle, done);
      });
}

void Delay::EndTimer(const RecallHandle& handle, RecallDone done) {
  const auto decided = [done, id = handle.message_id](const absl::Status& status) {
    if (status.ok()) return done(id);
    done(absl::IsResourceExhausted(status)
             ? WireError(v2::TOO_MANY_REQUESTS, std::string(status.message()))
             : WireError(v2::INTERNAL_SERVER_ERROR, std::string(status.message())));
  };
  switch (state_.ClaimRecall(handle.timer, decided)) {
    case DelayState::Recall::kBefore:
      return done(handle.message_id);
    case DelayState::Recall::kGone:
      return done(Gone());
    case DelayState::Recall::kJoined:
      return;
    case DelayState::Recall::kClaimed:
      break;
  }
  const absl::Status submitted =
      state_.store()->Submit(std::make_unique<RecallAppend>(&state_, handle.timer));
  if (!submitted.ok()) state_.EndRecall(handle.timer, submitted);
}

void Delay::Register(rpc::MethodTable& methods) {
  methods.unary.push_back(
      {gateway::MessagingPath("RecallMessage"),
       rpc::ParsedUnary<v2::RecallMessageRequest>(
           [this](rpc::UnaryCall& call, const v2::RecallMessageRequest& request) {
             const auto client = gateway::IdentifyClient(call, *environment_.clients);
             const std::string& topic = request.topic().name();
             absl::Status refused = client.ok() ? names::ValidateTopic(topic) : client.status();
             if (!refused.ok()) return call.Finish(gateway::StatusResponse(refused));
             Recall(request.recall_handle(), topic,
                    [&call](const absl::StatusOr<std::string>& message_id) {
                      v2::RecallMessageResponse response;
                      ToWire(message_id.status(), response.mutable_status());
                      if (message_id.ok()) response.set_message_id(*message_id);
                      rpc::Reply(call, response);
                    });
           })});
}

}  // namespace mansio::broker
