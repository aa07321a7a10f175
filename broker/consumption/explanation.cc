#include "broker/consumption/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/names/string_map.h"
#include "common/names/utf8.h"

namespace mansio::broker {

namespace {

using Explanation = std::optional<v1::GroupExplanation>;

// A receive that was made this long ago shows that there is a consumer, also one that has said
// nothing else of itself; and that one which is known to be there is not stuck.
constexpr int64_t kJustNowMs = 5'000;
constexpr int64_t kRecentlyMs = 15'000;
// What retention has taken is told for this long.
constexpr int64_t kMissedToldMs = 3600'000;

v1::GroupExplanation Make(v1::GroupCause cause, uint64_t messages, std::string text) {
  v1::GroupExplanation explanation;
  explanation.set_cause(cause);
  explanation.set_messages(static_cast<int64_t>(messages));
  explanation.set_text(std::move(text));
  return explanation;
}

void SetUntil(int64_t ms, v1::GroupExplanation& explanation) {
  explanation.mutable_until()->set_seconds(ms / 1000);
  explanation.mutable_until()->set_nanos(static_cast<int32_t>(ms % 1000 * 1000000));
}

std::string InstantOf(int64_t ms) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(ms), absl::UTCTimeZone());
}

std::string Seconds(absl::Duration d) {
  return absl::FormatDuration(absl::Trunc(d, absl::Seconds(1)));
}

std::string Count(uint64_t n, std::string_view what = "message") {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::string NameOf(const LeaseHolder& holder) {
  return holder.client.empty() ? "a client that is not known any more"
                               : fmt::format("client {}", EscapeForLog(holder.client));
}

bool AskedWithin(int64_t ms, const GroupSituation& group, const TopicSituation& topic) {
  return topic.parked > 0 || (topic.asked_ms > 0 && group.now_ms - topic.asked_ms < ms);
}

// ---- Causes that concern the group as a whole ----

Explanation Paused(const GroupSituation& group) {
  if (!group.paused) return std::nullopt;
  uint64_t ready = 0;
  for (const TopicSituation& topic : group.topics) ready += topic.ready;
  return Make(v1::GROUP_CAUSE_PAUSED, ready,
              fmt::format("the group is paused, and {} waiting; `mansio group resume {}` lets it "
                          "go on",
                          ready == 1 ? "1 message is" : fmt::format("{} messages are", ready),
                          group.group));
}

Explanation NoConsumer(const GroupSituation& group) {
  if (!group.clients.empty() || !group.refusals.empty()) return std::nullopt;
  uint64_t ready = 0;
  for (const TopicSituation& topic : group.topics) {
    if (AskedWithin(kJustNowMs, group, topic)) return std::nullopt;
    ready += topic.ready;
  }
  return Make(
      v1::GROUP_CAUSE_NO_CONSUMER, ready,
      fmt::format("no consumer of the group is connected{}; start one",
                  ready == 0 ? ""
                             : fmt::format(", and {} waiting",
                                           ready == 1 ? "1 message is" : Count(ready) + " are")));
}

// ---- Causes on one topic, what says most first ----

Explanation BehindRetention(const GroupSituation& group, const TopicSituation& topic) {
  const bool missed = topic.missed > 0 && group.now_ms - topic.missed_ms < kMissedToldMs;
  if (topic.gap == 0 && !missed) return std::nullopt;
  const uint64_t lost = topic.gap + (missed ? topic.missed : 0);
  auto explanation = Make(
      v1::GROUP_CAUSE_BEHIND_RETENTION, lost,
      fmt::format("{} deleted by retention before the group came to {}; it goes on at the oldest "
                  "there is. Consume faster, or raise retention.age or retention.bytes",
                  lost == 1 ? "1 message was" : Count(lost) + " were", lost == 1 ? "it" : "them"));
  if (topic.gap > 0) explanation.set_queue_id(static_cast<int32_t>(topic.gap_queue));
  return explanation;
}

Explanation LeaseLimit(const GroupSituation& group, const TopicSituation& topic) {
  struct Limit {
    uint64_t leases;
    uint64_t max;
    const char* whose;
    const char* key;
  };
  const Limit limits[] = {
      {group.broker_leases, group.max_broker_leases, "the broker has", "limits.leases"},
      {group.group_leases, group.max_group_leases, "the group has", "limits.leases-per-group"},
      {topic.most_of_a_queue, group.max_queue_leases, "a queue of the topic has",
       "limits.leases-per-queue"}};
  if (topic.ready == 0) return std::nullopt;
  for (const Limit& limit : limits) {
    if (limit.leases < limit.max) continue;
    return Make(v1::GROUP_CAUSE_LEASE_LIMIT, topic.ready,
                fmt::format("{} {} handed out and not acknowledged, as many as {} allows; "
                            "acknowledge some, or raise the limit",
                            limit.whose, Count(limit.leases), limit.key));
  }
  return std::nullopt;
}

Explanation ClientLost(const GroupSituation& group, const TopicSituation& topic) {
  if (topic.ready > 0 || topic.held_by_lost == 0 || topic.held_by_lost < topic.seen) {
    return std::nullopt;
  }
  const std::string silence =
      topic.lost.client.empty()
          ? ""
          : fmt::format(", whose connection is closed and of which nothing was heard for {}",
                        Seconds(topic.lost.silence));
  auto explanation = Make(
      v1::GROUP_CAUSE_CLIENT_LOST, topic.held_by_lost,
      fmt::format("{} held by {}{}; {} again when it counts as dead, after {} "
                  "(clients.disconnected), or at {} at the latest",
                  topic.held_by_lost == 1 ? "1 message is" : Count(topic.held_by_lost) + " are",
                  NameOf(topic.lost), silence, topic.held_by_lost == 1 ? "it comes" : "they come",
                  absl::FormatDuration(group.disconnected), InstantOf(topic.lost.until_ms)));
  explanation.set_client_id(topic.lost.client);
  SetUntil(topic.lost.until_ms, explanation);
  return explanation;
}

Explanation FifoHead(const GroupSituation&, const TopicSituation& topic) {
  if (topic.ready > 0 || topic.waiting == 0 || !topic.blocked) return std::nullopt;
  const BlockedGroup& blocked = *topic.blocked;
  const std::string name = blocked.name.empty()
                               ? "a message group"
                               : fmt::format("message group '{}'", EscapeForLog(blocked.name));
  const std::string until = InstantOf(blocked.holder.until_ms);
  std::string held = fmt::format("is held by {} until {}", NameOf(blocked.holder), until);
  if (blocked.last_attempt) {
    held = fmt::format("had its last attempt and becomes a dead letter at {}", until);
  } else if (blocked.backing_off) {
    held = fmt::format("failed and is given again at {}", until);
  }
  auto explanation =
      Make(v1::GROUP_CAUSE_FIFO_HEAD, topic.waiting,
           fmt::format("{} behind the first of {}, which {} (queue {}, offset {})",
                       topic.waiting == 1 ? "1 message waits" : Count(topic.waiting) + " wait",
                       name, held, blocked.queue, blocked.head));
  explanation.set_client_id(blocked.holder.client);
  explanation.set_message_group(blocked.name);
  explanation.set_queue_id(static_cast<int32_t>(blocked.queue));
  SetUntil(blocked.holder.until_ms, explanation);
  return explanation;
}

// Messages whose time a client has changed, as it has failed them or wants more time for them.
Explanation BackOff(const GroupSituation&, const TopicSituation& topic) {
  if (topic.ready > 0 || topic.backing_off == 0) return std::nullopt;
  std::string text;
  if (topic.backing_off > topic.last_attempts) {
    text =
        fmt::format("{} given back and {} for the next attempt, the first until {}",
                    topic.backing_off == 1 ? "1 message was" : Count(topic.backing_off) + " were",
                    topic.backing_off == 1 ? "waits" : "wait", InstantOf(topic.first_back_off_ms));
  }
  if (topic.last_attempts > 0) {
    const bool one = topic.last_attempts == 1;
    text += fmt::format("{}{} had {} last attempt and {} at {} unless acknowledged before",
                        text.empty() ? "" : "; of these ", Count(topic.last_attempts),
                        one ? "its" : "their",
                        one ? "becomes a dead letter" : "become dead letters, the first",
                        InstantOf(topic.first_dead_ms));
  }
  auto explanation = Make(v1::GROUP_CAUSE_BACK_OFF, topic.backing_off, std::move(text));
  SetUntil(topic.first_back_off_ms, explanation);
  return explanation;
}

Explanation NotReceiving(const GroupSituation& group, const TopicSituation& topic) {
  if (group.paused || topic.ready == 0 || AskedWithin(kRecentlyMs, group, topic))
    return std::nullopt;
  if (group.clients.empty()) return std::nullopt;
  const std::string since =
      topic.asked_ms == 0
          ? "since this broker started"
          : fmt::format("for {}", Seconds(absl::Milliseconds(group.now_ms - topic.asked_ms)));
  auto explanation =
      Make(v1::GROUP_CAUSE_NOT_RECEIVING, topic.ready,
           fmt::format("{} ready, and no consumer has asked for messages {}: {} connected, but "
                       "busy, stuck, or does not subscribe to the topic",
                       topic.ready == 1 ? "1 message is" : Count(topic.ready) + " are", since,
                       group.clients.size() == 1
                           ? fmt::format("client {} is", EscapeForLog(group.clients[0]))
                           : fmt::format("{} clients are", group.clients.size())));
  if (group.clients.size() == 1) explanation.set_client_id(group.clients[0]);
  return explanation;
}

Explanation InFlight(const GroupSituation&, const TopicSituation& topic) {
  const bool others = topic.held_by_lost + topic.backing_off >= topic.seen;
  if (topic.ready > 0 || topic.waiting > 0 || topic.leased == 0 || others) return std::nullopt;
  auto explanation = Make(v1::GROUP_CAUSE_IN_FLIGHT, topic.leased,
                          fmt::format("the group's consumers hold all there is, {}; the first "
                                      "lease ends at {}",
                                      Count(topic.leased), InstantOf(topic.first_end_ms)));
  SetUntil(topic.first_end_ms, explanation);
  return explanation;
}

Explanation NoMatch(const GroupSituation&, const TopicSituation& topic) {
  if (topic.ready > 0 || topic.leased > 0 || topic.passed_over == 0) return std::nullopt;
  return Make(
      v1::GROUP_CAUSE_FILTER, topic.passed_over,
      fmt::format("the last {} of the topic did not match the subscription '{}'; compare it "
                  "with the tags or properties of the messages (`mansio message print`)",
                  Count(topic.passed_over), EscapeForLog(topic.filter, 200)));
}

// ---- What was refused, on topics that the group consumes and on others ----

Explanation Refused(const GroupSituation& group, const TopicRefusal& refusal) {
  uint64_t ready = 0;
  for (const TopicSituation& topic : group.topics) {
    if (topic.topic != refusal.last.topic) continue;
    if (LeaseLimit(group, topic)) return std::nullopt;  // which says the same
    ready += topic.ready;
  }
  const std::string client = fmt::format("client {}", EscapeForLog(refusal.last.client));
  const std::string at = InstantOf(refusal.last.at_ms);
  auto explanation = Make(
      v1::GROUP_CAUSE_REFUSED, ready,
      refusal.clients == 1 ? fmt::format("what {} asks for is refused, last at {}: {}", client, at,
                                         refusal.last.text)
                           : fmt::format("what {} clients ask for is refused, last at {} to {}: {}",
                                         refusal.clients, at, client, refusal.last.text));
  explanation.set_topic(refusal.last.topic);
  explanation.set_client_id(refusal.last.client);
  return explanation;
}

// ---- When there is nothing to complain of ----

v1::GroupExplanation AllIsWell(const TopicSituation& topic) {
  if (topic.ready > 0) {
    return Make(v1::GROUP_CAUSE_DELIVERING, topic.ready,
                fmt::format("{} ready and being received",
                            topic.ready == 1 ? "1 message is" : Count(topic.ready) + " are"));
  }
  return Make(v1::GROUP_CAUSE_CAUGHT_UP, 0, "the group has received all there is");
}

constexpr Explanation (*kGroupCauses[])(const GroupSituation&) = {Paused, NoConsumer};
constexpr Explanation (*kTopicCauses[])(const GroupSituation&, const TopicSituation&) = {
    BehindRetention, LeaseLimit, ClientLost, FifoHead, BackOff, NotReceiving, InFlight, NoMatch};

}  // namespace

std::vector<v1::GroupExplanation> Explain(const GroupSituation& situation) {
  std::vector<v1::GroupExplanation> explanations;
  for (const auto cause : kGroupCauses) {
    if (Explanation found = cause(situation)) explanations.push_back(*std::move(found));
  }
  const bool explained = !explanations.empty();
  StringSet refused;
  for (const TopicRefusal& refusal : situation.refusals) {
    Explanation found = Refused(situation, refusal);
    if (!found) continue;
    refused.insert(refusal.last.topic);
    explanations.push_back(*std::move(found));
  }
  for (const TopicSituation& topic : situation.topics) {
    bool any = explained || refused.contains(topic.topic);
    const auto add = [&](v1::GroupExplanation found) {
      found.set_topic(topic.topic);
      if (found.client_id().empty()) found.set_client_id(topic.client);
      explanations.push_back(std::move(found));
    };
    for (const auto cause : kTopicCauses) {
      Explanation found = cause(situation, topic);
      if (!found) continue;
      any = true;
      add(*std::move(found));
    }
    if (!any) add(AllIsWell(topic));
  }
  if (explanations.empty()) {
    explanations.push_back(
        Make(v1::GROUP_CAUSE_CAUGHT_UP, 0, "the group has consumed nothing on this broker so far"));
  }
  std::stable_sort(explanations.begin(), explanations.end(),
                   [](const v1::GroupExplanation& a, const v1::GroupExplanation& b) {
                     return a.cause() < b.cause();
                   });
  return explanations;
}

}  // namespace mansio::broker
