#include "broker/election/elector.h"

#include <fmt/ranges.h>

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/logging/logging.h"
#include "common/sync/sync.h"

namespace mansio::broker {
namespace {

constexpr absl::Duration kTurn = absl::Milliseconds(100);
constexpr absl::Duration kWatchPause = absl::Seconds(1);      // after one has ended
constexpr absl::Duration kAnswerPatience = absl::Seconds(1);  // for etcd, before a hand-over
constexpr absl::Duration kFarewell = absl::Seconds(1);        // for etcd, at the end
constexpr absl::Duration kTroubleEvery = absl::Seconds(10);   // log lines

}  // namespace

struct Elector::Shared {
  struct Answer {
    uint64_t request = 0;
    EtcdReply reply;
  };

  Shared(ElectionOptions options, absl::Duration now) : election(std::move(options), now) {}

  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    awake = true;
    wake.SignalAll();
  }
  void Answered(uint64_t request, EtcdReply reply) {
    const MutexLock lock(&mutex);
    --under_way;
    answers.push_back({request, std::move(reply)});
    Wake();
  }

  mutable Mutex mutex;
  CondVar wake;
  Election election ABSL_GUARDED_BY(mutex);
  std::vector<Answer> answers ABSL_GUARDED_BY(mutex);
  int under_way ABSL_GUARDED_BY(mutex) = 0;  // requests
  bool awake ABSL_GUARDED_BY(mutex) = false;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  bool watch_ended ABSL_GUARDED_BY(mutex) = true;
};

Elector::Elector(ElectionOptions options, Etcd* etcd, const Clock* clock,
                 ElectionListener* listener)
    : etcd_(etcd),
      clock_(clock),
      listener_(listener),
      prefix_(options.prefix),
      shared_(std::make_shared<Shared>(std::move(options), clock->BootNow())),
      watch_at_(clock->BootNow()) {}

Elector::~Elector() { Stop(); }

void Elector::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Elector::Stop() {
  {
    const MutexLock lock(&shared_->mutex);
    shared_->stopping = true;
    shared_->Wake();
  }
  if (thread_.joinable()) thread_.join();
}

void Elector::Run() {
  while (Turn()) {
  }
  watch_.reset();
  AwaitAnswers();
}

bool Elector::Turn() {
  ElectionWork work;
  std::string trouble;
  bool last = false;
  {
    const MutexLock lock(&shared_->mutex);
    if (!shared_->awake) static_cast<void>(shared_->wake.WaitFor(&shared_->mutex, kTurn));
    shared_->awake = false;
    last = shared_->stopping;
    Election& election = shared_->election;
    const absl::Duration now = clock_->BootNow();
    if (last) election.Resign();
    for (const auto& [request, reply] : std::exchange(shared_->answers, {})) {
      election.Replied(now, request, reply);
    }
    election.Tick(now);
    work = election.TakeWork();
    shared_->under_way += static_cast<int>(work.requests.size());
    trouble = election.State(now).trouble;
  }
  if (!trouble.empty()) LOG_WARNING_EVERY(kTroubleEvery, "The election waits: {}.", trouble);
  for (EtcdRequest& request : work.requests) Execute(std::move(request));
  for (const auto& [slave, request] : work.promises) listener_->AskForPromise(slave, request);
  for (const ElectionEvent& event : work.events) Tell(event);
  KeepWatch();
  return !last;
}

void Elector::Execute(EtcdRequest request) {
  const auto answer = [shared = shared_, id = request.id](EtcdReply reply) {
    shared->Answered(id, std::move(reply));
  };
  switch (request.kind) {
    case EtcdRequest::Kind::kRead:
      return etcd_->Read(prefix_, [answer](absl::StatusOr<EtcdSnapshot> snapshot) {
        answer(snapshot.ok() ? EtcdReply{.snapshot = *std::move(snapshot)}
                             : EtcdReply{snapshot.status()});
      });
    case EtcdRequest::Kind::kCommit:
      return etcd_->Commit(std::move(request.txn), [answer](absl::StatusOr<EtcdCommit> commit) {
        answer(commit.ok() ? EtcdReply{.commit = *std::move(commit)} : EtcdReply{commit.status()});
      });
    case EtcdRequest::Kind::kGrant:
      return etcd_->Grant(request.ttl, [answer](absl::StatusOr<EtcdLease> lease) {
        answer(lease.ok() ? EtcdReply{.lease = *lease} : EtcdReply{lease.status()});
      });
    case EtcdRequest::Kind::kKeepAlive:
      return etcd_->KeepAlive(request.lease, [answer](absl::StatusOr<absl::Duration> ttl) {
        answer(ttl.ok() ? EtcdReply{.lease = {0, *ttl}} : EtcdReply{ttl.status()});
      });
    case EtcdRequest::Kind::kRevoke:
      return etcd_->Revoke(request.lease,
                           [answer](const absl::Status& status) { answer(EtcdReply{status}); });
  }
}

void Elector::Tell(const ElectionEvent& event) {
  if (const auto* elected = std::get_if<Elected>(&event)) {
    LOG_INFO("This broker has been elected master with epoch {}; in sync: {{{}}}.",
             elected->reign->epoch(), fmt::join(elected->in_sync, ", "));
    listener_->OnElected(elected->reign, elected->in_sync, elected->stores);
  } else if (const auto* deposed = std::get_if<Deposed>(&event)) {
    LOG_WARNING("This broker is not the master any more (epoch {}): {}.", deposed->epoch,
                deposed->why);
    listener_->OnDeposed(deposed->epoch, deposed->why);
  } else if (const auto* seen = std::get_if<MasterSeen>(&event)) {
    LOG_INFO("{}", seen->master.has_value()
                       ? fmt::format("The master is member {} at {}, epoch {}.", seen->master->id,
                                     seen->master->address, seen->master->epoch)
                       : "The broker group has no master.");
    listener_->OnMaster(seen->master);
  } else if (const auto* recorded = std::get_if<InSyncRecorded>(&event)) {
    listener_->OnInSyncRecorded(recorded->in_sync);
  } else if (std::holds_alternative<LogEndWanted>(event)) {
    listener_->OnLogEndWanted();
  }
}

void Elector::KeepWatch() {
  const absl::Duration now = clock_->BootNow();
  {
    const MutexLock lock(&shared_->mutex);
    if (!shared_->watch_ended || shared_->stopping || now < watch_at_) return;
    shared_->watch_ended = false;
  }
  watch_at_ = now + kWatchPause;
  const auto changed = [shared = shared_] {
    const MutexLock lock(&shared->mutex);
    shared->election.Changed();
    shared->Wake();
  };
  const auto ended = [shared = shared_](const absl::Status&) {
    const MutexLock lock(&shared->mutex);
    shared->watch_ended = true;
  };
  watch_ = etcd_->Watch(prefix_, changed, ended);
}

void Elector::AwaitAnswers() {
  const absl::Duration deadline = clock_->BootNow() + kFarewell;
  const MutexLock lock(&shared_->mutex);
  while (shared_->under_way > 0 && clock_->BootNow() < deadline) {
    static_cast<void>(shared_->wake.WaitFor(&shared_->mutex, kTurn));
  }
}

void Elector::SetStanding(const Standing& standing) {
  const MutexLock lock(&shared_->mutex);
  shared_->election.SetStanding(standing);
  shared_->Wake();
}

std::optional<Promise> Elector::PromiseAsked(const PromiseRequest& request) {
  const MutexLock lock(&shared_->mutex);
  return shared_->election.PromiseAsked(clock_->BootNow(), request);
}

void Elector::Promised(BrokerId from, const Promise& promise) {
  const MutexLock lock(&shared_->mutex);
  shared_->election.Promised(clock_->BootNow(), from, promise);
}

bool Elector::AcceptsFrames(store::Epoch epoch) {
  const MutexLock lock(&shared_->mutex);
  return shared_->election.AcceptsFrames(epoch);
}

absl::Status Elector::ProposeInSync(std::set<BrokerId> members, StoreIds stores) {
  const MutexLock lock(&shared_->mutex);
  absl::Status status = shared_->election.ProposeInSync(std::move(members), std::move(stores));
  shared_->Wake();
  return status;
}

absl::Status Elector::CheckHandOver(BrokerId heir) const {
  const MutexLock lock(&shared_->mutex);
  return shared_->election.CheckHandOver(clock_->BootNow(), heir);
}

absl::Status Elector::AwaitEtcd() {
  struct Answer {
    Mutex mutex;
    CondVar came;
    std::optional<absl::Status> status ABSL_GUARDED_BY(mutex);
  };
  const auto answer = std::make_shared<Answer>();
  etcd_->Read(prefix_, [answer](const absl::StatusOr<EtcdSnapshot>& snapshot) {
    const MutexLock lock(&answer->mutex);
    answer->status = snapshot.status();
    answer->came.SignalAll();
  });
  const absl::Duration deadline = clock_->BootNow() + kAnswerPatience;
  const MutexLock lock(&answer->mutex);
  while (!answer->status.has_value() && clock_->BootNow() < deadline) {
    static_cast<void>(answer->came.WaitFor(&answer->mutex, kTurn));
  }
  if (!answer->status.has_value()) return EtcdIsAway("it does not answer");
  return answer->status->ok() ? absl::OkStatus()
                              : EtcdIsAway(std::string(answer->status->message()));
}

absl::Status Elector::HandOver(BrokerId heir, bool leaves) {
  if (absl::Status status = AwaitEtcd(); !status.ok()) return status;
  const MutexLock lock(&shared_->mutex);
  absl::Status status = shared_->election.HandOver(clock_->BootNow(), heir, leaves);
  shared_->Wake();
  return status;
}

void Elector::StepDown(std::string why) {
  const MutexLock lock(&shared_->mutex);
  shared_->election.StepDown(std::move(why));
  shared_->Wake();
}

ElectionState Elector::State() const {
  const MutexLock lock(&shared_->mutex);
  return shared_->election.State(clock_->BootNow());
}

}  // namespace mansio::broker
