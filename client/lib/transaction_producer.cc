#include "client/lib/transaction_producer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <set>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "client/lib/retry.h"
#include "client/lib/rpc.h"
#include "client/lib/runtime.h"
#include "client/lib/settings.h"
#include "client/lib/wait.h"
#include "client/lib/wire.h"
#include "common/status/wire_status.h"
#include "common/sync/sync.h"

namespace mansio::client {

namespace v2 = apache::rocketmq::v2;

namespace {

// More checks than this wait for nothing: the broker asks again.
constexpr size_t kMaxWaitingChecks = 1024;

class TransactionProducerImpl final : public TransactionProducer {
 public:
  TransactionProducerImpl(const ClientOptions& options, std::vector<std::string> topics,
                          Checker checker)
      : max_attempts_(std::max(options.max_attempts, 1)),
        checker_(std::move(checker)),
        topics_(topics.begin(), topics.end()),
        thread_([this] { RunChecks(); }) {}

  ~TransactionProducerImpl() override {
    {
      MutexLock lock(&mutex_);
      closing_ = true;
      changed_.SignalAll();
    }
    thread_.join();
    if (runtime_ != nullptr) runtime_->Close();  // before anything that its callbacks use
  }

  absl::Status Start(const ClientOptions& options) {
    Runtime::Role role;
    role.settings = [this, options] { return ProducerSettings(options, Topics()); };
    role.on_check = [this](const std::string& endpoint, std::string_view command) {
      AddCheck(endpoint, command);
    };
    v2::HeartbeatRequest heartbeat;
    heartbeat.set_client_type(v2::PRODUCER);
    role.heartbeat = heartbeat.SerializeAsString();
    absl::StatusOr<std::unique_ptr<Runtime>> runtime = Runtime::Start(options, std::move(role));
    if (!runtime.ok()) return runtime.status();
    MutexLock lock(&mutex_);
    runtime_ = *std::move(runtime);
    changed_.SignalAll();  // checks may have come already
    return absl::OkStatus();
  }

  absl::StatusOr<Transaction> Begin(Message message) override {
    if (message.message_id.empty()) message.message_id = runtime_->NextMessageId();
    v2::SendMessageRequest request;
    EncodeMessage(message, request.add_messages());
    request.mutable_messages(0)->mutable_system_properties()->set_message_type(v2::TRANSACTION);
    if (AddTopic(message.topic)) runtime_->SendSettings();

    Result<absl::StatusOr<std::shared_ptr<const Route>>> found;
    runtime_->FindRoute(message.topic, [found](auto route) { found.Set(std::move(route)); });
    const auto route = found.Take();
    if (!route.ok()) return route.status();
    const std::vector<RouteQueue> queues = SendCandidates(
        **route, next_queue_.fetch_add(1, std::memory_order_relaxed),
        static_cast<size_t>(max_attempts_),
        [this](const std::string& endpoint) { return runtime_->IsIsolated(endpoint); });
    if (queues.empty()) {
      return WireError(v2::FORBIDDEN,
                       fmt::format("topic '{}' has no writable queue", message.topic));
    }
    absl::StatusOr<Transaction> begun;
    for (int attempt = 1; attempt <= max_attempts_; ++attempt) {
      const std::string& endpoint =
          queues[static_cast<size_t>(attempt - 1) % queues.size()].endpoint;
      bool from_server = false;
      begun = SendTo(endpoint, request, &from_server);
      if (begun.ok()) return begun;
      const RetryDecision decision = DecideRetry(begun.status(), from_server, attempt);
      if (!decision.retry) break;
      absl::SleepFor(decision.delay);
    }
    if (CodeOf(begun.status()) == v2::TOPIC_NOT_FOUND) runtime_->ForgetRoute(message.topic);
    return begun;
  }

  absl::Status Commit(const Transaction& transaction) override {
    return End(transaction, v2::COMMIT, v2::SOURCE_CLIENT);
  }
  absl::Status Rollback(const Transaction& transaction) override {
    return End(transaction, v2::ROLLBACK, v2::SOURCE_CLIENT);
  }

 private:
  struct Check {
    std::string endpoint;
    v2::RecoverOrphanedTransactionCommand command;
  };

  absl::StatusOr<Transaction> SendTo(const std::string& endpoint,
                                     const v2::SendMessageRequest& request, bool* from_server) {
    const std::shared_ptr<Session> session = runtime_->SessionWith(endpoint);
    v2::SendMessageResponse response;
    const absl::Status called = Call(session->connection(), method::kSendMessage, request,
                                     &response, runtime_->options().request_timeout);
    if (!called.ok()) {
      session->SetIsolated(true);
      return called;
    }
    *from_server = true;
    if (absl::Status status = FromWire(response.status()); !status.ok()) return status;
    if (response.entries_size() != 1 || response.entries(0).transaction_id().empty()) {
      return absl::InternalError("the broker stored the message without a transaction id");
    }
    return Transaction{request.messages(0).topic().name(),
                       request.messages(0).system_properties().message_id(),
                       response.entries(0).transaction_id(), endpoint};
  }

  absl::Status End(const Transaction& transaction, v2::TransactionResolution resolution,
                   v2::TransactionSource source) {
    v2::EndTransactionRequest request;
    request.mutable_topic()->set_name(transaction.topic);
    request.set_message_id(transaction.message_id);
    request.set_transaction_id(transaction.transaction_id);
    request.set_resolution(resolution);
    request.set_source(source);
    v2::EndTransactionResponse response;
    const std::shared_ptr<Session> session = runtime_->SessionWith(transaction.endpoint);
    const absl::Status called = Call(session->connection(), method::kEndTransaction, request,
                                     &response, runtime_->options().request_timeout);
    return called.ok() ? FromWire(response.status()) : called;
  }

  void AddCheck(const std::string& endpoint, std::string_view encoded) {
    Check check{endpoint, {}};
    if (!check.command.ParseFromArray(encoded.data(), static_cast<int>(encoded.size()))) return;
    MutexLock lock(&mutex_);
    if (checks_.size() >= kMaxWaitingChecks) return;
    checks_.push_back(std::move(check));
    changed_.Signal();
  }

  void RunChecks() {
    for (;;) {
      Check check;
      {
        MutexLock lock(&mutex_);
        while (!closing_ && (checks_.empty() || runtime_ == nullptr)) changed_.Wait(&mutex_);
        if (closing_) return;
        check = std::move(checks_.front());
        checks_.pop_front();
      }
      Answer(std::move(check));
    }
  }

  // An answer that gets lost does no harm: the broker asks again.
  void Answer(Check check) {
    Transaction transaction;
    transaction.topic = check.command.message().topic().name();
    transaction.message_id = check.command.message().system_properties().message_id();
    transaction.transaction_id = check.command.transaction_id();
    transaction.endpoint = check.endpoint;
    switch (checker_(DecodeMessage(std::move(*check.command.mutable_message()), check.endpoint))) {
      case Resolution::kCommit:
        End(transaction, v2::COMMIT, v2::SOURCE_SERVER_CHECK).IgnoreError();
        break;
      case Resolution::kRollback:
        End(transaction, v2::ROLLBACK, v2::SOURCE_SERVER_CHECK).IgnoreError();
        break;
      case Resolution::kUnknown:
        break;
    }
  }

  // True when it is new.
  bool AddTopic(const std::string& topic) {
    MutexLock lock(&mutex_);
    return topics_.insert(topic).second;
  }
  std::vector<std::string> Topics() const {
    MutexLock lock(&mutex_);
    return {topics_.begin(), topics_.end()};
  }

  const int max_attempts_;
  const Checker checker_;
  std::atomic<size_t> next_queue_{0};

  mutable Mutex mutex_;
  CondVar changed_;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::string> topics_ ABSL_GUARDED_BY(mutex_);
  std::deque<Check> checks_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Runtime> runtime_;  // set once in Start, under the mutex
  std::thread thread_;                // runs the checker; last, because it uses all above
};

}  // namespace

absl::StatusOr<std::unique_ptr<TransactionProducer>> TransactionProducer::Create(
    ClientOptions options, std::vector<std::string> topics, Checker checker) {
  if (checker == nullptr) {
    return absl::InvalidArgumentError(
        "a transaction producer needs a checker: the broker asks it about what nobody has ended");
  }
  auto producer =
      std::make_unique<TransactionProducerImpl>(options, std::move(topics), std::move(checker));
  if (absl::Status status = producer->Start(options); !status.ok()) return status;
  return producer;
}

}  // namespace mansio::client
