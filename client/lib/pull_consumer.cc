#include "client/lib/pull_consumer.h"

#include <fmt/format.h>

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

void SetQueue(const PullQueue& queue, v2::MessageQueue* out) {
  out->mutable_topic()->set_name(queue.topic);
  out->set_id(queue.queue_id);
  out->set_permission(v2::READ_WRITE);
  out->mutable_broker()->set_name(queue.broker);
  // Endpoints of a route are well-formed.
  ParseEndpoints(queue.endpoint, out->mutable_broker()->mutable_endpoints()).IgnoreError();
}

// What the elements of a pull say.
absl::StatusOr<PullResult> ParsePull(const std::vector<std::string>& elements,
                                     const PullQueue& queue, int64_t offset) {
  PullResult result;
  result.next_offset = offset;
  absl::Status status =
      absl::InternalError(fmt::format("{} answered a pull without a status", queue.endpoint));
  for (const std::string& bytes : elements) {
    v2::PullMessageResponse element;
    if (!element.ParseFromString(bytes)) {
      return absl::InternalError(
          fmt::format("{} answered a pull with bytes that are not its response", queue.endpoint));
    }
    if (element.has_status()) {
      const bool none = element.status().code() == v2::MESSAGE_NOT_FOUND;
      status = none ? absl::OkStatus() : FromWire(element.status());
    } else if (element.has_message()) {
      result.messages.push_back(
          DecodeMessage(std::move(*element.mutable_message()), queue.endpoint));
      result.messages.back().broker = queue.broker;
    } else if (element.content_case() == v2::PullMessageResponse::kNextOffset) {
      result.next_offset = element.next_offset();
    }
  }
  result.offset_gone =
      CodeOf(status) == v2::ILLEGAL_OFFSET && offset >= 0 && result.next_offset > offset;
  if (!status.ok() && !result.offset_gone) return status;
  return result;
}

class PullConsumerImpl final : public PullConsumer {
 public:
  explicit PullConsumerImpl(std::string group) : group_(std::move(group)) {}
  ~PullConsumerImpl() override {
    if (runtime_ != nullptr) runtime_->Close();  // before anything that its callbacks use
  }

  absl::Status Start(const ClientOptions& options) {
    Runtime::Role role;
    role.settings = [options, group = group_] { return PullConsumerSettings(options, group); };
    AnnounceGroup(v2::PULL_CONSUMER, group_, &role);
    absl::StatusOr<std::unique_ptr<Runtime>> runtime = Runtime::Start(options, std::move(role));
    if (!runtime.ok()) return runtime.status();
    runtime_ = *std::move(runtime);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<PullQueue>> Queues(const std::string& topic) override {
    Result<absl::StatusOr<std::shared_ptr<const Route>>> result;
    runtime_->FindRoute(topic, [result](auto route) { result.Set(std::move(route)); });
    const absl::StatusOr<std::shared_ptr<const Route>> route = result.Take();
    if (!route.ok()) return route.status();
    std::vector<PullQueue> queues;
    for (const RouteQueue& queue : **route) {
      if (queue.readable) queues.push_back({topic, queue.broker, queue.endpoint, queue.queue_id});
    }
    return queues;
  }

  absl::StatusOr<PullResult> Pull(const PullQueue& queue, int64_t offset, int max,
                                  const Filter& filter, absl::Duration wait) override {
    Result<absl::StatusOr<PullResult>> result;
    PullAsync(queue, offset, max, filter, wait,
              [result](absl::StatusOr<PullResult> pulled) { result.Set(std::move(pulled)); });
    return result.Take();
  }

  void PullAsync(const PullQueue& queue, int64_t offset, int max, const Filter& filter,
                 absl::Duration wait, PullDone done) override {
    v2::PullMessageRequest request;
    request.mutable_group()->set_name(group_);
    SetQueue(queue, request.mutable_message_queue());
    request.set_offset(offset);
    request.set_batch_size(max);
    filter.ToWire(request.mutable_filter_expression());
    SetDuration(wait, request.mutable_long_polling_timeout());
    ConnectionTo(queue).ServerStream(
        method::kPullMessage, request.SerializeAsString(),
        wait + runtime_->options().request_timeout,
        [queue, offset, done = std::move(done)](absl::Status status,
                                                std::vector<std::string> elements) mutable {
          if (status.ok()) {
            done(ParsePull(elements, queue, offset));
          } else {
            done(std::move(status));
          }
        });
  }

  absl::StatusOr<int64_t> Beginning(const PullQueue& queue) override {
    v2::QueryOffsetRequest request;
    request.set_query_offset_policy(v2::BEGINNING);
    return Query(queue, std::move(request));
  }
  absl::StatusOr<int64_t> End(const PullQueue& queue) override {
    v2::QueryOffsetRequest request;
    request.set_query_offset_policy(v2::END);
    return Query(queue, std::move(request));
  }
  absl::StatusOr<int64_t> AtTime(const PullQueue& queue, absl::Time time) override {
    v2::QueryOffsetRequest request;
    request.set_query_offset_policy(v2::TIMESTAMP);
    const int64_t seconds = absl::ToUnixSeconds(time);
    request.mutable_timestamp()->set_seconds(seconds);
    request.mutable_timestamp()->set_nanos(
        static_cast<int>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
    return Query(queue, std::move(request));
  }

  absl::StatusOr<int64_t> GetOffset(const PullQueue& queue) override {
    v2::GetOffsetRequest request;
    request.mutable_group()->set_name(group_);
    SetQueue(queue, request.mutable_message_queue());
    return AskForOffset<v2::GetOffsetResponse>(queue, method::kGetOffset, request);
  }

  absl::Status UpdateOffset(const PullQueue& queue, int64_t offset) override {
    v2::UpdateOffsetRequest request;
    request.mutable_group()->set_name(group_);
    SetQueue(queue, request.mutable_message_queue());
    request.set_offset(offset);
    v2::UpdateOffsetResponse response;
    absl::Status status = Call(ConnectionTo(queue), method::kUpdateOffset, request, &response,
                               runtime_->options().request_timeout);
    return status.ok() ? FromWire(response.status()) : status;
  }

 private:
  Connection& ConnectionTo(const PullQueue& queue) {
    return runtime_->SessionWith(queue.endpoint)->connection();
  }

  absl::StatusOr<int64_t> Query(const PullQueue& queue, v2::QueryOffsetRequest request) {
    SetQueue(queue, request.mutable_message_queue());
    return AskForOffset<v2::QueryOffsetResponse>(queue, method::kQueryOffset, request);
  }

  template <typename Response>
  absl::StatusOr<int64_t> AskForOffset(const PullQueue& queue, const char* method,
                                       const google::protobuf::MessageLite& request) {
    Response response;
    absl::Status status =
        Call(ConnectionTo(queue), method, request, &response, runtime_->options().request_timeout);
    if (status.ok()) status = FromWire(response.status());
    if (!status.ok()) return status;
    return response.offset();
  }

  const std::string group_;
  std::unique_ptr<Runtime> runtime_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PullConsumer>> PullConsumer::Create(ClientOptions options,
                                                                   std::string group) {
  auto consumer = std::make_unique<PullConsumerImpl>(std::move(group));
  if (absl::Status status = consumer->Start(options); !status.ok()) return status;
  return consumer;
}

}  // namespace mansio::client
