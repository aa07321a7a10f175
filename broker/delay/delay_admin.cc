#include "broker/delay/delay_admin.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/admin_call.h"
#include "broker/core/timestamps.h"
#include "broker/message/stored_message.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int32_t kDefaultListed = 50;
constexpr int32_t kMaxListed = 1000;
constexpr size_t kListChunk = 256;

}  // namespace

template <typename Response>
void DelayAdmin::Answer(rpc::UnaryCall& call, const absl::Status& status, Response response) const {
  AnswerAdmin(call, delay_->options().broker_name, status, std::move(response));
}

void DelayAdmin::Register(rpc::MethodTable& methods) {
  AddAdminMethod(methods, "DelayStats", this, &DelayAdmin::Stats);
  AddAdminMethod(methods, "ListDelayedMessages", this, &DelayAdmin::List);
  AddAdminMethod(methods, "CancelDelayedMessage", this, &DelayAdmin::Cancel);
}

void DelayAdmin::Stats(rpc::UnaryCall& call, const v1::DelayStatsRequest&) const {
  const DelayState& state = delay_->state();
  v1::DelayStatsResponse response;
  v1::DelayStats* stats = response.add_stats();
  stats->set_broker(delay_->options().broker_name);
  stats->set_pending(static_cast<int64_t>(state.pending()));
  stats->set_delivered(static_cast<int64_t>(state.fired()));
  stats->set_recalled(static_cast<int64_t>(state.recalled()));
  if (const auto first = state.List({}, 1); !first.empty()) {
    SetMillis(first.front().due_ms, stats->mutable_next_due());
  }
  const std::vector<int64_t>& delays = delay_->options().levels_ms;
  const std::vector<size_t> pending = state.PendingByLevel();
  for (size_t level = 0; level < pending.size(); ++level) {
    if (pending[level] == 0) continue;
    v1::DelayLevel* out = stats->add_levels();
    out->set_level(static_cast<int32_t>(level));
    out->set_pending(static_cast<int64_t>(pending[level]));
    if (level == 0 || level > delays.size()) continue;
    out->mutable_delay()->set_seconds(delays[level - 1] / 1000);
    out->mutable_delay()->set_nanos(static_cast<int32_t>(delays[level - 1] % 1000 * 1'000'000));
  }
  Answer(call, absl::OkStatus(), std::move(response));
}

void DelayAdmin::List(rpc::UnaryCall& call, const v1::ListDelayedMessagesRequest& request) const {
  const TopicPtr topic = request.topic().empty() ? nullptr : metadata_->FindTopic(request.topic());
  if (topic == nullptr && !request.topic().empty()) {
    return Answer(call, metadata_->TopicMissing(request.topic()),
                  v1::ListDelayedMessagesResponse());
  }
  const auto limit = static_cast<size_t>(
      request.limit() <= 0 ? kDefaultListed : std::min(request.limit(), kMaxListed));
  const bool accepted =
      delay_->state().store()->RunCold([this, &call, limit, id = topic == nullptr ? 0 : topic->id] {
        Answer(call, absl::OkStatus(), Read(id, limit));
      });
  if (accepted) return;
  Answer(call,
         WireError(v2::TOO_MANY_REQUESTS,
                   "too many reads of old messages wait for the disk; try again later"),
         v1::ListDelayedMessagesResponse());
}

v1::ListDelayedMessagesResponse DelayAdmin::Read(uint32_t topic, size_t limit) const {
  v1::ListDelayedMessagesResponse response;
  TimerKey last;
  for (size_t seen = 0; seen < kMaxSearched;) {
    const std::vector<TimerKey> timers = delay_->state().List(last, kListChunk);
    if (timers.empty()) break;
    seen += timers.size();
    last = timers.back();
    for (const TimerKey& timer : timers) {
      // One that cannot be read, or was delivered meanwhile, is passed over.
      auto message = ReadOne(timer, topic);
      if (message.ok()) *response.add_messages() = *std::move(message);
      if (static_cast<size_t>(response.messages_size()) == limit) return response;
    }
  }
  return response;
}

absl::StatusOr<v1::DelayedMessage> DelayAdmin::ReadOne(const TimerKey& timer,
                                                       uint32_t topic) const {
  store::Store& store = *delay_->state().store();
  const store::QueueKey queue = delay_->state().QueueOf(timer.level());
  const auto entries = store.ReadEntries(queue, timer.offset(), 1);
  if (!entries.ok()) return entries.status();
  if (entries->empty()) return absl::NotFoundError("the queue does not reach that far");
  const auto message = store.ReadMessage(queue, timer.offset(), entries->front());
  if (!message.ok()) return message.status();
  const auto content = DecodeContent(message->view.content);
  if (!content.ok()) return content.status();
  const auto provenance = Provenance::Decode(content->provenance);
  if (!provenance.ok()) return provenance.status();
  const TopicPtr target = metadata_->FindTopic(provenance->topic);
  if (target == nullptr || (topic != 0 && target->id != topic)) {
    return absl::NotFoundError("a message of another topic");
  }
  v1::DelayedMessage out;
  out.set_broker(delay_->options().broker_name);
  out.set_topic(target->name);
  out.set_message_id(std::string(MessageIdOf(*content)));
  SetMillis(timer.due_ms, out.mutable_due());
  out.set_level(static_cast<int32_t>(timer.level()));
  SetMillis(message->view.store_time, out.mutable_stored());
  out.set_body_bytes(static_cast<int64_t>(content->body.size()));
  out.set_recall_handle(delay_->HandleOf({queue, *provenance}, timer.offset(), out.message_id()));
  return out;
}

void DelayAdmin::Cancel(rpc::UnaryCall& call, const v1::CancelDelayedMessageRequest& request) {
  delay_->Recall(request.recall_handle(), /*topic=*/"",
                 [this, &call](const absl::StatusOr<std::string>& message_id) {
                   v1::CancelDelayedMessageResponse response;
                   if (message_id.ok()) response.set_message_id(*message_id);
                   Answer(call, message_id.status(), std::move(response));
                 });
}

}  // namespace mansio::broker
