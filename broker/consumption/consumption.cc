#include "broker/consumption/consumption.h"

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/ack_service.h"
#include "broker/consumption/change_invisible_service.h"
#include "broker/consumption/context.h"
#include "broker/consumption/forward_service.h"
#include "broker/consumption/receive_operation.h"
#include "common/gateway/preamble.h"
#include "common/gateway/public_service.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

absl::Status AppendRefused(const absl::Status& status) {
  if (absl::IsResourceExhausted(status)) {
    return WireError(v2::TOO_MANY_REQUESTS, std::string(status.message()));
  }
  if (absl::IsUnavailable(status)) {
    return WireError(v2::INTERNAL_SERVER_ERROR, std::string(status.message()));
  }
  return status;
}

namespace {

class ConsumptionImpl : public Consumption, public gateway::ClientObserver {
 public:
  ConsumptionImpl(ConsumptionOptions options, Environment env)
      : options_(std::move(options)),
        state_(env.metadata),
        waiting_(options_.max_parked_receives),
        redelivery_({&state_, env.metadata, env.time, env.timers, env.mover, env.budget}),
        leases_({&state_, env.clients, env.time, env.timers, env.metadata, &redelivery_}),
        positions_(&state_, env.time, options_.recent_topic),
        context_{options_, *env.metadata, *env.clients, *env.time,   *env.timers, state_,
                 waiting_, leases_,       positions_,   redelivery_, stopping_},
        acks_(context_),
        changes_(context_),
        forwards_(context_) {
    state_.SetHooks({
        .messages_added = [this](uint32_t topic, size_t n) { waiting_.WakeTopic(topic, n); },
        .messages_returned = [this](uint32_t group, uint32_t topic,
                                    size_t n) { waiting_.WakeGroup(group, topic, n); },
        .lease_until = [this](const ProgressKey& key, int64_t at) { leases_.Note(key, at); },
    });
    env.metadata->AddListener({
        .topic_deleted = [this](const TopicPtr& t) { waiting_.WakeAllOfTopic(t->id); },
        .group_deleted = [this](const GroupPtr& g) { waiting_.WakeAllOfGroup(g->id); },
    });
  }

  Feature* feature() override { return &state_; }
  gateway::ClientObserver* observer() override { return this; }

  void Register(rpc::MethodTable& methods) override {
    methods.server_stream.push_back(
        {gateway::MessagingPath("ReceiveMessage"),
         rpc::ParsedServerStream<v2::ReceiveMessageRequest>(
             [this](rpc::ServerStreamCall& call, const v2::ReceiveMessageRequest& request) {
               Receive(call, request);
             })});
    methods.unary.push_back(
        {gateway::MessagingPath("AckMessage"),
         rpc::ParsedUnary<v2::AckMessageRequest>(
             [this](rpc::UnaryCall& call, const v2::AckMessageRequest& request) {
               acks_.Handle(call, request);
             }),
         true});
    methods.unary.push_back(
        {gateway::MessagingPath("ChangeInvisibleDuration"),
         rpc::ParsedUnary<v2::ChangeInvisibleDurationRequest>(
             [this](rpc::UnaryCall& call, const v2::ChangeInvisibleDurationRequest& request) {
               changes_.Handle(call, request);
             })});
    methods.unary.push_back({gateway::MessagingPath("ForwardMessageToDeadLetterQueue"),
                             rpc::ParsedUnary<v2::ForwardMessageToDeadLetterQueueRequest>(
                                 [this](rpc::UnaryCall& call,
                                        const v2::ForwardMessageToDeadLetterQueueRequest& request) {
                                   forwards_.Handle(call, request);
                                 })});
  }

  void Start() override { leases_.Start(options_.owner_grace); }

  void Stop() override {
    leases_.Stop();
    stopping_ = true;
    waiting_.WakeAll();
  }

  std::vector<QueueConsumption> Describe(const GroupRecord& group) const override;

  // ClientObserver
  void OnSubscription(std::string_view, std::string_view group,
                      const std::vector<std::string>& topics) override;
  void OnClientDead(const gateway::ClientInfo& client) override {
    if (client.role == gateway::ClientRole::kProducer) return;
    leases_.EndLeasesOf(gateway::ClientHash(client.id));
  }

 private:
  void Receive(rpc::ServerStreamCall& call, const v2::ReceiveMessageRequest& request);

  const ConsumptionOptions options_;
  ConsumptionState state_;
  WaitList waiting_;
  Redelivery redelivery_;
  LeaseKeeper leases_;
  Positions positions_;
  std::atomic<bool> stopping_{false};
  FilterCache filters_;
  ConsumptionContext context_;
  AckService acks_;
  ChangeInvisibleService changes_;
  ForwardService forwards_;
};

void ConsumptionImpl::Receive(rpc::ServerStreamCall& call,
                              const v2::ReceiveMessageRequest& request) {
  const auto refuse = [&call](const absl::Status& status) {
    std::vector<rpc::Payload> only_status;
    only_status.push_back(gateway::StatusResponse(status));
    call.Finish(std::move(only_status), [](bool) {});
  };
  const auto client = gateway::IdentifyClient(call, context_.clients);
  if (!client.ok()) return refuse(client.status());
  auto checked = CheckReceive(request, call, options_, filters_, absl::Now());
  if (!checked.ok()) return refuse(checked.status());
  std::make_shared<ReceiveOperation>(context_, call, *std::move(checked),
                                     gateway::ClientHash(*client))
      ->Begin();
}

void ConsumptionImpl::OnSubscription(std::string_view, std::string_view group_name,
                                     const std::vector<std::string>& topics) {
  const auto fix = [this](const GroupPtr& group, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const TopicPtr topic = context_.metadata.FindTopic(name);
      if (topic == nullptr || topic->kind == TopicKind::kRetry) continue;
      positions_.Ensure(group, topic, [](const absl::Status&) {});
    }
  };
  context_.metadata.EnsureGroup(group_name, [fix, topics](absl::StatusOr<GroupPtr> group) {
    // A refusal shows at the group's first receive, which tries again.
    if (group.ok()) fix(*group, topics);
  });
}

std::vector<QueueConsumption> ConsumptionImpl::Describe(const GroupRecord& group) const {
  std::vector<QueueConsumption> all;
  const GroupProgressPtr progress = state_.Find(group.id);
  if (progress == nullptr) return all;
  MutexLock lock(&progress->mutex);
  for (const auto& [topic_id, topic] : progress->topics) {
    const TopicPtr info = context_.metadata.FindTopic(topic_id);
    if (info == nullptr) continue;
    for (uint32_t id = 0; id < topic.queues().size(); ++id) {
      // What is to be retried of a topic that was deleted is never delivered.
      if (info->kind == TopicKind::kRetry &&
          context_.metadata.FindTopic(info->origins[id]) == nullptr) {
        continue;
      }
      const QueueProgress& queue = topic.queues()[id];
      const store::QueueRange range = context_.store().Range({topic_id, id});
      QueueConsumption c{info->name, id, queue.next(), range.next, 0, 0};
      c.leased = queue.outstanding() - queue.ready().size();
      c.ready = queue.ready().size() +
                (range.next > queue.next() ? range.next - std::max(queue.next(), range.min) : 0);
      all.push_back(std::move(c));
    }
  }
  std::sort(all.begin(), all.end(), [](const QueueConsumption& a, const QueueConsumption& b) {
    return std::tie(a.topic, a.queue) < std::tie(b.topic, b.queue);
  });
  return all;
}

}  // namespace

std::unique_ptr<Consumption> Consumption::Create(ConsumptionOptions options,
                                                 Environment environment) {
  return std::make_unique<ConsumptionImpl>(std::move(options), environment);
}

}  // namespace mansio::broker
