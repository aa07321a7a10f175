#include "broker/replication/master_service.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "common/rpc/proto_call.h"

namespace mansio::broker {

namespace {

// Of one stream: the window, and a frame of the largest size on top.
constexpr int64_t kMaxUnsentBytes = 64 << 20;

// An elected master looks so often whether it may commit again what it has held back.
constexpr absl::Duration kPermitPeriod = absl::Milliseconds(100);

absl::Duration PumpPeriod(const MasterOptions& options) {
  return options.election != nullptr ? std::min(kPermitPeriod, options.heartbeat)
                                     : options.heartbeat;
}

class CallStream final : public SlaveStream {
 public:
  explicit CallStream(std::shared_ptr<rpc::BidiCall> call) : call_(std::move(call)) {}
  void Send(v1::MasterMessage message) override {
    // False: it has ended, and Closed is about to come.
    static_cast<void>(rpc::Write(*call_, message));
  }
  void End(const absl::Status& why) override { call_->Finish(why); }

 private:
  const std::shared_ptr<rpc::BidiCall> call_;
};

}  // namespace

// A slave's stream, as the transport tells of it.
class MasterService::Stream final : public rpc::ParsedBidiEvents<v1::SlaveMessage> {
 public:
  Stream(std::shared_ptr<rpc::BidiCall> call, MasterService* service)
      : ParsedBidiEvents(call),
        service_(service),
        session_(service->master_.Opened(std::make_shared<CallStream>(call))) {}

  void OnElement(v1::SlaveMessage message) override {
    service_->master_.Received(session_, message);
    service_->pump_.Wake();
  }
  void OnHalfClose() override { call()->Finish(absl::OkStatus()); }
  void OnClosed() override {
    service_->master_.Closed(session_);
    service_->pump_.Wake();
  }

 private:
  MasterService* const service_;
  const Master::Session session_;
};

MasterService::MasterService(MasterOptions options, store::ReplicatedLog* log, const Clock* clock,
                             std::set<BrokerId> in_sync)
    : log_(log),
      master_(options, log, clock, std::move(in_sync)),
      longest_rest_(PumpPeriod(options)),
      pump_([this] { return Work(); }) {}

MasterService::~MasterService() { Stop(); }

void MasterService::Register(rpc::MethodTable& methods) {
  methods.bidi.push_back({std::string(kReplicatePath),
                          [this](std::shared_ptr<rpc::BidiCall> call) {
                            return std::make_unique<Stream>(std::move(call), this);
                          },
                          kMaxUnsentBytes});
}

rpc::MethodTable::Bidi MasterService::Refused(std::string why) {
  return {std::string(kReplicatePath),
          [why = std::move(why)](const std::shared_ptr<rpc::BidiCall>& call) {
            call->Finish(absl::FailedPreconditionError(why));
            return std::unique_ptr<rpc::BidiEvents>();
          },
          kMaxUnsentBytes};
}

void MasterService::Start() {
  log_->SetMoved([this] { pump_.Wake(); });
  pump_.Start();
}

void MasterService::Stop() {
  if (stopped_.exchange(true)) return;
  GiveUp();
  pump_.Stop();
  log_->SetMoved(nullptr);
}

void MasterService::InSyncRecorded(std::set<BrokerId> members) {
  master_.InSyncRecorded(std::move(members));
  pump_.Wake();
}

absl::Duration MasterService::Work() {
  const absl::Duration again = std::min(master_.Pump(), longest_rest_);
  if (log_->Reached().applied < log_->ReignStart()) return again;
  const MutexLock lock(&mutex_);
  if (!std::exchange(reigning_, true)) changed_.SignalAll();
  return again;
}

bool MasterService::AwaitReign() {
  const MutexLock lock(&mutex_);
  while (!reigning_ && !given_up_) changed_.Wait(&mutex_);
  return !given_up_;
}

void MasterService::GiveUp() {
  const MutexLock lock(&mutex_);
  given_up_ = true;
  changed_.SignalAll();
}

}  // namespace mansio::broker
