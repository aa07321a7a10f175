#include "broker/deadletter/dead_letter_requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/timestamps.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int64_t kMaxDelaySeconds = 365 * 24 * 3600;

}  // namespace

absl::StatusOr<GroupLetters> DeadLetterRequests::Find(const std::string& name) const {
  GroupLetters letters;
  letters.group = context_->metadata->FindGroup(name);
  if (letters.group == nullptr) return context_->metadata->GroupMissing(name);
  letters.topic = context_->metadata->FindDeadLetters(*letters.group);
  return letters;
}

absl::Status DeadLetterRequests::CheckBroker(const std::string& broker) const {
  if (broker.empty() || broker == context_->broker_name) return absl::OkStatus();
  return WireError(v2::NOT_FOUND,
                   fmt::format("this is broker {}, not {}; ask that one, or a nameserver",
                               context_->broker_name, EscapeForLog(broker)));
}

absl::StatusOr<DeadLetterStretch> DeadLetterRequests::StretchOf(const v1::DeadLetterPage& page,
                                                                const GroupLetters& letters) const {
  if (absl::Status s = CheckBroker(page.broker()); !s.ok()) return s;
  if (page.from() < 0 || page.until() < 0 || page.limit() < 0) {
    return WireError(v2::BAD_REQUEST, "a page of dead letters cannot have negative numbers");
  }
  DeadLetterStretch stretch;
  stretch.from = static_cast<store::QueueOffset>(page.from());
  if (letters.topic != nullptr) {
    stretch.until = context_->state->store()->Range({letters.topic->id, 0}).next;
  }
  if (page.until() > 0) {
    stretch.until = std::min(stretch.until, static_cast<store::QueueOffset>(page.until()));
  }
  stretch.limit = page.limit() == 0 ? kMaxPageLetters
                                    : std::min(kMaxPageLetters, static_cast<size_t>(page.limit()));
  return stretch;
}

absl::StatusOr<DeadLetterMove> DeadLetterRequests::MoveOf(const std::string& group,
                                                          const v1::DeadLetterSelection& selection,
                                                          const v1::DeadLetterPage& page) const {
  const auto letters = Find(group);
  if (!letters.ok()) return letters.status();
  const auto stretch = StretchOf(page, *letters);
  if (!stretch.ok()) return stretch.status();
  auto selected = DeadLetterSelection::From(selection);
  if (!selected.ok()) return selected.status();
  DeadLetterMove move;
  move.group = letters->group;
  move.letters = letters->topic;
  move.selection = *std::move(selected);
  move.stretch = *stretch;
  return move;
}

absl::Status DeadLetterRequests::SetTarget(const v1::ResendDeadLettersRequest& request,
                                           DeadLetterMove& move) const {
  if (!request.to_topic().empty()) {
    move.target = ResendTarget::kTopic;
    move.topic = context_->metadata->FindTopic(request.to_topic());
    if (move.topic == nullptr) return context_->metadata->TopicMissing(request.to_topic());
    if (move.topic->kind != TopicKind::kUser) {
      return WireError(v2::ILLEGAL_TOPIC,
                       fmt::format("topic {} belongs to a group; dead letters can be resent to "
                                   "topics of the users",
                                   move.topic->name));
    }
  } else if (request.all_groups()) {
    move.target = ResendTarget::kOrigin;
  } else if (move.group->fifo || move.group->broadcast) {
    return WireError(
        v2::BAD_REQUEST,
        fmt::format("group {} is a {} group, which has no retries of its own: its dead letters can "
                    "go back to the end of their topic, where every group gets them, with "
                    "--all-groups, or to another one with --to-topic",
                    move.group->name, move.group->fifo ? "FIFO" : "broadcast"));
  }
  const auto& delay = request.delay();
  if (!IsLength(delay) || delay.seconds() > kMaxDelaySeconds) {
    return WireError(v2::BAD_REQUEST, "the delay is not valid; give one of at most 365 days");
  }
  move.delay_ms = MillisFrom(delay);
  return absl::OkStatus();
}

absl::StatusOr<DeadLetterMove> DeadLetterRequests::ResendOf(
    const v1::ResendDeadLettersRequest& request) const {
  auto move = MoveOf(request.group(), request.selection(), request.page());
  if (!move.ok()) return move;
  if (absl::Status s = SetTarget(request, *move); !s.ok()) return s;
  move->force = request.force();
  move->dry_run = request.dry_run();
  return move;
}

absl::StatusOr<DeadLetterMove> DeadLetterRequests::PurgeOf(
    const v1::PurgeDeadLettersRequest& request) const {
  auto move = MoveOf(request.group(), request.selection(), request.page());
  if (!move.ok()) return move;
  move->purge = true;
  move->dry_run = request.dry_run();
  return move;
}

}  // namespace mansio::broker
