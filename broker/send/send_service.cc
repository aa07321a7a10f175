#include "broker/send/send_service.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/message/stored_message.h"
#include "broker/send/queue_choice.h"
#include "broker/send/send_append.h"
#include "common/clock/broker_time.h"
#include "common/gateway/preamble.h"
#include "common/gateway/public_service.h"
#include "common/gateway/send_holds.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// Requests from here on are digested and copied on the cold pool: 64 KiB take MD5 some 100 us,
// which the other calls of an rpc thread should not wait for.
constexpr size_t kLargeRequest = 64 * 1024;

// What one record may need around its content, generously; see store/log/frame.h.
constexpr size_t kRecordOverhead = 64;

void Refuse(rpc::UnaryCall& call, const absl::Status& status) {
  call.Finish(gateway::StatusResponse(status));
}

// Picks queues for the messages of one request: those without a message group go to one queue, the
// next in turn, so that they keep their order.
class QueueChooser {
 public:
  explicit QueueChooser(const Topic& topic) : topic_(topic) {}

  store::QueueKey For(const v2::Message& message) {
    const v2::SystemProperties& system = message.system_properties();
    if (system.has_message_group()) {
      return {topic_.id, QueueOfGroup(system.message_group(), topic_.queues)};
    }
    if (system.has_priority()) {
      return {topic_.id, QueueOfPriority(system.priority(), topic_.queues)};
    }
    if (groupless_ < 0) {
      groupless_ = topic_.next_queue.fetch_add(1, std::memory_order_relaxed) % topic_.queues;
    }
    return {topic_.id, static_cast<uint32_t>(groupless_)};
  }

 private:
  const Topic& topic_;
  int64_t groupless_ = -1;  // not chosen yet
};

void SetDerivedType(v2::Message* message, const Topic& topic) {
  MessageType type = DerivedType(*message);
  if (HasDelayLevel(*message) && Takes(topic.type, MessageType::kDelay)) type = MessageType::kDelay;
  message->mutable_system_properties()->set_message_type(static_cast<v2::MessageType>(type));
}

void AddTo(store::Append& append, const v2::Message& message, const ContentEncoder& encoder,
           store::QueueKey queue, int64_t now_ms) {
  const v2::SystemProperties& system = message.system_properties();
  char* to = append.BeginMessage(queue, EntryHash(system.tag(), system.message_group()), now_ms,
                                 encoder.size());
  encoder.EncodeTo(to, BodyDigest(message.body()));
  append.SealMessage();
}

// TOO_MANY_REQUESTS while a group is as far behind as the topic allows.
absl::Status CheckBacklog(const Topic& topic) {
  const BacklogPolicy& policy = topic.backlog;
  if (policy.max == 0 || policy.overflow != Overflow::kRefuse) return absl::OkStatus();
  const uint64_t backlog = topic.backlog_now.load(std::memory_order_relaxed);
  if (backlog < policy.max) return absl::OkStatus();
  return WireError(
      v2::TOO_MANY_REQUESTS,
      fmt::format("a consumer group has {} messages of topic {} before it, and the topic's "
                  "max-backlog is {}; send again when it has consumed some, or change the limit "
                  "with `mansio topic alter {}`",
                  backlog, topic.name, policy.max, topic.name));
}

// That the message groups of a request are this broker's, where they are divided between brokers.
// A call that came through the access point is; one that waited for a thread may not be any more.
absl::Status CheckOwner(const v2::SendMessageRequest& request, const Topic& topic,
                        std::string_view self) {
  if (topic.brokers.empty()) return absl::OkStatus();
  for (const v2::Message& message : request.messages()) {
    const v2::SystemProperties& system = message.system_properties();
    if (!system.has_message_group()) continue;
    const std::string owner = topic.OwnerOf(system.message_group());
    if (owner == self) continue;
    if (request.messages_size() > 1) {
      return WireError(v2::BAD_REQUEST,
                       "the message groups of this batch belong to different brokers; send each "
                       "group in a request of its own");
    }
    return WireError(
        v2::INTERNAL_SERVER_ERROR,
        fmt::format("this message group belongs to broker {} by now; send it again", owner));
  }
  return absl::OkStatus();
}

Provenance ProvenanceOf(const std::optional<Delay::Waiting>& waiting) {
  return waiting.has_value() ? waiting->provenance : Provenance{};
}

}  // namespace

SendService::SendService(SendOptions options, Environment environment)
    : options_(options), environment_(environment) {}

void SendService::Register(rpc::MethodTable& methods) {
  methods.unary.push_back({gateway::MessagingPath("SendMessage"),
                           [this](rpc::UnaryCall& call) { Handle(call); }, /*hot=*/true});
}

void SendService::Handle(rpc::UnaryCall& call) {
  const auto client = gateway::IdentifyClient(call, *environment_.clients);
  if (!client.ok()) return Refuse(call, client.status());
  const size_t bytes = call.Request().size();
  if (bytes > options_.limits.request_bytes) {
    return Refuse(call,
                  WireError(v2::PAYLOAD_TOO_LARGE,
                            fmt::format("the request has {} bytes and the limit is {}; send "
                                        "smaller batches, or raise limits.request-bytes on the "
                                        "broker",
                                        bytes, options_.limits.request_bytes)));
  }
  if (bytes >= kLargeRequest) return HandleLarge(call);

  // Reused, so that a send of the usual shape is parsed without an allocation.
  thread_local Request request;
  if (!rpc::Parse(call.Request(), &request)) return call.Abort(rpc::CannotParse(request));
  const absl::StatusOr<TopicPtr> topic = Check(request);
  if (!topic.ok()) return Refuse(call, topic.status());
  if (*topic == nullptr) return CreateTopicAndHandle(call, request);
  StoreRequest(call, request, **topic);
}

void SendService::HandleLarge(rpc::UnaryCall& call) {
  auto request = std::make_unique<Request>();
  if (!rpc::Parse(call.Request(), request.get())) return call.Abort(rpc::CannotParse(*request));
  const absl::StatusOr<TopicPtr> topic = Check(*request);
  if (!topic.ok()) return Refuse(call, topic.status());
  if (*topic == nullptr) return CreateTopicAndHandle(call, *request);

  const size_t bytes = call.Request().size();
  const size_t waiting = large_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  const bool accepted =
      waiting <= options_.limits.bytes_in_flight &&
      store_->RunCold([this, &call, bytes, topic = *topic, request = std::move(request)]() mutable {
        StoreLarge(call, *request, *topic);
        request.reset();
        large_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
      });
  if (accepted) return;
  large_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  Refuse(call,
         WireError(v2::TOO_MANY_REQUESTS,
                   "the broker has as many large messages waiting as limits.send-bytes-in-flight "
                   "and its reading threads allow; send again a little later"));
}

void SendService::StoreLarge(rpc::UnaryCall& call, Request& request, const Topic& topic) {
  if (!Takes(topic.type, MessageType::kFifo) || environment_.holds == nullptr) {
    return StoreRequest(call, request, topic);
  }
  // While it waited for a thread, its message groups may have been given to another broker.
  const auto passage = environment_.holds->PassNow(topic.name);
  const TopicPtr now = environment_.metadata->FindTopic(topic.id);
  if (now == nullptr) return Refuse(call, TopicNotFound(topic.name));
  absl::Status status = CheckOwner(request, *now, options_.broker_name);
  if (!passage.has_value()) {
    status = WireError(v2::INTERNAL_SERVER_ERROR,
                       fmt::format("message groups of topic {} are being divided between other "
                                   "brokers; send it again in a second",
                                   topic.name));
  }
  status.ok() ? StoreRequest(call, request, topic) : Refuse(call, status);
}

absl::StatusOr<TopicPtr> SendService::Check(const Request& request) const {
  absl::Status status = ValidateSend(request, options_.limits, environment_.time->NowMillis());
  if (!status.ok()) return status;
  const std::string& name = request.messages(0).topic().name();
  TopicPtr topic = environment_.metadata->FindTopic(name);
  if (topic == nullptr) {
    if (options_.auto_create_topics) return topic;
    return TopicNotFound(name);
  }
  if (status = CheckTopicType(request, *topic); !status.ok()) return status;
  if (status = CheckOwner(request, *topic, options_.broker_name); !status.ok()) return status;
  if (status = CheckBacklog(*topic); !status.ok()) return status;
  return topic;
}

void SendService::CreateTopicAndHandle(rpc::UnaryCall& call, const Request& request) {
  environment_.metadata->CreateTopic(
      request.messages(0).topic().name(), DerivedType(request.messages(0)), options_.default_queues,
      [this, &call](absl::StatusOr<TopicPtr> created) {
        // Somebody else may have created it with another type: then the call is judged by that.
        if (!created.ok() && CodeOf(created.status()) != v2::PRECONDITION_FAILED) {
          return Refuse(call, created.status());
        }
        call.Post([this, &call] { Handle(call); });
      });
}

void SendService::StoreRequest(rpc::UnaryCall& call, Request& request, const Topic& topic) {
  if (request.messages_size() == 1) {
    StoreOne(call, request, topic);
  } else {
    StoreBatch(call, request, topic);
  }
}

void SendService::StoreOne(rpc::UnaryCall& call, Request& request, const Topic& topic) {
  v2::Message* message = request.mutable_messages(0);
  SetDerivedType(message, topic);
  if (message->system_properties().message_type() == v2::TRANSACTION) {
    return environment_.halves->StoreHalf(call, *message, topic);
  }
  const int64_t now_ms = environment_.time->NowMillis();
  const store::QueueKey target = QueueChooser(topic).For(*message);
  const auto waiting = environment_.delay->Place(*message, target, now_ms);
  if (!waiting.ok()) return Refuse(call, waiting.status());
  const ContentEncoder encoder(message, call.Peer(), now_ms, ProvenanceOf(*waiting));
  const std::string& message_id = message->system_properties().message_id();
  auto append =
      std::make_unique<SingleSend>(&call, message_id, RecallHandleFor(*waiting, topic, message_id));
  AddTo(*append, *message, encoder, waiting->has_value() ? (*waiting)->queue : target, now_ms);
  if (absl::Status room = CheckRoomForEnd(*store_, append->size()); !room.ok()) {
    return Refuse(call, room);
  }
  const absl::Status status = store_->Submit(std::move(append));
  if (!status.ok()) return Refuse(call, ToSendStatus(status));
  topic.counters->sent_bytes.Record(static_cast<int64_t>(encoder.size()));
}

RecallHandleOf SendService::RecallHandleFor(const std::optional<Delay::Waiting>& waiting,
                                            const Topic& topic,
                                            const std::string& message_id) const {
  // Recall is for topics of delayed messages (RocketMQ 5 API).
  if (!waiting.has_value() || topic.type == MessageType::kNormal) return nullptr;
  return [delay = environment_.delay, waiting = *waiting, message_id](store::QueueOffset offset) {
    return delay->HandleOf(waiting, offset, message_id);
  };
}

void SendService::StoreBatch(rpc::UnaryCall& call, Request& request, const Topic& topic) {
  const int64_t now_ms = environment_.time->NowMillis();
  const auto count = static_cast<size_t>(request.messages_size());
  std::vector<SendOutcome> outcomes(count);
  std::vector<RecallHandleOf> recall_handles(count);
  std::vector<store::QueueKey> places(count);
  std::vector<ContentEncoder> encoders;
  encoders.reserve(count);
  std::vector<size_t> part_ends;  // a part is what fits one frame
  size_t part_bytes = 0;
  QueueChooser queues(topic);
  for (size_t i = 0; i < count; ++i) {
    v2::Message* message = request.mutable_messages(static_cast<int>(i));
    SetDerivedType(message, topic);
    outcomes[i].message_id = message->system_properties().message_id();
    places[i] = queues.For(*message);
    const auto waiting = environment_.delay->Place(*message, places[i], now_ms);
    if (!waiting.ok()) return Refuse(call, waiting.status());
    if (waiting->has_value()) places[i] = (*waiting)->queue;
    recall_handles[i] = RecallHandleFor(*waiting, topic, outcomes[i].message_id);
    encoders.emplace_back(message, call.Peer(), now_ms, ProvenanceOf(*waiting));
    const size_t bytes = encoders[i].size() + kRecordOverhead;
    if (absl::Status room = CheckRoomForEnd(*store_, bytes); !room.ok()) {
      return Refuse(call, room);
    }
    if (i > 0 && part_bytes + bytes > store_->MaxAppendBytes()) {
      part_ends.push_back(i);
      part_bytes = 0;
    }
    part_bytes += bytes;
  }
  part_ends.push_back(count);

  auto batch = std::make_shared<BatchCall>(&call, std::move(outcomes), std::move(recall_handles),
                                           part_ends.size());
  size_t first = 0;
  for (const size_t end : part_ends) {
    auto part = std::make_unique<BatchPart>(batch, first, end - first);
    for (size_t i = first; i < end; ++i) {
      const v2::Message& message = request.messages(static_cast<int>(i));
      AddTo(*part, message, encoders[i], places[i], now_ms);
    }
    if (absl::Status status = store_->Submit(std::move(part)); !status.ok()) {
      BatchPart(batch, first, end - first).Failed(status);
    } else {
      for (size_t i = first; i < end; ++i) {
        topic.counters->sent_bytes.Record(static_cast<int64_t>(encoders[i].size()));
      }
    }
    first = end;
  }
}

}  // namespace mansio::broker
