#include "client/bench/receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "client/bench/errors.h"
#include "client/bench/send_template.h"
#include "client/lib/rpc.h"
#include "client/lib/wire.h"

namespace mansio::bench {

namespace v2 = apache::rocketmq::v2;

// What one receive brought, until all of it is acknowledged.
struct Receiver::Batch {
  const Target::Link* link;
  absl::AnyInvocable<void(Outcome)> done;
  std::vector<v2::AckMessageEntry> to_ack;
  Mutex mutex;
  size_t acks_left ABSL_GUARDED_BY(mutex) = 0;
  Outcome outcome ABSL_GUARDED_BY(mutex);

  // Counts one ack; the last one ends the batch.
  void AckEnded(int64_t messages, std::string error) {
    Outcome all;
    {
      MutexLock lock(&mutex);
      outcome.messages += messages;
      if (!error.empty()) outcome.error = std::move(error);
      if (--acks_left > 0) return;
      all = std::move(outcome);
    }
    done(std::move(all));
  }
};

Receiver::Receiver(const TargetOptions& target_options, const ReceiverOptions& options,
                   Target& target, SequenceFile* seen_file, Seen seen)
    : target_options_(target_options),
      options_(options),
      target_(target),
      seen_file_(seen_file),
      seen_(std::move(seen)) {}

void Receiver::Run(size_t number, absl::AnyInvocable<void(Outcome)> done) {
  const Target::Link& link = target_.link(number);
  v2::ReceiveMessageRequest request;
  request.mutable_group()->set_name(target_options_.group);
  v2::MessageQueue* queue = request.mutable_message_queue();
  queue->mutable_topic()->set_name(target_options_.topic);
  queue->set_id(link.queue.queue_id);
  queue->set_permission(v2::READ_WRITE);
  queue->mutable_broker()->set_name(link.queue.broker);
  client::ParseEndpoints(link.queue.endpoint, queue->mutable_broker()->mutable_endpoints())
      .IgnoreError();
  v2::FilterExpression* filter = request.mutable_filter_expression();
  filter->set_type(options_.sql.empty() ? v2::TAG : v2::SQL);
  filter->set_expression(options_.sql.empty() ? options_.tags : options_.sql);
  request.set_batch_size(options_.batch);
  client::SetDuration(options_.invisible, request.mutable_invisible_duration());
  client::SetDuration(options_.wait, request.mutable_long_polling_timeout());

  auto batch = std::make_shared<Batch>();
  batch->link = &link;
  batch->done = std::move(done);
  link.connection->ServerStream(
      client::method::kReceiveMessage, request.SerializeAsString(),
      options_.wait + target_options_.client.request_timeout,
      [this, batch](absl::Status status, std::vector<std::string> elements) {
        if (status.ok()) {
          Received(batch, elements);
        } else {
          batch->done({.error = TransportError(status)});
        }
      });
}

void Receiver::Received(const std::shared_ptr<Batch>& batch,
                        const std::vector<std::string>& elements) {
  std::string error;
  std::string lines;
  int64_t bytes = 0;
  for (const std::string& encoded : elements) {
    v2::ReceiveMessageResponse element;
    if (!element.ParseFromString(encoded)) error = "UNREADABLE_RESPONSE";
    const v2::Code code = element.status().code();
    if (element.has_status() && code != v2::OK && code != v2::MESSAGE_NOT_FOUND) {
      error = v2::Code_Name(code);
    }
    if (!element.has_message()) continue;
    const v2::Message& message = element.message();
    const v2::SystemProperties& system = message.system_properties();
    v2::AckMessageEntry& entry = batch->to_ack.emplace_back();
    entry.set_message_id(system.message_id());
    entry.set_receipt_handle(system.receipt_handle());
    bytes += static_cast<int64_t>(message.body().size());
    uint64_t sequence = 0;
    if (!ParseSequence(message.body(), &sequence)) continue;  // not from a bench
    if (seen_) seen_(sequence);
    if (seen_file_ == nullptr) continue;
    lines += fmt::format("{} {} {} {} {}\n", sequence, system.message_id(), system.queue_id(),
                         system.queue_offset(), system.delivery_attempt());
  }
  if (!lines.empty()) seen_file_->Write(lines);
  if (batch->to_ack.empty() || !error.empty() || options_.ack_batch == 0) {
    batch->done({.messages = static_cast<int64_t>(batch->to_ack.size()),
                 .bytes = bytes,
                 .error = std::move(error)});
    return;
  }
  {
    MutexLock lock(&batch->mutex);
    batch->outcome.bytes = bytes;
  }
  Ack(batch);
}

void Receiver::Ack(const std::shared_ptr<Batch>& batch) {
  const size_t size = static_cast<size_t>(options_.ack_batch);
  {
    MutexLock lock(&batch->mutex);
    batch->acks_left = (batch->to_ack.size() + size - 1) / size;
  }
  const int64_t begun = NowNanos();
  for (size_t first = 0; first < batch->to_ack.size(); first += size) {
    v2::AckMessageRequest request;
    request.mutable_group()->set_name(target_options_.group);
    request.mutable_topic()->set_name(target_options_.topic);
    const size_t end = std::min(first + size, batch->to_ack.size());
    for (size_t i = first; i < end; ++i) request.add_entries()->Swap(&batch->to_ack[i]);
    auto response = std::make_shared<v2::AckMessageResponse>();
    client::CallAsync(
        *batch->link->connection, client::method::kAckMessage, request, response,
        target_options_.client.request_timeout,
        [this, batch, response, begun](absl::Status status) {
          if (!status.ok()) {
            batch->AckEnded(0, TransportError(status));
            return;
          }
          {
            MutexLock lock(&mutex_);
            ack_latency_.Record(NowNanos() - begun);
          }
          const auto acked = std::count_if(
              response->entries().begin(), response->entries().end(),
              [](const v2::AckMessageResultEntry& e) { return e.status().code() == v2::OK; });
          const v2::Code code = response->status().code();
          batch->AckEnded(acked, code == v2::OK ? "" : v2::Code_Name(code));
        });
  }
}

Histogram Receiver::ack_latency() const {
  MutexLock lock(&mutex_);
  return ack_latency_;
}

}  // namespace mansio::bench
