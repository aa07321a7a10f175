#include "broker/admin/topic_admin.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "broker/admin/group_requests.h"
#include "broker/admin/info.h"
#include "broker/admin/topic_requests.h"
#include "broker/core/admin_call.h"
#include "broker/placement/consumers.h"
#include "common/gateway/send_holds.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// The error with more to say.
absl::Status With(const absl::Status& error, std::string_view more) {
  if (more.empty()) return error;
  return WireError(CodeOf(error), fmt::format("{}; {}", std::string(error.message()), more));
}

}  // namespace

void TopicAdmin::Register(rpc::MethodTable& methods) {
  AddAdminMethod(methods, "CreateTopic", this, &TopicAdmin::Create);
  AddAdminMethod(methods, "AlterTopic", this, &TopicAdmin::Alter);
  AddAdminMethod(methods, "ListTopics", this, &TopicAdmin::List);
  AddAdminMethod(methods, "DescribeTopic", this, &TopicAdmin::Describe);
  AddAdminMethod(methods, "DeleteTopic", this, &TopicAdmin::Delete);
}

template <typename Response>
void TopicAdmin::Answer(rpc::UnaryCall& call, const absl::Status& status, Response response) const {
  AnswerAdmin(call, context_->broker_name, status, std::move(response));
}

template <typename Response>
void TopicAdmin::Admit(rpc::UnaryCall& call, const TopicPtr& topic,
                       const google::protobuf::RepeatedPtrField<v1::GroupInfo>& consumers,
                       std::string_view if_refused, absl::AnyInvocable<void()> then) {
  std::vector<GroupRecord> groups;
  for (const v1::GroupInfo& info : consumers) {
    absl::StatusOr<GroupRecord> group = GroupElsewhereFrom(info);
    if (!group.ok()) return Answer(call, With(group.status(), if_refused), Response());
    groups.push_back(*std::move(group));
  }
  AdmitConsumers(context_->metadata, context_->consumption, topic, std::move(groups),
                 [this, &call, then = std::move(then),
                  if_refused = std::string(if_refused)](const absl::Status& status) mutable {
                   status.ok() ? then() : Answer(call, With(status, if_refused), Response());
                 });
}

void TopicAdmin::Create(rpc::UnaryCall& call, const v1::CreateTopicRequest& request) {
  absl::StatusOr<TopicRecord> record = TopicFrom(request.topic(), context_->default_queues);
  if (!record.ok()) return Answer(call, record.status(), v1::CreateTopicResponse());
  const bool existed = context_->metadata->FindTopic(record->name) != nullptr;
  const auto answer = [this, &call, existed](const absl::StatusOr<TopicPtr>& topic) {
    v1::CreateTopicResponse response;
    response.set_existed(existed);
    if (topic.ok()) *response.mutable_topic() = TopicInfoOf(**topic);
    Answer(call, topic.status(), std::move(response));
  };
  if (request.consumers().empty()) {
    return context_->metadata->CreateTopic(*std::move(record), answer);
  }
  // Nobody sends to it before its consumers have positions.
  record->draining = true;
  context_->metadata->CreateTopic(
      *std::move(record),
      [this, &call, answer, consumers = request.consumers()](const absl::StatusOr<TopicPtr>& made) {
        if (!made.ok()) return answer(made);
        Admit<v1::CreateTopicResponse>(
            call, *made, consumers,
            fmt::format("topic {} is there and takes no sends yet: give the command again when "
                        "this is mended",
                        (*made)->name),
            [this, name = (*made)->name, answer] {
              context_->metadata->AlterTopic(name, {.draining = false}, answer);
            });
      });
}

void TopicAdmin::Alter(rpc::UnaryCall& call, const v1::AlterTopicRequest& request) {
  const absl::StatusOr<TopicChange> change = TopicChangeFrom(request);
  if (!change.ok()) return Answer(call, change.status(), v1::AlterTopicResponse());
  const TopicPtr topic = context_->metadata->FindTopic(request.name());
  if (request.consumers().empty() || topic == nullptr) return AlterNow(call, request, *change);
  Admit<v1::AlterTopicResponse>(
      call, topic, request.consumers(), "",
      [this, &call, request, change = *change] { AlterNow(call, request, change); });
}

void TopicAdmin::AlterNow(rpc::UnaryCall& call, const v1::AlterTopicRequest& request,
                          const TopicChange& change) {
  // It goes on until the change is there: no send may come between.
  if (request.held() && !context_->holds->Keep(request.name(), request.holder())) {
    return Answer(call,
                  WireError(v2::PRECONDITION_FAILED,
                            fmt::format("sends to topic {} are not held any more; hold it again",
                                        request.name())),
                  v1::AlterTopicResponse());
  }
  context_->metadata->AlterTopic(
      request.name(), change,
      [this, &call, name = request.name(), holder = request.holder(),
       ends_hold = request.held() || request.has_sharing()](const absl::StatusOr<TopicPtr>& topic) {
        if (ends_hold) context_->holds->Done(name, holder);
        v1::AlterTopicResponse response;
        if (topic.ok()) *response.mutable_topic() = TopicInfoOf(**topic);
        Answer(call, topic.status(), std::move(response));
      });
}

void TopicAdmin::List(rpc::UnaryCall& call, const v1::ListTopicsRequest& request) const {
  v1::ListTopicsResponse response;
  ToWire(absl::OkStatus(), response.mutable_status());
  for (const TopicPtr& topic : context_->metadata->Topics()) {
    if (topic->kind != TopicKind::kUser && !request.include_system()) continue;
    v1::TopicOverview* overview = response.add_topics();
    *overview->mutable_topic() = TopicInfoOf(*topic);
    overview->add_brokers(context_->broker_name);
  }
  rpc::Reply(call, response);
}

void TopicAdmin::Describe(rpc::UnaryCall& call, const v1::DescribeTopicRequest& request) const {
  const TopicPtr topic = context_->metadata->FindTopic(request.name());
  if (topic == nullptr) {
    return Answer(call, context_->metadata->TopicMissing(request.name()),
                  v1::DescribeTopicResponse());
  }
  v1::DescribeTopicResponse response;
  *response.mutable_topic() = TopicInfoOf(*topic);
  response.mutable_created()->set_seconds(topic->created_ms / 1000);
  response.mutable_created()->set_nanos(static_cast<int32_t>(topic->created_ms % 1000 * 1000000));
  for (uint32_t queue = 0; queue < topic->queues; ++queue) {
    const store::QueueRange range = context_->store->Range({topic->id, queue});
    v1::QueueStats* stats = response.add_queues();
    stats->set_broker(context_->broker_name);
    stats->set_queue_id(static_cast<int32_t>(queue));
    stats->set_min_offset(static_cast<int64_t>(range.min));
    stats->set_next_offset(static_cast<int64_t>(range.next));
    stats->set_permission(response.topic().permission());
  }
  if (request.with_consumers()) {
    for (const GroupPtr& group : ConsumersOf(*context_->metadata, *context_->consumption, *topic)) {
      *response.add_consumers() = GroupInfoOf(*group);
    }
  }
  Answer(call, absl::OkStatus(), std::move(response));
}

void TopicAdmin::Delete(rpc::UnaryCall& call, const v1::DeleteTopicRequest& request) {
  context_->metadata->DeleteTopic(request.name(),
                                  [this, &call](const absl::StatusOr<TopicPtr>& topic) {
                                    Answer(call, topic.status(), v1::DeleteTopicResponse());
                                  });
}

}  // namespace mansio::broker
