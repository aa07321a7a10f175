#include "broker/consumption/consumption.h"

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/ack_service.h"
#include "broker/consumption/backlogs.h"
#include "broker/consumption/change_invisible_service.h"
#include "broker/consumption/context.h"
#include "broker/consumption/dead_letter_retention.h"
#include "broker/consumption/explanation.h"
#include "broker/consumption/forward_service.h"
#include "broker/consumption/receive_operation.h"
#include "broker/consumption/situation.h"
#include "common/clock/broker_time.h"
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

// How often unused members of broadcast groups are looked for; the first time only after clients
// had that long to come back from a restart.
constexpr absl::Duration kDropInterval = absl::Minutes(10);

class ConsumptionImpl : public Consumption, public gateway::ClientObserver {
 public:
  ConsumptionImpl(ConsumptionOptions options, Environment env)
      : options_(std::move(options)),
        state_(env.metadata, &members_),
        dead_letters_(env.metadata, env.dead_letters, env.time, options_.dead_letter_retention),
        waiting_(options_.max_parked_receives),
        members_(options_.broadcast, {env.metadata, env.clients, env.time}),
        redelivery_({&state_, env.metadata, &members_, env.time, env.timers, env.mover, env.budget,
                     &deliveries_, &waiting_}),
        backlogs_({&state_, env.metadata, env.time, env.timers, &redelivery_}),
        leases_({&state_, env.clients, env.time, env.timers, &members_, &redelivery_}),
        positions_(&state_, env.time, options_.recent_topic),
        expired_({&state_, env.timers, &redelivery_}),
        moves_(&state_, &positions_, &members_),
        context_{options_, *env.metadata, *env.dead_letters, *env.clients, *env.time,   *env.timers,
                 state_,   waiting_,      leases_,           positions_,   redelivery_, expired_,
                 members_, deliveries_,   refusals_,         stopping_},
        acks_(context_),
        changes_(context_),
        forwards_(context_) {
    state_.SetHooks({
        .messages_added =
            [this](uint32_t topic, size_t n) {
              waiting_.WakeTopic(topic, n);
              backlogs_.Touch(topic);
            },
        .messages_returned = [this](uint32_t group, uint32_t topic,
                                    size_t n) { waiting_.WakeGroup(group, topic, n); },
        .lease_until = [this](const ProgressKey& key, int64_t at) { leases_.Note(key, at); },
        .joined = [this](uint32_t group, uint32_t topic) { backlogs_.Joined(group, topic); },
        .moved = [this](uint32_t topic) { backlogs_.Touch(topic); },
        .cleared = [this] { backlogs_.Clear(); },
        .batch_end =
            [this] {
              backlogs_.BatchEnd();
              if (gone_.empty()) return;
              waiting_.WakeAllOfGroups(gone_);
              gone_.clear();
            },
    });
    members_.OnGone([this](uint32_t member) {
      state_.ForgetMember(member);
      gone_.insert(member);
    });
    env.metadata->AddListener({
        .topic_deleted = [this](const TopicPtr& t) { waiting_.WakeAllOfTopic(t->id); },
        .group_resumed = [this](const GroupPtr& g) { WakeResumed(g); },
        .group_deleted =
            [this](const GroupPtr& g) {
              members_.ForgetGroup(g->id);
              gone_.insert(g->id);
            },
    });
  }

  std::vector<Feature*> features() override { return {&members_, &state_, &dead_letters_}; }
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

  void Start() override {
    leases_.Start(options_.owner_grace);
    backlogs_.Start();
    ScheduleDropping();
  }

  void Stop() override {
    leases_.Stop();
    backlogs_.Stop();
    stopping_ = true;
    waiting_.WakeAll();
  }

  std::optional<store::QueueOffset> Position(const GroupPtr& group, std::string_view client,
                                             store::QueueKey queue) const override;
  void SetPosition(const GroupPtr& group, std::string_view client, const TopicPtr& topic,
                   QueueCursor position, PositionMoves::Done done) override;
  bool HasPosition(const GroupRecord& group, uint32_t topic) const override;
  void EnsurePosition(const GroupPtr& group, const TopicPtr& topic,
                      PositionMoves::Done done) override {
    if (group->broadcast) return done(absl::OkStatus());
    positions_.Ensure(group, topic, std::move(done));
  }
  void Reset(const GroupPtr& group, const TopicPtr& topic, ResetPoint to,
             std::optional<uint32_t> queue, PositionMoves::Done done) override {
    moves_.Reset(group, topic, to, queue,
                 group->broadcast ? Later(std::move(done)) : std::move(done));
  }
  std::vector<QueueConsumption> Describe(const GroupRecord& group) const override;
  Usage usage() const override { return {state_.leases(), waiting_.size()}; }
  DeliveryCounters& deliveries() override { return deliveries_; }

  std::vector<v1::GroupExplanation> Explain(const GroupRecord& group,
                                            bool may_read) const override {
    return broker::Explain(SituationOf(context_, group, may_read));
  }

  // ClientObserver
  void OnSubscription(std::string_view, std::string_view group,
                      const std::vector<std::string>& topics) override;
  void OnClientDead(const gateway::ClientInfo& client) override {
    if (client.role == gateway::ClientRole::kProducer) return;
    leases_.EndLeasesOf(gateway::ClientHash(client.id));
  }
  void OnStreamLost(std::string_view client_id) override {
    leases_.Doubt(gateway::ClientHash(client_id));
  }

 private:
  void Receive(rpc::ServerStreamCall& call, const v2::ReceiveMessageRequest& request);
  void WakeResumed(const GroupPtr& group);
  // Calls `done` on the timers' thread.
  PositionMoves::Done Later(PositionMoves::Done done);
  void ScheduleDropping();
  void DescribeOne(uint32_t group, const std::string& client,
                   std::vector<QueueConsumption>& all) const;
  void DescribeQueues(uint32_t group, const std::string& client,
                      std::vector<QueueConsumption>& all) const;

  const ConsumptionOptions options_;
  ConsumptionState state_;
  DeliveryCounters deliveries_;
  Refusals refusals_;
  DeadLetterRetention dead_letters_;
  WaitList waiting_;
  BroadcastMembers members_;
  Redelivery redelivery_;
  Backlogs backlogs_;
  LeaseKeeper leases_;
  Positions positions_;
  ExpiredMoves expired_;
  PositionMoves moves_;
  std::atomic<bool> stopping_{false};
  FilterCache filters_;
  // Log thread only: groups and members that this batch has ended.
  absl::flat_hash_set<uint32_t> gone_;
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
  if (!checked.ok()) {
    const std::string& topic = request.message_queue().topic().name();
    // Of names that are none, nobody is to look for the reason.
    if (context_.metadata.FindGroup(request.group().name()) != nullptr &&
        names::ValidateTopic(topic).ok()) {
      refusals_.Note(
          request.group().name(),
          {topic, std::string(*client), RefusalText(checked.status()), context_.time.NowMillis()});
    }
    return refuse(checked.status());
  }
  std::make_shared<ReceiveOperation>(context_, call, *std::move(checked),
                                     gateway::ClientHash(*client))
      ->Begin();
}

void ConsumptionImpl::WakeResumed(const GroupPtr& group) {
  if (!group->broadcast) return waiting_.WakeAllOfGroups({group->id});
  // There can be very many clients: not on the log thread.
  context_.timers.Schedule(context_.time.NowMillis(), [this, group] {
    absl::flat_hash_set<uint32_t> members;
    for (const auto& [client, member] : members_.MembersOf(*group)) members.insert(member->id);
    waiting_.WakeAllOfGroups(members);
  });
}

PositionMoves::Done ConsumptionImpl::Later(PositionMoves::Done done) {
  return [this, shared = std::make_shared<PositionMoves::Done>(std::move(done))](
             const absl::Status& status) {
    context_.timers.Schedule(context_.time.NowMillis(), [shared, status] { (*shared)(status); });
  };
}

void ConsumptionImpl::ScheduleDropping() {
  context_.timers.ScheduleAfter(absl::ToInt64Milliseconds(kDropInterval), [this] {
    if (stopping_) return;
    members_.DropUnused();
    ScheduleDropping();
  });
}

void ConsumptionImpl::OnSubscription(std::string_view client, std::string_view group_name,
                                     const std::vector<std::string>& topics) {
  const auto fix = [this](const GroupPtr& group, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const TopicPtr topic = context_.metadata.FindTopic(name);
      if (topic == nullptr || topic->kind == TopicKind::kRetry) continue;
      positions_.Ensure(group, topic, [](const absl::Status&) {});
    }
  };
  // A refusal shows at the group's first receive, which tries again.
  context_.metadata.EnsureGroup(group_name, [this, fix, topics, client = std::string(client)](
                                                absl::StatusOr<GroupPtr> group) {
    if (!group.ok()) return;
    members_.Join(*group, client, [fix, topics](absl::StatusOr<GroupPtr> place) {
      if (place.ok()) fix(*place, topics);
    });
  });
}

std::optional<store::QueueOffset> ConsumptionImpl::Position(const GroupPtr& group,
                                                            std::string_view client,
                                                            store::QueueKey queue) const {
  const GroupPtr place = members_.Find(group, client);
  if (place == nullptr) return std::nullopt;
  const GroupProgressPtr progress = state_.Find(place->id);
  if (progress == nullptr) return std::nullopt;
  MutexLock lock(&progress->mutex);
  const auto topic = progress->topics.find(queue.topic);
  if (topic == progress->topics.end()) return std::nullopt;
  const QueueProgress* found = topic->second.queue(queue.queue);
  if (found == nullptr || found->implied()) return std::nullopt;
  return found->consumed();
}

void ConsumptionImpl::SetPosition(const GroupPtr& group, std::string_view client,
                                  const TopicPtr& topic, QueueCursor position,
                                  PositionMoves::Done done) {
  members_.Join(
      group, client,
      [this, topic, position, done = std::move(done)](absl::StatusOr<GroupPtr> place) mutable {
        if (!place.ok()) return done(place.status());
        moves_.Set(*place, topic, position, std::move(done));
      });
}

bool ConsumptionImpl::HasPosition(const GroupRecord& group, uint32_t topic) const {
  const GroupProgressPtr progress = state_.Find(group.id);
  if (progress == nullptr) return false;
  MutexLock lock(&progress->mutex);
  const auto found = progress->topics.find(topic);
  return found != progress->topics.end() && found->second.fixed();
}

void ConsumptionImpl::DescribeOne(uint32_t group, const std::string& client,
                                  std::vector<QueueConsumption>& all) const {
  const size_t first = all.size();
  DescribeQueues(group, client, all);
  // Dead letters that were carried forward are not counted under the group's lock.
  for (size_t i = first; i < all.size(); ++i) {
    const TopicPtr topic = context_.metadata.FindTopic(all[i].topic);
    if (topic == nullptr || topic->kind != TopicKind::kDeadLetter) continue;
    all[i].ready += context_.dead_letters.CountCarried(topic->id, all[i].cursor);
  }
}

void ConsumptionImpl::DescribeQueues(uint32_t group, const std::string& client,
                                     std::vector<QueueConsumption>& all) const {
  const GroupProgressPtr progress = state_.Find(group);
  if (progress == nullptr) return;
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
      QueueConsumption c{info->name, id, client, queue.next(), range.next};
      c.leased = queue.outstanding() - queue.waiting();
      c.backing_off = std::min<uint64_t>(queue.backing_off(), c.leased);
      c.ready = queue.waiting() +
                (range.next > queue.next() ? range.next - std::max(queue.next(), range.min) : 0);
      c.oldest = std::min(queue.consumed(), range.next);
      all.push_back(std::move(c));
    }
  }
}

std::vector<QueueConsumption> ConsumptionImpl::Describe(const GroupRecord& group) const {
  std::vector<QueueConsumption> all;
  if (group.broadcast) {
    for (const auto& [client, member] : members_.MembersOf(group)) {
      const size_t first = all.size();
      DescribeOne(member->id, client, all);
      const bool away = !context_.clients.IsAlive(gateway::ClientHash(client));
      for (size_t i = first; i < all.size(); ++i) all[i].away = away;
    }
  } else {
    DescribeOne(group.id, "", all);
  }
  std::sort(all.begin(), all.end(), [](const QueueConsumption& a, const QueueConsumption& b) {
    return std::tie(a.topic, a.queue, a.client) < std::tie(b.topic, b.queue, b.client);
  });
  return all;
}

}  // namespace

std::unique_ptr<Consumption> Consumption::Create(ConsumptionOptions options,
                                                 Environment environment) {
  return std::make_unique<ConsumptionImpl>(std::move(options), environment);
}

}  // namespace mansio::broker
