#include "common/gateway/client_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/clock/clock.h"
#include "common/gateway/known_client.h"
#include "common/sync/sync.h"

namespace mansio::gateway {
namespace {

using ClientStream = KnownClient::Stream;
using KnownClients = absl::flat_hash_map<uint64_t, KnownClient>;

constexpr size_t kShards = 16;

}  // namespace

struct ClientRegistry::Shard {
  mutable Mutex mutex;
  KnownClients clients ABSL_GUARDED_BY(mutex);

  void Erase(KnownClients::iterator it, std::atomic<size_t>& count)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    clients.erase(it);
    count.fetch_sub(1, std::memory_order_relaxed);
  }
  // Takes a live client off the living; returns what it was.
  ClientInfo Bury(KnownClients::iterator it, std::atomic<size_t>& count)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    ClientInfo lost = it->second.Bury();
    if (!it->second.HasStream()) Erase(it, count);
    return lost;
  }
};

ClientRegistry::ClientRegistry(Options options, const Clock* clock)
    : options_(options),
      clock_(clock),
      descriptions_(options.max_clients),
      shards_(std::make_unique<Shard[]>(kShards)) {}

ClientRegistry::~ClientRegistry() = default;

ClientRegistry::Shard& ClientRegistry::ShardOf(uint64_t hash) const {
  return shards_[hash % kShards];
}

void ClientRegistry::SetObserver(ClientObserver* observer) { observer_ = observer; }

void ClientRegistry::Tell(const ClientInfo& lost) {
  if (observer_ != nullptr) observer_->OnClientDead(lost);
}

template <typename Change>
absl::Status ClientRegistry::Update(std::string_view id, bool here, Change change) {
  const uint64_t hash = ClientHash(id);
  const absl::Duration now = clock_->BootNow();
  Shard& shard = ShardOf(hash);
  MutexLock lock(&shard.mutex);
  auto it = shard.clients.find(hash);
  if (it == shard.clients.end()) {
    if (count_.fetch_add(1, std::memory_order_relaxed) >= options_.max_clients) {
      count_.fetch_sub(1, std::memory_order_relaxed);
      return absl::ResourceExhaustedError(fmt::format(
          "this node already serves {} clients, which is its limit; close unused clients or "
          "raise limits.clients",
          options_.max_clients));
    }
    it = shard.clients.try_emplace(hash, id, &descriptions_).first;
  }
  KnownClient& client = it->second;
  if (here) {
    client.SeenHere(now);
  } else {
    client.SeenElsewhere(now);
  }
  return change(client);
}

template <typename Close>
void ClientRegistry::CloseStream(std::string_view id, Close close) {
  const uint64_t hash = ClientHash(id);
  const absl::Duration now = clock_->BootNow();
  Shard& shard = ShardOf(hash);
  ClientStream closed;  // released after the lock
  bool lost = false;
  {
    MutexLock lock(&shard.mutex);
    const auto it = shard.clients.find(hash);
    if (it == shard.clients.end()) return;
    closed = close(it->second, now);
    // The end of one that is dead is told otherwise.
    lost = it->second.TakeStreamLost() && it->second.alive();
    if (!it->second.alive() && !it->second.HasStream()) shard.Erase(it, count_);
  }
  if (lost && observer_ != nullptr) observer_->OnStreamLost(id);
}

template <typename Read>
void ClientRegistry::ReadOne(uint64_t hash, Read read) const {
  const Shard& shard = ShardOf(hash);
  MutexLock lock(&shard.mutex);
  const auto it = shard.clients.find(hash);
  if (it != shard.clients.end() && it->second.alive()) read(it->second);
}

template <typename Read>
void ClientRegistry::ReadAll(Read read) const {
  for (size_t i = 0; i < kShards; ++i) {
    const Shard& shard = shards_[i];
    MutexLock lock(&shard.mutex);
    for (const auto& [hash, client] : shard.clients) {
      if (client.alive()) read(client);
    }
  }
}

absl::Status ClientRegistry::Touch(std::string_view client_id) {
  return Update(client_id, /*here=*/true, [](KnownClient&) { return absl::OkStatus(); });
}

absl::Status ClientRegistry::Describe(std::string_view client_id, ClientRole role,
                                      std::string_view group, std::vector<std::string> topics,
                                      std::string_view language, std::string_view version,
                                      std::string_view peer) {
  return Update(client_id, /*here=*/true, [&](KnownClient& client) {
    return client.Describe(role, group, std::move(topics), language, version, peer);
  });
}

absl::Status ClientRegistry::NotePublished(std::string_view client_id, std::string_view topic) {
  return Update(client_id, /*here=*/true,
                [topic](KnownClient& client) { return client.NotePublished(topic); });
}

absl::Status ClientRegistry::StreamOpened(std::string_view client_id, ClientStream stream) {
  return Update(client_id, /*here=*/true, [&stream](KnownClient& client) {
    client.AddStream(std::move(stream));
    return absl::OkStatus();
  });
}

void ClientRegistry::StreamClosed(std::string_view client_id, const rpc::BidiCall* stream) {
  CloseStream(client_id, [stream](KnownClient& client, absl::Duration now) {
    return client.RemoveStream(stream, now);
  });
}

absl::Status ClientRegistry::Relay(const void* link, ClientInfo client, ClientStream stream) {
  const std::string id = client.id;
  const absl::Duration now = clock_->BootNow();
  ClientStream replaced;  // released after the lock
  bool lost = false;
  absl::Status status = Update(id, /*here=*/false, [&](KnownClient& known) {
    absl::Status relayed = known.Relay(link, std::move(client), std::move(stream), now, &replaced);
    lost = known.TakeStreamLost();
    return relayed;
  });
  if (lost && observer_ != nullptr) observer_->OnStreamLost(id);
  return status;
}

void ClientRegistry::RelayAlive(std::string_view client_id) {
  const uint64_t hash = ClientHash(client_id);
  Shard& shard = ShardOf(hash);
  MutexLock lock(&shard.mutex);
  const auto it = shard.clients.find(hash);
  if (it == shard.clients.end() || !it->second.alive()) return;
  it->second.SeenElsewhere(clock_->BootNow());
}

void ClientRegistry::RelayGone(const void* link, std::string_view client_id) {
  CloseStream(client_id, [link](KnownClient& client, absl::Duration now) {
    return client.RemoveLink(link, now);
  });
}

void ClientRegistry::Terminate(std::string_view client_id) {
  const uint64_t hash = ClientHash(client_id);
  Shard& shard = ShardOf(hash);
  ClientInfo lost;
  {
    MutexLock lock(&shard.mutex);
    const auto it = shard.clients.find(hash);
    if (it == shard.clients.end() || !it->second.alive()) return;
    lost = shard.Bury(it, count_);
  }
  Tell(lost);
}

void ClientRegistry::ExpireSilent() {
  const absl::Duration now = clock_->BootNow();
  for (size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    std::vector<ClientInfo> lost;
    {
      MutexLock lock(&shard.mutex);
      for (auto it = shard.clients.begin(); it != shard.clients.end();) {
        const auto current = it++;
        if (current->second.Expire(now, options_.silence, options_.disconnected)) {
          lost.push_back(shard.Bury(current, count_));
        }
      }
    }
    for (const ClientInfo& client : lost) Tell(client);
  }
}

bool ClientRegistry::IsAlive(uint64_t client_hash) const {
  bool alive = false;
  ReadOne(client_hash, [&alive](const KnownClient&) { alive = true; });
  return alive;
}

std::optional<ClientInfo> ClientRegistry::Find(std::string_view client_id) const {
  return FindByHash(ClientHash(client_id));
}

std::optional<ClientInfo> ClientRegistry::FindByHash(uint64_t client_hash) const {
  std::optional<ClientInfo> info;
  ReadOne(client_hash, [&info](const KnownClient& client) { info = client.Snapshot(); });
  return info;
}

std::optional<ClientInfo> ClientRegistry::FindHere(std::string_view client_id) const {
  std::optional<ClientInfo> info;
  ReadOne(ClientHash(client_id), [&info](const KnownClient& client) {
    if (client.is_here()) info = client.SnapshotHere();
  });
  return info;
}

ClientStream ClientRegistry::NewestStream(std::string_view client_id) const {
  ClientStream stream;
  ReadOne(ClientHash(client_id),
          [&stream](const KnownClient& client) { stream = client.NewestStream(); });
  return stream;
}

ClientStream ClientRegistry::NewestStreamHere(std::string_view client_id) const {
  ClientStream stream;
  ReadOne(ClientHash(client_id),
          [&stream](const KnownClient& client) { stream = client.NewestStreamHere(); });
  return stream;
}

StringMap<std::vector<ClientStream>> ClientRegistry::ProducerStreams(
    const StringSet& topics) const {
  StringMap<std::vector<std::pair<std::string, ClientStream>>> found;
  ReadAll([&topics, &found](const KnownClient& client) {
    const ClientStream stream = client.NewestStream();
    if (stream == nullptr) return;
    client.ForEachProduced([&](const std::string& topic) {
      if (topics.contains(topic)) found[topic].emplace_back(client.id(), stream);
    });
  });
  StringMap<std::vector<ClientStream>> streams;
  for (auto& [topic, clients] : found) {
    std::sort(clients.begin(), clients.end());
    clients.erase(std::unique(clients.begin(), clients.end()), clients.end());
    for (auto& [id, stream] : clients) streams[topic].push_back(std::move(stream));
  }
  return streams;
}

std::vector<ClientInfo> ClientRegistry::List(std::string_view group, std::string_view after,
                                             size_t limit) const {
  const auto by_id = [](const ClientInfo& a, const ClientInfo& b) { return a.id < b.id; };
  std::vector<ClientInfo> found;  // a heap: the last id is in front
  if (limit == 0) return found;
  ReadAll([&](const KnownClient& client) {
    if (client.id() <= after || !client.MayBeOf(group)) return;
    if (found.size() == limit && client.id() > found.front().id) return;
    ClientInfo info = client.Snapshot();
    if (!group.empty() && info.group != group) return;
    if (found.size() == limit) {
      std::pop_heap(found.begin(), found.end(), by_id);
      found.pop_back();
    }
    found.push_back(std::move(info));
    std::push_heap(found.begin(), found.end(), by_id);
  });
  std::sort_heap(found.begin(), found.end(), by_id);
  return found;
}

void ClientRegistry::ForEach(absl::FunctionRef<void(const ClientInfo&)> visit) const {
  ReadAll([visit](const KnownClient& client) { client.Visit(visit); });
}

absl::Duration ClientRegistry::SilenceOf(const ClientInfo& client) const {
  return clock_->BootNow() - client.last_seen;
}

size_t ClientRegistry::size() const { return count_.load(std::memory_order_relaxed); }

const ClientRegistry::Options& ClientRegistry::options() const { return options_; }

}  // namespace mansio::gateway
