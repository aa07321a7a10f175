#include "broker/send/send_response.h"

#include <fmt/format.h>

#include <algorithm>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/message/wire_writer.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

using Entry = v2::SendResultEntry;
using Response = v2::SendMessageResponse;

// The inner bytes of the status that almost every answer carries, twice.
const std::string& OkStatusBytes() {
  static const std::string bytes = [] {
    v2::Status status;
    ToWire(absl::OkStatus(), &status);
    return status.SerializeAsString();
  }();
  return bytes;
}

std::string StatusBytes(const absl::Status& status) {
  if (status.ok()) return OkStatusBytes();
  v2::Status wire;
  ToWire(status, &wire);
  return wire.SerializeAsString();
}

size_t FieldSize(size_t bytes) { return 1 + VarintSize(bytes) + bytes; }

// One entry of the response, with its tag and length.
void PutEntry(WireWriter& w, std::string_view status, std::string_view message_id, int64_t offset,
              const EntryNames& names) {
  size_t size = FieldSize(status.size()) + FieldSize(message_id.size());
  if (!names.transaction_id.empty()) size += FieldSize(names.transaction_id.size());
  if (offset != 0) size += 1 + VarintSize(static_cast<uint64_t>(offset));
  if (!names.recall_handle.empty()) size += FieldSize(names.recall_handle.size());
  w.BytesHeader(Response::kEntriesFieldNumber, size);
  w.Bytes(Entry::kStatusFieldNumber, status);
  w.Bytes(Entry::kMessageIdFieldNumber, message_id);
  if (!names.transaction_id.empty())
    w.Bytes(Entry::kTransactionIdFieldNumber, names.transaction_id);
  if (offset != 0) w.Int(Entry::kOffsetFieldNumber, offset);
  if (!names.recall_handle.empty()) w.Bytes(Entry::kRecallHandleFieldNumber, names.recall_handle);
}

absl::Status CommonStatus(const std::vector<SendOutcome>& outcomes) {
  const absl::Status& first = outcomes.front().status;
  const auto code = CodeOf(first);
  if (std::all_of(outcomes.begin(), outcomes.end(),
                  [code](const SendOutcome& o) { return CodeOf(o.status) == code; })) {
    return first;
  }
  const auto stored = std::count_if(outcomes.begin(), outcomes.end(),
                                    [](const SendOutcome& o) { return o.status.ok(); });
  return WireError(v2::MULTIPLE_RESULTS,
                   fmt::format("{} of {} messages were stored; look at the status of each entry",
                               stored, outcomes.size()));
}

}  // namespace

std::string EncodeStored(std::string_view message_id, int64_t queue_offset,
                         const EntryNames& names) {
  const std::string& ok = OkStatusBytes();
  WireWriter w;
  w.Reserve(2 * ok.size() + message_id.size() + names.transaction_id.size() +
            names.recall_handle.size() + 40);
  w.Bytes(Response::kStatusFieldNumber, ok);
  PutEntry(w, ok, message_id, queue_offset, names);
  return w.Take();
}

std::string EncodeOutcomes(const std::vector<SendOutcome>& outcomes) {
  WireWriter w;
  w.Reserve(outcomes.size() * 64 + 64);
  w.Bytes(Response::kStatusFieldNumber, StatusBytes(CommonStatus(outcomes)));
  for (const SendOutcome& outcome : outcomes) {
    PutEntry(w, StatusBytes(outcome.status), outcome.message_id, outcome.queue_offset,
             {.recall_handle = outcome.recall_handle});
  }
  return w.Take();
}

}  // namespace mansio::broker
