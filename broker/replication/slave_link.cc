#include "broker/replication/slave_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "common/access/cluster_secret.h"
#include "common/logging/logging.h"
#include "common/rpc/proto_call.h"

namespace mansio::broker {

// One stream, shared with those who are told of it.
struct SlaveLink::Connection {
  Mutex mutex;
  std::shared_ptr<rpc::ClientStream> stream ABSL_GUARDED_BY(mutex);
  // In their order. The master's window bounds what is sent and not yet appended.
  std::deque<v1::MasterMessage> arrived ABSL_GUARDED_BY(mutex);
  // Why the slave has ended it, and what the transport said then.
  absl::Status why ABSL_GUARDED_BY(mutex);
  std::optional<absl::Status> ended ABSL_GUARDED_BY(mutex);
  std::unique_ptr<Uplink> uplink;  // the slave's end
};

class SlaveLink::Uplink final : public MasterStream {
 public:
  explicit Uplink(Connection* connection) : connection_(connection) {}
  void Send(v1::SlaveMessage message) override {
    const MutexLock lock(&connection_->mutex);
    // False: it has ended, and OnEnd is about to come.
    static_cast<void>(connection_->stream->Write(rpc::Encode(message)));
  }
  void End(const absl::Status& why) override {
    const MutexLock lock(&connection_->mutex);
    if (connection_->why.ok()) connection_->why = why;
    connection_->stream->Cancel();
  }

 private:
  Connection* const connection_;
};

class SlaveLink::Events final : public rpc::ClientStreamEvents {
 public:
  Events(std::shared_ptr<Connection> connection, SlaveLink* link)
      : connection_(std::move(connection)), link_(link) {}

  void OnElement(rpc::Payload element) override {
    v1::MasterMessage message;
    if (!rpc::Parse(element.Flatten(), &message)) {
      connection_->uplink->End(absl::InvalidArgumentError("the master's message is malformed"));
      return;
    }
    std::shared_ptr<rpc::ClientStream> stream;
    {
      const MutexLock lock(&connection_->mutex);
      connection_->arrived.push_back(std::move(message));
      stream = connection_->stream;
    }
    stream->Read();
    link_->pump_.Wake();
  }

  void OnEnd(absl::Status status) override {
    {
      const MutexLock lock(&connection_->mutex);
      connection_->ended = std::move(status);
    }
    link_->pump_.Wake();
  }

 private:
  const std::shared_ptr<Connection> connection_;
  SlaveLink* const link_;
};

SlaveLink::SlaveLink(SlaveLinkOptions options, store::ReplicatedLog* log, const Clock* clock)
    : options_(std::move(options)),
      log_(log),
      clock_(clock),
      slave_(options_.slave, log, clock),
      wanted_(options_.master),
      master_(options_.master),
      client_(rpc::Client::Create({})),
      pump_([this] {
        Work();
        const absl::Duration pause =
            connection_ == nullptr ? Pause(clock_->BootNow()) : options_.pause;
        return std::min(options_.slave.heartbeat, pause);
      }) {}

SlaveLink::~SlaveLink() { Stop(); }

void SlaveLink::Start() {
  log_->SetMoved([this] { pump_.Wake(); });
  pump_.Start();
}

void SlaveLink::SayGoodbye(absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  {
    const MutexLock lock(&mutex_);
    leaving_ = true;
  }
  pump_.Wake();
  const MutexLock lock(&mutex_);
  while (!gone_ && !gone_changed_.WaitUntil(&mutex_, deadline)) {
  }
  if (!gone_) LOG_WARNING("Ends, and the master has not said that it goes on without this slave");
}

bool SlaveLink::Leaves() {
  {
    const MutexLock lock(&mutex_);
    if (!leaving_) return false;
  }
  if (connection_ != nullptr && !said_goodbye_) said_goodbye_ = slave_.SayGoodbye();
  if (connection_ != nullptr && said_goodbye_) return true;
  const MutexLock lock(&mutex_);
  gone_ = true;
  gone_changed_.SignalAll();
  return true;
}

void SlaveLink::Stop() {
  if (stopped_.exchange(true)) return;
  pump_.Stop();
  client_->Stop();
  log_->SetMoved(nullptr);
  slave_.Closed();
  following_ = false;
}

// Messages are taken here, not where they arrive: truncating the log waits for the log thread,
// which an rpc thread wakes only when it has nothing else to do.
bool SlaveLink::TakeArrived() {
  if (connection_ == nullptr) return false;
  std::deque<v1::MasterMessage> arrived;
  bool ended = false;
  {
    const MutexLock lock(&connection_->mutex);
    arrived.swap(connection_->arrived);
    ended = connection_->ended.has_value();
  }
  for (v1::MasterMessage& message : arrived) {
    const bool is_welcome = message.has_welcome();
    slave_.Received(std::move(message));
    if (is_welcome && slave_.welcomed()) NoteFollowing();
  }
  return ended;
}

void SlaveLink::Work() {
  const absl::Duration now = clock_->BootNow();
  if (TakeArrived()) Leave(now);
  if (slave_.must_reopen()) {
    if (!std::exchange(reopen_asked_, true)) options_.reopen();
    static_cast<void>(Leaves());
    return;
  }
  if (!Leaves()) {
    Turn(now);
    if (connection_ == nullptr && !master_.empty() && now >= next_try_) Open(now);
  }
  slave_.Tick();
}

absl::Duration SlaveLink::Pause(absl::Duration now) const {
  return now < turned_ + options_.first ? options_.first_pause : options_.pause;
}

void SlaveLink::SetMaster(std::string master) {
  {
    const MutexLock lock(&mutex_);
    wanted_ = std::move(master);
  }
  pump_.Wake();
}

void SlaveLink::Turn(absl::Duration now) {
  std::string wanted;
  {
    const MutexLock lock(&mutex_);
    wanted = wanted_;
  }
  if (wanted == master_) return;
  // Its end is told like any other; until then it is the old one's.
  if (connection_ != nullptr) {
    return connection_->uplink->End(absl::CancelledError("it is not the master any more"));
  }
  master_ = std::move(wanted);
  turned_ = next_try_ = now;
  last_error_.clear();
}

void SlaveLink::Open(absl::Duration now) {
  next_try_ = now + Pause(now);
  auto connection = std::make_shared<Connection>();
  connection->uplink = std::make_unique<Uplink>(connection.get());
  rpc::OutgoingCall call;
  call.address = master_;
  call.path = kReplicatePath;
  if (!options_.cluster_secret.empty()) {
    call.headers.emplace_back(
        access::kProofHeader,
        access::MakeProof(options_.cluster_secret, kReplicatePath, clock_->WallNow()));
  }
  {
    // What is told of the stream waits until it is known here.
    const MutexLock lock(&connection->mutex);
    connection->stream =
        client_->OpenBidi(std::move(call), std::make_unique<Events>(connection, this));
  }
  connection_ = connection;
  slave_.Opened(connection->uplink.get());
}

void SlaveLink::NoteFollowing() {
  if (!following_.exchange(true)) {
    LOG_INFO("Follows the master at {} from offset {}", master_, log_->Reached().appended);
    options_.following_changed();
  }
}

void SlaveLink::Leave(absl::Duration now) {
  slave_.Closed();
  const std::shared_ptr<Connection> connection = std::exchange(connection_, nullptr);
  absl::Status why;
  {
    const MutexLock lock(&connection->mutex);
    why = connection->why.ok() ? *connection->ended : connection->why;
  }
  next_try_ = std::max(next_try_, now + Pause(now));
  GroupElection* const election = options_.slave.election;
  if (election != nullptr && absl::IsAlreadyExists(why)) election->IsSecond();
  if (slave_.must_reopen()) {
    following_ = false;
    LOG_INFO("The store is opened again: {}", std::string(why.message()));
    return;
  }
  if (said_goodbye_ && why.ok()) {
    // Its frames still count as coming, so that calls go on to it until the end.
    LOG_INFO("The master at {} goes on without this slave", master_);
    return;
  }
  const std::string text = why.ok() ? "it has ended the stream" : std::string(why.message());
  const bool followed = following_.exchange(false);
  if (followed) options_.following_changed();
  if (!followed && text == std::exchange(last_error_, text)) return;  // told once
  LOG_WARNING("{} the master at {}: {}; trying again until it works",
              followed ? "Lost" : "Cannot follow", master_, text);
}

}  // namespace mansio::broker
