// What topics and groups show: traffic, lag, dead letters.

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/metrics/broker_metrics.h"
#include "common/clock/broker_time.h"

namespace mansio::broker {
namespace {

using metrics::Flag;
using metrics::Labels;
using metrics::Merge;
using metrics::Metric;
using metrics::Type;

constexpr Metric kTopicNumber{"rocketmq_topic_number", "Topics of users."};
constexpr Metric kGroupNumber{"rocketmq_consumer_group_number", "Consumer groups."};
constexpr Metric kMessagesIn{"rocketmq_messages_in_total", "Messages that clients sent.",
                             Type::kCounter};
constexpr Metric kThroughputIn{"rocketmq_throughput_in_total", "Bytes of them, as stored.",
                               Type::kCounter};
constexpr Metric kMessageSize{"rocketmq_message_size", "The same messages by their stored bytes.",
                              Type::kHistogram};
constexpr Metric kMessagesOut{"rocketmq_messages_out_total",
                              "Messages that were handed to consumers.", Type::kCounter};
constexpr Metric kThroughputOut{"rocketmq_throughput_out_total", "Bytes of them, as sent.",
                                Type::kCounter};
constexpr Metric kToDlq{"rocketmq_send_to_dlq_messages_total",
                        "Messages that became dead letters of a group.", Type::kCounter};
constexpr Metric kCommitted{"rocketmq_commit_messages_total", "Transactions that were committed.",
                            Type::kCounter};
constexpr Metric kRolledBack{"rocketmq_rollback_messages_total",
                             "Transactions that were rolled back, by their producer, an operator "
                             "or after the last check.",
                             Type::kCounter};
constexpr Metric kLag{"rocketmq_consumer_lag_messages",
                      "Messages that a group has not finished: ready and in flight."};
constexpr Metric kReady{"rocketmq_consumer_ready_messages",
                        "Messages that a group can be handed now."};
constexpr Metric kInflight{"rocketmq_consumer_inflight_messages",
                           "Messages that a group's consumers hold and have not acknowledged."};
constexpr Metric kLagLatency{"rocketmq_consumer_lag_latency",
                             "Milliseconds since the oldest message was stored that a group has "
                             "not finished; 0 when there is none.",
                             Type::kGauge, 1, Merge::kMax};
constexpr Metric kQueueing{"rocketmq_consumer_queueing_latency",
                           "Milliseconds since the oldest message was stored that a group was not "
                           "handed yet; 0 when there is none.",
                           Type::kGauge, 1, Merge::kMax};
constexpr Metric kGroupPaused{"mansio_group_paused", "1 while an operator has paused the group."};
constexpr Metric kDeadLetters{"mansio_dead_letters",
                              "Dead letters that a group has; only of groups that ever had one."};
constexpr Metric kOldestDeadLetter{"mansio_dead_letter_age_seconds",
                                   "Time since the oldest of them became one.", Type::kGauge, 1,
                                   Merge::kMax};

std::string TypeName(MessageType type) {
  return absl::AsciiStrToLower(apache::rocketmq::v2::MessageType_Name(static_cast<int>(type)));
}

// By age: so that the limit of series hits the youngest, and always the same ones.
template <typename T>
std::vector<T> ById(std::vector<T> all) {
  std::sort(all.begin(), all.end(), [](const T& a, const T& b) { return a->id < b->id; });
  return all;
}

// What a group has to do of one topic, over all of its queues.
struct Backlog {
  uint64_t ready = 0;
  uint64_t inflight = 0;
  int64_t lag_ms = 0;
  int64_t queueing_ms = 0;
};

double Number(uint64_t n) { return static_cast<double>(n); }

}  // namespace

void BrokerMetrics::AddTopics(metrics::Exposition& page) const {
  const std::vector<TopicPtr> topics = ById(sources_.metadata->Topics());
  page.Add(kTopicNumber,
           static_cast<double>(std::count_if(topics.begin(), topics.end(), [](const auto& topic) {
             return topic->kind == TopicKind::kUser;
           })));
  page.Add(kGroupNumber, Number(sources_.metadata->Groups().size()));
  for (const TopicPtr& topic : topics) {
    if (topic->kind != TopicKind::kUser) continue;  // clients send to no other
    const metrics::HistogramSnapshot sizes = topic->counters->sent_bytes.Snapshot();
    const Labels labels = {{"topic", topic->name},
                           {"message_type", TypeName(topic->type)},
                           {"is_system", Flag(false)}};
    page.Add(kMessagesIn, labels, Number(sizes.count()));
    page.Add(kThroughputIn, labels, static_cast<double>(sizes.sum));
    page.Add(kMessageSize, labels, sizes);
    if (topic->type != MessageType::kTransaction) continue;
    page.Add(kCommitted, {{"topic", topic->name}}, Number(topic->counters->committed.value()));
    page.Add(kRolledBack, {{"topic", topic->name}}, Number(topic->counters->rolled_back.value()));
  }
}

void BrokerMetrics::AddDeliveries(metrics::Exposition& page) const {
  sources_.consumption->deliveries().Visit(
      [&](DeliveryCounters::Key key, const GroupTopicCounters& counters) {
        const GroupPtr group = sources_.metadata->FindGroup(key.group);
        const TopicPtr topic = sources_.metadata->FindTopic(key.topic);
        if (group == nullptr || topic == nullptr) return false;
        const std::string system = Flag(topic->kind != TopicKind::kUser);
        for (const bool retried : {false, true}) {
          const auto& deliveries = retried ? counters.retried : counters.first;
          if (retried && deliveries.messages.value() == 0) continue;
          const Labels labels = {{"topic", topic->name},
                                 {"consumer_group", group->name},
                                 {"is_retry", Flag(retried)},
                                 {"is_system", system}};
          page.Add(kMessagesOut, labels, Number(deliveries.messages.value()));
          page.Add(kThroughputOut, labels, Number(deliveries.bytes.value()));
        }
        if (counters.dead_letters.value() > 0) {
          page.Add(kToDlq,
                   {{"topic", topic->name}, {"consumer_group", group->name}, {"is_system", system}},
                   Number(counters.dead_letters.value()));
        }
        return true;
      });
}

void BrokerMetrics::AddGroups(metrics::Exposition& page) {
  ages_.Begin();
  for (const GroupPtr& group : ById(sources_.metadata->Groups())) {
    AddLag(*group, page);
    AddDeadLetters(*group, page);
    if (group->paused) page.Add(kGroupPaused, {{"consumer_group", group->name}}, 1);
  }
  ages_.End();
}

void BrokerMetrics::AddLag(const GroupRecord& group, metrics::Exposition& page) {
  const int64_t now = sources_.time->NowMillis();
  // By the topic that the messages were sent to, and whether they came back.
  std::map<std::pair<std::string, bool>, Backlog> topics;
  const auto age = [&](store::QueueKey queue, store::QueueOffset offset) -> int64_t {
    const auto stored = ages_.StoredAt(queue, offset);
    return stored ? std::max<int64_t>(now - *stored, 0) : 0;
  };
  for (const QueueConsumption& queue : sources_.consumption->Describe(group)) {
    const TopicPtr topic = sources_.metadata->FindTopic(queue.topic);
    if (topic == nullptr || queue.away) continue;
    std::string name = topic->name;
    const bool retry = topic->kind == TopicKind::kRetry;
    if (retry) {
      const TopicPtr origin = sources_.metadata->FindTopic(topic->origins[queue.queue]);
      if (origin == nullptr) continue;
      name = origin->name;
    }
    Backlog& backlog = topics[{std::move(name), retry}];
    backlog.ready += queue.ready;
    backlog.inflight += queue.leased;
    const store::QueueKey key{topic->id, queue.queue};
    const uint64_t min = sources_.store->Range(key).min;
    if (queue.ready + queue.leased > 0) {
      const uint64_t oldest = queue.leased > 0 ? queue.oldest : std::max(queue.oldest, min);
      backlog.lag_ms = std::max(backlog.lag_ms, age(key, oldest));
    }
    if (const uint64_t next = std::max(queue.cursor, min); next < queue.next) {
      backlog.queueing_ms = std::max(backlog.queueing_ms, age(key, next));
    }
  }
  for (const auto& [topic, backlog] : topics) {
    const Labels labels = {{"consumer_group", group.name},
                           {"topic", topic.first},
                           {"is_retry", Flag(topic.second)},
                           {"is_system", Flag(false)}};
    page.Add(kLag, labels, Number(backlog.ready + backlog.inflight));
    page.Add(kReady, labels, Number(backlog.ready));
    page.Add(kInflight, labels, Number(backlog.inflight));
    page.Add(kLagLatency, labels, static_cast<double>(backlog.lag_ms));
    page.Add(kQueueing, labels, static_cast<double>(backlog.queueing_ms));
  }
}

void BrokerMetrics::AddDeadLetters(const GroupRecord& group, metrics::Exposition& page) {
  const TopicPtr topic = sources_.metadata->FindDeadLetters(group);
  if (topic == nullptr) return;
  const store::QueueKey queue{topic->id, 0};
  const uint64_t count = sources_.dead_letters->Count(topic->id);
  page.Add(kDeadLetters, {{"consumer_group", group.name}}, Number(count));
  double age = 0;
  if (count > 0) {
    const auto carried = sources_.store->CarriedEntries(queue, 0, 1);
    const store::QueueOffset first =
        carried.empty() ? sources_.store->StoredRange(queue).min : carried.front().offset;
    const auto stored = ages_.StoredAt(queue, sources_.dead_letters->SkipRemoved(topic->id, first));
    if (stored) age = static_cast<double>(sources_.time->NowMillis() - *stored) / 1000;
  }
  page.Add(kOldestDeadLetter, {{"consumer_group", group.name}}, std::max(age, 0.0));
}

}  // namespace mansio::broker
