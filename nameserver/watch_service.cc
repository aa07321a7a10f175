#include "nameserver/watch_service.h"

#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "common/clock/clock.h"
#include "common/rpc/proto_call.h"
#include "common/timer/timer_queue.h"

namespace mansio::nameserver {

namespace {

constexpr char kWatchPath[] = "/mansio.v1.Registration/Watch";
constexpr uint64_t kWindow = 4;  // updates under way to one watcher

using gateway::ClusterTable;

}  // namespace

// How much a watcher knows: of all who are registered, who are all there is but while brokers come
// back to a nameserver that has just started.
enum class WatchService::Knows { kSome, kAllYet, kAll };

// One stream. Under the service's lock, but for the call itself.
class WatchService::Watcher {
 public:
  explicit Watcher(std::shared_ptr<rpc::BidiCall> call) : call_(std::move(call)) {}

  bool ended() const { return ended_; }
  bool HasRoom() const { return !ended_ && sequence_ - acknowledged_ < kWindow; }
  // Up to where it has been told, what waits here included.
  const ChangeLog::Position& told() const { return told_; }
  bool HasWaiting() const { return !waiting_.empty(); }
  Knows knows() const { return knows_; }

  void Take(const ChangeLog::Batch& batch) {
    told_ = batch.behind;
    waiting_.insert(waiting_.end(), batch.messages.begin(), batch.messages.end());
  }
  void Acknowledge(uint64_t sequence) {
    acknowledged_ = std::max(acknowledged_, std::min(sequence, sequence_));
  }

  // Sends the next of what waits. `knows`: what it knows when it has taken all that waits.
  void SendNext(Knows knows) {
    v1::ClusterUpdate head;
    head.set_sequence(++sequence_);
    if (waiting_.size() <= 1 && knows > knows_) {
      knows_ = knows;
      head.set_complete(true);
      head.set_settling(knows == Knows::kAllYet);
    }
    rpc::Payload element(head.SerializeAsString());
    if (!waiting_.empty()) {
      UpdateBytes update = std::move(waiting_.front());
      waiting_.pop_front();
      const std::string_view bytes = *update;
      element.AppendShared(std::move(update), bytes);
    }
    if (!call_->Write(std::move(element))) End();
  }

 private:
  // Nothing is kept for it until the stream is closed.
  void End() {
    ended_ = true;
    waiting_.clear();
    call_->Finish(absl::ResourceExhaustedError("the watcher is too slow; begin again"));
  }

  const std::shared_ptr<rpc::BidiCall> call_;
  ChangeLog::Position told_;
  std::deque<UpdateBytes> waiting_;  // of one batch
  Knows knows_ = Knows::kSome;
  bool ended_ = false;
  uint64_t sequence_ = 0;
  uint64_t acknowledged_ = 0;
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

WatchService::WatchService(RoutingTable* table, const Clock* clock, TimerQueue* timers)
    : table_(table), clock_(clock), timers_(timers) {
  table_->SetListener(this);
  timers_->ScheduleAfter(absl::ToInt64Milliseconds(kSettling), [this] {
    {
      MutexLock lock(&mutex_);
      settled_ = true;
    }
    TellAll();
  });
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
    Tell(*watcher, cluster);
  });
}

void WatchService::Acknowledge(Watcher& watcher, uint64_t sequence) {
  {
    // Most have been told everything by now.
    MutexLock lock(&mutex_);
    watcher.Acknowledge(sequence);
    if (!HasMoreFor(watcher)) return;
  }
  table_->Inspect([&](const ClusterTable& cluster) {
    MutexLock lock(&mutex_);
    const bool was_behind = watcher.told().known < log_.shown();
    Tell(watcher, cluster);
    if (was_behind && watcher.told().known == log_.shown()) Forget();
  });
}

void WatchService::Remove(const Watcher* watcher) {
  MutexLock lock(&mutex_);
  std::erase_if(watchers_, [watcher](const auto& entry) { return entry.get() == watcher; });
  Forget();
}

void WatchService::Stop() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  watchers_.clear();
  batches_.clear();
}

void WatchService::OnMember(const ClusterTable::Member& member) {
  MutexLock lock(&mutex_);
  log_.Joined(ClusterTable::KeyOf(member.identity));
  Changed();
}

void WatchService::OnChange(const ClusterTable::Member& member, const v1::Delta& delta) {
  MutexLock lock(&mutex_);
  log_.Changed(member, delta);
  Changed();
}

void WatchService::OnLeft(const v1::BrokerIdentity& broker) {
  MutexLock lock(&mutex_);
  log_.Left(ClusterTable::KeyOf(broker));
  Changed();
}

void WatchService::Changed() {
  if (gathering_ || stopped_) return;
  if (watchers_.empty()) {
    log_.Show();
    return Forget();
  }
  gathering_ = true;
  const absl::Duration gather =
      std::max(kGather, kGatherForEach * static_cast<int64_t>(watchers_.size()));
  const absl::Duration rest = told_at_ + gather - clock_->BootNow();
  // Never on this thread: it holds the table, and serves a broker that registers.
  timers_->ScheduleAfter(
      std::max(int64_t{0}, absl::ToInt64Milliseconds(absl::Ceil(rest, absl::Milliseconds(1)))),
      [this] { TellAll(); });
}

void WatchService::TellAll() {
  table_->Inspect([&](const ClusterTable& cluster) {
    MutexLock lock(&mutex_);
    if (stopped_) return;
    gathering_ = false;
    told_at_ = clock_->BootNow();
    log_.Show();
    batches_.clear();
    for (const auto& watcher : watchers_) Tell(*watcher, cluster);
    Forget();
  });
}

bool WatchService::HasMoreFor(const Watcher& watcher) const {
  if (stopped_ || watcher.ended()) return false;
  return watcher.HasWaiting() || watcher.told().known < log_.shown() ||
         watcher.knows() < KnownTo(watcher);
}

WatchService::Knows WatchService::KnownTo(const Watcher& watcher) const {
  if (watcher.told().known < log_.latest()) return Knows::kSome;
  return settled_ ? Knows::kAll : Knows::kAllYet;
}

void WatchService::Tell(Watcher& watcher, const ClusterTable& cluster) {
  while (HasMoreFor(watcher) && watcher.HasRoom()) {
    if (!watcher.HasWaiting() && watcher.told().known < log_.shown()) {
      watcher.Take(BatchAfter(watcher.told(), cluster));
    }
    // What has left before it was told of leaves nothing to say.
    if (watcher.HasWaiting() || watcher.knows() < KnownTo(watcher)) {
      watcher.SendNext(KnownTo(watcher));
    }
  }
}

const ChangeLog::Batch& WatchService::BatchAfter(ChangeLog::Position from,
                                                 const ClusterTable& cluster) {
  const auto [batch, is_new] = batches_.try_emplace(from);
  if (is_new) batch->second = log_.After(from, cluster);
  return batch->second;
}

void WatchService::Forget() {
  ChangeLog::Version known = log_.shown();
  for (const auto& watcher : watchers_) {
    if (!watcher->ended()) known = std::min(known, watcher->told().known);
  }
  log_.Forget(known);
  if (known < log_.shown()) return;
  batches_.clear();
  log_.DropEncoded();
}

}  // namespace mansio::nameserver
