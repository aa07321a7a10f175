#include "broker/inspection/message_trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "broker/core/timestamps.h"
#include "broker/deadletter/records.h"
#include "broker/delay/records.h"
#include "broker/inspection/found_message.h"
#include "broker/message/message_keys.h"
#include "broker/transaction/records.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr size_t kReadAtATime = 1 << 20;

std::string TimeOf(int64_t ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(ms), absl::UTCTimeZone());
}

// What it means that a message stands in a topic.
std::string_view StoredAs(const Topic& topic) {
  switch (topic.kind) {
    case TopicKind::kUser:
      return "stored";
    case TopicKind::kRetry:
      return "retried";
    case TopicKind::kDeadLetter:
      return "dead letter";
    case TopicKind::kSystem:
      break;
  }
  if (topic.name == kHalfTopic) return "half stored";
  return topic.name == kExpiredTopic ? "given up" : "delayed";
}

std::string DetailOf(const Provenance& provenance) {
  if (!provenance.reason.empty()) return std::string(provenance.reason);
  if (provenance.due_ms > 0) return fmt::format("due {}", TimeOf(provenance.due_ms));
  return provenance.attempts > 0 ? fmt::format("after attempt {}", provenance.attempts) : "";
}

std::string_view OutcomeText(TransactionOutcome outcome) {
  switch (outcome) {
    case TransactionOutcome::kCommitted:
      return "committed";
    case TransactionOutcome::kExpired:
      return "rolled back by the broker";
    default:
      return "rolled back";
  }
}

}  // namespace

MessageTrace::MessageTrace(Environment environment, std::string message_id, store::LogOffset next,
                           absl::Time find_until)
    : environment_(environment),
      message_id_(std::move(message_id)),
      asked_next_(next),
      find_until_(find_until),
      before_(next > 0 ? next : UINT64_MAX) {}

absl::StatusOr<bool> MessageTrace::Step(Turn& turn) {
  if (!reading_) {
    const auto found = FindSome(turn);
    if (!found.ok()) return found.status();
    if (!*found) return false;
    if (absl::Status begun = BeginReading(); !begun.ok()) return begun;
  }
  while (!trace_.done() && read_ < kMaxBytes && trace_.events_size() < kMaxEvents) {
    if (turn.IsOver()) return false;
    ReadSome();
  }
  return true;
}

absl::StatusOr<v1::TraceMessageResponse> MessageTrace::Take() {
  if (!reading_) {
    if (absl::Status begun = BeginReading(); !begun.ok()) return begun;
  }
  // Whoever goes on comes further each time, and finds the message before `next`.
  if (read_ == 0 && !trace_.done()) ReadSome();
  trace_.set_broker(*environment_.broker);
  trace_.set_next(static_cast<int64_t>(at_));
  const store::LogOffset end = environment_.store->cursors().applied;
  trace_.set_rest_bytes(trace_.done() ? 0 : static_cast<int64_t>(end - std::min(end, at_)));
  if (time_ > 0) SetMillis(time_, trace_.mutable_read_until());
  Response response;
  *response.add_traces() = std::move(trace_);
  return response;
}

absl::StatusOr<bool> MessageTrace::FindSome(Turn& turn) {
  store::KeyQuery query{.hash = MessageIdHash(message_id_), .max_files = Turn::kIndexFiles};
  do {
    if (turn.IsOver()) return false;
    query.before = before_;
    const auto searched = environment_.store->FindByKey(query, [&](const store::KeyMatch& match) {
      turn.Count();
      Find(match);
      return ++copies_ < kMaxCopies && !turn.IsOver();
    });
    if (absl::IsFailedPrecondition(searched.status())) {
      return WireError(v2::NOT_IMPLEMENTED, std::string(searched.status().message()));
    }
    if (!searched.ok()) return searched.status();
    missing_bytes_ = std::max(missing_bytes_, searched->missing_bytes);
    before_ = searched->rest_before;
    turn.Count(2 * Turn::kIndexFiles);
    all_found_ = before_ == 0 || copies_ >= kMaxCopies;
  } while (!all_found_ && absl::Now() < find_until_);
  return true;
}

void MessageTrace::Find(const store::KeyMatch& match) {
  const auto located = environment_.store->ReadMessageAt(match.offset);
  if (!located.ok()) return;
  const store::MessageView& view = located->message.view;
  const auto content = DecodeContent(view.content);
  if (!content.ok() || MessageIdOf(*content) != message_id_) return;
  // The oldest comes last; one that was carried forward has lost its beginnings.
  first_ = located->frame.value_or(environment_.store->cursors().min);
  places_.emplace(view.queue, view.queue_offset);
}

absl::Status MessageTrace::BeginReading() {
  if (places_.empty() && !all_found_) {
    return WireError(v2::TOO_MANY_REQUESTS,
                     "the message was not found in the time there was for it; try again");
  }
  if (places_.empty()) {
    return WireError(
        v2::MESSAGE_NOT_FOUND,
        fmt::format("the log has no message with the id '{}'{}", EscapeForLog(message_id_),
                    missing_bytes_ == 0 ? "; retention may have removed it"
                                        : ", as far as it is indexed yet; try again later"));
  }
  environment_.clients->ForEach([this](const gateway::ClientInfo& client) {
    clients_[gateway::ClientHash(client.id)] = client.id;
  });
  reading_ = true;
  at_ = asked_next_ > 0 ? asked_next_ : first_;
  if (asked_next_ == 0) places_.clear();  // they come with their messages
  if (!all_found_) {
    trace_.add_damaged(
        "not all of the log was searched for the message in time: what happened to "
        "it earlier may be missing; try again");
  }
  return absl::OkStatus();
}

void MessageTrace::ReadSome() {
  const auto behind = environment_.store->ReadLog(
      at_, kReadAtATime, [this](const store::RecordView& record) { See(record); });
  if (behind.ok()) {
    trace_.set_done(*behind == at_);
    read_ += *behind - at_;
    at_ = *behind;
    return;
  }
  const store::LogOffset next = environment_.store->NextLogFile(at_);
  // What retention has removed meanwhile is not missed.
  if (!absl::IsNotFound(behind.status())) {
    trace_.add_damaged(fmt::format("{}; what follows up to offset {} was not read",
                                   std::string(behind.status().message()), next));
  }
  trace_.set_done(next <= at_);
  at_ = std::max(at_, next);
}

v1::TraceEvent* MessageTrace::AddEvent(std::string_view what, store::QueueKey queue,
                                       store::QueueOffset offset) {
  v1::TraceEvent* event = trace_.add_events();
  SetMillis(time_, event->mutable_time());
  event->set_what(std::string(what));
  const TopicPtr topic = environment_.metadata->FindTopic(queue.topic);
  event->set_topic(topic == nullptr ? fmt::format("(deleted topic {})", queue.topic) : topic->name);
  event->set_queue_id(static_cast<int32_t>(queue.queue));
  event->set_offset(static_cast<int64_t>(offset));
  return event;
}

std::string MessageTrace::GroupName(uint32_t id) const {
  const GroupPtr group = environment_.metadata->FindGroup(id);
  return group == nullptr ? fmt::format("(number {})", id) : group->name;
}

std::string MessageTrace::ClientName(uint64_t hash) {
  const auto client = clients_.find(hash);
  return client == clients_.end() ? fmt::format("{:016x}", hash) : client->second;
}

void MessageTrace::See(const store::RecordView& record) {
  time_ = record.store_time;
  switch (record.kind) {
    case store::kMessageRecord:
      return SeeMessage(*record.message);
    case kLeaseRecord:
      if (const auto lease = LeaseRecord::Decode(record.body); lease.ok()) SeeLease(*lease);
      return;
    case kAckRecord:
      if (const auto end = LeasesEndRecord::Decode(record.body); end.ok()) {
        SeeEnd("acknowledged", *end, "");
      }
      return;
    case kLeaseEndedRecord:
      if (const auto end = LeasesEndRecord::Decode(record.body); end.ok()) {
        SeeEnd("lease ended", *end, end->counted ? "comes again" : "comes again, not counted");
      }
      return;
    case kRetriedRecord:  // the copies of the same frame tell it
    case kDeadLetterRecord:
      return;
    case kPositionMovedRecord:
      if (const auto moved = PositionMovedRecord::Decode(record.body); moved.ok()) SeeMove(*moved);
      return;
    default:
      return SeeOther(record);
  }
}

void MessageTrace::SeeMessage(const store::MessageView& message) {
  const auto content = DecodeContent(message.content);
  if (!content.ok() || MessageIdOf(*content) != message_id_) return;
  places_.emplace(message.queue, message.queue_offset);
  const TopicPtr topic = environment_.metadata->FindTopic(message.queue.topic);
  v1::TraceEvent* event =
      AddEvent(topic == nullptr ? "stored" : StoredAs(*topic), message.queue, message.queue_offset);
  const auto provenance = Provenance::Decode(content->provenance);
  if (!provenance.ok()) return;
  event->set_group(std::string(provenance->group));
  event->set_detail(DetailOf(*provenance));
}

void MessageTrace::SeePlace(std::string_view what, store::QueueKey queue, store::QueueOffset offset,
                            const std::string& detail) {
  if (!places_.contains({queue, offset})) return;
  AddEvent(what, queue, offset)->set_detail(detail);
}

void MessageTrace::SeeQueues(std::string_view what, uint32_t group, uint32_t topic,
                             const std::vector<QueueOffsets>& queues, std::string_view client,
                             const std::string& detail) {
  for (const QueueOffsets& queue : queues) {
    for (const store::QueueOffset offset : queue.offsets) {
      if (!places_.contains({{topic, queue.queue}, offset})) continue;
      v1::TraceEvent* event = AddEvent(what, {topic, queue.queue}, offset);
      event->set_group(GroupName(group));
      event->set_client(std::string(client));
      event->set_detail(detail);
    }
  }
}

void MessageTrace::SeeLease(const LeaseRecord& lease) {
  SeeQueues("delivered", lease.group, lease.topic, lease.queues, ClientName(lease.owner),
            lease.auto_renew ? "leased while the client lives"
                             : fmt::format("leased until {}", TimeOf(lease.deadline_ms)));
}

void MessageTrace::SeeEnd(std::string_view what, const LeasesEndRecord& end,
                          const std::string& detail) {
  SeeQueues(what, end.group, end.topic, end.queues, "", detail);
}

void MessageTrace::SeeMove(const PositionMovedRecord& moved) {
  for (const QueueCursor& queue : moved.queues) {
    for (const auto& [place, offset] : places_) {
      if (place != store::QueueKey{moved.topic, queue.queue}) continue;
      v1::TraceEvent* event = AddEvent("group moved", place, offset);
      event->set_group(GroupName(moved.group));
      event->set_detail(offset < queue.cursor ? "goes on behind it" : "it comes again");
    }
  }
}

void MessageTrace::SeeOther(const store::RecordView& record) {
  if (record.kind == kLeaseChangedRecord) {
    const auto changed = LeaseChangedRecord::Decode(record.body);
    if (!changed.ok()) return;
    SeeQueues("lease changed", changed->group, changed->topic,
              {{.queue = changed->queue, .offsets = {changed->offset}}}, "",
              fmt::format("leased until {}", TimeOf(changed->deadline_ms)));
  } else if (record.kind == kDeadLettersRemovedRecord) {
    const auto removed = DeadLettersRemovedRecord::Decode(record.body);
    if (!removed.ok()) return;
    for (const store::QueueOffset offset : removed->offsets) {
      SeePlace("dead letter removed", {removed->topic, 0}, offset, "resent or purged");
    }
  } else if (record.kind == kTransactionEndRecord) {
    const auto end = TransactionEndRecord::Decode(record.body);
    const TopicPtr halves = environment_.metadata->FindTopic(kHalfTopic);
    if (!end.ok() || halves == nullptr) return;
    SeePlace("transaction ended", {halves->id, 0}, end->half,
             std::string(OutcomeText(end->outcome)));
  } else if (record.kind == kTimersRecalledRecord) {
    const auto timers = DecodeTimers(record.body);
    if (!timers.ok()) return;
    for (const TimerKey& timer : *timers) {
      const TopicPtr topic =
          environment_.metadata->FindTopic(timer.level() > 0 ? kLevelTopic : kTimerTopic);
      const uint32_t queue = timer.level() > 0 ? timer.level() - 1 : 0;
      if (topic != nullptr) SeePlace("recalled", {topic->id, queue}, timer.offset(), "");
    }
  }
}

}  // namespace mansio::broker
