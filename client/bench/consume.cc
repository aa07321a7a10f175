#include "client/bench/consume.h"

#include <algorithm>
#include <utility>

#include "client/bench/produce.h"
#include "client/lib/admin_client.h"

namespace mansio::bench {
namespace {

constexpr int kPrefillBatch = 32;

absl::Status Prefill(const ConsumeOptions& options) {
  ProduceOptions produce;
  produce.target = options.target;
  produce.target.group.clear();
  produce.size = options.prefill_size;
  produce.batch = static_cast<int>(std::min<int64_t>(kPrefillBatch, options.prefill));
  produce.load.in_flight = 16;
  produce.load.count = (options.prefill + produce.batch - 1) / produce.batch;
  return Produce(produce).status();
}

// Only a Mansio broker knows; nameservers and other servers do not.
std::optional<int64_t> LogEnd(const client::ClientOptions& options) {
  auto admin = client::AdminClient::Create(options);
  if (!admin.ok()) return std::nullopt;
  const auto response = (*admin)->ListBrokers();
  if (!response.ok() || response->brokers_size() != 1) return std::nullopt;
  const int64_t end = response->brokers(0).log_end();
  return end > 0 ? std::optional(end) : std::nullopt;
}

}  // namespace

absl::StatusOr<ConsumeResult> Consume(const ConsumeOptions& options) {
  std::unique_ptr<SequenceFile> seen;
  if (!options.seen_file.empty()) {
    absl::StatusOr<std::unique_ptr<SequenceFile>> file = SequenceFile::Create(options.seen_file);
    if (!file.ok()) return file.status();
    seen = *std::move(file);
  }
  // First the group: where it starts is decided before there is something to consume.
  absl::StatusOr<std::unique_ptr<Target>> target = Target::Connect(options.target);
  if (!target.ok()) return target.status();
  if (options.prefill > 0) {
    if (absl::Status status = Prefill(options); !status.ok()) return status;
  }
  const std::optional<int64_t> log_begin = LogEnd(options.target.client);
  Receiver receiver(options.target, options.receiver, **target, seen.get(), nullptr);
  absl::StatusOr<LoadResult> load =
      RunLoad(options.load, [&receiver](int64_t number, int64_t /*intended*/, auto done) {
        receiver.Run(static_cast<size_t>(number), std::move(done));
      });
  if (!load.ok()) return load.status();
  ConsumeResult result{*std::move(load), receiver.ack_latency(), LogEnd(options.target.client)};
  if (result.log_bytes.has_value() && log_begin.has_value()) *result.log_bytes -= *log_begin;
  return result;
}

}  // namespace mansio::bench
