#include "store/log/batch.h"

#include <cstring>
#include <utility>

#include "common/crc/crc32c.h"
#include "store/log/append_encoding.h"
#include "store/log/record_codec.h"

namespace mansio::store {
namespace {

// Appends above this are frames of their own, with the checksum that their submitter computed.
constexpr size_t kSmallAppendBytes = 4 << 10;
constexpr size_t kMaxSharedPayload = 64 << 10;

bool MayShare(const Append& append) {
  return AppendEncoding::Messages(append).empty() && append.size() <= kSmallAppendBytes;
}

}  // namespace

void Batch::Begin(LogOffset begin, const Stamp& stamp) {
  stamp_ = stamp;
  begin_ = end_ = position_ = begin;
  accepted_bytes_ = 0;
  ends_segment_ = false;
  frames_.clear();
  pieces_.clear();
  placed_.clear();
}

Batch::Unit Batch::Measure(absl::Span<const std::unique_ptr<Append>> queue, size_t room) {
  const Append& first = *queue.front();
  const size_t messages = AppendEncoding::Messages(first).size();
  Unit unit{1, messages, FrameBytes(messages, first.size())};
  if (!MayShare(first)) return unit;
  size_t payload = first.size();
  while (unit.appends < queue.size() && MayShare(*queue[unit.appends])) {
    const size_t grown = payload + queue[unit.appends]->size();
    if (grown > kMaxSharedPayload || FrameBytes(0, grown) > room) break;
    payload = grown;
    ++unit.appends;
  }
  unit.frame_bytes = FrameBytes(0, payload);
  return unit;
}

char* Batch::Reserve(size_t frame_bytes) {
  char* data = cache_->Reserve(position_, frame_bytes);
  if (!pieces_.empty() && pieces_.back().data() + pieces_.back().size() == data) {
    pieces_.back() = {pieces_.back().data(), pieces_.back().size() + frame_bytes};
  } else {
    pieces_.emplace_back(data, frame_bytes);
  }
  return data;
}

FrameHeader Batch::NewHeader(FrameKind kind) const {
  return {.kind = kind,
          .epoch = stamp_.epoch,
          .offset = position_,
          .synced = stamp_.synced,
          .store_time = stamp_.store_time,
          .segment_bytes = stamp_.segment_bytes};
}

void Batch::Finish(const FrameHeader& header, char* data) {
  EncodeFrameHeader(header, data);
  frames_.push_back({header, data});
  position_ += FrameBytes(header);
  end_ = position_;
}

void Batch::Add(absl::Span<std::unique_ptr<Append>> unit, const Unit& measured,
                LogObserver& observer) {
  char* data = Reserve(measured.frame_bytes);
  FrameHeader header = NewHeader(FrameKind::kRecords);
  header.assignments = static_cast<uint16_t>(measured.messages);
  const size_t payload_start = PayloadStart(measured.messages);
  char* payload = data + payload_start;
  for (auto& append : unit) {
    Placed& placed = placed_.emplace_back();
    placed.result.epoch = stamp_.epoch;
    placed.result.frame = position_;
    const size_t at = payload - (data + payload_start);
    for (const uint32_t start : AppendEncoding::Starts(*append)) {
      placed.result.records.push_back(position_ + payload_start + at + start);
      ++header.records;
    }
    size_t index = 0;
    for (const QueueKey queue : AppendEncoding::Messages(*append)) {
      const QueueOffset offset = observer.AssignOffset(queue);
      placed.result.queue_offsets.push_back(offset);
      EncodeAssignment(index++, offset, data);
    }
    const std::string_view bytes = AppendEncoding::Payload(*append);
    std::memcpy(payload, bytes.data(), bytes.size());
    payload += bytes.size();
    accepted_bytes_ += bytes.size();
    placed.append = std::move(append);
  }
  header.payload_bytes = static_cast<uint32_t>(payload - (data + payload_start));
  header.payload_crc = unit.size() == 1
                           ? AppendEncoding::PayloadCrc(*placed_.back().append)
                           : Crc32c(std::string_view(data + payload_start, header.payload_bytes));
  Finish(header, data);
}

void Batch::EndSegment(LogOffset segment_end) {
  if (segment_end - position_ >= kFrameHeaderBytes) {
    char* data = Reserve(kFrameHeaderBytes);
    Finish(NewHeader(FrameKind::kFiller), data);
  }
  position_ = segment_end;
  ends_segment_ = true;
}

void Batch::ForEachRecord(
    absl::FunctionRef<void(const RecordView& record, uint32_t record_bytes)> visit) const {
  for (const Frame& frame : frames_) {
    const std::string_view bytes(frame.data, FrameBytes(frame.header));
    // Our own encoding: it cannot be malformed.
    static_cast<void>(store::ForEachRecord(frame.header, bytes, /*replay=*/false, visit));
  }
}

}  // namespace mansio::store
