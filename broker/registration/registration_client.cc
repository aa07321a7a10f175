#include "broker/registration/registration_client.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "broker/registration/pending_changes.h"
#include "broker/registration/registration_stream.h"
#include "common/logging/logging.h"
#include "common/sync/sync.h"

namespace mansio::broker {

namespace {
constexpr size_t kNamesPerDelta = 1000;
constexpr double kShortest = 0.7;  // part of a period
}  // namespace

// One nameserver and the thread that keeps the broker registered with it.
class RegistrationClient::Session {
 public:
  Session(std::string nameserver, const RegistrationOptions& options,
          const RegistrationSource& source)
      : options_(options), source_(source) {
    state_.nameserver = std::move(nameserver);
    nameserver_ = state_.nameserver;
  }

  void Start() {
    thread_ = std::thread([this] { Run(); });
  }

  // Two steps, so that all sessions end at the same time.
  void RequestStop() {
    MutexLock lock(&mutex_);
    stopping_ = true;
    if (stream_ != nullptr) stream_->Cancel();
    changed_.SignalAll();
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

  void TopicChanged(std::string_view name) {
    MutexLock lock(&mutex_);
    if (stream_ == nullptr) return;  // the next snapshot will have it
    pending_.AddTopic(name);
    changed_.SignalAll();
  }
  void GroupChanged(std::string_view name) {
    MutexLock lock(&mutex_);
    if (stream_ == nullptr) return;
    pending_.AddGroup(name);
    changed_.SignalAll();
  }

  RegistrationState State() const {
    MutexLock lock(&mutex_);
    return state_;
  }

 private:
  void Run() {
    absl::Duration pause = options_.first_pause;
    while (true) {
      const bool registered = RunStream();
      pause = registered ? options_.first_pause : std::min(pause * 2, options_.longest_pause);
      MutexLock lock(&mutex_);
      const absl::Time next = absl::Now() + Spread(pause);
      while (!stopping_ && !changed_.WaitUntil(&mutex_, next)) {
      }
      if (stopping_) return;
    }
  }

  // From connecting to the loss of the stream. True when the nameserver had accepted the broker.
  bool RunStream() {
    RegistrationStream stream(nameserver_, options_.cluster_secret);
    {
      MutexLock lock(&mutex_);
      if (stopping_) return false;
      stream_ = &stream;
      pending_.Clear();
    }
    absl::Status status = stream.SendSnapshot(source_);
    const bool registered = status.ok();
    if (registered) {
      NoteRegistered();
      while (status.ok() && WaitForWork()) status = SendNext(stream);
    }
    NoteEnd(registered, status, stream.superseded_by());
    return registered;
  }

  // Somewhat less: brokers that a nameserver's restart has set going at the same time are not to
  // stay in step, since it would then do each second's work in one go. Only on the thread of Run.
  absl::Duration Spread(absl::Duration period) {
    return period * absl::Uniform(chance_, kShortest, 1.0);
  }

  // Waits for a change, at most until the next keep-alive is due. False when stopping.
  bool WaitForWork() {
    MutexLock lock(&mutex_);
    const absl::Time keep_alive = absl::Now() + Spread(options_.keep_alive);
    while (!stopping_ && pending_.empty() && !changed_.WaitUntil(&mutex_, keep_alive)) {
    }
    return !stopping_;
  }

  absl::Status SendNext(RegistrationStream& stream) {
    PendingChanges changes;
    {
      MutexLock lock(&mutex_);
      changes = pending_.Take(kNamesPerDelta);
    }
    return changes.empty() ? stream.SendKeepAlive() : stream.SendDelta(changes.Describe(source_));
  }

  void NoteRegistered() {
    {
      MutexLock lock(&mutex_);
      state_.registered = true;
      state_.since = absl::Now();
      state_.superseded_by.clear();
    }
    LOG_INFO("registered with nameserver {}", nameserver_);
  }

  void NoteEnd(bool was_registered, const absl::Status& status, const std::string& successor) {
    bool tell = false;
    {
      MutexLock lock(&mutex_);
      stream_ = nullptr;
      state_.registered = false;
      if (stopping_) return;
      const std::string error(status.message());
      if (!successor.empty()) state_.superseded_by = successor;
      tell = was_registered || error != state_.last_error;
      state_.last_error = error;
    }
    if (!tell) return;  // the same failure at each attempt is told once
    LOG_WARNING("{} nameserver {}: {}; trying again until it works",
                was_registered ? "lost" : "cannot register with", nameserver_,
                std::string_view(status.message().data(), status.message().size()));
  }

  const RegistrationOptions& options_;
  const RegistrationSource& source_;
  std::string nameserver_;
  std::thread thread_;
  absl::BitGen chance_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  RegistrationStream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;  // while it must hear of changes
  PendingChanges pending_ ABSL_GUARDED_BY(mutex_);
  RegistrationState state_ ABSL_GUARDED_BY(mutex_);
};

RegistrationClient::RegistrationClient(RegistrationOptions options, RegistrationSource* source)
    : source_(source), options_(std::move(options)) {
  for (const std::string& nameserver : options_.nameservers) {
    sessions_.push_back(std::make_unique<Session>(nameserver, options_, *source_));
  }
}

RegistrationClient::~RegistrationClient() { Stop(); }

void RegistrationClient::Start() {
  source_->SetListener(this);
  for (const auto& session : sessions_) session->Start();
}

void RegistrationClient::Stop() {
  source_->SetListener(nullptr);
  for (const auto& session : sessions_) session->RequestStop();
  for (const auto& session : sessions_) session->Join();
}

std::vector<RegistrationState> RegistrationClient::States() const {
  std::vector<RegistrationState> states;
  for (const auto& session : sessions_) states.push_back(session->State());
  return states;
}

void RegistrationClient::TopicChanged(std::string_view name) {
  for (const auto& session : sessions_) session->TopicChanged(name);
}

void RegistrationClient::GroupChanged(std::string_view name) {
  for (const auto& session : sessions_) session->GroupChanged(name);
}

}  // namespace mansio::broker
