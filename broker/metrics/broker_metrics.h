#ifndef MANSIO_BROKER_METRICS_BROKER_METRICS_H_
#define MANSIO_BROKER_METRICS_BROKER_METRICS_H_

#include <string>
#include <string_view>

#include "broker/consumption/consumption.h"
#include "broker/deadletter/dead_letter_state.h"
#include "broker/delay/delay.h"
#include "broker/metadata/metadata.h"
#include "broker/metrics/message_ages.h"
#include "broker/offsets/offsets.h"
#include "broker/transaction/transactions.h"
#include "common/gateway/client_registry.h"
#include "common/metrics/exposition.h"
#include "store/store.h"

namespace mansio {
class BrokerTime;
class FileSystem;
}  // namespace mansio

namespace mansio::broker {

// The limits of the configuration whose use the metrics show.
struct MetricLimits {
  size_t leases = 0;
  size_t parked_receives = 0;
  size_t pending_timers = 0;
  size_t pending_transactions = 0;
  size_t clients = 0;
  uint64_t uncommitted_bytes = 0;
};

// Everything that a broker shows but its calls (common/metrics/rpc_metrics.h): RocketMQ 5's metrics
// under their names and labels where there is such a thing here, and our own, `mansio_…`. Counters
// are read where the work counts them; states are asked for at each scrape, on the scraping thread,
// under the short locks that readers take. Used by one thread at a time; may read the disk.
class BrokerMetrics {
 public:
  // All borrowed.
  struct Sources {
    store::Store* store = nullptr;
    const store::StoreStats* store_stats = nullptr;
    FileSystem* files = nullptr;
    Metadata* metadata = nullptr;
    const DeadLetterState* dead_letters = nullptr;
    Consumption* consumption = nullptr;
    const Offsets* offsets = nullptr;
    const Delay* delay = nullptr;
    const Transactions* transactions = nullptr;
    const gateway::ClientRegistry* clients = nullptr;
    BrokerTime* time = nullptr;
  };
  // `store_path`: whose disk is shown; `durability`: the word of the configuration. A slave
  // (`is_slave`) has what its master has of groups, timers and transactions, and leaves it to the
  // master to show it, so that sums over all brokers count it once.
  BrokerMetrics(Sources sources, MetricLimits limits, std::string store_path,
                std::string durability, bool is_slave);

  // Adds all of it.
  void Collect(metrics::Exposition& page);

 private:
  void AddStore(metrics::Exposition& page) const;
  void AddLog(metrics::Exposition& page) const;
  void AddTopics(metrics::Exposition& page) const;
  void AddDeliveries(metrics::Exposition& page) const;
  void AddGroups(metrics::Exposition& page);
  void AddLag(const GroupRecord& group, metrics::Exposition& page);
  void AddDeadLetters(const GroupRecord& group, metrics::Exposition& page);
  void AddTimers(metrics::Exposition& page) const;
  void AddTransactions(metrics::Exposition& page) const;
  void AddClients(metrics::Exposition& page) const;

  const Sources sources_;
  const MetricLimits limits_;
  const std::string store_path_;
  const std::string durability_;
  const bool is_slave_;
  const int64_t began_ = metrics::NowNanos();
  MessageAges ages_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_METRICS_BROKER_METRICS_H_
