#include "client/lib/simple_consumer.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "client/lib/rpc.h"
#include "client/lib/runtime.h"
#include "client/lib/settings.h"
#include "client/lib/wait.h"
#include "client/lib/wire.h"
#include "common/status/wire_status.h"

namespace mansio::client {

namespace v2 = apache::rocketmq::v2;

namespace {

// Brokers refuse a receive whose deadline leaves less than this (RocketMQ 5 API).
constexpr absl::Duration kLeastPolling = absl::Seconds(5);

// The subscribed topics, in turn. Thread-safe.
class Subscriptions {
 public:
  void Set(const std::string& topic, const Filter& filter) {
    MutexLock lock(&mutex_);
    filters_[topic] = filter;
  }
  void Remove(const std::string& topic) {
    MutexLock lock(&mutex_);
    filters_.erase(topic);
  }
  // Number `turn`, going around; false when there is none.
  bool Pick(size_t turn, Subscription* out) const {
    MutexLock lock(&mutex_);
    if (filters_.empty()) return false;
    const auto it = std::next(filters_.begin(), static_cast<ptrdiff_t>(turn % filters_.size()));
    *out = {it->first, it->second};
    return true;
  }
  std::vector<Subscription> All() const {
    MutexLock lock(&mutex_);
    std::vector<Subscription> all;
    for (const auto& [topic, filter] : filters_) all.push_back({topic, filter});
    return all;
  }
  size_t size() const {
    MutexLock lock(&mutex_);
    return filters_.size();
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, Filter> filters_ ABSL_GUARDED_BY(mutex_);
};

// What the elements of a receive say; an empty list for MESSAGE_NOT_FOUND.
absl::StatusOr<std::vector<ReceivedMessage>> ParseElements(const std::vector<std::string>& elements,
                                                           const RouteQueue& from) {
  std::vector<ReceivedMessage> messages;
  absl::Status status =
      absl::InternalError(fmt::format("{} answered a receive without a status", from.endpoint));
  for (const std::string& bytes : elements) {
    v2::ReceiveMessageResponse element;
    if (!element.ParseFromString(bytes)) {
      return absl::InternalError(
          fmt::format("{} answered a receive with bytes that are not its response", from.endpoint));
    }
    if (element.has_status()) {
      const bool none = element.status().code() == v2::MESSAGE_NOT_FOUND;
      status = none ? absl::OkStatus() : FromWire(element.status());
    } else if (element.has_message()) {
      messages.push_back(DecodeMessage(std::move(*element.mutable_message()), from.endpoint));
      messages.back().broker = from.broker;
    }
  }
  if (!status.ok()) return status;
  return messages;
}

class SimpleConsumerImpl final : public SimpleConsumer {
 public:
  explicit SimpleConsumerImpl(std::string group) : group_(std::move(group)) {}
  ~SimpleConsumerImpl() override {
    if (runtime_ != nullptr) runtime_->Close();  // before anything that its callbacks use
  }

  absl::Status Start(const ClientOptions& options) {
    Runtime::Role role;
    role.settings = [this, options] {
      return ConsumerSettings(options, group_, subscriptions_.All());
    };
    AnnounceGroup(v2::SIMPLE_CONSUMER, group_, &role);
    absl::StatusOr<std::unique_ptr<Runtime>> runtime = Runtime::Start(options, std::move(role));
    if (!runtime.ok()) return runtime.status();
    runtime_ = *std::move(runtime);
    return absl::OkStatus();
  }

  absl::Status Subscribe(const std::string& topic, const Filter& filter) override {
    absl::StatusOr<std::shared_ptr<const Route>> route = RouteOf(topic);
    if (!route.ok()) return route.status();
    subscriptions_.Set(topic, filter);
    // Every broker of the topic learns of the group now, so that its position there begins here.
    for (const RouteQueue& queue : **route) runtime_->SessionWith(queue.endpoint);
    runtime_->SendSettings();
    return absl::OkStatus();
  }

  void Unsubscribe(const std::string& topic) override {
    subscriptions_.Remove(topic);
    runtime_->SendSettings();
  }

  absl::StatusOr<std::vector<ReceivedMessage>> Receive(int max, absl::Duration invisible,
                                                       absl::Duration wait) override {
    const size_t turn = next_turn_.fetch_add(1, std::memory_order_relaxed);
    Subscription subscription;
    if (!subscriptions_.Pick(turn, &subscription)) {
      return absl::FailedPreconditionError("there is no subscription; call Subscribe first");
    }
    absl::StatusOr<std::shared_ptr<const Route>> route = RouteOf(subscription.topic);
    if (!route.ok()) return route.status();
    const RouteQueue* queue =
        ReceiveQueue(**route, turn / std::max<size_t>(subscriptions_.size(), 1));
    if (queue == nullptr) {
      return WireError(v2::FORBIDDEN,
                       fmt::format("topic '{}' has no readable queue", subscription.topic));
    }
    return ReceiveFrom(*queue, subscription, max, invisible, wait);
  }

  absl::StatusOr<int> Sources() override {
    size_t sources = 0;
    for (const Subscription& subscription : subscriptions_.All()) {
      absl::StatusOr<std::shared_ptr<const Route>> route = RouteOf(subscription.topic);
      if (!route.ok()) return route.status();
      sources += ReadableBrokers(**route);
    }
    return static_cast<int>(sources);
  }

  absl::Status Ack(const ReceivedMessage& message) override {
    Result<absl::Status> result;
    AckAsync(message, [result](absl::Status status) { result.Set(std::move(status)); });
    return result.Take();
  }

  void AckAsync(const ReceivedMessage& message, AckDone done) override {
    v2::AckMessageRequest request;
    request.mutable_group()->set_name(group_);
    request.mutable_topic()->set_name(message.topic);
    v2::AckMessageEntry* entry = request.add_entries();
    entry->set_message_id(message.message_id);
    entry->set_receipt_handle(message.receipt_handle);
    auto response = std::make_shared<v2::AckMessageResponse>();
    CallAsync(runtime_->SessionWith(message.endpoint)->connection(), method::kAckMessage, request,
              response, runtime_->options().request_timeout,
              [response, done = std::move(done)](absl::Status status) mutable {
                done(status.ok() ? FromWire(response->status()) : std::move(status));
              });
  }

  absl::Status ChangeInvisible(ReceivedMessage& message, absl::Duration invisible) override {
    v2::ChangeInvisibleDurationRequest request;
    request.mutable_group()->set_name(group_);
    request.mutable_topic()->set_name(message.topic);
    request.set_receipt_handle(message.receipt_handle);
    request.set_message_id(message.message_id);
    SetDuration(invisible, request.mutable_invisible_duration());
    v2::ChangeInvisibleDurationResponse response;
    absl::Status status = Call(runtime_->SessionWith(message.endpoint)->connection(),
                               method::kChangeInvisibleDuration, request, &response,
                               runtime_->options().request_timeout);
    if (status.ok()) status = FromWire(response.status());
    if (status.ok()) message.receipt_handle = response.receipt_handle();
    return status;
  }

 private:
  absl::StatusOr<std::shared_ptr<const Route>> RouteOf(const std::string& topic) {
    Result<absl::StatusOr<std::shared_ptr<const Route>>> result;
    runtime_->FindRoute(topic, [result](auto route) { result.Set(std::move(route)); });
    return result.Take();
  }

  absl::StatusOr<std::vector<ReceivedMessage>> ReceiveFrom(const RouteQueue& queue,
                                                           const Subscription& subscription,
                                                           int max, absl::Duration invisible,
                                                           absl::Duration wait) {
    v2::ReceiveMessageRequest request;
    request.mutable_group()->set_name(group_);
    v2::MessageQueue* from = request.mutable_message_queue();
    from->mutable_topic()->set_name(subscription.topic);
    from->set_id(queue.queue_id);
    from->set_permission(v2::READ_WRITE);
    from->mutable_broker()->set_name(queue.broker);
    ParseEndpoints(queue.endpoint, from->mutable_broker()->mutable_endpoints()).IgnoreError();
    subscription.filter.ToWire(request.mutable_filter_expression());
    request.set_batch_size(max);
    SetDuration(invisible, request.mutable_invisible_duration());
    SetDuration(wait, request.mutable_long_polling_timeout());

    std::shared_ptr<Session> session = runtime_->SessionWith(queue.endpoint);
    Result<absl::StatusOr<std::vector<std::string>>> result;
    session->connection().ServerStream(
        method::kReceiveMessage, request.SerializeAsString(),
        std::max(wait, kLeastPolling) + runtime_->options().request_timeout,
        [result](absl::Status status, std::vector<std::string> elements) {
          if (status.ok()) {
            result.Set(std::move(elements));
          } else {
            result.Set(std::move(status));
          }
        });
    absl::StatusOr<std::vector<std::string>> elements = result.Take();
    if (!elements.ok()) return elements.status();
    absl::StatusOr<std::vector<ReceivedMessage>> messages = ParseElements(*elements, queue);
    if (CodeOf(messages.status()) == v2::TOPIC_NOT_FOUND) {
      runtime_->ForgetRoute(subscription.topic);
    }
    return messages;
  }

  const std::string group_;
  Subscriptions subscriptions_;
  std::atomic<size_t> next_turn_{0};
  std::unique_ptr<Runtime> runtime_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SimpleConsumer>> SimpleConsumer::Create(ClientOptions options,
                                                                       std::string group) {
  auto consumer = std::make_unique<SimpleConsumerImpl>(std::move(group));
  if (absl::Status status = consumer->Start(options); !status.ok()) return status;
  return consumer;
}

}  // namespace mansio::client
