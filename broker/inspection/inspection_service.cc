#include "broker/inspection/inspection_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "absl/time/clock.h"
#include "broker/core/admin_call.h"
#include "broker/inspection/found_message.h"
#include "broker/inspection/message_query.h"
#include "broker/inspection/message_trace.h"
#include "broker/inspection/turn.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// How long a search may last: whoever has passed it on waits 5 s for a broker.
constexpr absl::Duration kLongestSearch = absl::Seconds(4);
constexpr absl::Duration kWayBack = absl::Milliseconds(200);

absl::Duration TimeFor(const rpc::Call& call) {
  return std::min(kLongestSearch, call.Deadline() - kWayBack - absl::Now());
}

absl::Status PoolIsFull() {
  return WireError(v2::TOO_MANY_REQUESTS,
                   "too many reads of old messages wait for the disk; try again later");
}

}  // namespace

void InspectionService::Register(rpc::MethodTable& methods) {
  AddAdminMethod(methods, "QueryMessages", this, &InspectionService::Query);
  AddAdminMethod(methods, "GetMessage", this, &InspectionService::Get);
  AddAdminMethod(methods, "TraceMessage", this, &InspectionService::Trace);
}

template <typename Response>
void InspectionService::Answer(rpc::UnaryCall& call, absl::StatusOr<Response> result) const {
  AnswerAdmin(call, broker_name_, std::move(result));
}

template <typename Response, typename Work>
void InspectionService::AnswerCold(rpc::UnaryCall& call, Work work) const {
  const bool queued =
      store_->RunCold([this, &call, work = std::move(work)] { Answer<Response>(call, work()); });
  if (queued) return;
  Answer<Response>(call, PoolIsFull());
}

template <typename Search>
void InspectionService::AnswerSearch(rpc::UnaryCall& call, absl::Time end, Search search) const {
  using Response = typename Search::Response;
  if (searching_.exchange(true)) {
    return Answer<Response>(call, WireError(v2::TOO_MANY_REQUESTS,
                                            "this broker searches its log for somebody else; try "
                                            "again in a moment"));
  }
  if (GoOn(call, end, std::make_shared<Search>(std::move(search)))) return;
  searching_ = false;
  Answer<Response>(call, PoolIsFull());
}

template <typename Search>
bool InspectionService::GoOn(rpc::UnaryCall& call, absl::Time end,
                             std::shared_ptr<Search> search) const {
  return store_->RunCold([this, &call, end, search = std::move(search)] {
    Turn turn;
    const absl::StatusOr<bool> done = search->Step(turn);
    const bool goes_on = done.ok() && !*done && !call.Cancelled() && absl::Now() < end;
    if (goes_on && GoOn(call, end, search)) return;
    auto result = done.ok() ? search->Take() : done.status();
    searching_ = false;
    Answer<typename Search::Response>(call, std::move(result));
  });
}

void InspectionService::Query(rpc::UnaryCall& call, const v1::QueryMessagesRequest& request) const {
  auto query = MessageQuery::From(request, {store_, environment_.metadata, &broker_name_});
  if (!query.ok()) return Answer<v1::QueryMessagesResponse>(call, query.status());
  AnswerSearch(call, absl::Now() + TimeFor(call), *std::move(query));
}

absl::StatusOr<v1::GetMessageResponse> InspectionService::ReadOne(const Topic& topic,
                                                                  store::QueueKey queue,
                                                                  store::QueueOffset offset) const {
  const store::QueueRange range = store_->Range(queue);
  const auto entries = store_->ReadEntries(queue, offset, 1);
  const bool none = entries.ok() && entries->empty();
  if (none || absl::IsOutOfRange(entries.status())) {
    return WireError(v2::MESSAGE_NOT_FOUND,
                     fmt::format("queue {} of topic {} on this broker has no message at offset {}; "
                                 "it has those from {} to before {}",
                                 queue.queue, topic.name, offset, range.min, range.next));
  }
  if (!entries.ok()) return entries.status();
  auto message = store_->ReadMessage(queue, offset, entries->front());
  if (!message.ok()) return message.status();
  const auto decoded = Decode(*std::move(message));
  if (!decoded.ok()) return decoded.status();
  v1::GetMessageResponse response;
  *response.add_messages() = FoundMessageOf(*decoded, topic, broker_name_, /*with_body=*/true);
  return response;
}

void InspectionService::Get(rpc::UnaryCall& call, const v1::GetMessageRequest& request) const {
  using Response = v1::GetMessageResponse;
  const TopicPtr topic = environment_.metadata->FindTopic(request.topic());
  if (topic == nullptr)
    return Answer<Response>(call, environment_.metadata->TopicMissing(request.topic()));
  if (request.queue_id() < 0 || static_cast<uint32_t>(request.queue_id()) >= topic->queues ||
      request.offset() < 0) {
    return Answer<Response>(
        call, WireError(v2::BAD_REQUEST,
                        fmt::format("topic {} has queues 0 to {}, and offsets begin at 0",
                                    topic->name, topic->queues - 1)));
  }
  const store::QueueKey queue{topic->id, static_cast<uint32_t>(request.queue_id())};
  AnswerCold<Response>(call, [this, topic, queue, offset = request.offset()] {
    return ReadOne(*topic, queue, static_cast<store::QueueOffset>(offset));
  });
}

void InspectionService::Trace(rpc::UnaryCall& call, const v1::TraceMessageRequest& request) const {
  using Response = v1::TraceMessageResponse;
  if (request.message_id().empty() || request.next() < 0) {
    return Answer<Response>(call, WireError(v2::BAD_REQUEST, "a trace needs the id of a message"));
  }
  const absl::Time now = absl::Now();
  const absl::Duration time = TimeFor(call);
  AnswerSearch(call, now + time,
               MessageTrace({store_, environment_.metadata, environment_.clients, &broker_name_},
                            request.message_id(), static_cast<store::LogOffset>(request.next()),
                            now + time / 2));
}

}  // namespace mansio::broker
