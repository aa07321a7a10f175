#include "broker/offsets/offset_service.h"

#include <fmt/format.h>

#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/context.h"
#include "broker/core/timestamps.h"
#include "common/gateway/preamble.h"
#include "common/names/names.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"
#include "store/queue/offset_at_time.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

template <typename Response>
void AnswerOffset(rpc::UnaryCall& call, const absl::StatusOr<store::QueueOffset>& offset) {
  Response response;
  ToWire(offset.status(), response.mutable_status());
  if (offset.ok()) response.set_offset(static_cast<int64_t>(*offset));
  rpc::Reply(call, response);
}

absl::Status IllegalOffset(int64_t offset, store::QueueRange range) {
  return WireError(v2::ILLEGAL_OFFSET,
                   fmt::format("offset {} is not one of the queue, which holds {} up to {}; give "
                               "an offset from 0 to {}",
                               offset, range.min, range.next, range.next));
}

absl::StatusOr<store::StoreTime> TimeOf(const v2::QueryOffsetRequest& request) {
  if (!request.has_timestamp() || !IsTime(request.timestamp())) {
    return WireError(v2::BAD_REQUEST, "a query by TIMESTAMP needs a valid timestamp from 1970 on");
  }
  // Rounded up: a message of the same millisecond may be older than the time.
  return MillisFrom(request.timestamp());
}

}  // namespace

absl::StatusOr<NamedQueue> FindQueue(const OffsetsContext& context, const v2::MessageQueue& queue) {
  const std::string& name = queue.topic().name();
  if (absl::Status s = names::ValidateTopic(name); !s.ok()) return s;
  const std::string& broker = queue.broker().name();
  if (!broker.empty() && broker != context.options.broker_name) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("the queue is one of broker '{}', and this is broker '{}'; ask "
                                 "that one, its offsets mean nothing here",
                                 broker, context.options.broker_name));
  }
  TopicPtr topic = context.environment.metadata->FindTopic(name);
  if (topic == nullptr || !IsReadable(topic->kind))
    return context.environment.metadata->TopicMissing(name);
  if (queue.id() < 0 || static_cast<uint32_t>(queue.id()) >= topic->queues) {
    return WireError(v2::BAD_REQUEST, fmt::format("topic {} has no queue {} on this broker; its "
                                                  "queues are 0 to {}",
                                                  name, queue.id(), topic->queues - 1));
  }
  const store::QueueKey key{topic->id, static_cast<uint32_t>(queue.id())};
  return NamedQueue{std::move(topic), key};
}

absl::StatusOr<store::QueueOffset> OffsetService::PositionOf(
    std::string_view client, const v2::GetOffsetRequest& request) const {
  const std::string& name = request.group().name();
  if (absl::Status s = names::ValidateConsumerGroup(name); !s.ok()) return s;
  const absl::StatusOr<NamedQueue> queue = FindQueue(context_, request.message_queue());
  if (!queue.ok()) return queue.status();
  if (const GroupPtr group = context_.environment.metadata->FindGroup(name)) {
    const auto position = context_.environment.consumption->Position(group, client, queue->key);
    if (position.has_value()) return *position;
  }
  return WireError(v2::OFFSET_NOT_FOUND,
                   fmt::format("group {} has no position on queue {} of topic {}; begin where "
                               "QueryOffset says, and keep it with UpdateOffset",
                               name, queue->key.queue, queue->topic->name));
}

void OffsetService::Get(rpc::UnaryCall& call, const v2::GetOffsetRequest& request) {
  const auto client = gateway::IdentifyClient(call, *context_.environment.clients);
  if (!client.ok()) return AnswerOffset<v2::GetOffsetResponse>(call, client.status());
  AnswerOffset<v2::GetOffsetResponse>(call, PositionOf(*client, request));
}

void OffsetService::Update(rpc::UnaryCall& call, const v2::UpdateOffsetRequest& request) {
  const auto refuse = [&call](const absl::Status& status) {
    call.Finish(gateway::StatusResponse(status));
  };
  const auto client = gateway::IdentifyClient(call, *context_.environment.clients);
  if (!client.ok()) return refuse(client.status());
  const std::string& name = request.group().name();
  if (absl::Status s = names::ValidateConsumerGroup(name); !s.ok()) return refuse(s);
  absl::StatusOr<NamedQueue> queue = FindQueue(context_, request.message_queue());
  if (!queue.ok()) return refuse(queue.status());
  const store::QueueRange range = context_.store->Range(queue->key);
  if (request.offset() < 0 || static_cast<uint64_t>(request.offset()) > range.next) {
    return refuse(IllegalOffset(request.offset(), range));
  }
  const QueueCursor position{queue->key.queue, static_cast<store::QueueOffset>(request.offset())};
  context_.environment.metadata->EnsureGroup(
      name, [this, &call, position, topic = std::move(queue->topic),
             id = std::string(*client)](const absl::StatusOr<GroupPtr>& group) {
        if (!group.ok()) return call.Finish(gateway::StatusResponse(AppendRefused(group.status())));
        context_.environment.consumption->SetPosition(
            *group, id, topic, position, [&call](const absl::Status& status) {
              call.Finish(gateway::StatusResponse(AppendRefused(status)));
            });
      });
}

void OffsetService::Query(rpc::UnaryCall& call, const v2::QueryOffsetRequest& request) {
  const auto refuse = [&call](const absl::Status& status) {
    AnswerOffset<v2::QueryOffsetResponse>(call, status);
  };
  const auto client = gateway::IdentifyClient(call, *context_.environment.clients);
  if (!client.ok()) return refuse(client.status());
  const absl::StatusOr<NamedQueue> queue = FindQueue(context_, request.message_queue());
  if (!queue.ok()) return refuse(queue.status());
  const store::QueueRange range = context_.store->Range(queue->key);
  switch (request.query_offset_policy()) {
    case v2::BEGINNING:
      return AnswerOffset<v2::QueryOffsetResponse>(call, range.min);
    case v2::END:
      return AnswerOffset<v2::QueryOffsetResponse>(call, range.next);
    case v2::TIMESTAMP: {
      const absl::StatusOr<store::StoreTime> time = TimeOf(request);
      if (!time.ok()) return refuse(time.status());
      return QueryTime(call, queue->key, *time);
    }
    default:
      return refuse(WireError(
          v2::BAD_REQUEST, fmt::format("query_offset_policy {} is not known; use BEGINNING, END or "
                                       "TIMESTAMP",
                                       static_cast<int>(request.query_offset_policy()))));
  }
}

void OffsetService::QueryTime(rpc::UnaryCall& call, store::QueueKey queue, store::StoreTime time) {
  const bool queued = context_.store->RunCold([this, &call, queue, time] {
    const auto offset = store::OffsetAtTime(*context_.store, queue, time);
    if (offset.ok()) return AnswerOffset<v2::QueryOffsetResponse>(call, offset);
    AnswerOffset<v2::QueryOffsetResponse>(
        call, WireError(v2::INTERNAL_SERVER_ERROR, std::string(offset.status().message())));
  });
  if (queued) return;
  AnswerOffset<v2::QueryOffsetResponse>(
      call, WireError(v2::TOO_MANY_REQUESTS,
                      "too many reads of old messages wait for the disk; try again later"));
}

}  // namespace mansio::broker
