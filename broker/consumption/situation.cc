#include "broker/consumption/situation.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "broker/consumption/context.h"
#include "broker/message/stored_message.h"
#include "common/clock/broker_time.h"

namespace mansio::broker {

namespace {

// Of a group; each of its queues has its share, but at least one.
constexpr size_t kLeasesSeen = 10000;
// A client without a stream that has been silent for so long is probably dead.
constexpr absl::Duration kSuspiciousSilence = absl::Seconds(10);
// Clients ask again within this time after they were refused.
constexpr int64_t kRefusedToldMs = 60'000;

// A lease as it was under the group's lock.
struct SeenLease {
  store::QueueKey key;
  store::QueueOffset offset = 0;
  uint64_t owner = 0;
  int64_t deadline_ms = 0;
  bool changed = false;
  uint32_t attempts = 0;  // of the message, if changed
  size_t waiting = 0;     // FIFO: messages behind it
};

// The holders of leases, which name them by hash; each is looked up once.
class Holders {
 public:
  explicit Holders(const gateway::ClientRegistry& clients) : clients_(clients) {}

  LeaseHolder Of(const SeenLease& lease) {
    const auto [found, is_new] = by_hash_.try_emplace(lease.owner);
    LeaseHolder& holder = found->second;
    if (is_new) {
      const auto client = clients_.FindByHash(lease.owner);
      holder.lost = !client.has_value();
      if (client) {
        holder.client = client->id;
        holder.silence = clients_.SilenceOf(*client);
        holder.lost = !client->stream_open && holder.silence >= kSuspiciousSilence;
      }
    }
    holder.until_ms = lease.deadline_ms;
    return holder;
  }

 private:
  const gateway::ClientRegistry& clients_;
  absl::flat_hash_map<uint64_t, LeaseHolder> by_hash_;
};

int64_t Earlier(int64_t known, int64_t other) {
  return known == 0 ? other : std::min(known, other);
}

// Looks at one topic of a group. What is added under the group's lock, which the log thread waits
// for, is counted only; who holds what is found out by Finish, without it.
class TopicLook {
 public:
  TopicLook(const ConsumptionContext& context, size_t leases_of_queue, uint32_t max_attempts)
      : context_(context), leases_of_queue_(leases_of_queue), max_attempts_(max_attempts) {}

  TopicSituation& situation() { return situation_; }

  // `dead_letters`: those that were carried forward stand before the queue's minimum.
  void AddQueue(store::QueueKey key, const QueueProgress& queue, bool dead_letters = false) {
    const store::QueueRange range = context_.store().Range(key);
    const store::QueueOffset next = std::max(queue.next(), range.min);
    if (dead_letters && queue.next() < range.min) carried_ = {key.topic, queue.next()};
    const store::QueueOffset end = queue.LookEnd(range.next);
    const uint64_t free = queue.fifo() ? queue.ready().size() : queue.waiting();
    situation_.ready += free + (end > next ? end - next : 0);
    situation_.waiting += queue.waiting() - free;
    situation_.leased += queue.outstanding() - queue.waiting();
    situation_.most_of_a_queue =
        std::max<uint64_t>(situation_.most_of_a_queue, queue.outstanding());
    if (queue.next() < range.min && !dead_letters) {
      situation_.gap += range.min - queue.next();
      situation_.gap_queue = key.queue;
    }
    queue.ForEachLease(leases_of_queue_, [&](store::QueueOffset offset, const Lease& lease,
                                             MessageGroupHash group) {
      leases_.push_back({key, offset, lease.owner, lease.deadline_ms, lease.changed, lease.attempts,
                         queue.WaitingBehind(group)});
    });
  }

  TopicSituation Finish(Holders& holders, bool may_read) {
    if (carried_) {
      situation_.ready += context_.dead_letters.CountCarried(carried_->first, carried_->second);
    }
    for (const SeenLease& lease : leases_) AddLease(lease, holders);
    if (situation_.blocked) situation_.blocked->name = MessageGroupOfHead(may_read);
    return std::move(situation_);
  }

 private:
  void AddLease(const SeenLease& lease, Holders& holders) {
    const LeaseHolder holder = holders.Of(lease);
    ++situation_.seen;
    situation_.first_end_ms = Earlier(situation_.first_end_ms, lease.deadline_ms);
    const bool last_attempt = lease.changed && lease.attempts >= max_attempts_;
    if (lease.changed) {
      ++situation_.backing_off;
      situation_.first_back_off_ms = Earlier(situation_.first_back_off_ms, lease.deadline_ms);
    } else if (holder.lost) {
      ++situation_.held_by_lost;
      if (holder.until_ms >= situation_.lost.until_ms) situation_.lost = holder;
    }
    if (last_attempt) {
      ++situation_.last_attempts;
      situation_.first_dead_ms = Earlier(situation_.first_dead_ms, lease.deadline_ms);
    }
    const auto& blocked = situation_.blocked;
    if (lease.waiting == 0 || (blocked && blocked->waiting >= lease.waiting)) return;
    blocked_key_ = lease.key;
    situation_.blocked = BlockedGroup{.queue = lease.key.queue,
                                      .head = lease.offset,
                                      .holder = holder,
                                      .backing_off = lease.changed,
                                      .last_attempt = last_attempt,
                                      .waiting = lease.waiting};
  }

  // Empty when it cannot be found out.
  std::string MessageGroupOfHead(bool may_read) const {
    store::Store& store = context_.store();
    const store::QueueOffset offset = situation_.blocked->head;
    auto entries = store.HotEntries(blocked_key_, offset, 1);
    if (!entries && may_read) {
      if (auto read = store.ReadEntries(blocked_key_, offset, 1); read.ok()) entries = *read;
    }
    if (!entries || entries->empty()) return "";
    auto message = store.HotMessage(blocked_key_, offset, entries->front());
    if (!message && may_read) {
      auto read = store.ReadMessage(blocked_key_, offset, entries->front());
      if (read.ok()) message = *std::move(read);
    }
    if (!message) return "";
    const auto content = DecodeContent(message->view.content);
    return content.ok() ? std::string(MessageGroupOf(*content)) : "";
  }

  const ConsumptionContext& context_;
  const size_t leases_of_queue_;
  const uint32_t max_attempts_;
  TopicSituation situation_;
  std::vector<SeenLease> leases_;
  store::QueueKey blocked_key_;
  std::optional<std::pair<uint32_t, store::QueueOffset>> carried_;  // topic, from where on
};

// How many leases are looked at in each queue of a group that may look at `leases`.
size_t LeasesOfQueue(const GroupProgress& group, size_t leases)
    ABSL_SHARED_LOCKS_REQUIRED(group.mutex) {
  size_t queues = 0;
  for (const auto& [topic, progress] : group.topics) queues += progress.queues().size();
  return std::max<size_t>(1, leases / std::max<size_t>(1, queues));
}

// Looks at the topics of a group, or of one client of a broadcast group; counts its leases.
std::vector<TopicLook> LookAtTopics(const ConsumptionContext& context, uint32_t id,
                                    const std::string& client, size_t max_leases,
                                    uint32_t max_attempts, uint64_t* leases) {
  std::vector<TopicLook> looks;
  const GroupProgressPtr group = context.state.Find(id);
  if (group == nullptr) return looks;
  MutexLock lock(&group->mutex);
  *leases += group->leases;
  const size_t leases_of_queue = LeasesOfQueue(*group, max_leases);
  for (const auto& [topic_id, progress] : group->topics) {
    const TopicPtr topic = context.metadata.FindTopic(topic_id);
    if (topic == nullptr || topic->kind == TopicKind::kRetry || !progress.fixed()) continue;
    TopicLook& look = looks.emplace_back(context, leases_of_queue, max_attempts);
    TopicSituation& found = look.situation();
    found.topic = topic->name;
    found.client = client;
    for (uint32_t queue = 0; queue < progress.queues().size(); ++queue) {
      look.AddQueue({topic_id, queue}, progress.queues()[queue],
                    topic->kind == TopicKind::kDeadLetter);
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
  return looks;
}

// Who is refused has asked.
void AddRefusals(const ConsumptionContext& context, GroupSituation& situation) {
  absl::btree_map<std::string, TopicRefusal> by_topic;
  for (Refusal& refusal : context.refusals.Of(situation.group)) {
    if (situation.now_ms - refusal.at_ms > kRefusedToldMs) continue;
    const auto [it, is_new] = by_topic.try_emplace(refusal.topic);
    if (!is_new) ++it->second.clients;
    if (is_new || refusal.at_ms >= it->second.last.at_ms) it->second.last = std::move(refusal);
  }
  for (TopicSituation& topic : situation.topics) {
    const auto refused = by_topic.find(topic.topic);
    if (refused == by_topic.end()) continue;
    topic.asked_ms = std::max(topic.asked_ms, refused->second.last.at_ms);
  }
  for (auto& [topic, refusal] : by_topic) situation.refusals.push_back(std::move(refusal));
}

}  // namespace

GroupSituation SituationOf(const ConsumptionContext& context, const GroupRecord& group,
                           bool may_read) {
  GroupSituation situation;
  situation.group = group.name;
  situation.paused = group.paused;
  situation.fifo = group.fifo;
  situation.now_ms = context.time.NowMillis();
  for (const gateway::ClientInfo& client : context.clients.List(group.name)) {
    situation.clients.push_back(client.id);
  }
  situation.disconnected = context.clients.options().disconnected;
  situation.broker_leases = context.state.leases();
  situation.max_queue_leases = context.options.max_queue_leases;
  situation.max_group_leases = context.options.max_group_leases;
  situation.max_broker_leases = context.options.max_leases;
  Holders holders(context.clients);
  const auto add = [&](uint32_t id, const std::string& client, size_t max_leases) {
    for (TopicLook& look : LookAtTopics(context, id, client, max_leases, group.max_attempts,
                                        &situation.group_leases)) {
      situation.topics.push_back(look.Finish(holders, may_read));
    }
  };
  if (group.broadcast) {
    auto members = context.members.MembersOf(group);
    std::erase_if(members, [&context](const auto& member) {
      return !context.clients.IsAlive(gateway::ClientHash(member.first));
    });
    for (const auto& [client, member] : members) {
      add(member->id, client, kLeasesSeen / members.size());
    }
  } else {
    add(group.id, "", kLeasesSeen);
  }
  std::sort(situation.topics.begin(), situation.topics.end(),
            [](const TopicSituation& a, const TopicSituation& b) {
              return std::tie(a.topic, a.client) < std::tie(b.topic, b.client);
            });
  AddRefusals(context, situation);
  return situation;
}

}  // namespace mansio::broker
