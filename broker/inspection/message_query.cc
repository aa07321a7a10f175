#include "broker/inspection/message_query.h"

#include <algorithm>
#include <queue>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
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

// One queue of a query by time, read from its end to its beginning. Keeps no message, as there may
// be many queues.
class QueueBackwards {
 public:
  QueueBackwards(store::Store& store, store::QueueKey queue, store::QueueOffset end)
      : store_(&store), queue_(queue), end_(end) {}

  // Goes to the next older message; false when there are no more.
  absl::StatusOr<bool> Next() {
    for (int damaged = 0; end_ > store_->Range(queue_).min;) {
      --end_;
      const auto entries = store_->ReadEntries(queue_, end_, 1);
      if (absl::IsOutOfRange(entries.status())) return false;  // retention was faster
      if (!entries.ok()) return entries.status();
      if (entries->empty()) return false;
      entry_ = entries->front();
      const auto message = Read();
      if (message.ok()) {
        time_ = message->message.view.store_time;
        return true;
      }
      if (++damaged > kMaxDamaged) return message.status();
    }
    return false;
  }
  // The message at which it is.
  absl::StatusOr<DecodedMessage> Read() const {
    auto message = store_->ReadMessage(queue_, end_, entry_);
    if (!message.ok()) return message.status();
    return Decode(*std::move(message));
  }
  store::StoreTime time() const { return time_; }

 private:
  static constexpr int kMaxDamaged = 100;  // in a row that are passed over: others are worth seeing

  store::Store* store_;
  store::QueueKey queue_;
  store::QueueOffset end_;
  store::QueueEntry entry_;
  store::StoreTime time_ = 0;
};

}  // namespace

absl::StatusOr<MessageQuery> MessageQuery::From(const v1::QueryMessagesRequest& request,
                                                const Metadata& metadata) {
  MessageQuery query;
  if (!request.key().empty() && !request.message_id().empty()) {
    return WireError(v2::BAD_REQUEST, "messages are looked for by a key or by an id, not by both");
  }
  if (request.key().empty() && request.message_id().empty() && request.topic().empty()) {
    return WireError(v2::BAD_REQUEST, "name a key, a message id or a topic to look for");
  }
  if (!request.topic().empty()) {
    query.topic_ = metadata.FindTopic(request.topic());
    if (query.topic_ == nullptr) return TopicNotFound(request.topic());
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

bool MessageQuery::Add(const DecodedMessage& message, const Topic& topic, const std::string& broker,
                       Page* page) const {
  v1::FoundMessage found = FoundMessageOf(message, topic, broker, with_bodies_);
  v1::QueryMessagesResponse& response = page->response;
  page->bytes += found.ByteSizeLong();
  response.set_more(response.messages_size() >= limit_ ||
                    (response.messages_size() > 0 && page->bytes > kMaxBytes));
  if (response.more()) return false;
  *response.add_messages() = std::move(found);
  return true;
}

absl::StatusOr<v1::QueryMessagesResponse> MessageQuery::Run(store::Store& store,
                                                            const Metadata& metadata,
                                                            const std::string& broker) const {
  Page page;
  const bool by_key = !key_.empty() || !message_id_.empty();
  absl::Status done =
      by_key ? RunByKey(store, metadata, broker, &page) : RunByTime(store, broker, &page);
  if (!done.ok()) return done;
  return std::move(page.response);
}

absl::Status MessageQuery::RunByKey(store::Store& store, const Metadata& metadata,
                                    const std::string& broker, Page* page) const {
  store::KeyQuery query;
  query.hash = key_.empty() ? MessageIdHash(message_id_) : KeyHash(key_);
  if (topic_ != nullptr) query.topic = topic_->id;
  query.from = from_ms_;
  query.until = until_ms_;
  size_t examined = 0;
  absl::flat_hash_set<std::pair<store::QueueKey, store::QueueOffset>> seen;  // carried ones twice
  const auto searched = store.FindByKey(query, [&](const store::KeyMatch& match) {
    const TopicPtr topic = metadata.FindTopic(match.topic);
    if (topic == nullptr) return true;  // deleted
    if (topic_ == nullptr && !copies_ && topic->kind != TopicKind::kUser) return true;
    if (++examined > kMaxExamined) {
      page->response.set_more(true);
      return false;
    }
    auto located = store.ReadMessageAt(match.offset);
    if (!located.ok()) return true;  // it has gone; the others are worth seeing
    const auto decoded = Decode(std::move(located->message));
    if (!decoded.ok() || !Has(*decoded)) return true;
    const store::MessageView& view = decoded->message.view;
    if (!seen.emplace(view.queue, view.queue_offset).second) return true;
    return Add(*decoded, *topic, broker, page);
  });
  if (absl::IsFailedPrecondition(searched.status())) {
    return WireError(v2::NOT_IMPLEMENTED, std::string(searched.status().message()));
  }
  if (!searched.ok()) return searched.status();
  page->response.set_unindexed_bytes(static_cast<int64_t>(searched->missing_bytes));
  return absl::OkStatus();
}

absl::Status MessageQuery::RunByTime(store::Store& store, const std::string& broker,
                                     Page* page) const {
  std::vector<QueueBackwards> queues;
  for (uint32_t i = 0; i < topic_->queues; ++i) {
    const store::QueueKey key{topic_->id, i};
    auto end = until_ms_ == std::numeric_limits<int64_t>::max()
                   ? absl::StatusOr<store::QueueOffset>(store.Range(key).next)
                   : store::OffsetAtTime(store, key, until_ms_);
    if (!end.ok()) return end.status();
    QueueBackwards queue(store, key, *end);
    const auto more = queue.Next();
    if (!more.ok()) return more.status();
    if (*more) queues.push_back(std::move(queue));
  }
  const auto older = [&](size_t a, size_t b) { return queues[a].time() < queues[b].time(); };
  std::priority_queue<size_t, std::vector<size_t>, decltype(older)> newest(older);
  for (size_t i = 0; i < queues.size(); ++i) newest.push(i);
  while (!newest.empty()) {
    const size_t next = newest.top();
    newest.pop();
    QueueBackwards& queue = queues[next];
    if (queue.time() < from_ms_) continue;
    const auto message = queue.Read();
    if (message.ok() && InTime(queue.time()) && !Add(*message, *topic_, broker, page)) break;
    const auto more = queue.Next();
    if (!more.ok()) return more.status();
    if (*more) newest.push(next);
  }
  return absl::OkStatus();
}

}  // namespace mansio::broker
