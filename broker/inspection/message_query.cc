#include "broker/inspection/message_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/timestamps.h"
#include "broker/message/message_keys.h"
#include "common/status/wire_status.h"
#include "store/queue/offset_at_time.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

absl::Status CheckTime(const google::protobuf::Timestamp& time) {
  if (IsTime(time)) return absl::OkStatus();
  return WireError(v2::BAD_REQUEST, "a time is not valid; give one from 1970 to 9999");
}

// Of a binary search for a time.
constexpr int kReadsOfSearch = 20;

bool IsOlder(const QueueBackwards& a, const QueueBackwards& b) { return a.time() < b.time(); }

}  // namespace

absl::StatusOr<MessageQuery> MessageQuery::From(const v1::QueryMessagesRequest& request,
                                                Environment environment) {
  MessageQuery query(environment);
  if (!request.key().empty() && !request.message_id().empty()) {
    return WireError(v2::BAD_REQUEST, "messages are looked for by a key or by an id, not by both");
  }
  if (request.key().empty() && request.message_id().empty() && request.topic().empty()) {
    return WireError(v2::BAD_REQUEST, "name a key, a message id or a topic to look for");
  }
  if (!request.topic().empty()) {
    query.topic_ = environment.metadata->FindTopic(request.topic());
    if (query.topic_ == nullptr) return environment.metadata->TopicMissing(request.topic());
  }
  query.key_ = request.key();
  query.message_id_ = request.message_id();
  if (request.has_from()) {
    if (absl::Status good = CheckTime(request.from()); !good.ok()) return good;
    query.from_ms_ = MillisFrom(request.from());
  }
  if (request.has_until()) {
    if (absl::Status good = CheckTime(request.until()); !good.ok()) return good;
    query.until_ms_ = MillisFrom(request.until());
  }
  if (request.limit() > 0) query.limit_ = std::min(request.limit(), kMaxLimit);
  query.copies_ = request.copies();
  query.with_bodies_ = request.with_bodies();
  return query;
}

bool MessageQuery::Has(const DecodedMessage& message) const {
  if (!InTime(message.message.view.store_time)) return false;
  if (!message_id_.empty()) return MessageIdOf(message.content) == message_id_;
  bool has = false;
  ForEachKey(message.content, [&](std::string_view key) { has = has || key == key_; });
  return has;
}

bool MessageQuery::Add(const DecodedMessage& message, const Topic& topic) {
  v1::FoundMessage found = FoundMessageOf(message, topic, *environment_.broker, with_bodies_);
  bytes_ += found.ByteSizeLong();
  response_.set_more(response_.messages_size() >= limit_ ||
                     (response_.messages_size() > 0 && bytes_ > kMaxBytes));
  if (response_.more()) return false;
  *response_.add_messages() = std::move(found);
  return true;
}

absl::StatusOr<bool> MessageQuery::Step(Turn& turn) {
  auto done = ByKey() ? StepByKey(turn) : StepByTime(turn);
  if (done.ok()) done_ = *done;
  return done;
}

absl::StatusOr<v1::QueryMessagesResponse> MessageQuery::Take() {
  if (!done_ && !ByKey() && opened_ < topic_->queues) {
    return WireError(v2::REQUEST_TIMEOUT,
                     fmt::format("the ends of {} of the {} queues of topic {} were read, and then "
                                 "the time was over; try again, when they are in memory, or look "
                                 "into one queue with `mansio message print --queue`",
                                 opened_, topic_->queues, topic_->name));
  }
  if (!done_ && response_.messages().empty()) {
    return WireError(v2::TOO_MANY_REQUESTS,
                     "the search was cut short before anything was found; try again, or name a "
                     "shorter time");
  }
  if (!done_) response_.set_more(true);
  return std::move(response_);
}

absl::StatusOr<bool> MessageQuery::StepByKey(Turn& turn) {
  store::KeyQuery query;
  query.hash = key_.empty() ? MessageIdHash(message_id_) : KeyHash(key_);
  if (topic_ != nullptr) query.topic = topic_->id;
  query.from = from_ms_;
  query.until = until_ms_;
  query.max_files = Turn::kIndexFiles;
  for (;;) {
    bool full = false;
    query.before = before_;
    const auto searched = environment_.store->FindByKey(query, [&](const store::KeyMatch& match) {
      full = !Examine(match, turn);
      return !full && !turn.IsOver();
    });
    if (absl::IsFailedPrecondition(searched.status())) {
      return WireError(v2::NOT_IMPLEMENTED, std::string(searched.status().message()));
    }
    if (!searched.ok()) return searched.status();
    response_.set_unindexed_bytes(
        std::max(response_.unindexed_bytes(), static_cast<int64_t>(searched->missing_bytes)));
    before_ = searched->rest_before;
    if (full || before_ == 0) return true;
    turn.Count(2 * Turn::kIndexFiles);
    if (turn.IsOver()) return false;
  }
}

bool MessageQuery::Examine(const store::KeyMatch& match, Turn& turn) {
  const TopicPtr topic = environment_.metadata->FindTopic(match.topic);
  if (topic == nullptr) return true;  // deleted
  if (topic_ == nullptr && !copies_ && topic->kind != TopicKind::kUser) return true;
  if (++examined_ > kMaxExamined) {
    response_.set_more(true);
    return false;
  }
  turn.Count();
  auto located = environment_.store->ReadMessageAt(match.offset);
  if (!located.ok()) return true;  // it has gone; the others are worth seeing
  const auto decoded = Decode(std::move(located->message));
  if (!decoded.ok() || !Has(*decoded)) return true;
  const store::MessageView& view = decoded->message.view;
  if (!seen_.emplace(view.queue, view.queue_offset).second) return true;
  return Add(*decoded, *topic);
}

absl::StatusOr<bool> MessageQuery::StepByTime(Turn& turn) {
  for (; opened_ < topic_->queues; ++opened_) {
    if (turn.IsOver()) return false;
    if (absl::Status opened = OpenQueue(opened_, turn); !opened.ok()) return opened;
  }
  while (!queues_.empty()) {
    if (turn.IsOver()) return false;
    const auto more = TakeNewest(turn);
    if (!more.ok()) return more.status();
    if (!*more) return true;
  }
  return true;
}

absl::Status MessageQuery::OpenQueue(uint32_t number, Turn& turn) {
  store::Store* const store = environment_.store;
  const store::QueueKey key{topic_->id, number};
  const store::QueueRange range = store->Range(key);
  if (range.min == range.next) return absl::OkStatus();
  store::QueueOffset end = range.next;
  if (until_ms_ != std::numeric_limits<int64_t>::max()) {
    const auto found = store::OffsetAtTime(*store, key, until_ms_);
    if (!found.ok()) return found.status();
    end = *found;
    turn.Count(kReadsOfSearch);
  }
  QueueBackwards queue(store, key, end);
  turn.Count();
  const auto more = queue.Next();
  if (!more.ok()) return more.status();
  if (*more) {
    queues_.push_back(queue);
    std::push_heap(queues_.begin(), queues_.end(), IsOlder);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> MessageQuery::TakeNewest(Turn& turn) {
  std::pop_heap(queues_.begin(), queues_.end(), IsOlder);
  QueueBackwards queue = queues_.back();
  queues_.pop_back();
  if (queue.time() < from_ms_) return true;
  turn.Count(2);
  const auto message = queue.Read();
  if (message.ok() && InTime(queue.time()) && !Add(*message, *topic_)) return false;
  const auto more = queue.Next();
  if (!more.ok()) return more.status();
  if (*more) {
    queues_.push_back(queue);
    std::push_heap(queues_.begin(), queues_.end(), IsOlder);
  }
  return true;
}

}  // namespace mansio::broker
