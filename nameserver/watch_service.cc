#include "nameserver/watch_service.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "common/rpc/proto_call.h"

namespace mansio::nameserver {

namespace {

constexpr char kWatchPath[] = "/mansio.v1.Registration/Watch";
constexpr size_t kPartSize = 1000;        // topics or groups in one part of a snapshot
constexpr uint64_t kWindow = 4;           // updates under way to one watcher
constexpr size_t kBatch = 128 << 10;      // bytes of one update, unless one broker's part has more
constexpr size_t kPartBytes = 256 << 10;  // about, of one part

using gateway::ClusterTable;

std::shared_ptr<const std::string> Encode(v1::BrokerUpdate&& update) {
  v1::ClusterUpdate element;  // without a sequence number: the bytes are the same for all
  *element.add_brokers() = std::move(update);
  return std::make_shared<const std::string>(element.SerializeAsString());
}

std::vector<std::shared_ptr<const std::string>> EncodeSnapshot(const ClusterTable::Member& member) {
  std::vector<std::shared_ptr<const std::string>> parts;
  v1::BrokerUpdate part;
  size_t entries = 0;
  size_t bytes = 0;
  const auto end_part = [&](bool last) {
    *part.mutable_broker() = member.identity;
    part.set_snapshot(true);
    part.set_last_part(last);
    parts.push_back(Encode(std::exchange(part, v1::BrokerUpdate())));
    entries = bytes = 0;
  };
  const auto add = [&](const auto& entry, auto* to) {
    *to->Add() = entry;
    ++entries;
    bytes += entry.ByteSizeLong();
    return entries == kPartSize || bytes >= kPartBytes;
  };
  for (const auto& [name, topic] : member.topics) {
    if (add(topic, part.mutable_topics())) end_part(false);
  }
  for (const auto& [name, group] : member.groups) {
    if (add(group, part.mutable_groups())) end_part(false);
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
  Watcher(std::shared_ptr<rpc::BidiCall> call, size_t max_waiting)
      : call_(std::move(call)), max_waiting_(max_waiting) {}

  bool ended() const { return ended_; }
  // Brokers are told as a whole in the order of their keys; those that are yet to come need no
  // updates now.
  bool IsTold(const ClusterTable::Key& key) const {
    return told_all_ || (last_told_.has_value() && key <= *last_told_);
  }
  bool told_all() const { return told_all_; }

  // What waits already is limited, not what comes: one broker may have more than all may wait.
  void Add(const std::vector<Bytes>& updates) {
    if (changes_bytes_ > max_waiting_) return End();
    for (const Bytes& update : updates) {
      changes_bytes_ += update->size();
      waiting_.push_back({update, true});
    }
  }
  void Acknowledge(uint64_t sequence) {
    acknowledged_ = std::max(acknowledged_, std::min(sequence, sequence_));
  }

  // Sends what may be under way. `cluster`: for brokers that are to be told as a whole; null: not
  // now.
  void Send(const ClusterTable* cluster, Snapshots& snapshots) {
    while (!ended_ && sequence_ - acknowledged_ < kWindow) {
      if (waiting_.empty() && !told_all_ && cluster != nullptr) TellNext(*cluster, snapshots);
      const bool complete = waiting_.empty() && told_all_ && !completed_;
      if (waiting_.empty() && !complete) return;
      v1::ClusterUpdate head;
      head.set_sequence(++sequence_);
      head.set_complete(complete);
      completed_ = completed_ || complete;
      rpc::Payload element(head.SerializeAsString());
      while (!waiting_.empty() && element.size() < kBatch) {
        Bytes update = std::move(waiting_.front().update);
        if (waiting_.front().is_change) changes_bytes_ -= update->size();
        waiting_.pop_front();
        const std::string_view bytes = *update;
        element.AppendShared(std::move(update), bytes);
      }
      if (!call_->Write(std::move(element))) return End();
    }
  }

 private:
  struct Waiting {
    Bytes update;
    bool is_change = false;  // else of a broker that is told of for the first time
  };

  // Nothing is kept for it until the stream is closed.
  void End() {
    ended_ = true;
    waiting_.clear();
    changes_bytes_ = 0;
    call_->Finish(absl::ResourceExhaustedError("the watcher is too slow; begin again"));
  }

  void TellNext(const ClusterTable& cluster, Snapshots& snapshots) {
    const auto& members = cluster.members();
    const auto next = last_told_ ? members.upper_bound(*last_told_) : members.begin();
    told_all_ = next == members.end();
    if (told_all_) return;
    // One at a time, and not limited: a stream that begins again would come no further.
    for (const Bytes& part : snapshots.Of(next->second)) waiting_.push_back({part, false});
    last_told_ = next->first;
  }

  const std::shared_ptr<rpc::BidiCall> call_;
  const size_t max_waiting_;
  std::optional<ClusterTable::Key> last_told_;
  bool told_all_ = false;
  std::deque<Waiting> waiting_;
  size_t changes_bytes_ = 0;  // of what waits
  bool ended_ = false;
  uint64_t sequence_ = 0;
  uint64_t acknowledged_ = 0;
  bool completed_ = false;
};

class WatchService::Stream final : public rpc::ParsedBidiEvents<v1::WatchRequest> {
 public:
  Stream(std::shared_ptr<rpc::BidiCall> call, WatchService& service)
      : ParsedBidiEvents(call),
        service_(service),
        watcher_(std::make_shared<Watcher>(call, service.max_waiting_)) {}

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

const std::vector<WatchService::Bytes>& WatchService::Snapshots::Of(
    const ClusterTable::Member& member) {
  const auto [found, is_new] = encoded_.try_emplace(ClusterTable::KeyOf(member.identity));
  if (is_new) found->second = EncodeSnapshot(member);
  return found->second;
}

WatchService::WatchService(RoutingTable* table, size_t max_waiting)
    : table_(table), max_waiting_(max_waiting) {
  table_->SetListener(this);
}
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
    watchers_.push_back(watcher);
    watcher->Send(&cluster, snapshots_);
    ForgetSnapshots();
  });
}

void WatchService::Acknowledge(Watcher& watcher, uint64_t sequence) {
  table_->Inspect([&](const ClusterTable& cluster) {
    MutexLock lock(&mutex_);
    watcher.Acknowledge(sequence);
    const bool told_all = watcher.told_all();
    watcher.Send(&cluster, snapshots_);
    if (!told_all) ForgetSnapshots();
  });
}

void WatchService::ForgetSnapshots() {
  const bool needed = std::any_of(watchers_.begin(), watchers_.end(),
                                  [](const auto& watcher) { return !watcher->told_all(); });
  if (!needed) snapshots_.Clear();
}

void WatchService::Remove(const Watcher* watcher) {
  MutexLock lock(&mutex_);
  std::erase_if(watchers_, [watcher](const auto& entry) { return entry.get() == watcher; });
  ForgetSnapshots();
}

void WatchService::Tell(const ClusterTable::Key& key, const std::vector<Bytes>& updates) {
  for (const auto& watcher : watchers_) {
    if (watcher->ended() || !watcher->IsTold(key)) continue;
    watcher->Add(updates);
    watcher->Send(nullptr, snapshots_);
  }
}

void WatchService::Stop() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  watchers_.clear();
  snapshots_.Clear();
}

void WatchService::OnMember(const ClusterTable::Member& member) {
  const ClusterTable::Key key = ClusterTable::KeyOf(member.identity);
  MutexLock lock(&mutex_);
  snapshots_.Drop(key);
  if (watchers_.empty()) return;
  Tell(key, snapshots_.Of(member));
  ForgetSnapshots();
}

void WatchService::OnChange(const v1::BrokerIdentity& broker, const v1::Delta& delta) {
  const ClusterTable::Key key = ClusterTable::KeyOf(broker);
  MutexLock lock(&mutex_);
  snapshots_.Drop(key);
  if (watchers_.empty()) return;
  v1::BrokerUpdate update = About(broker);
  *update.mutable_topics() = delta.topics();
  *update.mutable_groups() = delta.groups();
  *update.mutable_deleted_topics() = delta.deleted_topics();
  *update.mutable_deleted_groups() = delta.deleted_groups();
  Tell(key, {Encode(std::move(update))});
}

void WatchService::OnLeft(const v1::BrokerIdentity& broker) {
  const ClusterTable::Key key = ClusterTable::KeyOf(broker);
  v1::BrokerUpdate update = About(broker);
  update.set_left(true);
  MutexLock lock(&mutex_);
  snapshots_.Drop(key);
  Tell(key, {Encode(std::move(update))});
}

}  // namespace mansio::nameserver
