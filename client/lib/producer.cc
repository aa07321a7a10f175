#include "client/lib/producer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "client/lib/retry.h"
#include "client/lib/rpc.h"
#include "client/lib/runtime.h"
#include "client/lib/settings.h"
#include "client/lib/wait.h"
#include "client/lib/wire.h"
#include "common/status/wire_status.h"

namespace mansio::client {

namespace v2 = apache::rocketmq::v2;

namespace {

// The topics that this producer has sent to; they are part of its settings.
class PublishedTopics {
 public:
  // True when `topic` is new.
  bool Add(const std::string& topic) {
    MutexLock lock(&mutex_);
    return topics_.try_emplace(topic, true).second;
  }
  std::vector<std::string> All() const {
    MutexLock lock(&mutex_);
    std::vector<std::string> all;
    for (const auto& [topic, unused] : topics_) all.push_back(topic);
    return all;
  }

 private:
  mutable Mutex mutex_;
  StringMap<bool> topics_ ABSL_GUARDED_BY(mutex_);
};

// One request on its way through its attempts.
struct Sending {
  std::string topic;
  std::string message_group;
  v2::SendMessageRequest request;  // the same, with the same message ids, at each attempt
  std::vector<RouteQueue> candidates;
  int attempt = 0;  // attempts made so far
  Producer::BatchDone done;
};
using SendingPtr = std::shared_ptr<Sending>;

absl::StatusOr<std::vector<SendReceipt>> ToReceipts(const v2::SendMessageRequest& request,
                                                    const v2::SendMessageResponse& response,
                                                    const std::string& endpoint) {
  const bool mixed = response.status().code() == v2::MULTIPLE_RESULTS;
  if (!mixed) {
    if (absl::Status status = FromWire(response.status()); !status.ok()) return status;
  }
  if (response.entries_size() != request.messages_size()) {
    return absl::InternalError(fmt::format("the broker answered {} messages with {} results",
                                           request.messages_size(), response.entries_size()));
  }
  std::vector<SendReceipt> receipts;
  for (int i = 0; i < request.messages_size(); ++i) {
    const v2::SendResultEntry& entry = response.entries(i);
    receipts.push_back({request.messages(i).system_properties().message_id(),
                        FromWire(entry.status()), entry.offset(), entry.recall_handle(), endpoint});
  }
  return receipts;
}

class ProducerImpl final : public Producer {
 public:
  explicit ProducerImpl(ClientOptions options) : max_attempts_(std::max(options.max_attempts, 1)) {}
  ~ProducerImpl() override {
    if (runtime_ != nullptr) runtime_->Close();  // before anything that its callbacks use
  }

  absl::Status Start(const ClientOptions& options) {
    Runtime::Role role;
    role.settings = [this, options] { return ProducerSettings(options, topics_.All()); };
    v2::HeartbeatRequest heartbeat;
    heartbeat.set_client_type(v2::PRODUCER);
    role.heartbeat = heartbeat.SerializeAsString();
    absl::StatusOr<std::unique_ptr<Runtime>> runtime = Runtime::Start(options, std::move(role));
    if (!runtime.ok()) return runtime.status();
    runtime_ = *std::move(runtime);
    return absl::OkStatus();
  }

  absl::StatusOr<SendReceipt> Send(Message message) override {
    Result<absl::StatusOr<SendReceipt>> result;
    SendAsync(std::move(message), [result](auto receipt) { result.Set(std::move(receipt)); });
    return result.Take();
  }

  absl::StatusOr<std::vector<SendReceipt>> SendBatch(std::vector<Message> messages) override {
    Result<absl::StatusOr<std::vector<SendReceipt>>> result;
    SendBatchAsync(std::move(messages), [result](auto all) { result.Set(std::move(all)); });
    return result.Take();
  }

  absl::Status Recall(const std::string& topic, const SendReceipt& receipt) override {
    if (receipt.recall_handle.empty()) {
      return absl::InvalidArgumentError(
          "the receipt has no recall handle: only delayed messages of a topic of type delay do");
    }
    v2::RecallMessageRequest request;
    request.mutable_topic()->set_name(topic);
    request.set_recall_handle(receipt.recall_handle);
    v2::RecallMessageResponse response;
    const std::shared_ptr<Session> session = runtime_->SessionWith(receipt.endpoint);
    absl::Status status = Call(session->connection(), method::kRecallMessage, request, &response,
                               runtime_->options().request_timeout);
    return status.ok() ? FromWire(response.status()) : status;
  }

  void SendAsync(Message message, SendDone done) override {
    std::vector<Message> one;
    one.push_back(std::move(message));
    SendBatchAsync(std::move(one),
                   [done = std::move(done)](absl::StatusOr<std::vector<SendReceipt>> all) mutable {
                     if (!all.ok()) {
                       done(all.status());
                     } else if (!all->front().status.ok()) {
                       done(all->front().status);
                     } else {
                       done(std::move(all->front()));
                     }
                   });
  }

  void SendBatchAsync(std::vector<Message> messages, BatchDone done) override {
    if (messages.empty()) {
      done(absl::InvalidArgumentError("there is no message to send"));
      return;
    }
    auto sending = std::make_shared<Sending>();
    sending->topic = messages.front().topic;
    sending->message_group = messages.front().message_group;
    sending->done = std::move(done);
    for (Message& message : messages) {
      if (message.topic != sending->topic || message.message_group != sending->message_group) {
        sending->done(absl::InvalidArgumentError(
            "the messages of one request must have one topic and one message group"));
        return;
      }
      if (message.message_id.empty()) message.message_id = runtime_->NextMessageId();
      EncodeMessage(message, sending->request.add_messages());
    }
    if (topics_.Add(sending->topic)) runtime_->SendSettings();
    const std::string topic = sending->topic;
    runtime_->FindRoute(topic, [this, sending](auto route) { BeginAttempts(sending, route); });
  }

 private:
  void BeginAttempts(const SendingPtr& sending,
                     const absl::StatusOr<std::shared_ptr<const Route>>& route) {
    if (!route.ok()) {
      sending->done(route.status());
      return;
    }
    if (sending->message_group.empty()) {
      sending->candidates =
          SendCandidates(**route, next_queue_.fetch_add(1, std::memory_order_relaxed),
                         static_cast<size_t>(max_attempts_),
                         [this](const std::string& e) { return runtime_->IsIsolated(e); });
    } else if (const RouteQueue* queue = QueueForGroup(**route, sending->message_group)) {
      sending->candidates.push_back(*queue);
    }
    if (sending->candidates.empty()) {
      sending->done(WireError(v2::FORBIDDEN,
                              fmt::format("topic '{}' has no writable queue", sending->topic)));
      return;
    }
    Attempt(sending);
  }

  void Attempt(const SendingPtr& sending) {
    const RouteQueue& queue =
        sending->candidates[static_cast<size_t>(sending->attempt) % sending->candidates.size()];
    ++sending->attempt;
    std::shared_ptr<Session> session = runtime_->SessionWith(queue.endpoint);
    auto response = std::make_shared<v2::SendMessageResponse>();
    CallAsync(session->connection(), method::kSendMessage, sending->request, response,
              runtime_->options().request_timeout,
              [this, sending, session, response, endpoint = queue.endpoint](absl::Status status) {
                if (!status.ok() && !absl::IsCancelled(status)) session->SetIsolated(true);
                if (!status.ok()) {
                  Failed(sending, std::move(status), /*from_server=*/false);
                  return;
                }
                auto receipts = ToReceipts(sending->request, *response, endpoint);
                if (receipts.ok() && receipts->size() == 1 && !receipts->front().status.ok()) {
                  receipts = receipts->front().status;
                }
                if (receipts.ok()) {
                  sending->done(std::move(receipts));
                } else {
                  Failed(sending, receipts.status(), /*from_server=*/true);
                }
              });
  }

  void Failed(const SendingPtr& sending, absl::Status status, bool from_server) {
    if (CodeOf(status) == v2::TOPIC_NOT_FOUND) runtime_->ForgetRoute(sending->topic);
    const RetryDecision decision = DecideRetry(status, from_server, sending->attempt);
    if (!decision.retry || sending->attempt >= max_attempts_) {
      sending->done(std::move(status));
    } else if (decision.delay == absl::ZeroDuration()) {
      Attempt(sending);
    } else {
      // The timer's copy is the last one if the producer is closed meanwhile; its end must be told.
      auto guard = std::make_shared<CancelGuard>(sending);
      runtime_->transport().After(decision.delay, [this, guard] { Attempt(guard->Release()); });
    }
  }

  // Ends a sending with kCancelled when the timer that was to continue it is dropped.
  class CancelGuard {
   public:
    explicit CancelGuard(SendingPtr sending) : sending_(std::move(sending)) {}
    ~CancelGuard() {
      if (sending_ != nullptr) sending_->done(absl::CancelledError("the producer is closed"));
    }
    SendingPtr Release() { return std::move(sending_); }

   private:
    SendingPtr sending_;
  };

  const int max_attempts_;
  PublishedTopics topics_;
  std::atomic<size_t> next_queue_{0};
  std::unique_ptr<Runtime> runtime_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Producer>> Producer::Create(ClientOptions options) {
  auto producer = std::make_unique<ProducerImpl>(options);
  if (absl::Status status = producer->Start(options); !status.ok()) return status;
  return producer;
}

}  // namespace mansio::client
