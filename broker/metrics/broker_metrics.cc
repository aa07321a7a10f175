#include "broker/metrics/broker_metrics.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "common/clock/broker_time.h"

namespace mansio::broker {
namespace {

using metrics::Flag;
using metrics::Merge;
using metrics::Metric;
using metrics::Type;

constexpr Metric kLeases{"mansio_leases", "Messages that consumers hold, of all groups."};
constexpr Metric kLeasesLimit{"mansio_leases_limit", "The limit of it (limits.leases)."};
constexpr Metric kParked{"mansio_parked_receives", "Receives that wait for a message."};
constexpr Metric kParkedPulls{"mansio_parked_pulls", "Pulls that wait for a message."};
constexpr Metric kParkedLimit{"mansio_parked_receives_limit",
                              "The limit of each (limits.parked-receives)."};
constexpr Metric kTimingMessages{"rocketmq_timing_messages",
                                 "Delayed messages that wait for their time, by the system topic "
                                 "that they wait in."};
constexpr Metric kTimersPending{"mansio_timers_pending",
                                "Delayed messages that wait, by level; 0: exact times."};
constexpr Metric kTimersLimit{"mansio_timers_pending_limit",
                              "The limit of all of them (limits.pending-timers)."};
constexpr Metric kTimersFired{"mansio_timers_fired_total",
                              "Delayed messages that were delivered, since the start.",
                              Type::kCounter};
constexpr Metric kTimersRecalled{"mansio_timers_recalled_total",
                                 "Delayed messages that were recalled, since the start.",
                                 Type::kCounter};
constexpr Metric kTimerLateness{"rocketmq_timer_dequeue_latency",
                                "Milliseconds that the next delayed message is late; 0 when none "
                                "is due.",
                                Type::kGauge, 1, Merge::kMax};
constexpr Metric kHalves{"rocketmq_half_messages", "Transactions that nobody has ended yet."};
constexpr Metric kHalvesLimit{"mansio_half_messages_limit",
                              "The limit of all of them (limits.pending-transactions)."};
constexpr Metric kHalfAge{"mansio_half_message_age_seconds",
                          "Time since the oldest of them was stored; 0 when there is none."};
constexpr Metric kExpiredTransactions{"mansio_transactions_expired_total",
                                      "Transactions that were rolled back after the last check, "
                                      "ever.",
                                      Type::kCounter};
constexpr Metric kFinishLatency{"rocketmq_finish_message_latency",
                                "Transactions by the seconds until they ended.", Type::kHistogram,
                                1000};
constexpr Metric kProducers{"rocketmq_producer_connections", "Producers that are alive."};
constexpr Metric kConsumers{"rocketmq_consumer_connections", "Consumers that are alive."};
constexpr Metric kClients{"mansio_clients", "Clients that are alive, of any kind."};
constexpr Metric kClientsLimit{"mansio_clients_limit", "The limit of it (limits.clients)."};

double Count(size_t n) { return static_cast<double>(n); }

std::string ModeOf(gateway::ClientRole role) {
  switch (role) {
    case gateway::ClientRole::kPushConsumer:
      return "push";
    case gateway::ClientRole::kSimpleConsumer:
      return "simple";
    case gateway::ClientRole::kPullConsumer:
      return "pull";
    default:
      return "unknown";
  }
}

}  // namespace

BrokerMetrics::BrokerMetrics(Sources sources, MetricLimits limits, std::string store_path,
                             std::string durability, bool is_slave)
    : sources_(sources),
      limits_(limits),
      store_path_(std::move(store_path)),
      durability_(std::move(durability)),
      is_slave_(is_slave),
      ages_(sources.store) {}

void BrokerMetrics::Collect(metrics::Exposition& page) {
  AddStore(page);
  AddLog(page);
  AddTopics(page);
  AddDeliveries(page);
  const Consumption::Usage usage = sources_.consumption->usage();
  page.Add(kLeases, Count(usage.leases));
  page.Add(kLeasesLimit, Count(limits_.leases));
  page.Add(kParked, Count(usage.parked_receives));
  page.Add(kParkedPulls, Count(sources_.offsets->parked()));
  page.Add(kParkedLimit, Count(limits_.parked_receives));
  AddClients(page);
  if (is_slave_) return;
  AddGroups(page);
  AddTimers(page);
  AddTransactions(page);
}

void BrokerMetrics::AddTimers(metrics::Exposition& page) const {
  const DelayState& state = sources_.delay->state();
  const std::vector<size_t> levels = state.PendingByLevel();
  size_t leveled = 0;
  for (size_t level = 0; level < levels.size(); ++level) {
    if (level > 0) leveled += levels[level];
    page.Add(kTimersPending, {{"level", std::to_string(level)}}, Count(levels[level]));
  }
  page.Add(kTimingMessages, {{"topic", std::string(kLevelTopic)}}, Count(leveled));
  page.Add(kTimingMessages, {{"topic", std::string(kTimerTopic)}},
           Count(levels.empty() ? 0 : levels[0]));
  page.Add(kTimersLimit, Count(limits_.pending_timers));
  page.Add(kTimersFired, Count(state.fired()));
  page.Add(kTimersRecalled, Count(state.recalled()));
  const std::vector<TimerKey> next = state.List(TimerKey{}, 1);
  const int64_t late = next.empty() ? 0 : sources_.time->NowMillis() - next.front().due_ms;
  page.Add(kTimerLateness, static_cast<double>(std::max<int64_t>(late, 0)));
}

void BrokerMetrics::AddTransactions(metrics::Exposition& page) const {
  const TransactionState& state = sources_.transactions->state();
  for (const auto& [id, pending] : state.CountByTopic()) {
    const TopicPtr topic = sources_.metadata->FindTopic(id);
    if (topic != nullptr) page.Add(kHalves, {{"topic", topic->name}}, Count(pending));
  }
  page.Add(kHalvesLimit, Count(limits_.pending_transactions));
  double age = 0;
  if (const auto oldest = state.List(0, 1, 0); !oldest.empty()) {
    age = static_cast<double>(sources_.time->NowMillis() - oldest.front().second.stored_ms) / 1000;
  }
  page.Add(kHalfAge, std::max(age, 0.0));
  page.Add(kExpiredTransactions, Count(state.totals().expired));
  page.Add(kFinishLatency, {}, state.finish_ms());
}

void BrokerMetrics::AddClients(metrics::Exposition& page) const {
  using gateway::ClientRole;
  // By role, group, language and version; counted first, because clients wait for the registry.
  std::map<std::tuple<ClientRole, std::string, std::string, std::string>, size_t> clients;
  sources_.clients->ForEach([&](const gateway::ClientInfo& client) {
    const bool consumer = gateway::IsConsumer(client.role);
    if (!consumer && client.role != ClientRole::kProducer) return;
    ++clients[{client.role, consumer ? client.group : "", client.language, client.version}];
  });
  // What differs may look the same when it is shown.
  std::map<std::pair<ClientRole, metrics::Labels>, size_t> shown;
  for (const auto& [key, count] : clients) {
    const auto& [role, group, language, version] = key;
    metrics::Labels labels = {{"language", metrics::ClientText(language)},
                              {"version", metrics::ClientText(version)},
                              {"protocol_type", "grpc"}};
    if (gateway::IsConsumer(role)) {
      labels.emplace_back("consumer_group", metrics::ClientText(group));
      labels.emplace_back("consume_mode", ModeOf(role));
      labels.emplace_back("is_system", Flag(false));
    }
    shown[{role, std::move(labels)}] += count;
  }
  for (const auto& [key, count] : shown) {
    page.Add(gateway::IsConsumer(key.first) ? kConsumers : kProducers, key.second, Count(count));
  }
  page.Add(kClients, Count(sources_.clients->size()));
  page.Add(kClientsLimit, Count(limits_.clients));
}

}  // namespace mansio::broker
