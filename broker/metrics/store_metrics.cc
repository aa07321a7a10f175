// What the store shows: the log's cursors and batches, flushes, checkpoints, disk.

#include "broker/metrics/broker_metrics.h"
#include "common/clock/broker_time.h"
#include "common/files/file_system.h"

namespace mansio::broker {
namespace {

using metrics::Metric;
using metrics::Type;

constexpr Metric kFlushBehind{"rocketmq_storage_flush_behind_bytes",
                              "Log that was written and is not flushed to the disk yet."};
constexpr Metric kDispatchBehind{"rocketmq_storage_dispatch_behind_bytes",
                                 "Log that is committed and not visible to consumers yet."};
constexpr Metric kStorageSize{"rocketmq_storage_size",
                              "Bytes in use on the disk that holds the store, by whomever."};
constexpr Metric kPermission{"rocketmq_broker_permission",
                             "6 while messages can be sent and received, 4 while only received."};
constexpr Metric kDurability{"mansio_durability_info",
                             "Always 1; the label says when a message counts as stored."};
constexpr Metric kCursor{"mansio_log_cursor_bytes",
                         "How far the log is: appended, committed, applied, synced, checkpointed; "
                         "and where it begins (min).",
                         Type::kGauge};
constexpr Metric kEpoch{"mansio_log_epoch", "The epoch that the broker writes in."};
constexpr Metric kLogBytes{"mansio_log_size_bytes", "Bytes of log that are kept."};
constexpr Metric kSegments{"mansio_log_segments", "Files of the log."};
constexpr Metric kHealthy{"mansio_store_healthy", "1 while the store takes messages, else 0."};
constexpr Metric kUncommitted{"mansio_uncommitted_bytes",
                              "Bytes that were accepted and are not committed."};
constexpr Metric kUncommittedLimit{"mansio_uncommitted_limit_bytes",
                                   "The limit of it (limits.send-bytes-in-flight)."};
constexpr Metric kBatchAppends{"mansio_log_batch_requests",
                               "Batches of the log thread by the requests in them.",
                               Type::kHistogram};
constexpr Metric kBatchBytes{"mansio_log_batch_bytes", "The same batches by their bytes.",
                             Type::kHistogram};
constexpr Metric kWrite{"mansio_log_write_duration_seconds",
                        "Batches by the time that their write took.", Type::kHistogram,
                        metrics::kSecond};
constexpr Metric kSync{"mansio_log_fsync_duration_seconds",
                       "Flushes of the log by the time that they took.", Type::kHistogram,
                       metrics::kSecond};
constexpr Metric kCheckpoint{"mansio_checkpoint_duration_seconds",
                             "Checkpoints by the time that they took.", Type::kHistogram,
                             metrics::kSecond};
constexpr Metric kCheckpointFailures{"mansio_checkpoint_failures_total",
                                     "Checkpoints that failed and are tried again.",
                                     Type::kCounter};
constexpr Metric kCheckpointAge{"mansio_checkpoint_age_seconds",
                                "Time since the last checkpoint, or since the start before the "
                                "first one. An idle broker takes none."};
constexpr Metric kCheckpointBehind{"mansio_checkpoint_behind_bytes",
                                   "Log behind the last checkpoint, which a start reads again."};
constexpr Metric kCarriedMessages{"mansio_retention_carried_messages_total",
                                  "Messages that outlived their segment and were appended again.",
                                  Type::kCounter};
constexpr Metric kCarriedBytes{"mansio_retention_carried_bytes_total", "The bytes of them.",
                               Type::kCounter};
constexpr Metric kCarried{"mansio_retention_carried_size_bytes",
                          "Log that messages take which outlived their segment."};
constexpr Metric kCarryLeft{"mansio_retention_carry_left_bytes",
                            "What may still be carried before delayed and transactional messages "
                            "are refused; only with retention.bytes."};
constexpr Metric kQueueBytes{"mansio_queue_index_bytes",
                             "Memory of the queues' indexes (store.queue-memory-bytes)."};
constexpr Metric kUnsavedQueueBytes{"mansio_queue_index_unsaved_bytes",
                                    "The part of it that no checkpoint has."};
constexpr Metric kKeyIndexBytes{"mansio_key_index_bytes",
                                "The files of the index of keys and ids (store.key-index)."};
constexpr Metric kUnindexed{"mansio_key_index_behind_bytes",
                            "Log that it does not have yet, but for what a query reads itself."};
constexpr Metric kColdJobs{"mansio_cold_jobs_waiting",
                           "Reads of old messages that wait for a thread (store.cold-queue)."};
constexpr Metric kDiskFree{"mansio_disk_free_bytes",
                           "Bytes that the broker may still use on the disk of the store."};
constexpr Metric kDiskTotal{"mansio_disk_size_bytes", "The size of that disk."};
constexpr Metric kClockDifference{"mansio_clock_difference_seconds",
                                  "The wall clock minus broker time."};

double Bytes(uint64_t bytes) { return static_cast<double>(bytes); }

// What lies from `begin` to `end`, read one after the other while both grow.
double Between(store::LogOffset begin, store::LogOffset end) {
  return end > begin ? Bytes(end - begin) : 0;
}

const metrics::Labels& LocalDisk() {
  static const auto* const labels =
      new metrics::Labels{{"storage_type", "local"}, {"storage_medium", "disk"}};
  return *labels;
}

}  // namespace

void BrokerMetrics::AddStore(metrics::Exposition& page) const {
  const store::Cursors cursors = sources_.store->cursors();
  const bool healthy = sources_.store->Health().ok();
  page.Add(kPermission, healthy ? 6 : 4);
  page.Add(kHealthy, healthy ? 1 : 0);
  page.Add(kDurability, {{"durability", durability_}}, 1);
  page.Add(kFlushBehind, LocalDisk(), Between(cursors.synced, cursors.appended));
  page.Add(kDispatchBehind, LocalDisk(), Between(cursors.applied, cursors.committed));
  const std::pair<const char*, store::LogOffset> named[] = {{"min", cursors.min},
                                                            {"checkpointed", cursors.checkpointed},
                                                            {"synced", cursors.synced},
                                                            {"applied", cursors.applied},
                                                            {"committed", cursors.committed},
                                                            {"appended", cursors.appended}};
  for (const auto& [name, offset] : named) {
    page.Add(kCursor, {{"cursor", name}}, Bytes(offset));
  }
  page.Add(kLogBytes, Between(cursors.min, cursors.appended));
  page.Add(kCheckpointBehind, Between(cursors.checkpointed, cursors.applied));
  page.Add(kEpoch, Bytes(sources_.store->epoch()));

  const store::StoreUsage usage = sources_.store->usage();
  page.Add(kSegments, Bytes(usage.segments));
  page.Add(kUncommitted, Bytes(usage.uncommitted_bytes));
  page.Add(kUncommittedLimit, Bytes(limits_.uncommitted_bytes));
  page.Add(kCarried, Bytes(usage.carried_bytes));
  if (const uint64_t left = sources_.store->CarryBudgetLeft(); left != UINT64_MAX) {
    page.Add(kCarryLeft, Bytes(left));
  }
  page.Add(kQueueBytes, Bytes(usage.queue_bytes));
  page.Add(kUnsavedQueueBytes, Bytes(usage.unsaved_queue_bytes));
  page.Add(kKeyIndexBytes, Bytes(usage.key_index_bytes));
  page.Add(kUnindexed, Bytes(usage.unindexed_bytes));
  page.Add(kColdJobs, Bytes(usage.cold_jobs));
  if (const auto space = sources_.files->Space(store_path_); space.ok()) {
    page.Add(kDiskTotal, Bytes(space->total));
    page.Add(kDiskFree, Bytes(space->available));
    page.Add(kStorageSize, LocalDisk(), Between(space->available, space->total));
  }
  page.Add(kClockDifference, absl::ToDoubleSeconds(sources_.time->Difference()));
}

void BrokerMetrics::AddLog(metrics::Exposition& page) const {
  const store::StoreStats& stats = *sources_.store_stats;
  page.Add(kBatchAppends, {}, stats.batch_appends.Snapshot());
  page.Add(kBatchBytes, {}, stats.batch_bytes.Snapshot());
  page.Add(kWrite, {}, stats.write_nanos.Snapshot());
  page.Add(kSync, {}, stats.sync_nanos.Snapshot());
  page.Add(kCheckpoint, {}, stats.checkpoint_nanos.Snapshot());
  page.Add(kCheckpointFailures, Bytes(stats.checkpoint_failures.value()));
  const int64_t last = stats.last_checkpoint.load(std::memory_order_relaxed);
  page.Add(kCheckpointAge, static_cast<double>(metrics::NowNanos() - (last == 0 ? began_ : last)) /
                               metrics::kSecond);
  page.Add(kCarriedMessages, Bytes(stats.carried_messages.value()));
  page.Add(kCarriedBytes, Bytes(stats.carried_bytes.value()));
}

}  // namespace mansio::broker
