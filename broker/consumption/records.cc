#include "broker/consumption/records.h"

#include "absl/status/status.h"
#include "broker/core/codec.h"

namespace mansio::broker {

namespace {

absl::Status Damaged(const char* what) {
  return absl::DataLossError(std::string("a consumption record cannot be decoded: ") + what);
}

void WriteOffsets(ByteWriter& w, const std::vector<store::QueueOffset>& offsets) {
  w.Varint(offsets.size());
  store::QueueOffset last = 0;
  for (const store::QueueOffset offset : offsets) {
    w.Varint(offset - last);
    last = offset;
  }
}

std::vector<store::QueueOffset> ReadOffsets(ByteReader& r) {
  std::vector<store::QueueOffset> offsets;
  store::QueueOffset last = 0;
  // Each takes a byte at least: a damaged count cannot make us allocate more than the record holds.
  for (uint64_t n = r.Varint(); n > 0 && r.ok(); --n) offsets.push_back(last += r.Varint());
  return offsets;
}

}  // namespace

std::string PositionRecord::Encode() const {
  ByteWriter w;
  w.Varint(group).Varint(topic).U8(implied ? 1 : 0).Varint(cursors.size());
  for (const store::QueueOffset cursor : cursors) w.Varint(cursor);
  return w.Take();
}

absl::StatusOr<PositionRecord> PositionRecord::Decode(std::string_view body) {
  ByteReader r(body);
  PositionRecord p;
  p.group = r.Varint32();
  p.topic = r.Varint32();
  p.implied = r.U8() != 0;
  for (uint64_t n = r.Varint(); n > 0 && r.ok(); --n) p.cursors.push_back(r.Varint());
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
  w.Varint(group).Varint(topic).U8(auto_renew ? 1 : 0).Fixed64(owner).Varint(deadline_ms);
  for (const QueueOffsets& q : queues) {
    w.Varint(q.queue).Varint(q.cursor);
    WriteOffsets(w, q.offsets);
  }
  return w.Take();
}

absl::StatusOr<LeaseRecord> LeaseRecord::Decode(std::string_view body) {
  ByteReader r(body);
  LeaseRecord l;
  l.group = r.Varint32();
  l.topic = r.Varint32();
  l.auto_renew = r.U8() != 0;
  l.owner = r.Fixed64();
  l.deadline_ms = static_cast<int64_t>(r.Varint());
  while (r.ok() && !r.AtEnd()) {
    QueueOffsets q;
    q.queue = r.Varint32();
    q.cursor = r.Varint();
    q.offsets = ReadOffsets(r);
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
  w.Varint(group).Varint(topic).Varint(queue).Varint(offset).Varint(deadline_ms);
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
  if (!r.ok()) return Damaged("changed lease");
  return c;
}

}  // namespace mansio::broker
