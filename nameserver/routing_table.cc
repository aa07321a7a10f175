#include "nameserver/routing_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/time/clock.h"
#include "common/clock/clock.h"
#include "common/logging/logging.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"
#include "nameserver/broker_text.h"

namespace mansio::nameserver {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr size_t kMaxWarnings = 1000;  // remembered, so that each is given once

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

// A registration is worth a look when somebody asks why a broker is or is not in the routes.
std::string Describe(const v1::BrokerIdentity& identity) {
  return fmt::format("broker {} (id {}) of cluster {} at {}", identity.name(), identity.id(),
                     identity.cluster(), AddressesText(identity));
}

bool SameAddress(const v1::BrokerIdentity& a, const v1::BrokerIdentity& b) {
  return AddressText(a.addresses(0)) == AddressText(b.addresses(0));
}

bool Usable(const v1::TopicInfo& topic) {
  return topic.permission() == v2::READ_WRITE || topic.permission() == v2::PERMISSION_UNSPECIFIED;
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

// Overviews by name, from every master in turn.
template <typename Overview, typename Info>
void Merge(const StringMap<Info>& infos, const std::string& broker, Info* (Overview::*field)(),
           std::map<std::string, Overview>& merged) {
  for (const auto& [name, info] : infos) {
    const auto [it, is_new] = merged.try_emplace(name);
    if (is_new) *(it->second.*field)() = info;
    it->second.add_brokers(broker);
  }
}

template <typename Overview>
std::vector<Overview> Values(std::map<std::string, Overview> merged) {
  std::vector<Overview> values;
  for (auto& [name, overview] : merged) values.push_back(std::move(overview));
  return values;
}

}  // namespace

RoutingTable::RoutingTable(Options options, const Clock* clock)
    : options_(options), clock_(clock) {}

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
  Broker broker;
  broker.identity = std::move(*snapshot.mutable_broker());
  broker.session = session;
  broker.last_heard = clock_->BootNow();
  InsertAll(snapshot.mutable_topics(), broker.topics);
  InsertAll(snapshot.mutable_groups(), broker.groups);
  if (absl::Status s = CheckLimits(broker.topics.size(), broker.groups.size()); !s.ok()) return s;

  const v1::BrokerIdentity& identity = broker.identity;
  const Key key(identity.cluster(), identity.name(), identity.id());
  MutexLock lock(&mutex_);
  if (absl::Status s = JudgeSession(session, key); !s.ok()) return s;
  if (absl::Status s = JudgeClaim(key, identity); !s.ok()) return s;
  LOG_INFO("{} registered with {} topics and {} groups", Describe(identity), broker.topics.size(),
           broker.groups.size());
  sessions_[session] = Session{key, identity.epoch()};
  brokers_[key] = std::move(broker);
  changed_.SignalAll();
  return absl::OkStatus();
}

absl::Status RoutingTable::JudgeSession(SessionId session, const Key& key) const {
  const auto known = sessions_.find(session);
  if (known != sessions_.end() && known->second.key != key) {
    return absl::InvalidArgumentError(
        "this stream has registered another broker; each broker has a stream of its own");
  }
  if (brokers_.size() < kMaxBrokers || brokers_.contains(key)) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("{} brokers are registered, which is the limit", kMaxBrokers));
}

absl::Status RoutingTable::JudgeClaim(const Key& key, const v1::BrokerIdentity& identity) {
  for (const auto& [other_key, other] : brokers_) {
    if (other.identity.name() == identity.name() &&
        other.identity.cluster() != identity.cluster()) {
      WarnOnce(
          fmt::format("{} and {} have the same name; routes contain the first only: give each "
                      "broker a name of its own",
                      Describe(other.identity), Describe(identity)));
    }
  }
  const auto found = brokers_.find(key);
  if (found == brokers_.end() || SameAddress(found->second.identity, identity)) {
    return absl::OkStatus();
  }
  const v1::BrokerIdentity& present = found->second.identity;
  if (identity.epoch() < present.epoch()) {
    return absl::FailedPreconditionError(fmt::format(
        "{} is registered with epoch {}, which is newer than {}; stop one of the two or "
        "give it another broker.name",
        Describe(present), present.epoch(), identity.epoch()));
  }
  if (identity.epoch() == present.epoch()) {
    WarnOnce(
        fmt::format("{} is also claimed by {}; the latest is used: stop one of the two or give it "
                    "another broker.name",
                    Describe(present), AddressesText(identity)));
  }
  return absl::OkStatus();
}

void RoutingTable::WarnOnce(std::string text) {
  if (warnings_.size() >= kMaxWarnings) warnings_.clear();
  const auto [it, is_new] = warnings_.insert(std::move(text));
  if (is_new) LOG_WARNING("{}", *it);
}

absl::StatusOr<RoutingTable::Broker*> RoutingTable::Find(SessionId session) {
  const auto it = sessions_.find(session);
  const auto broker = it == sessions_.end() ? brokers_.end() : brokers_.find(it->second.key);
  if (broker == brokers_.end()) {
    return absl::NotFoundError(
        "the broker is not registered any more; begin again with a snapshot");
  }
  if (broker->second.session == session) {
    broker->second.last_heard = clock_->BootNow();
    return &broker->second;
  }
  const v1::BrokerIdentity& present = broker->second.identity;
  if (present.epoch() > it->second.epoch) {
    return absl::FailedPreconditionError(fmt::format("{} has registered with a newer epoch, {}",
                                                     Describe(present), present.epoch()));
  }
  return nullptr;
}

absl::Status RoutingTable::Change(SessionId session, v1::Delta delta) {
  if (absl::Status s = ValidateEntries(delta); !s.ok()) return s;
  MutexLock lock(&mutex_);
  const absl::StatusOr<Broker*> found = Find(session);
  if (!found.ok() || *found == nullptr) return found.status();
  Broker& broker = **found;
  InsertAll(delta.mutable_topics(), broker.topics);
  InsertAll(delta.mutable_groups(), broker.groups);
  for (const std::string& name : delta.deleted_topics()) broker.topics.erase(name);
  for (const std::string& name : delta.deleted_groups()) broker.groups.erase(name);
  changed_.SignalAll();
  return CheckLimits(broker.topics.size(), broker.groups.size());
}

absl::Status RoutingTable::KeepAlive(SessionId session) {
  MutexLock lock(&mutex_);
  return Find(session).status();
}

void RoutingTable::Remove(SessionId session) {
  MutexLock lock(&mutex_);
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return;
  const auto broker = brokers_.find(it->second.key);
  if (broker != brokers_.end() && broker->second.session == session) {
    LOG_INFO("{} left: its stream has ended", Describe(broker->second.identity));
    brokers_.erase(broker);
    changed_.SignalAll();
  }
  sessions_.erase(it);
}

void RoutingTable::ExpireSilent() {
  const absl::Duration now = clock_->BootNow();
  MutexLock lock(&mutex_);
  for (auto it = brokers_.begin(); it != brokers_.end();) {
    const Broker& broker = it->second;
    if (now - broker.last_heard < options_.expiry) {
      ++it;
      continue;
    }
    LOG_WARNING("{} left: it was silent for {}", Describe(broker.identity),
                absl::FormatDuration(now - broker.last_heard));
    sessions_.erase(broker.session);
    it = brokers_.erase(it);
    changed_.SignalAll();
  }
}

absl::StatusOr<gateway::TopicRoute> RoutingTable::Route(std::string_view topic) const {
  gateway::TopicRoute route;
  bool any_broker = false;
  // Nobody receives from a retry topic: what waits there comes with its origin (RocketMQ 5 API).
  if (!names::IsRetryTopic(topic)) {
    ReaderMutexLock lock(&mutex_);
    any_broker = !brokers_.empty();
    for (const auto& [key, broker] : brokers_) {
      const auto it = broker.topics.find(topic);
      if (broker.identity.id() != 0 || it == broker.topics.end() || !Usable(it->second)) continue;
      const auto type = std::pair<int, bool>(it->second.message_type(), it->second.mixed());
      if (route.brokers.empty()) std::tie(route.message_type, route.mixed) = type;
      // Queues of another type would be refused by the broker, whatever the route says.
      if (type != std::pair(route.message_type, route.mixed)) continue;
      gateway::BrokerQueues queues{.broker = broker.identity.name(), .queues = it->second.queues()};
      for (const v2::Address& address : broker.identity.addresses()) {
        queues.endpoints.push_back({address.host(), address.port()});
      }
      route.brokers.push_back(std::move(queues));
    }
  }
  if (route.brokers.empty()) {
    return WireError(
        v2::TOPIC_NOT_FOUND,
        fmt::format("no broker of this nameserver has a topic '{}'; {}", EscapeForLog(topic),
                    any_broker ? "create it with: mansio topic create"
                               : "no broker is registered: start one with nameservers= "
                                 "naming this nameserver"));
  }
  // Clusters come one after the other; clients need one order by name, and no name twice.
  const auto by_name = [](const auto& a, const auto& b) { return a.broker < b.broker; };
  const auto same_name = [](const auto& a, const auto& b) { return a.broker == b.broker; };
  std::stable_sort(route.brokers.begin(), route.brokers.end(), by_name);
  route.brokers.erase(std::unique(route.brokers.begin(), route.brokers.end(), same_name),
                      route.brokers.end());
  return route;
}

gateway::GroupPolicy RoutingTable::Group(std::string_view group) const {
  gateway::GroupPolicy policy;
  ReaderMutexLock lock(&mutex_);
  for (const auto& [key, broker] : brokers_) {
    const auto it = broker.groups.find(group);
    if (it == broker.groups.end()) continue;
    const v1::GroupInfo& info = it->second;
    policy.fifo = info.fifo();
    if (info.max_attempts() > 0) policy.max_attempts = info.max_attempts();
    if (auto backoff = BackoffFromWire(info.backoff())) policy.backoff = *std::move(backoff);
    break;
  }
  return policy;
}

std::vector<v1::BrokerOverview> RoutingTable::Brokers() const {
  std::vector<v1::BrokerOverview> overviews;
  ReaderMutexLock lock(&mutex_);
  for (const auto& [key, broker] : brokers_) {
    v1::BrokerOverview& overview = overviews.emplace_back();
    *overview.mutable_broker() = broker.identity;
    overview.set_online(true);
    overview.set_topics(static_cast<int32_t>(broker.topics.size()));
    overview.set_groups(static_cast<int32_t>(broker.groups.size()));
  }
  return overviews;
}

std::vector<v1::BrokerIdentity> RoutingTable::Masters() const {
  std::vector<v1::BrokerIdentity> masters;
  ReaderMutexLock lock(&mutex_);
  for (const auto& [key, broker] : brokers_) {
    if (broker.identity.id() == 0) masters.push_back(broker.identity);
  }
  return masters;
}

std::vector<v1::TopicOverview> RoutingTable::Topics() const {
  std::map<std::string, v1::TopicOverview> merged;
  ReaderMutexLock lock(&mutex_);
  for (const auto& [key, broker] : brokers_) {
    if (broker.identity.id() != 0) continue;
    Merge(broker.topics, broker.identity.name(), &v1::TopicOverview::mutable_topic, merged);
  }
  return Values(std::move(merged));
}

std::vector<v1::GroupOverview> RoutingTable::Groups() const {
  std::map<std::string, v1::GroupOverview> merged;
  ReaderMutexLock lock(&mutex_);
  for (const auto& [key, broker] : brokers_) {
    if (broker.identity.id() != 0) continue;
    Merge(broker.groups, broker.identity.name(), &v1::GroupOverview::mutable_group, merged);
  }
  return Values(std::move(merged));
}

bool RoutingTable::Await(const std::vector<std::string>& brokers, absl::Duration timeout,
                         const std::function<bool(const Broker&)>& reached) const {
  const absl::Time end = absl::Now() + timeout;
  MutexLock lock(&mutex_);
  while (true) {
    const bool all = std::all_of(brokers_.begin(), brokers_.end(), [&](const auto& entry) {
      const Broker& broker = entry.second;
      const bool concerned = broker.identity.id() == 0 &&
                             std::count(brokers.begin(), brokers.end(), broker.identity.name()) > 0;
      return !concerned || reached(broker);
    });
    if (all) return true;
    if (changed_.WaitUntil(&mutex_, end)) return false;
  }
}

bool RoutingTable::AwaitTopic(std::string_view topic, const std::vector<std::string>& brokers,
                              bool present, absl::Duration timeout) const {
  return Await(brokers, timeout, [topic, present](const Broker& broker) {
    return broker.topics.contains(topic) == present;
  });
}

bool RoutingTable::AwaitGroup(std::string_view group, const std::vector<std::string>& brokers,
                              bool present, absl::Duration timeout) const {
  return Await(brokers, timeout, [group, present](const Broker& broker) {
    return broker.groups.contains(group) == present;
  });
}

}  // namespace mansio::nameserver
