#include "broker/admin/dead_letter_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/functional/function_ref.h"
#include "broker/message/stored_message.h"
#include "common/names/utf8.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int32_t kDefaultLimit = 50;
constexpr int32_t kMaxLimit = 1000;
constexpr size_t kChunk = 256;

// A dead letter that was read; the content's views point into `message`.
struct Found {
  store::StoredMessage message;
  StoredContent content;
  Provenance provenance;
};

absl::StatusOr<Found> Read(store::Store& store, store::QueueKey queue, store::QueueOffset offset,
                           const store::QueueEntry& entry) {
  auto message = store.ReadMessage(queue, offset, entry);
  if (!message.ok()) return message.status();
  Found found{*std::move(message), {}, {}};
  auto content = DecodeContent(found.message.view.content);
  if (!content.ok()) return content.status();
  found.content = *content;
  auto provenance = Provenance::Decode(content->provenance);
  if (!provenance.ok()) return provenance.status();
  found.provenance = *provenance;
  return found;
}

// Tells of the dead letters that were carried forward and stand below the queue's minimum, as Walk
// does.
void WalkCarried(store::Store& store, store::QueueKey queue, uint64_t max,
                 absl::FunctionRef<bool(const Found&)> enough) {
  const auto oldest = store.CarriedEntries(queue, 0, 1);
  store::QueueOffset end = store.Range(queue).min;
  while (!oldest.empty() && end > oldest[0].offset && max > 0) {
    const store::QueueOffset from = end > kChunk ? end - kChunk : 0;
    const auto carried = store.CarriedEntries(queue, from, kChunk);
    for (size_t i = carried.size(); i-- > 0 && max > 0;) {
      if (carried[i].offset >= end) continue;
      const auto found = Read(store, queue, carried[i].offset, carried[i].entry);
      if (found.ok() && enough(*found)) return;
      --max;
    }
    end = from;
  }
}

uint64_t CountCarried(const store::Store& store, store::QueueKey queue) {
  uint64_t count = 0;
  for (store::QueueOffset from = 0;;) {
    const auto carried = store.CarriedEntries(queue, from, kChunk);
    count += carried.size();
    if (carried.size() < kChunk) return count;
    from = carried.back().offset + 1;
  }
}

// Tells of the dead letters of a queue, newest first, until `enough` returns true or `max` were
// read. One whose bytes cannot be read is passed over: the others are worth seeing.
absl::Status Walk(store::Store& store, store::QueueKey queue, uint64_t max,
                  absl::FunctionRef<bool(const Found&)> enough) {
  const store::QueueRange range = store.Range(queue);
  store::QueueOffset end = range.next;
  while (end > range.min && max > 0) {
    const uint64_t count = std::min<uint64_t>({kChunk, max, end - range.min});
    const auto entries = store.ReadEntries(queue, end - count, count);
    if (absl::IsOutOfRange(entries.status())) break;  // retention was faster
    if (!entries.ok()) return entries.status();
    for (size_t i = entries->size(); i-- > 0;) {
      const auto found = Read(store, queue, end - count + i, (*entries)[i]);
      if (found.ok() && enough(*found)) return absl::OkStatus();
    }
    end -= count;
    max -= count;
  }
  WalkCarried(store, queue, max, enough);
  return absl::OkStatus();
}

void SetMillis(int64_t ms, google::protobuf::Timestamp* time) {
  time->set_seconds(ms / 1000);
  time->set_nanos(static_cast<int32_t>(ms % 1000 * 1000000));
}

void Fill(const Found& found, v1::DeadLetter* letter) {
  const Provenance& p = found.provenance;
  letter->set_offset(static_cast<int64_t>(found.message.view.queue_offset));
  letter->set_message_id(std::string(MessageIdOf(found.content)));
  letter->set_topic(std::string(p.topic_name));
  letter->set_queue_id(static_cast<int32_t>(p.queue));
  letter->set_queue_offset(static_cast<int64_t>(p.offset));
  letter->set_attempts(static_cast<int32_t>(p.attempts));
  // A message that made way for others was never delivered.
  if (p.first_ms > 0) SetMillis(p.first_ms, letter->mutable_first_delivery());
  if (p.last_ms > 0) SetMillis(p.last_ms, letter->mutable_last_delivery());
  SetMillis(found.message.view.store_time, letter->mutable_time());
  letter->set_reason(std::string(p.reason));
}

void FillMessage(const Found& found, v2::Message* message) {
  message->MergeFromString(std::string(found.content.properties));
  message->mutable_system_properties()->ParseFromArray(
      found.content.system.data(), static_cast<int>(found.content.system.size()));
  message->mutable_topic()->set_name(std::string(found.provenance.topic_name));
  message->set_body(std::string(found.content.body));
}

absl::StatusOr<v1::ListDeadLettersResponse> ReadList(store::Store& store, store::QueueKey queue,
                                                     int32_t limit) {
  v1::ListDeadLettersResponse response;
  const store::QueueRange range = store.Range(queue);
  response.set_total(static_cast<int64_t>(range.next - range.min + CountCarried(store, queue)));
  const absl::Status status =
      Walk(store, queue, static_cast<uint64_t>(limit), [&response](const Found& found) {
        Fill(found, response.add_dead_letters());
        return false;
      });
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::DescribeDeadLetterResponse> ReadOne(store::Store& store, store::QueueKey queue,
                                                       const std::string& message_id) {
  v1::DescribeDeadLetterResponse response;
  const absl::Status status = Walk(store, queue, DeadLetterService::kMaxSearched,
                                   [&response, &message_id](const Found& found) {
                                     if (MessageIdOf(found.content) != message_id) return false;
                                     Fill(found, response.mutable_dead_letter());
                                     FillMessage(found, response.mutable_message());
                                     return true;
                                   });
  if (!status.ok()) return status;
  if (response.has_dead_letter()) return response;
  return WireError(
      v2::MESSAGE_NOT_FOUND,
      fmt::format("none of the group's newest {} dead letters has the id '{}'; `mansio "
                  "dlq list` shows them",
                  DeadLetterService::kMaxSearched, EscapeForLog(message_id)));
}

}  // namespace

void DeadLetterService::Register(rpc::MethodTable& methods) {
  methods.unary.push_back(
      {"/mansio.v1.Admin/ListDeadLetters",
       rpc::ParsedUnary<v1::ListDeadLettersRequest>(
           [this](rpc::UnaryCall& call, const auto& request) { List(call, request); })});
  methods.unary.push_back(
      {"/mansio.v1.Admin/DescribeDeadLetter",
       rpc::ParsedUnary<v1::DescribeDeadLetterRequest>(
           [this](rpc::UnaryCall& call, const auto& request) { Describe(call, request); })});
}

template <typename Response, typename Read>
void DeadLetterService::Answer(rpc::UnaryCall& call, const std::string& group, Read read) const {
  const auto answer = [this, &call](absl::StatusOr<Response> result) {
    Response response;
    if (result.ok()) response = *std::move(result);
    ToWire(result.status(), response.mutable_status());
    v1::BrokerResult* own = response.add_results();
    own->set_broker(broker_name_);
    *own->mutable_status() = response.status();
    rpc::Reply(call, response);
  };
  const GroupPtr known = metadata_->FindGroup(group);
  if (known == nullptr) return answer(GroupNotFound(group));
  const TopicPtr topic = metadata_->FindDeadLetters(*known);
  // Without a topic of its own the queue is one that holds nothing.
  const store::QueueKey queue{topic == nullptr ? 0 : topic->id, 0};
  if (store_->RunCold([answer, read, queue] { answer(read(queue)); })) return;
  answer(WireError(v2::TOO_MANY_REQUESTS,
                   "too many reads of old messages wait for the disk; try again later"));
}

void DeadLetterService::List(rpc::UnaryCall& call,
                             const v1::ListDeadLettersRequest& request) const {
  const int32_t limit = request.limit() <= 0 ? kDefaultLimit : std::min(request.limit(), kMaxLimit);
  Answer<v1::ListDeadLettersResponse>(call, request.group(), [this, limit](store::QueueKey queue) {
    auto list = ReadList(*store_, queue, limit);
    if (list.ok()) {
      for (v1::DeadLetter& letter : *list->mutable_dead_letters()) letter.set_broker(broker_name_);
    }
    return list;
  });
}

void DeadLetterService::Describe(rpc::UnaryCall& call,
                                 const v1::DescribeDeadLetterRequest& request) const {
  Answer<v1::DescribeDeadLetterResponse>(call, request.group(),
                                         [this, id = request.message_id()](store::QueueKey queue) {
                                           auto found = ReadOne(*store_, queue, id);
                                           if (found.ok())
                                             found->mutable_dead_letter()->set_broker(broker_name_);
                                           return found;
                                         });
}

}  // namespace mansio::broker
