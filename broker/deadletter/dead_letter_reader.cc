#include "broker/deadletter/dead_letter_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "broker/core/timestamps.h"
#include "broker/message/content_copy.h"
#include "common/logging/logging.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr size_t kReadAtATime = 256;
constexpr int kMaxIds = 1000;

absl::StatusOr<int64_t> LimitOf(const google::protobuf::Timestamp& time) {
  if (!IsTime(time)) {
    return WireError(v2::BAD_REQUEST, "a time is not valid; give one from 1970 to 9999");
  }
  return MillisFrom(time);
}

}  // namespace

uint32_t DeadLetterMessage::resends() const {
  const auto text = FindProperty(content.properties, kDlqResendsProperty);
  uint32_t resends = 0;
  if (!text.has_value() || !absl::SimpleAtoi({text->data(), text->size()}, &resends)) return 0;
  return resends;
}

absl::StatusOr<DeadLetterSelection> DeadLetterSelection::From(const v1::DeadLetterSelection& wire) {
  DeadLetterSelection selection;
  if (wire.message_ids_size() > kMaxIds) {
    return WireError(v2::BAD_REQUEST, "a call can name at most 1,000 message ids; make more calls");
  }
  for (const std::string& id : wire.message_ids()) selection.ids_.insert(id);
  if (wire.has_filter()) {
    auto filter = CompileFilter(wire.filter().type(), wire.filter().expression());
    if (!filter.ok()) return filter.status();
    if (!(*filter)->all()) selection.filter_ = *std::move(filter);
  }
  if (wire.has_from()) {
    const auto from = LimitOf(wire.from());
    if (!from.ok()) return from.status();
    selection.from_ms_ = *from;
  }
  if (wire.has_until()) {
    const auto until = LimitOf(wire.until());
    if (!until.ok()) return until.status();
    selection.until_ms_ = *until;
  }
  return selection;
}

bool DeadLetterSelection::Matches(const DeadLetterMessage& letter) const {
  if (letter.dead_ms() < from_ms_ || letter.dead_ms() >= until_ms_) return false;
  if (!ids_.empty() && !ids_.contains(MessageIdOf(letter.content))) return false;
  return filter_ == nullptr || filter_->Matches(letter.content);
}

absl::StatusOr<DeadLetterMessage> DeadLetterReader::Read(store::QueueOffset offset,
                                                         const store::QueueEntry& entry) {
  auto message = store_.ReadMessage(queue_, offset, entry);
  if (!message.ok()) return message.status();
  DeadLetterMessage letter{offset, *std::move(message), {}, {}};
  auto content = DecodeContent(letter.message.view.content);
  if (!content.ok()) return content.status();
  letter.content = *content;
  auto provenance = Provenance::Decode(content->provenance);
  if (!provenance.ok()) return provenance.status();
  letter.provenance = *provenance;
  return letter;
}

absl::Status DeadLetterReader::WalkBack(DeadLetterCursor& cursor,
                                        absl::FunctionRef<bool(const DeadLetterMessage&)> enough) {
  size_t examined = 0;
  size_t bytes = 0;
  const auto tell = [&](store::QueueOffset offset, const store::QueueEntry& entry) {
    const auto letter = Read(offset, entry);
    cursor.before = offset;
    cursor.left = letter.ok() && enough(*letter) ? 0 : cursor.left - 1;
    bytes += entry.size;
    return cursor.left > 0 && ++examined < kMaxExamined && bytes < kMaxBytes;
  };
  if (cursor.left == 0) return absl::OkStatus();
  const auto more = WalkBackStored(cursor.before, tell);
  if (!more.ok()) return more.status();
  if (*more && WalkBackCarried(cursor.before, tell)) cursor.left = 0;
  return absl::OkStatus();
}

absl::StatusOr<bool> DeadLetterReader::WalkBackStored(store::QueueOffset before, Tell tell) {
  const store::QueueRange range = store_.StoredRange(queue_);
  store::QueueOffset end = std::min(before, range.next);
  for (;;) {
    end = state_->SkipRemovedBack(queue_.topic, end);
    if (end <= range.min) return true;
    const uint64_t count = std::min<uint64_t>(kReadAtATime, end - range.min);
    const auto entries = store_.ReadEntries(queue_, end - count, count);
    if (absl::IsOutOfRange(entries.status())) return true;  // retention was faster
    if (!entries.ok()) return entries.status();
    for (size_t i = entries->size(); i-- > 0;) {
      const store::QueueOffset offset = end - count + i;
      if (!Gone(offset) && !tell(offset, (*entries)[i])) return false;
    }
    end -= count;
  }
}

bool DeadLetterReader::WalkBackCarried(store::QueueOffset before, Tell tell) {
  const auto oldest = store_.CarriedEntries(queue_, 0, 1);
  store::QueueOffset end = std::min(before, store_.StoredRange(queue_).min);
  while (!oldest.empty() && end > oldest[0].offset) {
    const store::QueueOffset from = end > kReadAtATime ? end - kReadAtATime : 0;
    const auto carried = store_.CarriedEntries(queue_, from, kReadAtATime);
    for (size_t i = carried.size(); i-- > 0;) {
      const auto& [offset, entry] = carried[i];
      if (offset < end && !Gone(offset) && !tell(offset, entry)) return false;
    }
    end = from;
  }
  return true;
}

absl::StatusOr<std::vector<store::CarriedEntry>> DeadLetterReader::EntriesFrom(
    store::QueueOffset from, store::QueueOffset until) {
  for (;;) {
    std::vector<store::CarriedEntry> entries = store_.CarriedEntries(queue_, from, kReadAtATime);
    if (entries.empty()) {
      const store::QueueRange range = store_.StoredRange(queue_);
      const store::QueueOffset begin = std::max(from, range.min);
      const store::QueueOffset end = std::min(until, range.next);
      if (begin >= end) return entries;
      const auto read =
          store_.ReadEntries(queue_, begin, std::min<uint64_t>(kReadAtATime, end - begin));
      // Retention was faster; what it has carried forward is found in the next round.
      if (absl::IsOutOfRange(read.status())) continue;
      if (!read.ok()) return read.status();
      for (size_t i = 0; i < read->size(); ++i) entries.push_back({begin + i, (*read)[i]});
    }
    while (!entries.empty() && entries.back().offset >= until) entries.pop_back();
    return entries;
  }
}

absl::StatusOr<DeadLetterPageRead> DeadLetterReader::ReadPage(
    const DeadLetterStretch& stretch, const DeadLetterSelection& selection) {
  DeadLetterPageRead page;
  page.next = stretch.from;
  size_t bytes = 0;
  size_t matching = 0;  // bytes
  size_t passed = 0;
  for (;;) {
    page.next = state_->SkipRemoved(queue_.topic, page.next);
    if (page.next >= stretch.until) break;
    const auto entries = EntriesFrom(page.next, stretch.until);
    if (!entries.ok()) return entries.status();
    if (entries->empty()) break;
    for (const store::CarriedEntry& entry : *entries) {
      if (page.letters.size() >= stretch.limit || page.examined >= kMaxExamined ||
          passed >= kMaxPassed || bytes >= kMaxBytes) {
        return page;
      }
      const size_t size = entry.entry.size + DeadLetterStretch::kCopyOverhead;
      if (!page.letters.empty() && matching + size > stretch.max_bytes) return page;
      page.next = entry.offset + 1;
      if (Gone(entry.offset)) {
        ++passed;
        continue;
      }
      ++page.examined;
      bytes += entry.entry.size;
      auto letter = Read(entry.offset, entry.entry);
      if (!letter.ok()) {  // the others are worth moving
        LOG_ERROR("the dead letter at offset {} of topic number {} cannot be read: {}",
                  entry.offset, queue_.topic, std::string(letter.status().message()));
        continue;
      }
      if (!selection.Matches(*letter)) continue;
      matching += size;
      page.letters.push_back(*std::move(letter));
    }
  }
  page.next = stretch.until;
  page.done = true;
  return page;
}

absl::StatusOr<DeadLetterMessage> DeadLetterReader::Oldest() {
  auto page = ReadPage({0, store_.StoredRange(queue_).next, 1}, DeadLetterSelection());
  if (!page.ok()) return page.status();
  if (page->letters.empty()) return absl::NotFoundError("there are no dead letters");
  return std::move(page->letters[0]);
}

}  // namespace mansio::broker
