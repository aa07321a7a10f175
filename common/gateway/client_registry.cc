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

// When signs of life came.
struct Signs {
  absl::Duration last;
  bool had_stream = false;
  absl::Duration stream_closed;

  bool Expired(absl::Duration now, bool has_stream, const ClientRegistry::Options& options) const {
    if (now - last >= options.silence) return true;
    // Of a client that never had a stream, the connections are not known here.
    return !has_stream && had_stream && now - std::max(last, stream_closed) >= options.disconnected;
  }
};

// What another node says of a client.
struct Relayed {
  const void* link = nullptr;  // null: the link is lost, and nobody else has told what it told
  ClientInfo info;
  Stream stream;  // null: it has none there
};

// A client that is dead but has a stream open stays here, so that a later sign of life finds the
// stream. What it told this node itself is kept apart from what other nodes relay: two nodes that
// took each other's word for a client would keep it alive between them.
struct Entry {
  ClientInfo info;      // what it says here
  StringSet published;  // by sends; `info` has what its settings say
  bool alive = true;
  bool is_here = false;  // alive by what was heard here alone
  Signs here;
  Signs anywhere;
  std::vector<Stream> streams;   // to this node, oldest first
  std::vector<Relayed> relayed;  // one for each link
  size_t described_bytes = 0;    // of all descriptions, as counted by the registry

  // The newest; one that another node holds only where there is no other.
  Stream NewestStream() const {
    if (!streams.empty()) return streams.back();
    for (const Relayed& other : relayed) {
      if (other.stream != nullptr) return other.stream;
    }
    return nullptr;
  }
  bool HasStream() const {
    return !streams.empty() ||
           std::any_of(relayed.begin(), relayed.end(),
                       [](const Relayed& other) { return other.stream != nullptr; });
  }
};

// What the client said here.
ClientInfo SnapshotHere(const Entry& entry) {
  ClientInfo info = entry.info;
  info.published.assign(entry.published.begin(), entry.published.end());
  info.last_seen = entry.here.last;
  info.stream_open = !entry.streams.empty();
  return info;
}

void AddMissing(const std::vector<std::string>& from, std::vector<std::string>& to) {
  StringSet known(to.begin(), to.end());
  for (const std::string& topic : from) {
    if (known.insert(topic).second) to.push_back(topic);
  }
}

// The client as all nodes together know it.
ClientInfo Snapshot(const Entry& entry) {
  ClientInfo info = SnapshotHere(entry);
  for (const Relayed& other : entry.relayed) {
    if (other.info.role == ClientRole::kUnknown) {
      AddMissing(other.info.topics, info.published);
      continue;
    }
    if (info.role == ClientRole::kUnknown) {
      info.role = other.info.role;
      info.group = other.info.group;
      info.language = other.info.language;
      info.version = other.info.version;
      info.peer = other.info.peer;
    }
    AddMissing(other.info.topics, info.topics);
  }
  info.last_seen = entry.anywhere.last;
  info.stream_open = entry.HasStream();
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

  absl::Duration Now() const { return clock_->BootNow(); }

  void SetObserver(ClientObserver* observer) { observer_ = observer; }

  // Runs `change(entry)` on the live entry of the client, created or revived if needed, and returns
  // its status. `here`: the client itself gave a sign of life; else another node says so.
  template <typename Change>
  absl::Status Update(std::string_view id, bool here, Change change) {
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
    entry.anywhere.last = now;
    if (here) {
      entry.is_here = true;
      entry.here.last = now;
    }
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

  // Runs `close(entry, now)`, which takes a stream from the client and returns it.
  template <typename Close>
  void CloseStream(std::string_view id, Close close) {
    const uint64_t hash = ClientHash(id);
    const absl::Duration now = clock_->BootNow();
    Shard& shard = ShardOf(hash);
    Stream closed;  // released after the lock
    MutexLock lock(&shard.mutex);
    const auto it = shard.clients.find(hash);
    if (it == shard.clients.end()) return;
    Entry& entry = it->second;
    closed = close(entry, now);
    if (closed != nullptr) entry.anywhere.stream_closed = now;
    if (!entry.alive && !entry.HasStream()) Erase(shard, it);
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
          Entry& entry = current->second;
          if (!entry.alive) continue;
          if (entry.here.Expired(now, !entry.streams.empty(), options_)) entry.is_here = false;
          if (entry.anywhere.Expired(now, entry.HasStream(), options_)) {
            lost.push_back(Bury(shard, current));
          }
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
  void RelayAlive(uint64_t hash) {
    Shard& shard = ShardOf(hash);
    MutexLock lock(&shard.mutex);
    const auto it = shard.clients.find(hash);
    if (it != shard.clients.end() && it->second.alive) it->second.anywhere.last = Now();
  }

  std::vector<ClientInfo> List(std::string_view group, std::string_view after, size_t limit) const {
    const auto by_id = [](const ClientInfo& a, const ClientInfo& b) { return a.id < b.id; };
    std::vector<ClientInfo> found;  // a heap: the last id is in front
    if (limit == 0) return found;
    for (const Shard& shard : shards_) {
      MutexLock lock(&shard.mutex);
      for (const auto& [hash, entry] : shard.clients) {
        const std::string& id = entry.info.id;
        if (!entry.alive || id <= after || !MayBeOf(entry, group)) continue;
        if (found.size() == limit && id > found.front().id) continue;
        ClientInfo client = Snapshot(entry);
        if (!group.empty() && client.group != group) continue;
        if (found.size() == limit) {
          std::pop_heap(found.begin(), found.end(), by_id);
          found.pop_back();
        }
        found.push_back(std::move(client));
        std::push_heap(found.begin(), found.end(), by_id);
      }
    }
    std::sort_heap(found.begin(), found.end(), by_id);
    return found;
  }

  void ForEach(absl::FunctionRef<void(const ClientInfo&)> visit) const {
    for (const Shard& shard : shards_) {
      MutexLock lock(&shard.mutex);
      for (const auto& [hash, entry] : shard.clients) {
        if (!entry.alive) continue;
        if (entry.relayed.empty()) {
          visit(entry.info);
        } else {
          visit(Snapshot(entry));
        }
      }
    }
  }

  StringMap<std::vector<Stream>> ProducerStreams(const StringSet& topics) const {
    StringMap<std::vector<std::pair<std::string, Stream>>> found;
    for (const Shard& shard : shards_) {
      MutexLock lock(&shard.mutex);
      for (const auto& [hash, entry] : shard.clients) {
        if (!entry.alive) continue;
        const Stream stream = entry.NewestStream();
        if (stream == nullptr) continue;
        const auto add = [&](const std::string& topic) {
          if (topics.contains(topic)) found[topic].emplace_back(entry.info.id, stream);
        };
        std::for_each(entry.published.begin(), entry.published.end(), add);
        if (entry.info.role == ClientRole::kProducer) {
          std::for_each(entry.info.topics.begin(), entry.info.topics.end(), add);
        }
        for (const Relayed& other : entry.relayed) {
          // Of one that has not said what it is, the topics that it sends to are relayed.
          if (IsConsumer(other.info.role)) continue;
          std::for_each(other.info.topics.begin(), other.info.topics.end(), add);
        }
      }
    }
    StringMap<std::vector<Stream>> streams;
    for (auto& [topic, clients] : found) {
      std::sort(clients.begin(), clients.end());
      clients.erase(std::unique(clients.begin(), clients.end()), clients.end());
      for (auto& [id, stream] : clients) streams[topic].push_back(std::move(stream));
    }
    return streams;
  }

  size_t size() const { return count_.load(std::memory_order_relaxed); }

  const Options& options() const { return options_; }

 private:
  using Clients = absl::flat_hash_map<uint64_t, Entry>;
  struct Shard {
    mutable Mutex mutex;
    Clients clients ABSL_GUARDED_BY(mutex);
  };

  Shard& ShardOf(uint64_t hash) { return shards_[hash % shards_.size()]; }
  const Shard& ShardOf(uint64_t hash) const { return shards_[hash % shards_.size()]; }

  // Whether it is worth a snapshot when the clients of `group` are wanted.
  static bool MayBeOf(const Entry& entry, std::string_view group) {
    return group.empty() || !entry.relayed.empty() || entry.info.group == group;
  }

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
    std::erase_if(entry.relayed, [](const Relayed& other) { return other.stream == nullptr; });
    if (!entry.HasStream()) {
      Erase(shard, it);
    } else {
      entry.alive = false;
      entry.is_here = false;
      entry.published.clear();
      entry.info = ClientInfo{.id = lost.id};
      for (Relayed& other : entry.relayed) other.info = {};
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
  return impl_->Update(client_id, /*here=*/true, [](Entry&) { return absl::OkStatus(); });
}

absl::Status ClientRegistry::Describe(std::string_view client_id, ClientRole role,
                                      std::string_view group, std::vector<std::string> topics,
                                      std::string_view language, std::string_view version,
                                      std::string_view peer) {
  return impl_->Update(client_id, /*here=*/true, [&](Entry& entry) {
    // What a lost link told is kept only as long as nothing better is known.
    const auto is_lost = [](const Relayed& other) { return other.link == nullptr; };
    size_t known = DescribedBytes(entry.info.group, entry.info.topics);
    for (const Relayed& other : entry.relayed) {
      if (is_lost(other)) known += DescribedBytes(other.info.group, other.info.topics);
    }
    const size_t bytes = entry.described_bytes - known + DescribedBytes(group, topics);
    absl::Status counted = impl_->CountDescription(entry, bytes);
    if (!counted.ok()) return counted;
    std::erase_if(entry.relayed, is_lost);
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
                                          std::shared_ptr<rpc::BidiCall> stream) {
  return impl_->Update(client_id, /*here=*/true, [&](Entry& entry) {
    entry.streams.push_back(std::move(stream));
    entry.here.had_stream = entry.anywhere.had_stream = true;
    return absl::OkStatus();
  });
}

void ClientRegistry::StreamClosed(std::string_view client_id, const rpc::BidiCall* stream) {
  impl_->CloseStream(client_id, [stream](Entry& entry, absl::Duration now) -> Stream {
    const auto found = std::find_if(entry.streams.begin(), entry.streams.end(),
                                    [stream](const Stream& s) { return s.get() == stream; });
    if (found == entry.streams.end()) return nullptr;
    Stream closed = std::move(*found);
    entry.streams.erase(found);
    entry.here.stream_closed = now;
    return closed;
  });
}

absl::Status ClientRegistry::Relay(const void* link, ClientInfo client,
                                   std::shared_ptr<rpc::BidiCall> stream) {
  const std::string id = std::exchange(client.id, {});
  client.language.resize(std::min(client.language.size(), kMaxHeaderBytes));
  client.version.resize(std::min(client.version.size(), kMaxHeaderBytes));
  Stream closed;  // released after the lock
  const absl::Duration now = impl_->Now();
  return impl_->Update(id, /*here=*/false, [&](Entry& entry) {
    auto found = std::find_if(
        entry.relayed.begin(), entry.relayed.end(),
        [link](const Relayed& other) { return other.link == link || other.link == nullptr; });
    if (found == entry.relayed.end()) found = entry.relayed.emplace(found);
    const size_t known = DescribedBytes(found->info.group, found->info.topics);
    absl::Status counted = impl_->CountDescription(
        entry, entry.described_bytes - known + DescribedBytes(client.group, client.topics));
    if (counted.ok()) found->info = std::move(client);
    found->link = link;
    closed = std::exchange(found->stream, std::move(stream));
    if (found->stream != nullptr) entry.anywhere.had_stream = true;
    if (found->stream == nullptr && closed != nullptr) entry.anywhere.stream_closed = now;
    return counted;
  });
}

void ClientRegistry::RelayAlive(std::string_view client_id) {
  impl_->RelayAlive(ClientHash(client_id));
}

void ClientRegistry::RelayGone(const void* link, std::string_view client_id) {
  impl_->CloseStream(client_id, [&](Entry& entry, absl::Duration) -> Stream {
    const auto found = std::find_if(entry.relayed.begin(), entry.relayed.end(),
                                    [link](const Relayed& other) { return other.link == link; });
    if (found == entry.relayed.end()) return nullptr;
    Stream closed = std::exchange(found->stream, nullptr);
    found->link = nullptr;
    // Its death will be told with what is known of it.
    const bool known = entry.info.role != ClientRole::kUnknown || entry.relayed.size() > 1;
    if (!known && entry.alive) return closed;
    impl_
        ->CountDescription(
            entry, entry.described_bytes - DescribedBytes(found->info.group, found->info.topics))
        .IgnoreError();  // less is always possible
    entry.relayed.erase(found);
    return closed;
  });
}

void ClientRegistry::Terminate(std::string_view client_id) { impl_->Terminate(client_id); }

void ClientRegistry::ExpireSilent() { impl_->ExpireSilent(); }

bool ClientRegistry::IsAlive(uint64_t client_hash) const {
  bool alive = false;
  impl_->ReadOne(client_hash, [&](const Entry&) { alive = true; });
  return alive;
}

std::optional<ClientInfo> ClientRegistry::Find(std::string_view client_id) const {
  return FindByHash(ClientHash(client_id));
}

std::optional<ClientInfo> ClientRegistry::FindByHash(uint64_t client_hash) const {
  std::optional<ClientInfo> info;
  impl_->ReadOne(client_hash, [&](const Entry& entry) { info = Snapshot(entry); });
  return info;
}

std::shared_ptr<rpc::BidiCall> ClientRegistry::NewestStream(std::string_view client_id) const {
  std::shared_ptr<rpc::BidiCall> stream;
  impl_->ReadOne(ClientHash(client_id), [&](const Entry& entry) { stream = entry.NewestStream(); });
  return stream;
}

std::optional<ClientInfo> ClientRegistry::FindHere(std::string_view client_id) const {
  std::optional<ClientInfo> info;
  impl_->ReadOne(ClientHash(client_id), [&](const Entry& entry) {
    if (entry.is_here) info = SnapshotHere(entry);
  });
  return info;
}

std::shared_ptr<rpc::BidiCall> ClientRegistry::NewestStreamHere(std::string_view client_id) const {
  std::shared_ptr<rpc::BidiCall> stream;
  impl_->ReadOne(ClientHash(client_id), [&](const Entry& entry) {
    if (!entry.streams.empty()) stream = entry.streams.back();
  });
  return stream;
}

absl::Status ClientRegistry::NotePublished(std::string_view client_id, std::string_view topic) {
  return impl_->Update(client_id, /*here=*/true, [this, topic](Entry& entry) {
    if (entry.published.contains(topic)) return absl::OkStatus();
    const size_t bytes = DescribedBytes(topic);
    absl::Status counted = impl_->CountDescription(entry, entry.described_bytes + bytes);
    if (!counted.ok()) return counted;
    entry.published.emplace(topic);
    return counted;
  });
}

StringMap<std::vector<Stream>> ClientRegistry::ProducerStreams(const StringSet& topics) const {
  return impl_->ProducerStreams(topics);
}

std::vector<ClientInfo> ClientRegistry::List(std::string_view group, std::string_view after,
                                             size_t limit) const {
  return impl_->List(group, after, limit);
}

absl::Duration ClientRegistry::SilenceOf(const ClientInfo& client) const {
  return impl_->SilenceOf(client);
}

void ClientRegistry::ForEach(absl::FunctionRef<void(const ClientInfo&)> visit) const {
  impl_->ForEach(visit);
}

size_t ClientRegistry::size() const { return impl_->size(); }

const ClientRegistry::Options& ClientRegistry::options() const { return impl_->options(); }

}  // namespace mansio::gateway
