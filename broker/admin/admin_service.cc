#include "broker/admin/admin_service.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

#include "broker/admin/info.h"
#include "broker/core/timestamps.h"
#include "broker/placement/consumers.h"
#include "common/gateway/send_holds.h"
#include "common/names/utf8.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// The type a topic is to have, or NOT_IMPLEMENTED for one that comes later.
absl::StatusOr<MessageType> ServedType(const v1::TopicInfo& topic) {
  const v2::MessageType type = topic.message_type();
  if (topic.mixed()) {
    if (type == v2::MESSAGE_TYPE_UNSPECIFIED) return MessageType::kMixed;
    return WireError(v2::BAD_REQUEST,
                     "a topic is of one type or mixed; leave the type of a mixed one out");
  }
  switch (type) {
    case v2::MESSAGE_TYPE_UNSPECIFIED:
    case v2::NORMAL:
      return MessageType::kNormal;
    case v2::FIFO:
      return MessageType::kFifo;
    case v2::TRANSACTION:
      return MessageType::kTransaction;
    case v2::DELAY:
      return MessageType::kDelay;
    case v2::PRIORITY:
      return MessageType::kPriority;
    default:
      break;
  }
  const std::string& name = v2::MessageType_Name(type);
  return WireError(
      v2::NOT_IMPLEMENTED,
      fmt::format("topics of type {} are not served by this version of Mansio; create a "
                  "NORMAL, FIFO, DELAY, TRANSACTION, PRIORITY or mixed topic",
                  name.empty() ? fmt::format("number {}", static_cast<int>(type)) : name));
}

// The error with more to say.
absl::Status With(const absl::Status& error, std::string_view more) {
  if (more.empty()) return error;
  return WireError(CodeOf(error), fmt::format("{}; {}", std::string(error.message()), more));
}

constexpr size_t kMaxClients = 1000;  // of a page

absl::StatusOr<CheckBackPolicy> CheckBackFrom(const v1::CheckBackPolicy& wanted) {
  constexpr int64_t kMaxMs = 24 * 3600 * 1000;
  constexpr int32_t kMaxChecks = 1000;
  CheckBackPolicy policy;
  policy.first_check_ms = MillisOf(wanted.first_check());
  policy.interval_ms = MillisOf(wanted.interval());
  policy.max_checks = static_cast<uint32_t>(wanted.max_checks());
  if (policy.first_check_ms < 0 || policy.first_check_ms > kMaxMs || policy.interval_ms < 0 ||
      policy.interval_ms > kMaxMs || wanted.max_checks() < 0 || wanted.max_checks() > kMaxChecks) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("the time to the first check and between checks can be at most "
                                 "24 hours, the checks at most {}",
                                 kMaxChecks));
  }
  return policy;
}

absl::StatusOr<int64_t> TtlFrom(const google::protobuf::Duration& ttl) {
  if (IsLength(ttl)) return MillisFrom(ttl);
  return WireError(v2::BAD_REQUEST, "the ttl is negative or not a valid duration; 0 is none");
}

absl::StatusOr<bool> ToDeadLetters(v1::ExpiredPolicy expired) {
  if (v1::ExpiredPolicy_IsValid(expired)) return expired == v1::EXPIRED_POLICY_DEAD_LETTER;
  return WireError(v2::BAD_REQUEST,
                   fmt::format("policy number {} for expired messages is not known; use skip or "
                               "dead-letter",
                               static_cast<int>(expired)));
}

absl::StatusOr<uint64_t> BacklogFrom(int64_t max) {
  if (max >= 0) return static_cast<uint64_t>(max);
  return WireError(v2::BAD_REQUEST,
                   fmt::format("a backlog cannot have {} messages; 0 is no limit", max));
}

absl::StatusOr<Overflow> OverflowFrom(v1::OverflowPolicy policy) {
  switch (policy) {
    case v1::OVERFLOW_POLICY_UNSPECIFIED:
    case v1::OVERFLOW_POLICY_REFUSE:
      return Overflow::kRefuse;
    case v1::OVERFLOW_POLICY_DROP_OLDEST:
      return Overflow::kDropOldest;
    case v1::OVERFLOW_POLICY_DEAD_LETTER:
      return Overflow::kDeadLetter;
    default:
      return WireError(v2::BAD_REQUEST,
                       fmt::format("overflow policy number {} is not known; use refuse, "
                                   "drop-oldest or dead-letter",
                                   static_cast<int>(policy)));
  }
}

absl::StatusOr<TopicChange> ChangeFrom(const v1::AlterTopicRequest& request) {
  TopicChange change;
  if (request.has_ttl()) {
    const absl::StatusOr<int64_t> ttl = TtlFrom(request.ttl());
    if (!ttl.ok()) return ttl.status();
    change.ttl_ms = *ttl;
  }
  if (request.has_expired()) {
    const absl::StatusOr<bool> to_dead_letters = ToDeadLetters(request.expired());
    if (!to_dead_letters.ok()) return to_dead_letters.status();
    change.expired_to_dead_letters = *to_dead_letters;
  }
  v1::CheckBackPolicy checks;
  *checks.mutable_first_check() = request.first_check();
  *checks.mutable_interval() = request.check_interval();
  checks.set_max_checks(request.max_checks());
  const absl::StatusOr<CheckBackPolicy> check_back = CheckBackFrom(checks);
  if (!check_back.ok()) return check_back.status();
  if (request.has_first_check()) change.first_check_ms = check_back->first_check_ms;
  if (request.has_check_interval()) change.check_interval_ms = check_back->interval_ms;
  if (request.has_max_checks()) change.max_checks = check_back->max_checks;
  if (request.has_priority_guard()) change.priority_guard = request.priority_guard();
  if (request.has_max_backlog()) {
    const absl::StatusOr<uint64_t> max = BacklogFrom(request.max_backlog());
    if (!max.ok()) return max.status();
    change.max_backlog = *max;
  }
  if (request.has_overflow()) {
    const absl::StatusOr<Overflow> overflow = OverflowFrom(request.overflow());
    if (!overflow.ok()) return overflow.status();
    change.overflow = *overflow;
  }
  if (request.has_draining()) change.draining = request.draining();
  if (request.has_sharing()) {
    const auto& brokers = request.sharing().brokers();
    change.brokers.emplace(brokers.begin(), brokers.end());
  }
  return change;
}

absl::StatusOr<TopicRecord> TopicFrom(const v1::TopicInfo& wanted, uint32_t default_queues) {
  const absl::StatusOr<MessageType> type = ServedType(wanted);
  if (!type.ok()) return type.status();
  if (wanted.permission() != v2::PERMISSION_UNSPECIFIED && wanted.permission() != v2::READ_WRITE) {
    return WireError(v2::NOT_IMPLEMENTED,
                     "topics that can only be read or written are not served by this version of "
                     "Mansio; leave the permission out");
  }
  if (wanted.queues() < 0) {
    return WireError(v2::BAD_REQUEST, fmt::format("a topic cannot have {} queues; leave the number "
                                                  "out for the default",
                                                  wanted.queues()));
  }
  const absl::StatusOr<CheckBackPolicy> check_back = CheckBackFrom(wanted.check_back());
  if (!check_back.ok()) return check_back.status();
  const absl::StatusOr<int64_t> ttl = TtlFrom(wanted.ttl());
  if (!ttl.ok()) return ttl.status();
  const absl::StatusOr<bool> to_dead_letters = ToDeadLetters(wanted.expired());
  if (!to_dead_letters.ok()) return to_dead_letters.status();
  const absl::StatusOr<uint64_t> max_backlog = BacklogFrom(wanted.max_backlog());
  if (!max_backlog.ok()) return max_backlog.status();
  const absl::StatusOr<Overflow> overflow = OverflowFrom(wanted.overflow());
  if (!overflow.ok()) return overflow.status();
  TopicRecord record;
  record.name = wanted.name();
  record.type = *type;
  record.queues = wanted.queues() == 0 ? default_queues : static_cast<uint32_t>(wanted.queues());
  record.check_back = *check_back;
  record.expiry = {*ttl, *to_dead_letters};
  record.priority_guard = wanted.priority_guard();
  record.backlog = {*max_backlog, *overflow};
  record.brokers.assign(wanted.brokers().begin(), wanted.brokers().end());
  record.added = wanted.added();
  return record;
}

absl::StatusOr<GroupChange> ChangeFrom(const v1::AlterGroupRequest& request) {
  GroupChange change;
  if (request.has_max_attempts()) {
    const absl::StatusOr<uint32_t> attempts = AttemptsFrom(request.max_attempts());
    if (!attempts.ok()) return attempts.status();
    change.max_attempts = *attempts;
  }
  change.backoff = BackoffFromWire(request.backoff());
  if (request.has_start()) {
    if (absl::Status s = CheckStart(request.start()); !s.ok()) return s;
    change.start = static_cast<StartPolicy>(request.start());
  }
  return change;
}

// Where a reset is to go.
absl::StatusOr<ResetPoint> PointOf(const v1::ResetGroupRequest& request) {
  switch (request.to_case()) {
    case v1::ResetGroupRequest::kEdge:
      if (request.edge() == v1::START_POLICY_EARLIEST) return ResetPoint{};
      if (request.edge() == v1::START_POLICY_LATEST) {
        return ResetPoint{ResetPoint::Kind::kLatest, 0};
      }
      break;
    case v1::ResetGroupRequest::kTime: {
      if (!IsTime(request.time())) {
        return WireError(v2::BAD_REQUEST,
                         "the time to go to is not valid; give one from 1970 to 9999");
      }
      // Rounded up: a message of the same millisecond may be older than the time.
      return ResetPoint{ResetPoint::Kind::kTime, MillisFrom(request.time())};
    }
    case v1::ResetGroupRequest::kOffset:
      if (request.offset() >= 0) return ResetPoint{ResetPoint::Kind::kOffset, request.offset()};
      return WireError(
          v2::ILLEGAL_OFFSET,
          fmt::format("offset {} is negative; offsets count from 0", request.offset()));
    default:
      break;
  }
  return WireError(
      v2::BAD_REQUEST,
      "the reset does not say where to go; name earliest, latest, a time or an offset");
}

template <typename Response>
void SetStatus(const absl::Status& status, Response* response) {
  ToWire(status, response->mutable_status());
}

}  // namespace

AdminService::AdminService(Options options, Environment environment)
    : options_(std::move(options)), environment_(environment) {}

void AdminService::SetNode(store::Store* store, v1::BrokerIdentity identity,
                           std::function<v1::StoreState()> store_state) {
  store_ = store;
  identity_ = std::move(identity);
  store_state_ = std::move(store_state);
}

void AdminService::Register(rpc::MethodTable& methods) {
  const auto add = [&methods](std::string_view name, rpc::UnaryHandler handler) {
    methods.unary.push_back({fmt::format("/mansio.v1.Admin/{}", name), std::move(handler)});
  };
  const auto parsed = [this]<typename Request>(auto method, Request) {
    return rpc::ParsedUnary<Request>([this, method](rpc::UnaryCall& call, const Request& request) {
      (this->*method)(call, request);
    });
  };
  add("ListBrokers", parsed(&AdminService::ListBrokers, v1::ListBrokersRequest()));
  add("CreateTopic", parsed(&AdminService::CreateTopic, v1::CreateTopicRequest()));
  add("AlterTopic", parsed(&AdminService::AlterTopic, v1::AlterTopicRequest()));
  add("ListTopics", parsed(&AdminService::ListTopics, v1::ListTopicsRequest()));
  add("DescribeTopic", parsed(&AdminService::DescribeTopic, v1::DescribeTopicRequest()));
  add("DeleteTopic", parsed(&AdminService::DeleteTopic, v1::DeleteTopicRequest()));
  add("CreateGroup", parsed(&AdminService::CreateGroup, v1::CreateGroupRequest()));
  add("ListGroups", parsed(&AdminService::ListGroups, v1::ListGroupsRequest()));
  add("DescribeGroup", parsed(&AdminService::DescribeGroup, v1::DescribeGroupRequest()));
  add("ExplainGroup", parsed(&AdminService::ExplainGroup, v1::ExplainGroupRequest()));
  add("ListClients", parsed(&AdminService::ListClients, v1::ListClientsRequest()));
  add("AlterGroup", parsed(&AdminService::AlterGroup, v1::AlterGroupRequest()));
  add("DeleteGroup", parsed(&AdminService::DeleteGroup, v1::DeleteGroupRequest()));
  add("ResetGroup", parsed(&AdminService::ResetGroup, v1::ResetGroupRequest()));
  add("PauseGroup", parsed(&AdminService::PauseGroup, v1::PauseGroupRequest()));
  add("ResumeGroup", parsed(&AdminService::ResumeGroup, v1::ResumeGroupRequest()));
}

template <typename Response>
void AdminService::Answer(rpc::UnaryCall& call, const absl::Status& status,
                          Response response) const {
  SetStatus(status, &response);
  v1::BrokerResult* result = response.add_results();
  result->set_broker(options_.broker_name);
  *result->mutable_status() = response.status();
  rpc::Reply(call, response);
}

void AdminService::ListBrokers(rpc::UnaryCall& call, const v1::ListBrokersRequest&) const {
  v1::ListBrokersResponse response;
  SetStatus(absl::OkStatus(), &response);
  v1::BrokerOverview* self = response.add_brokers();
  *self->mutable_broker() = identity_;
  self->set_online(true);
  const std::vector<TopicPtr> topics = environment_.metadata->Topics();
  self->set_topics(
      static_cast<int32_t>(std::count_if(topics.begin(), topics.end(), [](const TopicPtr& topic) {
        return topic->kind != TopicKind::kSystem;
      })));
  self->set_groups(static_cast<int32_t>(environment_.metadata->Groups().size()));
  const store::Cursors cursors = store_->cursors();
  self->set_log_end(static_cast<int64_t>(cursors.appended));
  self->set_committed(static_cast<int64_t>(cursors.committed));
  *self->mutable_store() = store_state_();
  const v2::Address& address = identity_.addresses(0);
  response.set_answered_by(fmt::format("broker {}:{}", address.host(), address.port()));
  complete_list_(&response);
  rpc::Reply(call, response);
}

template <typename Response>
void AdminService::Admit(rpc::UnaryCall& call, const TopicPtr& topic,
                         const google::protobuf::RepeatedPtrField<v1::GroupInfo>& consumers,
                         std::string_view if_refused, absl::AnyInvocable<void()> then) {
  std::vector<GroupRecord> groups;
  for (const v1::GroupInfo& info : consumers) {
    absl::StatusOr<GroupRecord> group = GroupElsewhereFrom(info);
    if (!group.ok()) return Answer(call, With(group.status(), if_refused), Response());
    groups.push_back(*std::move(group));
  }
  AdmitConsumers(environment_.metadata, environment_.consumption, topic, std::move(groups),
                 [this, &call, then = std::move(then),
                  if_refused = std::string(if_refused)](const absl::Status& status) mutable {
                   status.ok() ? then() : Answer(call, With(status, if_refused), Response());
                 });
}

void AdminService::CreateTopic(rpc::UnaryCall& call, const v1::CreateTopicRequest& request) {
  absl::StatusOr<TopicRecord> record = TopicFrom(request.topic(), options_.default_queues);
  if (!record.ok()) return Answer(call, record.status(), v1::CreateTopicResponse());
  const bool existed = environment_.metadata->FindTopic(record->name) != nullptr;
  const auto answer = [this, &call, existed](const absl::StatusOr<TopicPtr>& topic) {
    v1::CreateTopicResponse response;
    response.set_existed(existed);
    if (topic.ok()) *response.mutable_topic() = TopicInfoOf(**topic);
    Answer(call, topic.status(), std::move(response));
  };
  if (request.consumers().empty()) {
    return environment_.metadata->CreateTopic(*std::move(record), answer);
  }
  // Nobody sends to it before its consumers have positions.
  record->draining = true;
  environment_.metadata->CreateTopic(
      *std::move(record),
      [this, &call, answer, consumers = request.consumers()](const absl::StatusOr<TopicPtr>& made) {
        if (!made.ok()) return answer(made);
        Admit<v1::CreateTopicResponse>(
            call, *made, consumers,
            fmt::format("topic {} is there and takes no sends yet: give the command again when "
                        "this is mended",
                        (*made)->name),
            [this, name = (*made)->name, answer] {
              environment_.metadata->AlterTopic(name, {.draining = false}, answer);
            });
      });
}

void AdminService::AlterTopic(rpc::UnaryCall& call, const v1::AlterTopicRequest& request) {
  const absl::StatusOr<TopicChange> change = ChangeFrom(request);
  if (!change.ok()) return Answer(call, change.status(), v1::AlterTopicResponse());
  const TopicPtr topic = environment_.metadata->FindTopic(request.name());
  if (request.consumers().empty() || topic == nullptr) return Alter(call, request, *change);
  Admit<v1::AlterTopicResponse>(
      call, topic, request.consumers(), "",
      [this, &call, request, change = *change] { Alter(call, request, change); });
}

void AdminService::Alter(rpc::UnaryCall& call, const v1::AlterTopicRequest& request,
                         const TopicChange& change) {
  // It goes on until the change is there: no send may come between.
  if (request.held() && !environment_.holds->Keep(request.name(), request.holder())) {
    return Answer(call,
                  WireError(v2::PRECONDITION_FAILED,
                            fmt::format("sends to topic {} are not held any more; hold it again",
                                        request.name())),
                  v1::AlterTopicResponse());
  }
  environment_.metadata->AlterTopic(
      request.name(), change,
      [this, &call, name = request.name(), holder = request.holder(),
       ends_hold = request.held() || request.has_sharing()](const absl::StatusOr<TopicPtr>& topic) {
        if (ends_hold) environment_.holds->Done(name, holder);
        v1::AlterTopicResponse response;
        if (topic.ok()) *response.mutable_topic() = TopicInfoOf(**topic);
        Answer(call, topic.status(), std::move(response));
      });
}

void AdminService::ListTopics(rpc::UnaryCall& call, const v1::ListTopicsRequest& request) const {
  v1::ListTopicsResponse response;
  SetStatus(absl::OkStatus(), &response);
  for (const TopicPtr& topic : environment_.metadata->Topics()) {
    if (topic->kind != TopicKind::kUser && !request.include_system()) continue;
    v1::TopicOverview* overview = response.add_topics();
    *overview->mutable_topic() = TopicInfoOf(*topic);
    overview->add_brokers(options_.broker_name);
  }
  rpc::Reply(call, response);
}

void AdminService::DescribeTopic(rpc::UnaryCall& call,
                                 const v1::DescribeTopicRequest& request) const {
  const TopicPtr topic = environment_.metadata->FindTopic(request.name());
  if (topic == nullptr) {
    return Answer(call, environment_.metadata->TopicMissing(request.name()),
                  v1::DescribeTopicResponse());
  }
  v1::DescribeTopicResponse response;
  *response.mutable_topic() = TopicInfoOf(*topic);
  response.mutable_created()->set_seconds(topic->created_ms / 1000);
  response.mutable_created()->set_nanos(static_cast<int32_t>(topic->created_ms % 1000 * 1000000));
  for (uint32_t queue = 0; queue < topic->queues; ++queue) {
    const store::QueueRange range = store_->Range({topic->id, queue});
    v1::QueueStats* stats = response.add_queues();
    stats->set_broker(options_.broker_name);
    stats->set_queue_id(static_cast<int32_t>(queue));
    stats->set_min_offset(static_cast<int64_t>(range.min));
    stats->set_next_offset(static_cast<int64_t>(range.next));
    stats->set_permission(response.topic().permission());
  }
  if (request.with_consumers()) {
    for (const GroupPtr& group :
         ConsumersOf(*environment_.metadata, *environment_.consumption, *topic)) {
      *response.add_consumers() = GroupInfoOf(*group);
    }
  }
  Answer(call, absl::OkStatus(), std::move(response));
}

void AdminService::DeleteTopic(rpc::UnaryCall& call, const v1::DeleteTopicRequest& request) {
  environment_.metadata->DeleteTopic(request.name(),
                                     [this, &call](const absl::StatusOr<TopicPtr>& topic) {
                                       Answer(call, topic.status(), v1::DeleteTopicResponse());
                                     });
}

void AdminService::CreateGroup(rpc::UnaryCall& call, const v1::CreateGroupRequest& request) {
  absl::StatusOr<GroupRecord> wanted = GroupFrom(request.group());
  if (!wanted.ok()) return Answer(call, wanted.status(), v1::CreateGroupResponse());
  const bool existed = environment_.metadata->FindGroup(wanted->name) != nullptr;
  environment_.metadata->CreateGroup(*std::move(wanted),
                                     [this, &call, existed](const absl::StatusOr<GroupPtr>& group) {
                                       v1::CreateGroupResponse response;
                                       response.set_existed(existed);
                                       if (group.ok())
                                         *response.mutable_group() = GroupInfoOf(**group);
                                       Answer(call, group.status(), std::move(response));
                                     });
}

void AdminService::AlterGroup(rpc::UnaryCall& call, const v1::AlterGroupRequest& request) {
  absl::StatusOr<GroupChange> change = ChangeFrom(request);
  if (!change.ok()) return Answer(call, change.status(), v1::AlterGroupResponse());
  environment_.metadata->AlterGroup(request.name(), *std::move(change),
                                    [this, &call](const absl::StatusOr<GroupPtr>& group) {
                                      v1::AlterGroupResponse response;
                                      if (group.ok())
                                        *response.mutable_group() = GroupInfoOf(**group);
                                      Answer(call, group.status(), std::move(response));
                                    });
}

void AdminService::ListGroups(rpc::UnaryCall& call, const v1::ListGroupsRequest&) const {
  v1::ListGroupsResponse response;
  SetStatus(absl::OkStatus(), &response);
  for (const GroupPtr& group : environment_.metadata->Groups()) {
    v1::GroupOverview* overview = response.add_groups();
    *overview->mutable_group() = GroupInfoOf(*group);
    overview->add_brokers(options_.broker_name);
  }
  rpc::Reply(call, response);
}

void AdminService::DescribeGroup(rpc::UnaryCall& call,
                                 const v1::DescribeGroupRequest& request) const {
  const GroupPtr group = environment_.metadata->FindGroup(request.name());
  if (group == nullptr) {
    return Answer(call, environment_.metadata->GroupMissing(request.name()),
                  v1::DescribeGroupResponse());
  }
  v1::DescribeGroupResponse response;
  *response.mutable_group() = GroupInfoOf(*group);
  for (v1::GroupPosition& position : PositionsOf(*group, "")) {
    *response.add_positions() = std::move(position);
  }
  for (const gateway::ClientInfo& client : environment_.clients->List(group->name)) {
    response.add_client_ids(client.id);
  }
  Answer(call, absl::OkStatus(), std::move(response));
}

void AdminService::ExplainGroup(rpc::UnaryCall& call,
                                const v1::ExplainGroupRequest& request) const {
  const GroupPtr group = environment_.metadata->FindGroup(request.name());
  if (group == nullptr) {
    return Answer(call, environment_.metadata->GroupMissing(request.name()),
                  v1::ExplainGroupResponse());
  }
  const auto explain = [this, &call, group](bool may_read) {
    v1::ExplainGroupResponse response;
    for (v1::GroupExplanation& explanation : environment_.consumption->Explain(*group, may_read)) {
      explanation.set_broker(options_.broker_name);
      *response.add_explanations() = std::move(explanation);
    }
    Answer(call, absl::OkStatus(), std::move(response));
  };
  // Asked above all when a broker has too much to do: then without what only the disk knows.
  if (!store_->RunCold([explain] { explain(true); })) explain(false);
}

void AdminService::ListClients(rpc::UnaryCall& call, const v1::ListClientsRequest& request) const {
  if (!request.client_id().empty()) return DescribeClient(call, request);
  const size_t limit = request.limit() <= 0
                           ? kMaxClients
                           : std::min(kMaxClients, static_cast<size_t>(request.limit()));
  const auto list = [this, &call, group = request.group(), after = request.after(), limit] {
    std::vector<gateway::ClientInfo> clients = environment_.clients->List(group, after, limit + 1);
    v1::ListClientsResponse response;
    response.set_more(clients.size() > limit);
    if (response.more()) clients.pop_back();
    for (const gateway::ClientInfo& client : clients) AddClient(client, &response);
    Answer(call, absl::OkStatus(), std::move(response));
  };
  // All are looked at, and they may be tens of thousands: not on an rpc thread, if there is
  // another.
  if (!store_->RunCold(list)) list();
}

void AdminService::DescribeClient(rpc::UnaryCall& call,
                                  const v1::ListClientsRequest& request) const {
  v1::ListClientsResponse response;
  const auto client = environment_.clients->Find(request.client_id());
  if (client && (request.group().empty() || client->group == request.group())) {
    AddClient(*client, &response);
    return Answer(call, absl::OkStatus(), std::move(response));
  }
  Answer(call,
         WireError(v2::NOT_FOUND,
                   fmt::format("no living client has the id '{}'; `mansio client list` shows them",
                               EscapeForLog(request.client_id()))),
         std::move(response));
}

void AdminService::AddClient(const gateway::ClientInfo& client,
                             v1::ListClientsResponse* response) const {
  v1::ClientDescription* out = response->add_clients();
  *out = ClientDescriptionOf(client, environment_.clients->SilenceOf(client));
  out->add_brokers(options_.broker_name);
}

void AdminService::DeleteGroup(rpc::UnaryCall& call, const v1::DeleteGroupRequest& request) {
  environment_.metadata->DeleteGroup(request.name(),
                                     [this, &call](const absl::StatusOr<GroupPtr>& group) {
                                       Answer(call, group.status(), v1::DeleteGroupResponse());
                                     });
}

std::vector<v1::GroupPosition> AdminService::PositionsOf(const GroupRecord& group,
                                                         std::string_view topic) const {
  std::vector<v1::GroupPosition> positions;
  for (const QueueConsumption& queue : environment_.consumption->Describe(group)) {
    if (!topic.empty() && queue.topic != topic) continue;
    v1::GroupPosition& position = positions.emplace_back();
    position.set_broker(options_.broker_name);
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

void AdminService::ResetGroup(rpc::UnaryCall& call, const v1::ResetGroupRequest& request) {
  const auto refuse = [this, &call](const absl::Status& status) {
    Answer(call, status, v1::ResetGroupResponse());
  };
  const GroupPtr group = environment_.metadata->FindGroup(request.group());
  if (group == nullptr) return refuse(environment_.metadata->GroupMissing(request.group()));
  const TopicPtr topic = environment_.metadata->FindTopic(request.topic());
  if (topic == nullptr || !IsReadable(topic->kind))
    return refuse(environment_.metadata->TopicMissing(request.topic()));
  const absl::StatusOr<ResetPoint> to = PointOf(request);
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
  environment_.consumption->Reset(
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

void AdminService::PauseGroup(rpc::UnaryCall& call, const v1::PauseGroupRequest& request) {
  environment_.metadata->SetPaused(request.name(), true,
                                   [this, &call](const absl::StatusOr<GroupPtr>& group) {
                                     Answer(call, group.status(), v1::PauseGroupResponse());
                                   });
}

void AdminService::ResumeGroup(rpc::UnaryCall& call, const v1::ResumeGroupRequest& request) {
  environment_.metadata->SetPaused(request.name(), false,
                                   [this, &call](const absl::StatusOr<GroupPtr>& group) {
                                     Answer(call, group.status(), v1::ResumeGroupResponse());
                                   });
}

}  // namespace mansio::broker
