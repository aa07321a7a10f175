#include "broker/admin/group_admin.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "broker/admin/group_requests.h"
#include "broker/admin/info.h"
#include "broker/core/admin_call.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

void GroupAdmin::Register(rpc::MethodTable& methods) {
  AddAdminMethod(methods, "CreateGroup", this, &GroupAdmin::Create);
  AddAdminMethod(methods, "ListGroups", this, &GroupAdmin::List);
  AddAdminMethod(methods, "DescribeGroup", this, &GroupAdmin::Describe);
  AddAdminMethod(methods, "ExplainGroup", this, &GroupAdmin::Explain);
  AddAdminMethod(methods, "AlterGroup", this, &GroupAdmin::Alter);
  AddAdminMethod(methods, "DeleteGroup", this, &GroupAdmin::Delete);
  AddAdminMethod(methods, "ResetGroup", this, &GroupAdmin::Reset);
  AddAdminMethod(methods, "PauseGroup", this, &GroupAdmin::Pause);
  AddAdminMethod(methods, "ResumeGroup", this, &GroupAdmin::Resume);
}

template <typename Response>
void GroupAdmin::Answer(rpc::UnaryCall& call, const absl::Status& status, Response response) const {
  AnswerAdmin(call, context_->broker_name, status, std::move(response));
}

void GroupAdmin::Create(rpc::UnaryCall& call, const v1::CreateGroupRequest& request) {
  absl::StatusOr<GroupRecord> wanted = GroupFrom(request.group());
  if (!wanted.ok()) return Answer(call, wanted.status(), v1::CreateGroupResponse());
  const bool existed = context_->metadata->FindGroup(wanted->name) != nullptr;
  context_->metadata->CreateGroup(*std::move(wanted),
                                  [this, &call, existed](const absl::StatusOr<GroupPtr>& group) {
                                    v1::CreateGroupResponse response;
                                    response.set_existed(existed);
                                    if (group.ok())
                                      *response.mutable_group() = GroupInfoOf(**group);
                                    Answer(call, group.status(), std::move(response));
                                  });
}

void GroupAdmin::Alter(rpc::UnaryCall& call, const v1::AlterGroupRequest& request) {
  absl::StatusOr<GroupChange> change = GroupChangeFrom(request);
  if (!change.ok()) return Answer(call, change.status(), v1::AlterGroupResponse());
  context_->metadata->AlterGroup(request.name(), *std::move(change),
                                 [this, &call](const absl::StatusOr<GroupPtr>& group) {
                                   v1::AlterGroupResponse response;
                                   if (group.ok()) *response.mutable_group() = GroupInfoOf(**group);
                                   Answer(call, group.status(), std::move(response));
                                 });
}

void GroupAdmin::List(rpc::UnaryCall& call, const v1::ListGroupsRequest&) const {
  v1::ListGroupsResponse response;
  ToWire(absl::OkStatus(), response.mutable_status());
  for (const GroupPtr& group : context_->metadata->Groups()) {
    v1::GroupOverview* overview = response.add_groups();
    *overview->mutable_group() = GroupInfoOf(*group);
    overview->add_brokers(context_->broker_name);
  }
  rpc::Reply(call, response);
}

void GroupAdmin::Describe(rpc::UnaryCall& call, const v1::DescribeGroupRequest& request) const {
  const GroupPtr group = context_->metadata->FindGroup(request.name());
  if (group == nullptr) {
    return Answer(call, context_->metadata->GroupMissing(request.name()),
                  v1::DescribeGroupResponse());
  }
  v1::DescribeGroupResponse response;
  *response.mutable_group() = GroupInfoOf(*group);
  for (v1::GroupPosition& position : PositionsOf(*group, "")) {
    *response.add_positions() = std::move(position);
  }
  for (const gateway::ClientInfo& client : context_->clients->List(group->name)) {
    response.add_client_ids(client.id);
  }
  Answer(call, absl::OkStatus(), std::move(response));
}

void GroupAdmin::Explain(rpc::UnaryCall& call, const v1::ExplainGroupRequest& request) const {
  const GroupPtr group = context_->metadata->FindGroup(request.name());
  if (group == nullptr) {
    return Answer(call, context_->metadata->GroupMissing(request.name()),
                  v1::ExplainGroupResponse());
  }
  const auto explain = [this, &call, group](bool may_read) {
    v1::ExplainGroupResponse response;
    for (v1::GroupExplanation& explanation : context_->consumption->Explain(*group, may_read)) {
      explanation.set_broker(context_->broker_name);
      *response.add_explanations() = std::move(explanation);
    }
    Answer(call, absl::OkStatus(), std::move(response));
  };
  // Asked above all when a broker has too much to do: then without what only the disk knows.
  if (!context_->store->RunCold([explain] { explain(true); })) explain(false);
}

void GroupAdmin::Delete(rpc::UnaryCall& call, const v1::DeleteGroupRequest& request) {
  context_->metadata->DeleteGroup(request.name(),
                                  [this, &call](const absl::StatusOr<GroupPtr>& group) {
                                    Answer(call, group.status(), v1::DeleteGroupResponse());
                                  });
}

std::vector<v1::GroupPosition> GroupAdmin::PositionsOf(const GroupRecord& group,
                                                       std::string_view topic) const {
  std::vector<v1::GroupPosition> positions;
  for (const QueueConsumption& queue : context_->consumption->Describe(group)) {
    if (!topic.empty() && queue.topic != topic) continue;
    v1::GroupPosition& position = positions.emplace_back();
    position.set_broker(context_->broker_name);
    position.set_topic(queue.topic);
    position.set_queue_id(static_cast<int32_t>(queue.queue));
    position.set_client_id(queue.client);
    position.set_cursor(static_cast<int64_t>(queue.cursor));
    position.set_leases(static_cast<int64_t>(queue.leased));
    position.set_ready(static_cast<int64_t>(queue.ready));
    position.set_backing_off(static_cast<int64_t>(queue.backing_off));
    position.set_client_away(queue.away);
    position.set_next_offset(static_cast<int64_t>(queue.next));
  }
  return positions;
}

void GroupAdmin::Reset(rpc::UnaryCall& call, const v1::ResetGroupRequest& request) {
  const auto refuse = [this, &call](const absl::Status& status) {
    Answer(call, status, v1::ResetGroupResponse());
  };
  const GroupPtr group = context_->metadata->FindGroup(request.group());
  if (group == nullptr) return refuse(context_->metadata->GroupMissing(request.group()));
  const TopicPtr topic = context_->metadata->FindTopic(request.topic());
  if (topic == nullptr || !IsReadable(topic->kind))
    return refuse(context_->metadata->TopicMissing(request.topic()));
  const absl::StatusOr<ResetPoint> to = ResetPointFrom(request);
  if (!to.ok()) return refuse(to.status());
  std::optional<uint32_t> queue;
  if (request.has_queue_id()) {
    if (request.queue_id() < 0 || static_cast<uint32_t>(request.queue_id()) >= topic->queues) {
      return refuse(WireError(v2::BAD_REQUEST,
                              fmt::format("topic {} has no queue {}; its queues are 0 to {}",
                                          topic->name, request.queue_id(), topic->queues - 1)));
    }
    queue = static_cast<uint32_t>(request.queue_id());
  }
  context_->consumption->Reset(
      group, topic, *to, queue, [this, &call, group, topic](const absl::Status& status) {
        v1::ResetGroupResponse response;
        if (status.ok()) {
          for (v1::GroupPosition& position : PositionsOf(*group, topic->name)) {
            *response.add_positions() = std::move(position);
          }
        }
        Answer(call, status, std::move(response));
      });
}

void GroupAdmin::Pause(rpc::UnaryCall& call, const v1::PauseGroupRequest& request) {
  context_->metadata->SetPaused(request.name(), true,
                                [this, &call](const absl::StatusOr<GroupPtr>& group) {
                                  Answer(call, group.status(), v1::PauseGroupResponse());
                                });
}

void GroupAdmin::Resume(rpc::UnaryCall& call, const v1::ResumeGroupRequest& request) {
  context_->metadata->SetPaused(request.name(), false,
                                [this, &call](const absl::StatusOr<GroupPtr>& group) {
                                  Answer(call, group.status(), v1::ResumeGroupResponse());
                                });
}

}  // namespace mansio::broker
