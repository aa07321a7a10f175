#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "broker/consumption/delivery.h"
#include "broker/consumption/durations.h"
#include "broker/consumption/expiry.h"
#include "broker/consumption/receive_operation.h"
#include "common/clock/broker_time.h"
#include "common/logging/logging.h"
#include "common/status/wire_status.h"

// How a receive delivers what it has taken: the messages are read, and those that are wanted and
// have not expired are answered.
namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// What cannot be read comes again before its lease lapses, or that would count as an attempt.
constexpr int64_t kBeforeLapseMs = 1000;

// Whether a read failed that may succeed later: the disk had an error, or too many files are open.
bool FailedForNow(const absl::Status& status) {
  return !status.ok() && !absl::IsNotFound(status) && !absl::IsDataLoss(status);
}

}  // namespace

struct ReceiveOperation::Judgement {
  std::vector<rpc::Payload> payloads;
  std::vector<size_t> delivered;  // of taken_, one for each of the payloads
  std::vector<TakenMessage> unwanted;
  std::vector<TakenMessage> expired;
};

void ReceiveOperation::Read() {
  Messages messages;
  messages.reserve(taken_.size());
  for (const TakenMessage& m : taken_) {
    if (m.entry.size == 0) {
      messages.push_back(absl::NotFoundError("retention has deleted the message"));
      continue;
    }
    auto hot = context_.store().HotMessage(m.queue, m.offset, m.entry);
    if (!hot.has_value()) return ReadCold();
    messages.push_back(*std::move(hot));
  }
  Deliver(std::move(messages));
}

void ReceiveOperation::ReadCold() {
  const bool queued = context_.store().RunCold([self = shared_from_this()] {
    Messages messages;
    for (const TakenMessage& m : self->taken_) {
      if (m.entry.size == 0) {
        messages.push_back(absl::NotFoundError("retention has deleted the message"));
      } else {
        messages.push_back(self->context_.store().ReadMessage(m.queue, m.offset, m.entry));
      }
    }
    self->call_.Post(
        [self, messages = std::move(messages)]() mutable { self->Deliver(std::move(messages)); });
  });
  if (queued) return;
  context_.leases.GiveBack(group_->id, taken_);
  Answer(WireError(v2::TOO_MANY_REQUESTS,
                   "too many reads of old messages wait for the disk; try again later"),
         {});
}

bool ReceiveOperation::InOneBatch(const TakenMessage& a, const TakenMessage& b) const {
  return group_->fifo && a.queue == b.queue &&
         MessageGroupHashOf(a.entry.tag_hash) == MessageGroupHashOf(b.entry.tag_hash);
}

std::vector<int64_t> ReceiveOperation::NextReads(const std::vector<size_t>& failed) const {
  std::vector<int64_t> waits(taken_.size(), 0);
  const GroupProgressPtr progress = context_.state.Find(group_->id);
  if (progress == nullptr) return waits;
  const int64_t now = context_.time.NowMillis();
  MutexLock lock(&progress->mutex);
  for (const size_t f : failed) {
    QueueProgress* queue = progress->Queue(taken_[f].queue);
    const uint32_t failures = queue == nullptr ? 0 : queue->CountFailedRead(taken_[f].offset);
    const int64_t lease_left = taken_[f].deadline_ms - now - kBeforeLapseMs;
    const int64_t wait = std::max(std::min(ReadAgainMs(failures), lease_left), ReadAgainMs(1));
    for (size_t i = 0; i < taken_.size(); ++i) {
      if (f == i || InOneBatch(taken_[f], taken_[i])) waits[i] = std::max(waits[i], wait);
    }
  }
  return waits;
}

void ReceiveOperation::PutOffUnreadable(Messages& messages) {
  std::vector<size_t> failed;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (FailedForNow(messages[i].status())) failed.push_back(i);
  }
  if (failed.empty()) return;
  unreadable_ = messages[failed[0]].status();
  const std::vector<int64_t> waits = NextReads(failed);
  size_t count = 0;
  std::map<int64_t, std::vector<TakenMessage>> put_off;  // by when they come again
  std::vector<TakenMessage> readable;
  Messages read;
  for (size_t i = 0; i < messages.size(); ++i) {
    const bool off = std::any_of(failed.begin(), failed.end(), [&](size_t f) {
      return f == i || InOneBatch(taken_[f], taken_[i]);
    });
    if (off) {
      ++count;
      put_off[waits[i]].push_back(taken_[i]);
    } else {
      readable.push_back(taken_[i]);
      read.push_back(std::move(messages[i]));
    }
  }
  taken_ = std::move(readable);
  messages = std::move(read);
  LOG_WARNING_EVERY(absl::Seconds(1),
                    "{} messages of topic {} cannot be read now and are delivered to group {} "
                    "later, the first at queue {} offset {}: {}",
                    count, request_.topic, request_.group, put_off.begin()->second[0].queue.queue,
                    put_off.begin()->second[0].offset, std::string(unreadable_.message()));
  // What an earlier receive with the same attempt id leased may be in work.
  if (held_) return;
  for (auto& [wait, later] : put_off) {
    context_.timers.ScheduleAfter(
        wait, [&context = context_, group = group_->id, later = std::move(later)] {
          context.leases.GiveBack(group, later);
        });
  }
}

void ReceiveOperation::ReportDamage(const TakenMessage& taken, const absl::Status& status) const {
  LOG_ERROR("topic {} queue {} offset {} cannot be delivered: {}", request_.topic,
            taken.queue.queue, taken.offset, std::string(status.message()));
}

ReceiveOperation::Judgement ReceiveOperation::Judge(const Messages& messages) const {
  Judgement judgement;
  for (size_t i = 0; i < taken_.size(); ++i) {
    const TakenMessage& taken = taken_[i];
    const absl::StatusOr<StoredContent> content =
        messages[i].ok() ? DecodeContent(messages[i]->view.content)
                         : absl::StatusOr<StoredContent>(messages[i].status());
    if (absl::IsDataLoss(content.status())) {
      ReportDamage(taken, content.status());
      continue;
    }
    // What was delivered before to a receive with the same attempt id may be in work.
    if (content.ok() && !held_ &&
        HasExpired(*topic_, *content, messages[i]->view.store_time, taken.queue.topic != topic_->id,
                   context_.time.NowMillis())) {
      judgement.expired.push_back(taken);
      continue;
    }
    if (!content.ok() || !(taken.judged || request_.filter->Matches(*content))) {
      judgement.unwanted.push_back(taken);
      continue;
    }
    auto payload = EncodeDelivery({context_, request_, *topic_, group_->id, held_}, taken, *content,
                                  *messages[i]);
    if (!payload.has_value()) {
      ReportDamage(taken, absl::DataLossError("what it says of its origin cannot be decoded"));
      continue;
    }
    judgement.payloads.push_back(*std::move(payload));
    judgement.delivered.push_back(i);
  }
  return judgement;
}

void ReceiveOperation::Deliver(Messages messages) {
  if (call_.Cancelled()) {
    context_.leases.GiveBack(group_->id, taken_);
    return AnswerNothing();
  }
  PutOffUnreadable(messages);
  Judgement judgement = Judge(messages);
  context_.leases.Discard(group_->id, judgement.unwanted);
  if (!judgement.payloads.empty()) {
    EndExpired(context_, group_->id, topic_->expiry, judgement.expired, [] {});
    CountDelivered(judgement.delivered, judgement.payloads);
    return Answer(absl::OkStatus(), std::move(judgement.payloads));
  }
  if (held_) return AnswerNothing();
  // What cannot be read does not keep others behind it from being delivered.
  if (!unreadable_.ok() && ScansTooLong()) return PassOn();
  if (judgement.expired.empty()) return Attempt();
  // One batch at a time: moves that wait for their turn keep their leases, which are limited.
  EndExpired(context_, group_->id, topic_->expiry, judgement.expired, [self = shared_from_this()] {
    self->call_.Post([self] {
      // A backlog of expired messages is looked through no longer than one of unwanted messages.
      if (self->ScansTooLong()) return self->PassOn();
      self->Attempt();
    });
  });
}

void ReceiveOperation::CountDelivered(const std::vector<size_t>& delivered,
                                      const std::vector<rpc::Payload>& payloads) {
  const GroupPtr group = group_->broadcast ? context_.members.GroupOf(group_->id) : group_;
  if (group == nullptr) return;
  const auto counters = context_.deliveries.Of({group->id, topic_->id});
  for (size_t i = 0; i < delivered.size(); ++i) {
    const bool retried = taken_[delivered[i]].queue.topic != topic_->id;
    GroupTopicCounters::Deliveries& to = retried ? counters->retried : counters->first;
    to.messages.Add();
    to.bytes.Add(payloads[i].size());
  }
}

}  // namespace mansio::broker
