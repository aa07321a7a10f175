#include "tests/store/crash/workload.h"

#include <fmt/format.h>

#include <memory>
#include <random>
#include <string>
#include <utility>

#include "common/clock/broker_time.h"
#include "common/clock/clock.h"
#include "store/store_impl.h"
#include "tests/store/crash/in_flight.h"
#include "tests/store/crash/unsynced_log.h"
#include "tests/store/support/test_append.h"
#include "tests/store/support/test_machine.h"

namespace mansio::store {
namespace {

class Workload {
 public:
  Workload(World& world, const Scenario& scenario, uint64_t seed)
      : world_(world), scenario_(scenario), random_(seed), files_(WorldFiles(&world)) {}

  absl::Status Run() {
    const int lives = 1 + static_cast<int>(random_() % 3);
    for (int life = 0; life < lives; ++life) {
      if (absl::Status opened = Open(); !opened.ok()) return opened;
      const int steps = 400 / lives;
      for (int step = 0; step < steps; ++step) {
        if (absl::Status done = Step(); !done.ok()) return done;
      }
      in_flight_.WaitUntilAtMost(0);
      if (random_() % 2 == 0) {
        if (absl::Status closed = store_->Close(); !closed.ok()) return closed;
      }
      store_.reset();
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Open() {
    machine_ = std::make_unique<TestMachine>();
    machine_->hides_live = scenario_.carries_nothing;
    machine_->on_apply = [this](const RecordView& record) {
      // What is applied is visible: a consumer may have read it.
      if (record.replay || record.kind != kMessageRecord) return;
      Promise(record.message->queue, record.message->queue_offset, record.position.offset,
              std::string(record.message->content));
    };
    LogDecorator decorate;
    if (scenario_.checkpoint_before_sync) {
      decorate = [](std::unique_ptr<CommitLog> log) -> std::unique_ptr<CommitLog> {
        return std::make_unique<UnsyncedLog>(std::move(log));
      };
    }
    auto opened =
        StoreImpl::Open(CrashOptions(scenario_.durability), {files_.get(), &time_, &checkpoint_},
                        machine_.get(), std::move(decorate));
    if (!opened.ok()) return opened.status();
    store_ = *std::move(opened);
    return Submit(
        [](TestAppend& append) { TestMachine::AddDefineTopic(append, kCrashTopic, kCrashQueues); });
  }

  absl::Status Step() {
    clock_.Advance(absl::Milliseconds(random_() % 50));
    const uint64_t dice = random_() % 60;
    if (dice == 0) return store_->Checkpoint();
    if (dice == 1) return store_->EnforceRetention();
    world_.Synced(store_->cursors().synced);
    in_flight_.WaitUntilAtMost(static_cast<int>(random_() % 16));
    if (dice < 6) return SendPut();
    if (dice < 8) return Hold();
    return dice < 13 ? Release() : SendMessages();
  }

  // As a consumer would: the oldest message that it may have.
  absl::Status Hold() {
    const QueueKey queue{kCrashTopic, static_cast<uint32_t>(random_() % kCrashQueues)};
    auto append = std::make_unique<TestAppend>();
    return machine_->HoldFirst(queue, *append) ? Submit(std::move(append)) : absl::OkStatus();
  }

  // Any one of the live messages, in its queue or carried out of it.
  absl::Status Release() {
    const auto live = machine_->Live();
    if (live.empty()) return absl::OkStatus();
    const auto [queue, offset] = live[random_() % live.size()];
    return Submit([&](TestAppend& append) { TestMachine::AddRelease(append, queue, offset); });
  }

  absl::Status SendPut() {
    const std::string key = fmt::format("k{}", sent_);
    const std::string value = fmt::format("v{}", sent_++);
    return Submit([&](TestAppend& append) { TestMachine::AddPut(append, key, value); },
                  [this, key, value] { world_.PutAnswered(key, value); });
  }

  absl::Status SendMessages() {
    const size_t count = random_() % 10 == 0 ? 1 + random_() % 8 : 1;
    std::vector<std::pair<QueueKey, std::string>> messages;
    for (size_t i = 0; i < count; ++i) {
      const QueueKey queue{kCrashTopic, static_cast<uint32_t>(random_() % kCrashQueues)};
      const size_t bytes = random_() % 8 == 0 ? random_() % 12000 : random_() % 1500;
      messages.emplace_back(queue, fmt::format("message {} {}", sent_++, std::string(bytes, '.')));
    }
    return Submit([&](TestAppend& append) {
      for (const auto& [queue, content] : messages) {
        const bool live = random_() % 8 == 0;
        append.AddMessage(queue, live ? TestMachine::kLiveTag : sent_, time_.NowMillis(), content);
      }
    });
  }

  void Promise(QueueKey queue, QueueOffset offset, LogOffset at, std::string content) {
    const LogOffset end = at + content.size();
    world_.Promised({queue, offset, end, std::move(content)});
  }

  // The machine has promised each message before the send is answered; a put is promised by its
  // answer.
  absl::Status Submit(const std::function<void(TestAppend&)>& fill,
                      std::function<void()> answered = nullptr) {
    auto append = std::make_unique<TestAppend>();
    fill(*append);
    return Submit(std::move(append), std::move(answered));
  }

  absl::Status Submit(std::unique_ptr<TestAppend> append,
                      std::function<void()> answered = nullptr) {
    append->on_appended = [this](const AppendResult& result) {
      for (size_t i = 0; i < result.records.size(); ++i) world_.Placed(result.PositionOf(i));
    };
    append->on_applied = [this, answered = std::move(answered)](const AppendResult&) {
      if (answered) answered();
      in_flight_.Leave();
    };
    append->on_failed = [this](const absl::Status&) { in_flight_.Leave(); };
    in_flight_.Enter();
    absl::Status taken = store_->Submit(std::move(append));
    if (!taken.ok()) in_flight_.Leave();
    return taken;
  }

  World& world_;
  const Scenario scenario_;
  std::mt19937_64 random_;
  const std::unique_ptr<FileSystem> files_;
  WorldCheckpoint checkpoint_{&world_};
  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  InFlight in_flight_;
  uint64_t sent_ = 0;
  std::unique_ptr<TestMachine> machine_;
  std::unique_ptr<StoreImpl> store_;
};

}  // namespace

StoreOptions CrashOptions(Durability durability) {
  StoreOptions options;
  options.path = "/data/store";
  options.durability = durability;
  options.flush_interval = absl::Milliseconds(3);
  options.segment_bytes = 64 << 10;
  options.tail_cache_bytes = 1 << 20;
  options.checkpoint_bytes = 100 << 10;
  options.queue_memory_bytes = 8 << 10;
  options.retention_bytes = 3 * options.segment_bytes;
  options.cold_threads = 1;
  return options;
}

absl::Status RunWorkload(World& world, const Scenario& scenario, uint64_t seed) {
  return Workload(world, scenario, seed).Run();
}

}  // namespace mansio::store
