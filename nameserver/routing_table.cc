#include "nameserver/routing_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/time/clock.h"
#include "common/clock/clock.h"
#include "common/logging/logging.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/status/no_broker.h"
#include "common/status/wire_status.h"
#include "nameserver/broker_text.h"

namespace mansio::nameserver {

namespace v2 = apache::rocketmq::v2;

namespace {

// Whoever can connect can register: what a broker says of itself must not make a route explode.
constexpr size_t kMaxBrokers = 10'000;
constexpr int kMaxAddresses = 16;
constexpr int32_t kMaxQueues = 65'536;  // the most that a broker's limits.queues-per-topic allows
constexpr size_t kMaxIdentityBytes = 8 << 10;
constexpr size_t kMaxEntryBytes = 4 << 10;

absl::Status Validate(const v1::BrokerIdentity& identity) {
  if (absl::Status s = names::ValidateNodeName("the cluster", identity.cluster()); !s.ok())
    return s;
  if (absl::Status s = names::ValidateNodeName("the broker name", identity.name()); !s.ok())
    return s;
  if (identity.addresses().empty()) {
    return absl::InvalidArgumentError(
        fmt::format("broker '{}' registers without an address", identity.name()));
  }
  if (identity.addresses_size() > kMaxAddresses || identity.ByteSizeLong() > kMaxIdentityBytes) {
    return absl::InvalidArgumentError(fmt::format(
        "broker '{}' registers with {} addresses in {} bytes; at most {} in {} are taken",
        identity.name(), identity.addresses_size(), identity.ByteSizeLong(), kMaxAddresses,
        kMaxIdentityBytes));
  }
  for (const v2::Address& address : identity.addresses()) {
    const std::string& host = address.host();
    if (IsBlank(host) || host == "0.0.0.0" || host == "::" || address.port() <= 0 ||
        address.port() > 65535) {
      return absl::InvalidArgumentError(fmt::format(
          "broker '{}' registers with the address {}, which clients cannot connect to; set its "
          "advertise=HOST:PORT",
          identity.name(), EscapeForLog(AddressText(address))));
    }
  }
  return absl::OkStatus();
}

constexpr char kSuccessor[] = "mansio/superseded-by";

// To a master whose broker group has had another one since.
absl::Status Superseded(const v1::BrokerIdentity& by) {
  absl::Status status = absl::FailedPreconditionError(
      fmt::format("member {} at {} has become the master of {} with a newer epoch, {}", by.member(),
                  AddressesText(by), by.name(), by.epoch()));
  status.SetPayload(kSuccessor,
                    absl::Cord(fmt::format("member {} at {}", by.member(), AddressesText(by))));
  return status;
}

// A registration is worth a look when somebody asks why a broker is or is not in the routes.
std::string Describe(const v1::BrokerIdentity& identity) {
  return fmt::format("broker {} (id {}) of cluster {} at {}", identity.name(), identity.id(),
                     identity.cluster(), AddressesText(identity));
}

// A broker that has come back. One of another lineage at the address is another broker: two that
// advertise the same (a load balancer's) would replace each other for ever.
bool IsItself(const v1::BrokerIdentity& present, const v1::BrokerIdentity& claimant) {
  return AddressText(present.addresses(0)) == AddressText(claimant.addresses(0)) &&
         present.lineage() == claimant.lineage();
}

template <typename Infos>
absl::Status ValidateSizes(const Infos& infos) {
  for (const auto& info : infos) {
    const size_t bytes = info.ByteSizeLong();
    if (bytes <= kMaxEntryBytes) continue;
    return absl::InvalidArgumentError(
        fmt::format("what is registered of '{}' has {} bytes; at most {} are taken",
                    EscapeForLog(info.name(), 100), bytes, kMaxEntryBytes));
  }
  return absl::OkStatus();
}

// Of a snapshot or a delta.
template <typename Update>
absl::Status ValidateEntries(const Update& update) {
  if (absl::Status s = ValidateSizes(update.groups()); !s.ok()) return s;
  for (const v1::TopicInfo& topic : update.topics()) {
    if (topic.queues() >= 0 && topic.queues() <= kMaxQueues) continue;
    return absl::InvalidArgumentError(
        fmt::format("topic '{}' is registered with {} queues; a topic has 0 to {}",
                    EscapeForLog(topic.name(), 100), topic.queues(), kMaxQueues));
  }
  return ValidateSizes(update.topics());
}

template <typename Info>
void InsertAll(google::protobuf::RepeatedPtrField<Info>* from, StringMap<Info>& to) {
  for (Info& info : *from) {
    std::string name = info.name();
    to.insert_or_assign(std::move(name), std::move(info));
  }
}

}  // namespace

std::string SupersededBy(const absl::Status& status) {
  const auto by = status.GetPayload(kSuccessor);
  return by.has_value() ? std::string(*by) : "";
}

RoutingTable::RoutingTable(Options options, const Clock* clock)
    : options_(options), clock_(clock), lost_(clock) {}

absl::Status RoutingTable::CheckLimits(size_t topics, size_t groups) const {
  if (topics <= options_.max_topics && groups <= options_.max_groups) return absl::OkStatus();
  return absl::ResourceExhaustedError(fmt::format(
      "the broker has {} topics and {} groups; this nameserver takes at most {} and {} of "
      "one broker",
      topics, groups, options_.max_topics, options_.max_groups));
}

absl::Status RoutingTable::Install(SessionId session, v1::Snapshot snapshot) {
  if (absl::Status s = Validate(snapshot.broker()); !s.ok()) return s;
  if (absl::Status s = ValidateEntries(snapshot); !s.ok()) return s;
  Member member;
  member.identity = std::move(*snapshot.mutable_broker());
  InsertAll(snapshot.mutable_topics(), member.topics);
  InsertAll(snapshot.mutable_groups(), member.groups);
  if (absl::Status s = CheckLimits(member.topics.size(), member.groups.size()); !s.ok()) return s;

  const Key key = gateway::ClusterTable::KeyOf(member.identity);
  MutexLock lock(&mutex_);
  if (absl::Status s = JudgeSession(session, key); !s.ok()) return s;
  if (absl::Status s = JudgeClaim(key, member.identity); !s.ok()) return s;
  LOG_INFO("{} registered with {} topics and {} groups", Describe(member.identity),
           member.topics.size(), member.groups.size());
  sessions_[session] = Session{key, member.identity.epoch()};
  registrations_[key] = Registration{session, clock_->BootNow()};
  lost_.Remove(member.identity);
  cluster_.Replace(std::move(member));
  if (listener_ != nullptr) listener_->OnMember(*cluster_.Find(key));
  return absl::OkStatus();
}

absl::Status RoutingTable::JudgeSession(SessionId session, const Key& key) const {
  const auto known = sessions_.find(session);
  if (known != sessions_.end() && known->second.key != key) {
    return absl::InvalidArgumentError(
        "this stream has registered another broker; each broker has a stream of its own");
  }
  if (registrations_.size() < kMaxBrokers || registrations_.contains(key)) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("{} brokers are registered, which is the limit", kMaxBrokers));
}

absl::Status RoutingTable::JudgeClaim(const Key& key, const v1::BrokerIdentity& identity) const {
  const auto refuse = [&identity](const v1::BrokerIdentity& present) {
    const bool is_of_group = identity.member() != 0 && identity.cluster() == present.cluster();
    return absl::FailedPreconditionError(fmt::format(
        "{} (epoch {}) has registered with the name that {} (epoch {}) claims; calls "
        "are forwarded by this name, so stop one of the two or give it another {}",
        Describe(present), present.epoch(), Describe(identity), identity.epoch(),
        is_of_group ? "broker.id, or broker.name if it is of another group" : "broker.name"));
  };
  if (const Member* const other = FindElsewhere(identity); other != nullptr) {
    return refuse(other->identity);
  }
  const Member* const present = cluster_.Find(key);
  if (present == nullptr || IsItself(present->identity, identity)) return absl::OkStatus();
  const bool is_kin = identity.lineage() == present->identity.lineage();
  if (is_kin && identity.epoch() > present->identity.epoch()) return absl::OkStatus();
  return is_kin && identity.epoch() < present->identity.epoch() ? Superseded(present->identity)
                                                                : refuse(present->identity);
}

const RoutingTable::Member* RoutingTable::FindElsewhere(const v1::BrokerIdentity& identity) const {
  const auto& members = cluster_.members();
  // Few clusters: names are looked for in each.
  for (auto it = members.begin(); it != members.end();) {
    const std::string cluster = std::get<0>(it->first);
    it = members.lower_bound({cluster, identity.name(), std::numeric_limits<int32_t>::min()});
    if (it == members.end()) break;
    const v1::BrokerIdentity& found = it->second.identity;
    if (found.name() == identity.name() && found.cluster() != identity.cluster()) {
      return &it->second;
    }
    it = members.upper_bound({cluster + '\0', "", 0});
  }
  return nullptr;
}

absl::StatusOr<const RoutingTable::Key*> RoutingTable::Find(SessionId session) {
  const auto it = sessions_.find(session);
  const auto found =
      it == sessions_.end() ? registrations_.end() : registrations_.find(it->second.key);
  if (found == registrations_.end()) {
    return absl::NotFoundError(
        "the broker is not registered any more; begin again with a snapshot");
  }
  if (found->second.session == session) {
    found->second.last_heard = clock_->BootNow();
    return &found->first;
  }
  const v1::BrokerIdentity& present = cluster_.Find(found->first)->identity;
  if (present.epoch() > it->second.epoch) {
    return Superseded(present);
  }
  return nullptr;
}

absl::Status RoutingTable::Change(SessionId session, v1::Delta delta) {
  if (absl::Status s = ValidateEntries(delta); !s.ok()) return s;
  MutexLock lock(&mutex_);
  const absl::StatusOr<const Key*> key = Find(session);
  if (!key.ok() || *key == nullptr) return key.status();
  cluster_.Change(**key, delta);
  const Member& member = *cluster_.Find(**key);
  if (listener_ != nullptr) listener_->OnChange(member, delta);
  return CheckLimits(member.topics.size(), member.groups.size());
}

absl::Status RoutingTable::KeepAlive(SessionId session) {
  MutexLock lock(&mutex_);
  return Find(session).status();
}

void RoutingTable::Drop(const Key& key) {
  const v1::BrokerIdentity broker = cluster_.Find(key)->identity;
  if (listener_ != nullptr) listener_->OnLeft(broker);
  cluster_.Remove(key);
  if (!IsHere(broker)) lost_.Add(broker);
}

bool RoutingTable::IsHere(const v1::BrokerIdentity& broker) const {
  auto member = cluster_.members().lower_bound({broker.cluster(), broker.name(), 0});
  for (; member != cluster_.members().end(); ++member) {
    const v1::BrokerIdentity& other = member->second.identity;
    if (other.cluster() != broker.cluster() || other.name() != broker.name()) return false;
    if (LostBrokers::IsSame(other, broker)) return true;
  }
  return false;
}

void RoutingTable::Remove(SessionId session) {
  MutexLock lock(&mutex_);
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return;
  const auto broker = registrations_.find(it->second.key);
  if (broker != registrations_.end() && broker->second.session == session) {
    LOG_INFO("{} left: its stream has ended", Describe(cluster_.Find(broker->first)->identity));
    Drop(broker->first);
    registrations_.erase(broker);
  }
  sessions_.erase(it);
}

void RoutingTable::ExpireSilent() {
  const absl::Duration now = clock_->BootNow();
  MutexLock lock(&mutex_);
  for (auto it = registrations_.begin(); it != registrations_.end();) {
    const Registration& broker = it->second;
    if (now - broker.last_heard < options_.expiry) {
      ++it;
      continue;
    }
    LOG_WARNING("{} left: it was silent for {}", Describe(cluster_.Find(it->first)->identity),
                absl::FormatDuration(now - broker.last_heard));
    sessions_.erase(broker.session);
    Drop(it->first);
    it = registrations_.erase(it);
  }
}

absl::StatusOr<gateway::TopicRoute> RoutingTable::Route(std::string_view topic) const {
  ReaderMutexLock lock(&mutex_);
  gateway::TopicRoute route = cluster_.Route(topic);
  if (!route.brokers.empty()) return route;
  if (registrations_.empty()) return WireError(v2::TOPIC_NOT_FOUND, std::string(kNoBroker));
  const std::vector<std::string> headless = cluster_.WithoutMaster();
  if (!headless.empty()) {
    // Their members may have begun with a state from before the topic was made.
    return absl::UnavailableError(fmt::format("topic '{}' is not known here, and may exist: {}",
                                              EscapeForLog(topic), NoMaster(headless)));
  }
  return WireError(v2::TOPIC_NOT_FOUND,
                   fmt::format("no broker of this nameserver has a topic '{}'; create it with: "
                               "mansio topic create",
                               EscapeForLog(topic)));
}

gateway::GroupPolicy RoutingTable::Group(std::string_view group) const {
  ReaderMutexLock lock(&mutex_);
  return cluster_.Group(group).value_or(gateway::GroupPolicy());
}

std::vector<std::string> RoutingTable::OthersWith(std::string_view topic) const {
  ReaderMutexLock lock(&mutex_);
  return cluster_.MastersWith(topic);
}

std::vector<std::string> RoutingTable::OthersWithGroup(std::string_view group) const {
  ReaderMutexLock lock(&mutex_);
  return cluster_.MastersWithGroup(group);
}

std::vector<std::string> RoutingTable::WithoutMaster() const {
  ReaderMutexLock lock(&mutex_);
  return cluster_.WithoutMaster();
}

std::vector<std::string> RoutingTable::Sharing(std::string_view topic) const {
  ReaderMutexLock lock(&mutex_);
  return cluster_.Sharing(topic);
}

std::string RoutingTable::GroupOwner(std::string_view topic, std::string_view message_group) const {
  ReaderMutexLock lock(&mutex_);
  return cluster_.GroupOwner(topic, message_group);
}

std::vector<gateway::Master> RoutingTable::Masters() const {
  ReaderMutexLock lock(&mutex_);
  return cluster_.Masters();
}

std::optional<gateway::HostPort> RoutingTable::MasterOf(std::string_view broker) const {
  ReaderMutexLock lock(&mutex_);
  return cluster_.MasterOf(broker);
}

void RoutingTable::Inspect(const std::function<void(const gateway::ClusterTable&)>& look) const {
  ReaderMutexLock lock(&mutex_);
  look(cluster_);
}

std::vector<v1::BrokerOverview> RoutingTable::Brokers() const {
  std::vector<v1::BrokerOverview> overviews;
  ReaderMutexLock lock(&mutex_);
  for (const auto& [key, broker] : cluster_.members()) {
    v1::BrokerOverview& overview = overviews.emplace_back();
    *overview.mutable_broker() = broker.identity;
    overview.set_online(true);
    overview.set_topics(static_cast<int32_t>(broker.topics.size()));
    overview.set_groups(static_cast<int32_t>(broker.groups.size()));
  }
  return overviews;
}

std::vector<v1::BrokerOverview> RoutingTable::Lost() const {
  ReaderMutexLock lock(&mutex_);
  return lost_.List();
}

template <typename Overview, typename Info>
std::vector<Overview> RoutingTable::Merged(StringMap<Info> Member::*infos,
                                           Info* (Overview::*field)()) const {
  std::map<std::string, Overview> merged;
  std::optional<Key> last;
  while (true) {
    std::vector<Info> of_broker;
    {
      ReaderMutexLock lock(&mutex_);
      const auto& members = cluster_.members();
      const auto next = last ? members.upper_bound(*last) : members.begin();
      if (next == members.end()) break;
      last = next->first;
      if (next->second.identity.id() != 0) continue;
      for (const auto& [name, info] : next->second.*infos) of_broker.push_back(info);
    }
    for (Info& info : of_broker) {
      const auto [it, is_new] = merged.try_emplace(info.name());
      if (is_new) *(it->second.*field)() = std::move(info);
      it->second.add_brokers(std::get<1>(*last));
    }
  }
  std::vector<Overview> overviews;
  for (auto& [name, overview] : merged) overviews.push_back(std::move(overview));
  return overviews;
}

std::vector<v1::TopicOverview> RoutingTable::Topics() const {
  return Merged(&Member::topics, &v1::TopicOverview::mutable_topic);
}

std::vector<v1::GroupOverview> RoutingTable::Groups() const {
  return Merged(&Member::groups, &v1::GroupOverview::mutable_group);
}

}  // namespace mansio::nameserver
