#include "broker/consumption/position_moves.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"
#include "store/queue/offset_at_time.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// Reports once, when the last of several moves is done: the first error, or OK.
class Joined {
 public:
  Joined(size_t count, PositionMoves::Done done) : left_(count), done_(std::move(done)) {}

  void One(const absl::Status& status) {
    absl::Status result;
    {
      MutexLock lock(&mutex_);
      if (status_.ok()) status_ = status;
      if (--left_ > 0) return;
      result = status_;
    }
    done_(result);
  }

 private:
  Mutex mutex_;
  size_t left_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  PositionMoves::Done done_;
};

// The cursor that a point which needs no look-up stands for.
store::QueueOffset CursorAt(const ResetPoint& to, store::QueueOffset first,
                            store::QueueOffset next) {
  switch (to.kind) {
    case ResetPoint::Kind::kEarliest:
      return first;
    case ResetPoint::Kind::kOffset:
      return std::clamp(static_cast<store::QueueOffset>(std::max<int64_t>(to.value, 0)), first,
                        next);
    default:
      return next;
  }
}

}  // namespace

// A move on its way into the log.
class PositionMoves::MoveAppend : public store::Append {
 public:
  MoveAppend(GroupProgressPtr group, std::vector<PositionMovedRecord> moves,
             std::shared_ptr<Done> done)
      : group_(std::move(group)), moves_(std::move(moves)), done_(std::move(done)) {
    for (const PositionMovedRecord& move : moves_) AddRecord(kPositionMovedRecord, move.Encode());
  }

  void Appended(const store::AppendResult&) override {
    appended_ = true;
    MutexLock lock(&group_->mutex);
    for (const PositionMovedRecord& move : moves_) {
      const auto topic = group_->topics.find(move.topic);
      if (topic == group_->topics.end()) continue;
      for (const QueueCursor& q : move.queues) topic->second.MoveAppended(q.queue);
    }
  }
  void Applied(const store::AppendResult&) override { (*done_)(absl::OkStatus()); }
  void Failed(const absl::Status& status) override {
    if (!appended_) TakeBack();  // otherwise the store has stopped
    (*done_)(status);
  }

 private:
  void TakeBack() {
    MutexLock lock(&group_->mutex);
    for (const PositionMovedRecord& move : moves_) {
      const auto topic = group_->topics.find(move.topic);
      if (topic == group_->topics.end()) continue;
      for (const QueueCursor& q : move.queues) topic->second.UnclaimMove(q.queue);
    }
  }

  bool appended_ = false;
  const GroupProgressPtr group_;
  const std::vector<PositionMovedRecord> moves_;
  const std::shared_ptr<Done> done_;
};

void PositionMoves::Set(const GroupPtr& group, const TopicPtr& topic, QueueCursor position,
                        Done done) {
  Move(group, topic, {{position}, false}, std::move(done));
}

void PositionMoves::Move(const GroupPtr& group, const TopicPtr& topic, const Target& target,
                         Done done) {
  positions_->EnsureImplied(
      group, topic,
      [this, group, topic, target, done = std::move(done)](const absl::Status& status) mutable {
        if (!status.ok()) return done(status);
        auto shared = std::make_shared<Done>(std::move(done));
        const absl::Status refused = Log(group, topic, target, shared);
        if (!refused.ok()) (*shared)(refused);
      });
}

absl::Status PositionMoves::Log(const GroupPtr& group, const TopicPtr& topic, const Target& target,
                                const std::shared_ptr<Done>& done) {
  const GroupProgressPtr progress = state_->Find(group->id);
  if (progress == nullptr) return GroupNotFound(group->name);
  MutexLock lock(&progress->mutex);
  const auto it = progress->topics.find(topic->id);
  if (it == progress->topics.end()) return TopicNotFound(topic->name);
  std::vector<PositionMovedRecord> moves = {{group->id, topic->id, {}}};
  for (const QueueCursor& q : target.queues) {
    if (it->second.queue(q.queue) != nullptr) moves[0].queues.push_back(q);
  }
  const std::optional<RetryQueue> retry = progress->RetryOf(topic->id);
  if (target.drop_retries && retry.has_value()) {
    const store::QueueOffset end = state_->store()->Range(retry->key).next;
    moves.push_back({group->id, retry->key.topic, {{retry->key.queue, end}}});
  }
  for (const PositionMovedRecord& move : moves) {
    for (const QueueCursor& q : move.queues) {
      progress->topics[move.topic].ClaimMove(q.queue, q.cursor);
    }
  }
  absl::Status refused =
      state_->store()->Submit(std::make_unique<MoveAppend>(progress, moves, done));
  if (refused.ok()) return refused;
  for (const PositionMovedRecord& move : moves) {
    for (const QueueCursor& q : move.queues) progress->topics[move.topic].UnclaimMove(q.queue);
  }
  return refused;
}

void PositionMoves::MoveAll(const GroupPtr& group, const TopicPtr& topic, const Target& target,
                            Done done) {
  if (!group->broadcast) return Move(group, topic, target, std::move(done));
  const auto members = members_->MembersOf(*group);
  if (members.empty()) return done(absl::OkStatus());
  auto joined = std::make_shared<Joined>(members.size(), std::move(done));
  for (const auto& [client, member] : members) {
    Move(member, topic, target, [joined](const absl::Status& status) { joined->One(status); });
  }
}

void PositionMoves::Reset(const GroupPtr& group, const TopicPtr& topic, ResetPoint to,
                          std::optional<uint32_t> queue, Done done) {
  Target target{{}, !queue.has_value()};
  for (uint32_t id = queue.value_or(0); id < (queue ? *queue + 1 : topic->queues); ++id) {
    target.queues.push_back({id, CursorAt(to, FirstOf(*state_->store(), *topic, id),
                                          state_->store()->Range({topic->id, id}).next)});
  }
  if (to.kind != ResetPoint::Kind::kTime) return MoveAll(group, topic, target, std::move(done));
  auto shared = std::make_shared<Done>(std::move(done));
  const bool queued = state_->store()->RunCold([this, group, topic, to, target, shared]() mutable {
    for (QueueCursor& q : target.queues) {
      const auto found = store::OffsetAtTime(*state_->store(), {topic->id, q.queue}, to.value);
      if (!found.ok()) return (*shared)(found.status());
      q.cursor = *found;
    }
    MoveAll(group, topic, target, [shared](const absl::Status& s) { (*shared)(s); });
  });
  if (queued) return;
  (*shared)(WireError(v2::TOO_MANY_REQUESTS,
                      "too many reads of old messages wait for the disk; try again later"));
}

}  // namespace mansio::broker
