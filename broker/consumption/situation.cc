#include "broker/consumption/situation.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "broker/consumption/context.h"
#include "broker/message/stored_message.h"
#include "common/clock/broker_time.h"

namespace mansio::broker {

namespace {

constexpr size_t kLeasesSeen = 10000;  // of a queue
// A client without a stream that has been silent for so long is probably dead.
constexpr absl::Duration kSuspiciousSilence = absl::Seconds(10);

// The holders of leases, which name them by hash.
class Holders {
 public:
  explicit Holders(const gateway::ClientRegistry& clients) : clients_(clients) {
    for (gateway::ClientInfo& client : clients.List("")) {
      const uint64_t hash = gateway::ClientHash(client.id);
      by_hash_.emplace(hash, std::move(client));
    }
  }

  LeaseHolder Of(const Lease& lease) const {
    LeaseHolder holder;
    holder.until_ms = lease.deadline_ms;
    const auto client = by_hash_.find(lease.owner);
    if (client == by_hash_.end()) {
      holder.lost = true;
      return holder;
    }
    holder.client = client->second.id;
    holder.silence = clients_.SilenceOf(client->second);
    holder.lost = !client->second.stream_open && holder.silence >= kSuspiciousSilence;
    return holder;
  }

 private:
  const gateway::ClientRegistry& clients_;
  absl::flat_hash_map<uint64_t, gateway::ClientInfo> by_hash_;
};

int64_t Earlier(int64_t known, int64_t other) {
  return known == 0 ? other : std::min(known, other);
}

// Looks at one topic of a group, whose lock is held.
class TopicLook {
 public:
  TopicLook(const ConsumptionContext& context, const Holders& holders, TopicSituation& situation)
      : context_(context), holders_(holders), situation_(situation) {}

  void AddQueue(store::QueueKey key, const QueueProgress& queue) {
    const store::QueueRange range = context_.store().Range(key);
    const store::QueueOffset next = std::max(queue.next(), range.min);
    const store::QueueOffset end = queue.LookEnd(range.next);
    const uint64_t free = queue.fifo() ? queue.ready().size() : queue.waiting();
    situation_.ready += free + (end > next ? end - next : 0);
    situation_.waiting += queue.waiting() - free;
    situation_.leased += queue.outstanding() - queue.waiting();
    situation_.most_of_a_queue =
        std::max<uint64_t>(situation_.most_of_a_queue, queue.outstanding());
    if (queue.next() < range.min) {
      situation_.gap += range.min - queue.next();
      situation_.gap_queue = key.queue;
    }
    queue.ForEachLease(kLeasesSeen,
                       [&](store::QueueOffset offset, const Lease& lease, MessageGroupHash group) {
                         AddLease(key, queue, offset, lease, group);
                       });
  }

 private:
  void AddLease(store::QueueKey key, const QueueProgress& queue, store::QueueOffset offset,
                const Lease& lease, MessageGroupHash group) {
    const LeaseHolder holder = holders_.Of(lease);
    ++situation_.seen;
    situation_.first_end_ms = Earlier(situation_.first_end_ms, lease.deadline_ms);
    if (lease.changed) {
      ++situation_.backing_off;
      situation_.first_back_off_ms = Earlier(situation_.first_back_off_ms, lease.deadline_ms);
    }
    if (holder.lost) {
      ++situation_.held_by_lost;
      if (holder.until_ms >= situation_.lost.until_ms) situation_.lost = holder;
    }
    const size_t waiting = queue.WaitingBehind(group);
    if (waiting == 0 || (situation_.blocked && situation_.blocked->waiting >= waiting)) return;
    situation_.blocked = BlockedGroup{.name = MessageGroupAt(key, offset),
                                      .queue = key.queue,
                                      .head = offset,
                                      .holder = holder,
                                      .backing_off = lease.changed,
                                      .waiting = waiting};
  }

  std::string MessageGroupAt(store::QueueKey key, store::QueueOffset offset) const {
    const auto entries = context_.store().HotEntries(key, offset, 1);
    if (!entries.has_value() || entries->empty()) return "";
    const auto message = context_.store().HotMessage(key, offset, entries->front());
    if (!message.has_value()) return "";
    const auto content = DecodeContent(message->view.content);
    return content.ok() ? std::string(MessageGroupOf(*content)) : "";
  }

  const ConsumptionContext& context_;
  const Holders& holders_;
  TopicSituation& situation_;
};

// Adds the topics of a group, or of one client of a broadcast group.
void AddTopics(const ConsumptionContext& context, const Holders& holders, uint32_t id,
               const std::string& client, GroupSituation& situation) {
  const GroupProgressPtr group = context.state.Find(id);
  if (group == nullptr) return;
  MutexLock lock(&group->mutex);
  situation.group_leases += group->leases;
  for (const auto& [topic_id, progress] : group->topics) {
    const TopicPtr topic = context.metadata.FindTopic(topic_id);
    if (topic == nullptr || topic->kind == TopicKind::kRetry || !progress.fixed()) continue;
    TopicSituation& found = situation.topics.emplace_back();
    found.topic = topic->name;
    found.client = client;
    TopicLook look(context, holders, found);
    for (uint32_t queue = 0; queue < progress.queues().size(); ++queue) {
      look.AddQueue({topic_id, queue}, progress.queues()[queue]);
    }
    if (const auto retry = group->RetryOf(topic_id)) look.AddQueue(retry->key, *retry->progress);
    const TopicProgress::Notes& notes = progress.notes();
    found.missed = notes.missed;
    found.missed_ms = notes.missed_ms;
    found.passed_over = notes.passed_over;
    found.filter = notes.filter;
    found.asked_ms = notes.asked_ms;
    found.parked = context.waiting.CountOf(id, topic_id);
  }
}

}  // namespace

GroupSituation SituationOf(const ConsumptionContext& context, const GroupRecord& group) {
  GroupSituation situation;
  situation.group = group.name;
  situation.paused = group.paused;
  situation.fifo = group.fifo;
  situation.now_ms = context.time.NowMillis();
  for (const gateway::ClientInfo& client : context.clients.List(group.name)) {
    situation.clients.push_back(client.id);
  }
  situation.broker_leases = context.state.leases();
  situation.max_queue_leases = context.options.max_queue_leases;
  situation.max_group_leases = context.options.max_group_leases;
  situation.max_broker_leases = context.options.max_leases;
  const Holders holders(context.clients);
  if (group.broadcast) {
    for (const auto& [client, member] : context.members.MembersOf(group)) {
      AddTopics(context, holders, member->id, client, situation);
    }
  } else {
    AddTopics(context, holders, group.id, "", situation);
  }
  std::sort(situation.topics.begin(), situation.topics.end(),
            [](const TopicSituation& a, const TopicSituation& b) {
              return std::tie(a.topic, a.client) < std::tie(b.topic, b.client);
            });
  return situation;
}

}  // namespace mansio::broker
