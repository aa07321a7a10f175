#include "broker/placement/hold_service.h"

#include <fmt/format.h>

#include <utility>

#include "broker/core/admin_call.h"
#include "broker/core/timestamps.h"
#include "broker/placement/unfinished.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

void HoldService::Register(rpc::MethodTable& methods) {
  AddAdminMethod(methods, "HoldTopic", this, &HoldService::Hold);
}

void HoldService::Hold(rpc::UnaryCall& call, const v1::HoldTopicRequest& request) {
  const TopicPtr topic = environment_.metadata->FindTopic(request.name());
  if (topic == nullptr) return Answer(call, environment_.metadata->TopicMissing(request.name()));
  const int64_t ms = MillisOf(request.time());
  if (ms <= 0) {
    environment_.holds->Release(request.name(), request.holder());
    return Answer(call, topic);
  }
  if (!Takes(topic->type, MessageType::kFifo)) {
    return Answer(call, WireError(v2::BAD_REQUEST,
                                  fmt::format("topic {} has no message groups to hold; its type "
                                              "is {}",
                                              topic->name, NameOf(topic->type))));
  }
  if (!environment_.holds->Hold(topic->name, request.holder(), ms)) {
    return Answer(call, WireError(v2::PRECONDITION_FAILED,
                                  fmt::format("another command is dividing the message groups of "
                                              "topic {}; try again in a few seconds",
                                              topic->name)));
  }
  // A record that changes nothing: when it is applied, so is all that was sent before.
  environment_.metadata->AlterTopic(topic->name, {},
                                    [this, &call](const absl::StatusOr<TopicPtr>& applied) {
                                      // Looking at all groups is not for the log thread.
                                      call.Post([this, &call, applied] { Answer(call, applied); });
                                    });
}

void HoldService::Answer(rpc::UnaryCall& call, const absl::StatusOr<TopicPtr>& topic) const {
  v1::HoldTopicResponse response;
  if (topic.ok()) {
    const Unfinished unfinished =
        CountUnfinished(*environment_.metadata, *environment_.consumption, {*topic}, true).front();
    response.set_unfinished(static_cast<int64_t>(unfinished.messages));
    response.set_group(unfinished.group);
  }
  AnswerAdmin(call, broker_name_, topic.status(), std::move(response));
}

}  // namespace mansio::broker
