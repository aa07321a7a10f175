#include "common/gateway/client_relay.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/time/clock.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "common/access/cluster_secret.h"
#include "common/gateway/address_text.h"
#include "common/gateway/forwarder.h"
#include "common/logging/logging.h"
#include "common/rpc/proto_call.h"
#include "common/timer/timer_queue.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr char kRelayPath[] = "/mansio.v1.Relay/Connect";
constexpr int64_t kTickMs = 500;
constexpr int64_t kNextRoundMs = 20;
// Of one round: bounds how long the timers' thread is busy.
constexpr size_t kClientsOfRound = 1000;
// All clients are looked at within so many ticks, or a round's worth for each tick.
constexpr size_t kTicksAround = 8;
constexpr size_t kMaxAssigned = 1000;  // topics of one client beyond its settings
constexpr uint64_t kReconnectTicks = 2;
// Descriptions that one round tells one broker; what is beyond waits for the next.
constexpr size_t kBytesOfRound = 1 << 20;
// A stream that takes nothing for so long begins again.
constexpr uint64_t kPatienceTicks = 20;

v2::ClientType TypeOf(ClientRole role) {
  switch (role) {
    case ClientRole::kProducer:
      return v2::PRODUCER;
    case ClientRole::kPushConsumer:
      return v2::PUSH_CONSUMER;
    case ClientRole::kSimpleConsumer:
      return v2::SIMPLE_CONSUMER;
    case ClientRole::kPullConsumer:
      return v2::PULL_CONSUMER;
    case ClientRole::kUnknown:
      break;
  }
  return v2::CLIENT_TYPE_UNSPECIFIED;
}

v1::RelayedClient Describe(const ClientInfo& info, std::vector<std::string> topics) {
  v1::RelayedClient client;
  client.set_id(info.id);
  client.set_type(TypeOf(info.role));
  client.set_group(info.group);
  for (std::string& topic : topics) client.add_topics(std::move(topic));
  client.set_language(info.language);
  client.set_version(info.version);
  client.set_peer(info.peer);
  client.set_stream_open(info.stream_open);
  client.set_streams_lost(info.streams_lost);
  return client;
}

}  // namespace

class ClientRelay::Link {
 public:
  uint64_t number = 0;                        // of the stream; 0: none
  std::shared_ptr<rpc::ClientStream> stream;  // null between streams
  uint64_t next_try = 0;                      // in ticks
  size_t bytes_of_round = 0;
  v1::RelayUpdate unsent;              // what the stream did not take
  std::optional<uint64_t> full_since;  // in ticks; unset: it takes what it is given

  // Everything that is to be said, and once more what was not taken. Without a stream, nothing.
  // Returns whether it was taken, and more than a round has is to be said.
  bool Say(v1::RelayUpdate update, uint64_t ticks) {
    const bool more = std::exchange(bytes_of_round, 0) >= kBytesOfRound;
    if (stream == nullptr) return false;
    if (!full_since) {
      unsent = std::move(update);
    } else {
      unsent.MergeFrom(update);
    }
    if (stream->Write(rpc::Encode(unsent))) {
      Forget();
      return more;
    }
    if (!full_since) {
      full_since = ticks;
    } else if (ticks - *full_since >= kPatienceTicks) {
      stream->Cancel();
    }
    return false;
  }
  void Forget() {
    unsent.Clear();
    full_since.reset();
  }
};

class ClientRelay::LinkEvents final : public rpc::ClientStreamEvents {
 public:
  LinkEvents(ClientRelay& relay, std::string broker, uint64_t number)
      : relay_(relay), broker_(std::move(broker)), number_(number) {}

  void OnElement(rpc::Payload element) override {
    v1::RelayCommand command;
    if (rpc::Parse(element.Flatten(), &command)) relay_.OnCommand(command);
    relay_.ReadOn(broker_, number_);
  }
  void OnEnd(absl::Status status) override { relay_.OnLinkEnd(broker_, number_, status); }

 private:
  ClientRelay& relay_;
  const std::string broker_;
  const uint64_t number_;
};

ClientRelay::ClientRelay(std::string node, Environment environment)
    : node_(std::move(node)), environment_(environment) {}
ClientRelay::~ClientRelay() = default;

void ClientRelay::Start(std::string cluster_secret) {
  {
    MutexLock lock(&mutex_);
    cluster_secret_ = std::move(cluster_secret);
  }
  bool look = false;
  {
    MutexLock lock(&hints_mutex_);
    running_ = true;
    look = look_scheduled_ = !hints_.empty();
  }
  if (look) environment_.timers->ScheduleAfter(0, [this] { LookAtChanged(); });
  environment_.timers->ScheduleAfter(kTickMs, [this] { Tick(); });
}

void ClientRelay::Stop() {
  {
    MutexLock lock(&hints_mutex_);
    running_ = false;
    ended_ = true;
  }
  MutexLock lock(&mutex_);  // waits for a round that is running
  stopped_ = true;
}

void ClientRelay::Changed(std::string_view client_id) { Note(client_id, {}); }

void ClientRelay::Subscribed(std::string_view client_id, std::string_view topic) {
  Note(client_id, {.subscribed = {std::string(topic)}});
}

void ClientRelay::Terminated(std::string_view client_id) { Note(client_id, {.terminated = true}); }

void ClientRelay::Note(std::string_view client_id, Hint hint) {
  {
    MutexLock lock(&hints_mutex_);
    if (ended_) return;
    Hint& known = hints_[client_id];
    known.terminated = known.terminated || hint.terminated;
    for (std::string& topic : hint.subscribed) known.subscribed.push_back(std::move(topic));
    if (!running_ || std::exchange(look_scheduled_, true)) return;
  }
  environment_.timers->ScheduleAfter(0, [this] { LookAtChanged(); });
}

void ClientRelay::LookAtChanged() {
  std::vector<std::pair<std::string, Hint>> round;
  bool more = false;
  {
    MutexLock lock(&hints_mutex_);
    if (!running_) return;
    while (!hints_.empty() && round.size() < kClientsOfRound) {
      const auto first = hints_.begin();
      round.emplace_back(first->first, std::move(first->second));
      hints_.erase(first);
    }
    more = look_scheduled_ = !hints_.empty();
  }
  if (more) environment_.timers->ScheduleAfter(kNextRoundMs, [this] { LookAtChanged(); });
  Updates updates;
  MutexLock lock(&mutex_);
  for (const auto& [client, hint] : round) Look(client, hint, updates);
  Send(std::move(updates));
}

void ClientRelay::Tick() {
  {
    MutexLock lock(&hints_mutex_);
    if (!running_) return;
  }
  {
    MutexLock lock(&mutex_);
    ++ticks_;
  }
  LookAround();
  environment_.timers->ScheduleAfter(kTickMs, [this] { Tick(); });
}

void ClientRelay::LookAround() {
  Updates updates;
  MutexLock lock(&mutex_);
  for (const auto& [broker, link] : links_) {
    if (link->full_since) updates[broker];  // it may take what it did not
  }
  std::vector<std::string> next;
  const size_t count =
      std::min(std::max(kClientsOfRound, relayed_.size() / kTicksAround), relayed_.size());
  for (auto it = relayed_.upper_bound(looked_at_); next.size() < count; ++it) {
    if (it == relayed_.end()) it = relayed_.begin();
    next.push_back(it->first);
  }
  for (const std::string& client : next) Look(client, {}, updates);
  if (!next.empty()) looked_at_ = next.back();
  if (!Send(std::move(updates)) || stopped_ || std::exchange(round_scheduled_, true)) return;
  environment_.timers->ScheduleAfter(kNextRoundMs, [this] {
    {
      MutexLock round(&mutex_);
      round_scheduled_ = false;
      if (stopped_) return;
    }
    LookAround();
  });
}

void ClientRelay::Look(const std::string& client_id, const Hint& hint, Updates& updates) {
  const std::optional<ClientInfo> info = environment_.clients->FindHere(client_id);
  auto found = relayed_.find(client_id);
  // One that was terminated and is here again has come back since.
  const bool lost = !info.has_value();
  if (lost && found == relayed_.end()) return;
  if (found == relayed_.end()) found = relayed_.try_emplace(client_id).first;
  Relayed& relayed = found->second;

  std::map<std::string, std::vector<std::string>> topics_of;  // by owner
  if (!lost) {
    for (const std::string& topic : hint.subscribed) {
      if (relayed.assigned.size() < kMaxAssigned &&
          std::count(relayed.assigned.begin(), relayed.assigned.end(), topic) == 0) {
        relayed.assigned.push_back(topic);
      }
    }
    StringSet topics(info->topics.begin(), info->topics.end());
    topics.insert(info->published.begin(), info->published.end());
    topics.insert(relayed.assigned.begin(), relayed.assigned.end());
    for (const std::string& topic : topics) {
      for (const std::string& broker : environment_.directory->OthersWith(topic)) {
        topics_of[broker].push_back(topic);
      }
    }
  }

  for (auto it = relayed.brokers.begin(); it != relayed.brokers.end();) {
    if (topics_of.contains(it->first)) {
      ++it;
      continue;
    }
    v1::RelayUpdate& update = updates[it->first];
    (lost && hint.terminated ? update.add_terminated() : update.add_gone())->assign(client_id);
    it = relayed.brokers.erase(it);
  }
  for (auto& [broker, topics] : topics_of) {
    Link* const link = LinkTo(broker);
    if (link == nullptr || link->full_since) continue;  // LookAround comes by again
    std::sort(topics.begin(), topics.end());
    v1::RelayedClient description = Describe(*info, std::move(topics));
    const uint64_t hash = absl::HashOf(description.SerializeAsString());
    Told& told = relayed.brokers[broker];
    if (told.link != link->number || told.description != hash) {
      if (link->bytes_of_round >= kBytesOfRound) continue;
      link->bytes_of_round += description.ByteSizeLong();
      *updates[broker].add_clients() = std::move(description);
    } else if (told.last_seen != info->last_seen) {
      updates[broker].add_alive(client_id);
    }
    told = {link->number, hash, info->last_seen};
  }
  if (relayed.brokers.empty() && topics_of.empty()) relayed_.erase(found);
}

bool ClientRelay::Send(Updates updates) {
  bool more = false;
  for (auto& [broker, update] : updates) {
    const auto link = links_.find(broker);
    if (link != links_.end()) more |= link->second->Say(std::move(update), ticks_);
  }
  return more;
}

ClientRelay::Link* ClientRelay::LinkTo(const std::string& broker) {
  std::unique_ptr<Link>& link = links_[broker];
  if (link == nullptr) link = std::make_unique<Link>();
  if (link->stream != nullptr) return link.get();
  const std::optional<HostPort> master = environment_.directory->MasterOf(broker);
  if (stopped_ || ticks_ < link->next_try || !master) return nullptr;
  link->next_try = ticks_ + kReconnectTicks;
  link->number = ++last_link_;
  link->Forget();
  rpc::OutgoingCall call{.address = AddressText(*master),
                         .path = kRelayPath,
                         .headers = {{std::string(kForwardedBy), node_}}};
  if (!cluster_secret_.empty()) {
    call.headers.emplace_back(access::kProofHeader,
                              access::MakeProof(cluster_secret_, kRelayPath, absl::Now()));
  }
  link->stream = environment_.peers->OpenBidi(
      std::move(call), std::make_unique<LinkEvents>(*this, broker, link->number));
  return link.get();
}

void ClientRelay::OnCommand(const v1::RelayCommand& command) {
  if (const auto stream = environment_.clients->NewestStreamHere(command.client_id())) {
    stream->Write(rpc::Payload(command.command()));
  }
}

void ClientRelay::ReadOn(const std::string& broker, uint64_t number) {
  std::shared_ptr<rpc::ClientStream> stream;
  {
    MutexLock lock(&mutex_);
    const auto link = links_.find(broker);
    if (link != links_.end() && link->second->number == number) stream = link->second->stream;
  }
  if (stream != nullptr) stream->Read();
}

void ClientRelay::OnLinkEnd(const std::string& broker, uint64_t number, const absl::Status& why) {
  std::shared_ptr<rpc::ClientStream> ended;  // released after the lock
  MutexLock lock(&mutex_);
  const auto link = links_.find(broker);
  if (link == links_.end() || link->second->number != number) return;
  ended = std::move(link->second->stream);
  link->second->stream = nullptr;
  link->second->Forget();
  LOG_WARNING_EVERY(absl::Seconds(10),
                    "clients of this node are not relayed to broker {} at the moment: {}", broker,
                    std::string(why.message()));
}

}  // namespace mansio::gateway
