#include "broker/consumption/records.h"

#include "absl/status/status.h"
#include "broker/core/codec.h"

namespace mansio::broker {

namespace {

absl::Status Damaged(const char* what) {
  return absl::DataLossError(std::string("a consumption record cannot be decoded: ") + what);
}

// Of more, each costs a byte: no damaged count can make us allocate much.
constexpr uint64_t kMostInRun = 4096;

// Whether they follow each other, as most often what one receive takes.
bool IsRun(const std::vector<store::QueueOffset>& offsets) {
  for (size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] != offsets[0] + i) return false;
  }
  return !offsets.empty() && offsets.size() <= kMostInRun;
}

// Of a run the first one only.
void WriteOffsets(ByteWriter& w, const std::vector<store::QueueOffset>& offsets) {
  const bool run = IsRun(offsets);
  w.Varint(offsets.size() << 1 | (run ? 1 : 0));
  if (run) {
    w.Varint(offsets.front());
    return;
  }
  store::QueueOffset last = 0;
  for (const store::QueueOffset offset : offsets) {
    w.Varint(offset - last);
    last = offset;
  }
}

std::vector<store::QueueOffset> ReadOffsets(ByteReader& r) {
  std::vector<store::QueueOffset> offsets;
  const uint64_t counted = r.Varint();
  uint64_t count = counted >> 1;
  store::QueueOffset last = 0;
  if ((counted & 1) != 0 && r.ok() && count <= kMostInRun) {
    for (last = r.Varint(); count > 0 && r.ok(); --count) offsets.push_back(last++);
    return offsets;
  }
  // Each takes a byte at least.
  for (; count > 0 && r.ok(); --count) offsets.push_back(last += r.Varint());
  return offsets;
}

// The cursor stands closely behind the last message of the record, if it has one.
store::QueueOffset LastOf(const std::vector<store::QueueOffset>& offsets) {
  return offsets.empty() ? 0 : offsets.back();
}

// Bits of a lease record's flags.
constexpr uint8_t kAutoRenew = 1;
constexpr uint8_t kAttemptId = 2;
constexpr uint8_t kOrdered = 4;

void WritePassed(ByteWriter& w, const std::vector<OrderedMessage>& passed) {
  w.Varint(passed.size());
  store::QueueOffset last = 0;
  for (const OrderedMessage& message : passed) {
    w.Varint(message.offset - last).Fixed32(message.group);
    last = message.offset;
  }
}

std::vector<OrderedMessage> ReadPassed(ByteReader& r) {
  std::vector<OrderedMessage> passed;
  store::QueueOffset last = 0;
  for (uint64_t n = r.Varint(); n > 0 && r.ok(); --n) {
    last += r.Varint();
    passed.push_back({last, r.Fixed32()});
  }
  return passed;
}

}  // namespace

std::string PositionRecord::Encode() const {
  ByteWriter w;
  w.Varint(group).Varint(topic).U8(implied ? 1 : 0).Varint(cursors.size());
  for (const store::QueueOffset cursor : cursors) w.Varint(cursor);
  w.U8(fifo ? 1 : 0);
  return w.Take();
}

absl::StatusOr<PositionRecord> PositionRecord::Decode(std::string_view body) {
  ByteReader r(body);
  PositionRecord p;
  p.group = r.Varint32();
  p.topic = r.Varint32();
  p.implied = r.U8() != 0;
  for (uint64_t n = r.Varint(); n > 0 && r.ok(); --n) p.cursors.push_back(r.Varint());
  p.fifo = r.U8() != 0;
  if (!r.ok()) return Damaged("position");
  return p;
}

std::string PositionMovedRecord::Encode() const {
  ByteWriter w;
  w.Varint(group).Varint(topic);
  for (const QueueCursor& q : queues) w.Varint(q.queue).Varint(q.cursor);
  return w.Take();
}

absl::StatusOr<PositionMovedRecord> PositionMovedRecord::Decode(std::string_view body) {
  ByteReader r(body);
  PositionMovedRecord m;
  m.group = r.Varint32();
  m.topic = r.Varint32();
  while (r.ok() && !r.AtEnd()) {
    const uint32_t queue = r.Varint32();
    m.queues.push_back({queue, r.Varint()});
  }
  if (!r.ok()) return Damaged("moved position");
  return m;
}

std::string LeaseRecord::Encode() const {
  ByteWriter w;
  bool ordered = false;
  for (const QueueOffsets& q : queues) ordered = ordered || !q.passed.empty();
  w.Varint(group).Varint(topic);
  w.U8((auto_renew ? kAutoRenew : 0) | (attempt_id != 0 ? kAttemptId : 0) |
       (ordered ? kOrdered : 0));
  w.Fixed64(owner).Varint(deadline_ms);
  if (attempt_id != 0) w.Fixed64(attempt_id);
  for (const QueueOffsets& q : queues) {
    w.Varint(q.queue);
    WriteOffsets(w, q.offsets);
    w.Varint(q.cursor - LastOf(q.offsets));
    if (ordered) WritePassed(w, q.passed);
  }
  return w.Take();
}

absl::StatusOr<LeaseRecord> LeaseRecord::Decode(std::string_view body) {
  ByteReader r(body);
  LeaseRecord l;
  l.group = r.Varint32();
  l.topic = r.Varint32();
  const uint8_t flags = r.U8();
  l.auto_renew = (flags & kAutoRenew) != 0;
  l.owner = r.Fixed64();
  l.deadline_ms = static_cast<int64_t>(r.Varint());
  if ((flags & kAttemptId) != 0) l.attempt_id = r.Fixed64();
  while (r.ok() && !r.AtEnd()) {
    QueueOffsets q;
    q.queue = r.Varint32();
    q.offsets = ReadOffsets(r);
    q.cursor = LastOf(q.offsets) + r.Varint();
    if ((flags & kOrdered) != 0) q.passed = ReadPassed(r);
    l.queues.push_back(std::move(q));
  }
  if (!r.ok()) return Damaged("lease");
  return l;
}

std::string LeasesEndRecord::Encode() const {
  ByteWriter w;
  w.Varint(group).Varint(topic).U8(counted ? 1 : 0);
  for (const QueueOffsets& q : queues) {
    w.Varint(q.queue);
    WriteOffsets(w, q.offsets);
  }
  return w.Take();
}

absl::StatusOr<LeasesEndRecord> LeasesEndRecord::Decode(std::string_view body) {
  ByteReader r(body);
  LeasesEndRecord e;
  e.group = r.Varint32();
  e.topic = r.Varint32();
  e.counted = r.U8() != 0;
  while (r.ok() && !r.AtEnd()) {
    QueueOffsets q;
    q.queue = r.Varint32();
    q.offsets = ReadOffsets(r);
    e.queues.push_back(std::move(q));
  }
  if (!r.ok()) return Damaged("end of leases");
  return e;
}

std::vector<LeasesEndRecord> EndRecords(uint32_t group, bool counted, const EndsByQueue& ends) {
  std::vector<LeasesEndRecord> records;
  for (const auto& [queue, offsets] : ends) {
    if (records.empty() || records.back().topic != queue.topic) {
      records.push_back({group, queue.topic, counted, {}});
    }
    records.back().queues.push_back({queue.queue, 0, {offsets.begin(), offsets.end()}});
  }
  return records;
}

std::string LeaseChangedRecord::Encode() const {
  ByteWriter w;
  w.Varint(group).Varint(topic).Varint(queue).Varint(offset).Varint(deadline_ms).Varint(attempts);
  return w.Take();
}

absl::StatusOr<LeaseChangedRecord> LeaseChangedRecord::Decode(std::string_view body) {
  ByteReader r(body);
  LeaseChangedRecord c;
  c.group = r.Varint32();
  c.topic = r.Varint32();
  c.queue = r.Varint32();
  c.offset = r.Varint();
  c.deadline_ms = static_cast<int64_t>(r.Varint());
  if (r.ok() && !r.AtEnd()) c.attempts = r.Varint32();  // not in the oldest logs
  if (!r.ok()) return Damaged("changed lease");
  return c;
}

}  // namespace mansio::broker
