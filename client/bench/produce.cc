#include "client/bench/produce.h"

#include <fmt/format.h>

#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "client/bench/errors.h"
#include "client/bench/sequence_file.h"
#include "client/lib/rpc.h"

namespace mansio::bench {

namespace v2 = apache::rocketmq::v2;

namespace {

class Producing {
 public:
  Producing(const ProduceOptions& options, Target& target, SequenceFile* acked)
      : options_(options),
        target_(target),
        acked_(acked),
        template_({.topic = options.target.topic,
                   .body_bytes = static_cast<size_t>(options.size),
                   .batch = options.batch,
                   .message_group = options.message_group,
                   .delayed = options.deliver_at != nullptr,
                   .keyed = options.keyed}) {}

  void Send(int64_t number, int64_t intended, absl::AnyInvocable<void(Outcome)> done) {
    const uint64_t first = options_.first_sequence +
                           static_cast<uint64_t>(number) * static_cast<uint64_t>(options_.batch);
    if (options_.before_send) options_.before_send(first, intended);
    const std::string request = template_.Make(
        first, [this] { return target_.NextMessageId(); }, options_.deliver_at);
    target_.link(static_cast<size_t>(number))
        .connection->Unary(
            client::method::kSendMessage, request, options_.target.client.request_timeout,
            [this, first, done = std::move(done)](absl::Status status,
                                                  std::string_view bytes) mutable {
              done(status.ok() ? Evaluate(first, bytes) : Outcome{.error = TransportError(status)});
            });
  }

 private:
  Outcome Evaluate(uint64_t first, std::string_view bytes) {
    thread_local v2::SendMessageResponse response;  // keeps its memory
    if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return {.error = "UNREADABLE_RESPONSE"};
    }
    Outcome outcome;
    std::string lines;
    for (int i = 0; i < response.entries_size(); ++i) {
      const v2::SendResultEntry& entry = response.entries(i);
      if (entry.status().code() != v2::OK) continue;
      ++outcome.messages;
      if (acked_ == nullptr) continue;
      lines += fmt::format("{} {} {}\n", first + static_cast<uint64_t>(i), entry.message_id(),
                           entry.offset());
    }
    if (!lines.empty()) acked_->Write(lines);
    outcome.bytes = outcome.messages * options_.size;
    if (response.status().code() != v2::OK) outcome.error = v2::Code_Name(response.status().code());
    return outcome;
  }

  const ProduceOptions& options_;
  Target& target_;
  SequenceFile* const acked_;
  const SendTemplate template_;
};

}  // namespace

absl::StatusOr<LoadResult> Produce(const ProduceOptions& options) {
  absl::StatusOr<std::unique_ptr<Target>> target = Target::Connect(options.target);
  if (!target.ok()) return target.status();
  return Produce(options, **target);
}

absl::StatusOr<LoadResult> Produce(const ProduceOptions& options, Target& target) {
  std::unique_ptr<SequenceFile> acked;
  if (!options.acked_file.empty()) {
    absl::StatusOr<std::unique_ptr<SequenceFile>> file = SequenceFile::Create(options.acked_file);
    if (!file.ok()) return file.status();
    acked = *std::move(file);
  }
  Producing producing(options, target, acked.get());
  return RunLoad(options.load, [&producing](int64_t number, int64_t intended, auto done) {
    producing.Send(number, intended, std::move(done));
  });
}

}  // namespace mansio::bench
