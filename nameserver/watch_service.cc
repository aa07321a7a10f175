#include "nameserver/watch_service.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "common/rpc/proto_call.h"

namespace mansio::nameserver {

namespace {

constexpr char kWatchPath[] = "/mansio.v1.Registration/Watch";
constexpr int kPartSize = 1000;           // topics or groups in one part of a snapshot
constexpr uint64_t kWindow = 4;           // updates under way to one watcher
constexpr size_t kBatch = 128 << 10;      // bytes of one update, unless one broker's part has more
constexpr size_t kMaxWaiting = 64 << 20;  // bytes that wait for one watcher

using gateway::ClusterTable;

std::shared_ptr<const std::string> Encode(v1::BrokerUpdate&& update) {
  v1::ClusterUpdate element;  // without a sequence number: the bytes are the same for all
  *element.add_brokers() = std::move(update);
  return std::make_shared<const std::string>(element.SerializeAsString());
}

std::vector<std::shared_ptr<const std::string>> Snapshot(const ClusterTable::Member& member) {
  std::vector<std::shared_ptr<const std::string>> parts;
  v1::BrokerUpdate part;
  const auto end_part = [&](bool last) {
    *part.mutable_broker() = member.identity;
    part.set_snapshot(true);
    part.set_last_part(last);
    parts.push_back(Encode(std::exchange(part, v1::BrokerUpdate())));
  };
  for (const auto& [name, topic] : member.topics) {
    if (part.topics_size() == kPartSize) end_part(false);
    *part.add_topics() = topic;
  }
  for (const auto& [name, group] : member.groups) {
    if (part.groups_size() == kPartSize) end_part(false);
    *part.add_groups() = group;
  }
  end_part(true);
  return parts;
}

// An update about a broker that its key is enough for.
v1::BrokerUpdate About(const v1::BrokerIdentity& broker) {
  v1::BrokerUpdate update;
  update.mutable_broker()->set_cluster(broker.cluster());
  update.mutable_broker()->set_name(broker.name());
  update.mutable_broker()->set_id(broker.id());
  return update;
}

}  // namespace

// One stream. Under the service's lock, but for the call itself.
class WatchService::Watcher {
 public:
  explicit Watcher(std::shared_ptr<rpc::BidiCall> call) : call_(std::move(call)) {}

  void Begin(const ClusterTable& cluster) {
    for (const auto& [key, member] : cluster.members()) untold_.insert(key);
  }
  // Brokers that will be told as a whole later need no updates now.
  bool IsTold(const ClusterTable::Key& key) const { return !untold_.contains(key); }
  // The broker has left before it was told.
  void Forget(const ClusterTable::Key& key) { untold_.erase(key); }

  void Add(const std::vector<Bytes>& updates) {
    for (const Bytes& update : updates) {
      waiting_bytes_ += update->size();
      waiting_.push_back(update);
    }
    if (waiting_bytes_ > kMaxWaiting) {
      waiting_.clear();
      call_->Finish(absl::ResourceExhaustedError("the watcher is too slow; begin again"));
    }
  }
  void Acknowledge(uint64_t sequence) {
    acknowledged_ = std::max(acknowledged_, std::min(sequence, sequence_));
  }

  // Sends what may be under way. `cluster`: for brokers that are to be told as a whole; null: not
  // now.
  void Send(const ClusterTable* cluster) {
    while (sequence_ - acknowledged_ < kWindow) {
      if (waiting_.empty() && !untold_.empty() && cluster != nullptr) {
        Add(Snapshot(*cluster->Find(*untold_.begin())));
        untold_.erase(untold_.begin());
      }
      const bool complete = waiting_.empty() && untold_.empty() && !completed_;
      if (waiting_.empty() && !complete) return;
      v1::ClusterUpdate head;
      head.set_sequence(++sequence_);
      head.set_complete(complete);
      completed_ = completed_ || complete;
      rpc::Payload element(head.SerializeAsString());
      while (!waiting_.empty() && element.size() < kBatch) {
        Bytes update = std::move(waiting_.front());
        waiting_.pop_front();
        waiting_bytes_ -= update->size();
        const std::string_view bytes = *update;
        element.AppendShared(std::move(update), bytes);
      }
      if (!call_->Write(std::move(element))) {
        return call_->Finish(absl::ResourceExhaustedError("the watcher is too slow; begin again"));
      }
    }
  }

 private:
  const std::shared_ptr<rpc::BidiCall> call_;
  std::set<ClusterTable::Key> untold_;
  std::deque<Bytes> waiting_;
  size_t waiting_bytes_ = 0;
  uint64_t sequence_ = 0;
  uint64_t acknowledged_ = 0;
  bool completed_ = false;
};

class WatchService::Stream final : public rpc::ParsedBidiEvents<v1::WatchRequest> {
 public:
  Stream(std::shared_ptr<rpc::BidiCall> call, WatchService& service)
      : ParsedBidiEvents(call), service_(service), watcher_(std::make_shared<Watcher>(call)) {}

  void OnElement(v1::WatchRequest request) override {
    if (std::exchange(begun_, true)) {
      service_.Acknowledge(*watcher_, request.acknowledged_sequence());
    } else {
      service_.Add(watcher_);
    }
  }
  void OnHalfClose() override { call()->Finish(absl::OkStatus()); }
  void OnClosed() override { service_.Remove(watcher_.get()); }

 private:
  WatchService& service_;
  const std::shared_ptr<Watcher> watcher_;
  bool begun_ = false;
};

WatchService::WatchService(RoutingTable* table) : table_(table) { table_->SetListener(this); }
WatchService::~WatchService() { table_->SetListener(nullptr); }

void WatchService::Register(rpc::MethodTable& methods) {
  methods.bidi.push_back({kWatchPath, [this](std::shared_ptr<rpc::BidiCall> call) {
                            return std::make_unique<Stream>(std::move(call), *this);
                          }});
}

void WatchService::Add(const std::shared_ptr<Watcher>& watcher) {
  table_->Inspect([&](const ClusterTable& cluster) {
    MutexLock lock(&mutex_);
    if (stopped_) return;
    watcher->Begin(cluster);
    watchers_.push_back(watcher);
    watcher->Send(&cluster);
  });
}

void WatchService::Acknowledge(Watcher& watcher, uint64_t sequence) {
  table_->Inspect([&](const ClusterTable& cluster) {
    MutexLock lock(&mutex_);
    watcher.Acknowledge(sequence);
    watcher.Send(&cluster);
  });
}

void WatchService::Remove(const Watcher* watcher) {
  MutexLock lock(&mutex_);
  std::erase_if(watchers_, [watcher](const auto& entry) { return entry.get() == watcher; });
}

void WatchService::Tell(const v1::BrokerIdentity& broker, const std::vector<Bytes>& updates,
                        bool has_left) {
  const ClusterTable::Key key = ClusterTable::KeyOf(broker);
  MutexLock lock(&mutex_);
  for (const auto& watcher : watchers_) {
    if (!watcher->IsTold(key)) {
      if (has_left) watcher->Forget(key);
      continue;
    }
    watcher->Add(updates);
    watcher->Send(nullptr);
  }
}

bool WatchService::IsWatched() {
  MutexLock lock(&mutex_);
  return !watchers_.empty();
}

void WatchService::Stop() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  watchers_.clear();
}

void WatchService::OnMember(const ClusterTable::Member& member) {
  if (!IsWatched()) return;
  Tell(member.identity, Snapshot(member), false);
}

void WatchService::OnChange(const v1::BrokerIdentity& broker, const v1::Delta& delta) {
  if (!IsWatched()) return;
  v1::BrokerUpdate update = About(broker);
  *update.mutable_topics() = delta.topics();
  *update.mutable_groups() = delta.groups();
  *update.mutable_deleted_topics() = delta.deleted_topics();
  *update.mutable_deleted_groups() = delta.deleted_groups();
  Tell(broker, {Encode(std::move(update))}, false);
}

void WatchService::OnLeft(const v1::BrokerIdentity& broker) {
  v1::BrokerUpdate update = About(broker);
  update.set_left(true);
  Tell(broker, {Encode(std::move(update))}, true);
}

}  // namespace mansio::nameserver
