#include "common/gateway/client_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/clock/clock.h"
#include "common/hash/siphash.h"
#include "common/sync/sync.h"

namespace mansio::gateway {

uint64_t ClientHash(std::string_view client_id) {
  constexpr std::array<uint64_t, 2> kKey = {0x4d616e73696f2063, 0x6c69656e74206964};
  return SipHash24(kKey, client_id);
}

namespace {

using Stream = std::shared_ptr<rpc::BidiCall>;

// What is remembered of a header that only describes the client.
constexpr size_t kMaxHeaderBytes = 64;
// What descriptions may take, for each client that there may be; one may take more than its share.
constexpr size_t kDescribedBytesPerClient = 4 << 10;
constexpr size_t kLeastDescribedBytes = 1 << 20;

size_t DescribedBytes(std::string_view topic) { return sizeof(std::string) + topic.size(); }

size_t DescribedBytes(std::string_view group, const std::vector<std::string>& topics) {
  size_t bytes = group.size();
  for (const std::string& topic : topics) bytes += DescribedBytes(topic);
  return bytes;
}

// A client that is dead but has a stream open stays here, so that a later sign of life finds the
// stream.
struct Entry {
  ClientInfo info;
  StringSet published;         // by sends; `info` has what its settings say
  size_t published_bytes = 0;  // as DescribedBytes counts them
  bool alive = true;
  std::vector<Stream> streams;  // oldest first
  bool had_stream = false;
  absl::Duration last_stream_closed;
  size_t described_bytes = 0;  // of info and published, as counted by the registry

  bool Expired(absl::Duration now, const ClientRegistry::Options& options) const {
    if (now - info.last_seen >= options.silence) return true;
    // Of a client that never had a stream, the connections are not known here.
    return streams.empty() && had_stream &&
           now - std::max(info.last_seen, last_stream_closed) >= options.disconnected;
  }
};

ClientInfo Snapshot(const Entry& entry) {
  ClientInfo info = entry.info;
  info.published.assign(entry.published.begin(), entry.published.end());
  info.stream_open = !entry.streams.empty();
  return info;
}

}  // namespace

// Shards keep rpc threads and the expiry scan out of each other's way.
class ClientRegistry::Impl {
 public:
  Impl(Options options, const Clock* clock) : options_(options), clock_(clock) {}

  absl::Duration SilenceOf(const ClientInfo& client) const {
    return clock_->BootNow() - client.last_seen;
  }

  void SetObserver(ClientObserver* observer) { observer_ = observer; }

  // Runs `change(entry)` on the live entry of the client, created or revived if needed, and returns
  // its status.
  template <typename Change>
  absl::Status Update(std::string_view id, Change change) {
    const uint64_t hash = ClientHash(id);
    const absl::Duration now = clock_->BootNow();
    Shard& shard = ShardOf(hash);
    MutexLock lock(&shard.mutex);
    auto it = shard.clients.find(hash);
    if (it == shard.clients.end()) {
      if (count_.fetch_add(1, std::memory_order_relaxed) >= options_.max_clients) {
        count_.fetch_sub(1, std::memory_order_relaxed);
        return TooMany();
      }
      it = shard.clients.try_emplace(hash).first;
      it->second.info.id = id;
    }
    Entry& entry = it->second;
    entry.alive = true;
    entry.info.last_seen = now;
    return change(entry);
  }

  // Counts what a new description of `entry` takes instead of the old one. Under its shard's lock.
  absl::Status CountDescription(Entry& entry, size_t bytes) {
    const size_t others = described_bytes_.load(std::memory_order_relaxed) - entry.described_bytes;
    const size_t limit =
        std::max(options_.max_clients * kDescribedBytesPerClient, kLeastDescribedBytes);
    if (bytes > entry.described_bytes && others + bytes > limit) {
      return absl::ResourceExhaustedError(
          "the clients of this node name more topics than it can remember; let them name fewer, or "
          "raise limits.clients");
    }
    described_bytes_.fetch_add(bytes - entry.described_bytes, std::memory_order_relaxed);
    entry.described_bytes = bytes;
    return absl::OkStatus();
  }

  void StreamClosed(std::string_view id, const rpc::BidiCall* stream) {
    const uint64_t hash = ClientHash(id);
    const absl::Duration now = clock_->BootNow();
    Shard& shard = ShardOf(hash);
    Stream closed;  // released after the lock
    MutexLock lock(&shard.mutex);
    const auto it = shard.clients.find(hash);
    if (it == shard.clients.end()) return;
    Entry& entry = it->second;
    const auto found = std::find_if(entry.streams.begin(), entry.streams.end(),
                                    [stream](const Stream& s) { return s.get() == stream; });
    if (found == entry.streams.end()) return;
    closed = std::move(*found);
    entry.streams.erase(found);
    entry.last_stream_closed = now;
    if (entry.streams.empty() && !entry.alive) Erase(shard, it);
  }

  void Terminate(std::string_view id) {
    const uint64_t hash = ClientHash(id);
    Shard& shard = ShardOf(hash);
    ClientInfo lost;
    {
      MutexLock lock(&shard.mutex);
      const auto it = shard.clients.find(hash);
      if (it == shard.clients.end() || !it->second.alive) return;
      lost = Bury(shard, it);
    }
    Tell(lost);
  }

  void ExpireSilent() {
    const absl::Duration now = clock_->BootNow();
    for (Shard& shard : shards_) {
      std::vector<ClientInfo> lost;
      {
        MutexLock lock(&shard.mutex);
        for (auto it = shard.clients.begin(); it != shard.clients.end();) {
          const auto current = it++;
          const Entry& entry = current->second;
          if (entry.alive && entry.Expired(now, options_)) lost.push_back(Bury(shard, current));
        }
      }
      for (const ClientInfo& client : lost) Tell(client);
    }
  }

  template <typename Read>
  void ReadOne(uint64_t hash, Read read) const {
    const Shard& shard = ShardOf(hash);
    MutexLock lock(&shard.mutex);
    const auto it = shard.clients.find(hash);
    if (it != shard.clients.end() && it->second.alive) read(it->second);
  }

  std::vector<ClientInfo> List(std::string_view group) const {
    std::vector<ClientInfo> found;
    for (const Shard& shard : shards_) {
      MutexLock lock(&shard.mutex);
      for (const auto& [hash, entry] : shard.clients) {
        if (!entry.alive || (!group.empty() && entry.info.group != group)) continue;
        found.push_back(Snapshot(entry));
      }
    }
    std::sort(found.begin(), found.end(),
              [](const ClientInfo& a, const ClientInfo& b) { return a.id < b.id; });
    return found;
  }

  StringMap<std::vector<Stream>> ProducerStreams(const StringSet& topics) const {
    StringMap<std::vector<std::pair<std::string, Stream>>> found;
    for (const Shard& shard : shards_) {
      MutexLock lock(&shard.mutex);
      for (const auto& [hash, entry] : shard.clients) {
        if (!entry.alive || entry.streams.empty()) continue;
        const auto add = [&](const std::string& topic) {
          if (topics.contains(topic)) {
            found[topic].emplace_back(entry.info.id, entry.streams.back());
          }
        };
        for (const std::string& topic : entry.published) add(topic);
        if (entry.info.role != ClientRole::kProducer) continue;
        for (const std::string& topic : entry.info.topics) {
          if (!entry.published.contains(topic)) add(topic);
        }
      }
    }
    StringMap<std::vector<Stream>> streams;
    for (auto& [topic, clients] : found) {
      std::sort(clients.begin(), clients.end());
      for (auto& [id, stream] : clients) streams[topic].push_back(std::move(stream));
    }
    return streams;
  }

  size_t size() const { return count_.load(std::memory_order_relaxed); }

 private:
  using Clients = absl::flat_hash_map<uint64_t, Entry>;
  struct Shard {
    mutable Mutex mutex;
    Clients clients ABSL_GUARDED_BY(mutex);
  };

  Shard& ShardOf(uint64_t hash) { return shards_[hash % shards_.size()]; }
  const Shard& ShardOf(uint64_t hash) const { return shards_[hash % shards_.size()]; }

  absl::Status TooMany() const {
    return absl::ResourceExhaustedError(fmt::format(
        "this node already serves {} clients, which is its limit; close unused clients or "
        "raise limits.clients",
        options_.max_clients));
  }

  void Erase(Shard& shard, Clients::iterator it) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    shard.clients.erase(it);
    count_.fetch_sub(1, std::memory_order_relaxed);
  }

  // Takes a live client off the living; returns what it was.
  ClientInfo Bury(Shard& shard, Clients::iterator it) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    Entry& entry = it->second;
    ClientInfo lost = Snapshot(entry);
    CountDescription(entry, 0).IgnoreError();  // less is always possible
    if (entry.streams.empty()) {
      Erase(shard, it);
    } else {
      entry.alive = false;
      entry.published.clear();
      entry.published_bytes = 0;
      entry.info = ClientInfo{.id = lost.id, .last_seen = lost.last_seen};
    }
    return lost;
  }

  void Tell(const ClientInfo& lost) {
    if (observer_ != nullptr) observer_->OnClientDead(lost);
  }

  const Options options_;
  const Clock* const clock_;
  ClientObserver* observer_ = nullptr;
  std::atomic<size_t> count_ = 0;
  std::atomic<size_t> described_bytes_ = 0;
  std::array<Shard, 16> shards_;
};

ClientRegistry::ClientRegistry(Options options, const Clock* clock)
    : impl_(std::make_unique<Impl>(options, clock)) {}
ClientRegistry::~ClientRegistry() = default;

void ClientRegistry::SetObserver(ClientObserver* observer) { impl_->SetObserver(observer); }

absl::Status ClientRegistry::Touch(std::string_view client_id) {
  return impl_->Update(client_id, [](Entry&) { return absl::OkStatus(); });
}

absl::Status ClientRegistry::Describe(std::string_view client_id, ClientRole role,
                                      std::string_view group, std::vector<std::string> topics,
                                      std::string_view language, std::string_view version,
                                      std::string_view peer) {
  return impl_->Update(client_id, [&](Entry& entry) {
    const size_t bytes = DescribedBytes(group, topics) + entry.published_bytes;
    absl::Status counted = impl_->CountDescription(entry, bytes);
    if (!counted.ok()) return counted;
    entry.info.role = role;
    entry.info.group = group;
    entry.info.topics = std::move(topics);
    entry.info.language = language.substr(0, kMaxHeaderBytes);
    entry.info.version = version.substr(0, kMaxHeaderBytes);
    entry.info.peer = peer;
    return counted;
  });
}

absl::Status ClientRegistry::StreamOpened(std::string_view client_id,
                                          std::shared_ptr<rpc::BidiCall> stream, bool relayed) {
  return impl_->Update(client_id, [&](Entry& entry) {
    entry.streams.insert(relayed ? entry.streams.begin() : entry.streams.end(), std::move(stream));
    entry.had_stream = true;
    return absl::OkStatus();
  });
}

void ClientRegistry::StreamClosed(std::string_view client_id, const rpc::BidiCall* stream) {
  impl_->StreamClosed(client_id, stream);
}

void ClientRegistry::Terminate(std::string_view client_id) { impl_->Terminate(client_id); }

void ClientRegistry::ExpireSilent() { impl_->ExpireSilent(); }

bool ClientRegistry::IsAlive(uint64_t client_hash) const {
  bool alive = false;
  impl_->ReadOne(client_hash, [&](const Entry&) { alive = true; });
  return alive;
}

std::optional<ClientInfo> ClientRegistry::Find(std::string_view client_id) const {
  std::optional<ClientInfo> info;
  impl_->ReadOne(ClientHash(client_id), [&](const Entry& entry) { info = Snapshot(entry); });
  return info;
}

std::shared_ptr<rpc::BidiCall> ClientRegistry::NewestStream(std::string_view client_id) const {
  std::shared_ptr<rpc::BidiCall> stream;
  impl_->ReadOne(ClientHash(client_id), [&](const Entry& entry) {
    if (!entry.streams.empty()) stream = entry.streams.back();
  });
  return stream;
}

absl::Status ClientRegistry::NotePublished(std::string_view client_id, std::string_view topic) {
  return impl_->Update(client_id, [this, topic](Entry& entry) {
    if (entry.published.contains(topic)) return absl::OkStatus();
    const size_t bytes = DescribedBytes(topic);
    absl::Status counted = impl_->CountDescription(entry, entry.described_bytes + bytes);
    if (!counted.ok()) return counted;
    entry.published.emplace(topic);
    entry.published_bytes += bytes;
    return counted;
  });
}

StringMap<std::vector<Stream>> ClientRegistry::ProducerStreams(const StringSet& topics) const {
  return impl_->ProducerStreams(topics);
}

std::vector<ClientInfo> ClientRegistry::List(std::string_view group) const {
  return impl_->List(group);
}

absl::Duration ClientRegistry::SilenceOf(const ClientInfo& client) const {
  return impl_->SilenceOf(client);
}

size_t ClientRegistry::size() const { return impl_->size(); }

}  // namespace mansio::gateway
