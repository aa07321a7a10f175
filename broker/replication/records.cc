#include "broker/replication/records.h"

#include "broker/core/codec.h"
#include "store/log/frame_codec.h"
#include "store/log/record_codec.h"

namespace mansio::broker {
namespace {

constexpr size_t kReadBytes = 1 << 20;
constexpr size_t kMaxMembers = 1000;

}  // namespace

std::string EncodeInSyncSet(const std::set<BrokerId>& members) {
  ByteWriter writer;
  writer.Varint(members.size());
  for (const BrokerId member : members) writer.Varint(static_cast<uint64_t>(member));
  return writer.Take();
}

absl::StatusOr<std::set<BrokerId>> DecodeInSyncSet(std::string_view body) {
  ByteReader reader(body);
  std::set<BrokerId> members;
  const uint64_t count = reader.Varint();
  for (uint64_t n = 0; n < count && count <= kMaxMembers && reader.ok(); ++n) {
    members.insert(static_cast<BrokerId>(reader.Varint()));
  }
  if (!reader.ok() || !reader.AtEnd() || members.size() != count || count == 0) {
    return absl::DataLossError("the record of an in-sync set is malformed");
  }
  return members;
}

absl::StatusOr<InSyncRecord> LastInSyncSet(store::ReplicatedLog& log, store::LogOffset from) {
  InSyncRecord last{.end = from};
  for (;;) {
    const absl::StatusOr<store::FrameRun> run = log.ReadFrames(from, kReadBytes);
    if (!run.ok()) return run.status();
    if (run->next == from) return last;
    from = run->next;
    store::LogOffset end = run->first;
    absl::Status bad;
    const auto look = [&](const store::RecordView& record, uint32_t) {
      if (record.kind != kInSyncSetRecord) return;
      const absl::StatusOr<std::set<BrokerId>> members = DecodeInSyncSet(record.body);
      if (members.ok()) last = {*members, end};
      bad.Update(members.status());
    };
    for (std::string_view rest = run->bytes.bytes; !rest.empty();) {
      store::FrameHeader header;
      if (store::DecodeFrameHeader(rest, &header) != store::FrameFault::kNone) break;
      const std::string_view frame = rest.substr(0, store::FrameBytes(header));
      end += frame.size();
      static_cast<void>(store::ForEachRecord(header, frame, /*replay=*/true, look));
      rest.remove_prefix(frame.size());
    }
    if (!bad.ok()) return bad;
  }
}

}  // namespace mansio::broker
