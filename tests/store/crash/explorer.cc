#include "tests/store/crash/explorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <utility>

#include "common/clock/broker_time.h"
#include "common/clock/clock.h"
#include "common/logging/logging.h"
#include "store/checkpoint/checkpoint_meta.h"
#include "store/store_impl.h"
#include "tests/store/crash/workload.h"
#include "tests/store/crash/world.h"
#include "tests/store/support/test_append.h"
#include "tests/store/support/test_machine.h"

namespace mansio::store {
namespace {

// What one run has promised, for the checks of all its images.
struct History {
  std::vector<Promise> promises;
  std::vector<std::pair<std::string, std::string>> puts;
  std::vector<LogPosition> positions;
};

// Recovers one image and holds it against the history up to its moment.
class Check {
 public:
  Check(const Scenario& scenario, const History& history, Image& image, Findings& findings)
      : scenario_(scenario), history_(history), image_(image), findings_(findings) {
    checkpoint_.SetContent(image.checkpoint);
  }

  void Run() {
    ++findings_.points;
    if (image_.seed % 4 == 0) CrashDuringRecovery();
    if (image_.seed % 8 == 1) LoseCheckpoint();
    if (!Open()) return;
    CheckCheckpoint();
    CheckMessages();
    CheckLive();
    CheckPuts();
    CheckNewAppends();
    if (image_.seed / 16 % 2 == 0) FinishRetention();
    // What the survivor is must not depend on how often it starts.
    const std::string digest = machine_->Digest();
    if (!Open()) return;
    if (machine_->Digest() != digest) Problem("a second start has another state");
  }

 private:
  void Problem(const std::string& what) {
    findings_.problems.push_back(
        fmt::format("crash {} (seed {}): {}", image_.description, image_.seed, what));
  }

  bool Open() {
    store_.reset();
    machine_ = std::make_unique<TestMachine>();
    had_checkpoint_ = checkpoint_.content()->contains(kMetaKey);
    auto opened = StoreImpl::Open(CrashOptions(scenario_.durability),
                                  {image_.files.get(), &time_, &checkpoint_}, machine_.get());
    if (!opened.ok()) {
      Problem("the store does not start: " + std::string(opened.status().message()));
      return false;
    }
    store_ = *std::move(opened);
    return true;
  }

  void CrashDuringRecovery() {
    ++findings_.recovery_crashes;
    image_.files->PowerOffAt(image_.files->operations() + image_.seed / 4 % 12);
    machine_ = std::make_unique<TestMachine>();
    // It may come up before the power goes; then the log stops a little later.
    auto opened = StoreImpl::Open(CrashOptions(scenario_.durability),
                                  {image_.files.get(), &time_, &checkpoint_}, machine_.get());
    if (opened.ok()) opened->reset();
    image_.files->Crash(scenario_.mode, image_.seed);
  }

  // The log alone must do, also when retention has taken its beginning.
  void LoseCheckpoint() {
    ++findings_.lost_checkpoints;
    checkpoint_.SetContent(std::make_shared<MemoryStore::Content>());
  }

  // The order of log and checkpoint was right if the checkpoint is always usable.
  void CheckCheckpoint() {
    const bool rebuilt = store_->recovered().rebuilt;
    ++(rebuilt ? findings_.rebuilds : findings_.replays);
    if (store_->recovered().report.first > 0) ++findings_.trimmed;
    if (had_checkpoint_ && rebuilt) Problem("the checkpoint was ahead of the log");
  }

  bool MustSurvive(const Promise& promise) const {
    return scenario_.claimed == Durability::kSync || promise.end <= image_.synced;
  }

  void CheckMessages() {
    std::map<QueueKey, std::vector<std::string>> contents;
    for (uint32_t index = 0; index < kCrashQueues; ++index) {
      const QueueKey queue{kCrashTopic, index};
      contents[queue] = ReadAll(queue);
    }
    for (size_t i = 0; i < image_.promises; ++i) {
      const Promise& promise = history_.promises[i];
      if (!MustSurvive(promise)) continue;
      const QueueRange range = store_->Range(promise.queue);
      if (promise.offset >= range.next) {
        Problem(fmt::format("offset {} of queue {} is lost; it ends at {}", promise.offset,
                            promise.queue.queue, range.next));
        return;
      }
      // Trimmed ones are too old to be checked.
      if (promise.offset < range.min) continue;
      if (contents[promise.queue][promise.offset - range.min] != promise.content) {
        Problem(fmt::format("offset {} of queue {} has other content", promise.offset,
                            promise.queue.queue));
        return;
      }
    }
  }

  // A live message is there with its content, wherever its segment went, and no entry stands in a
  // segment that has gone.
  void CheckLive() {
    std::map<std::pair<QueueKey, QueueOffset>, std::string_view> contents;
    for (size_t i = 0; i < history_.promises.size(); ++i) {
      const Promise& promise = history_.promises[i];
      contents[{promise.queue, promise.offset}] = promise.content;
    }
    for (const auto& [queue, offset] : machine_->Live()) {
      const QueueRange range = store_->Range(queue);
      const auto entries = store_->ReadEntries(queue, offset, 1);
      if (!entries.ok() || entries->empty()) {
        Problem(fmt::format("live message {} of queue {} has no entry; the queue begins at {}",
                            offset, queue.queue, range.min));
        return;
      }
      const auto message = store_->ReadMessage(queue, offset, entries->front());
      if (!message.ok()) {
        Problem("a live message is unreadable: " + std::string(message.status().message()));
        return;
      }
      // Without promises of durability an offset may have been given again.
      if (scenario_.claimed == Durability::kSync &&
          contents[{queue, offset}] != message->view.content) {
        Problem(fmt::format("live message {} of queue {} has other content", offset, queue.queue));
        return;
      }
      if (offset < range.min) ++findings_.carried;
    }
    for (uint32_t index = 0; index < kCrashQueues; ++index) {
      for (const CarriedEntry& carried :
           store_->CarriedEntries({kCrashTopic, index}, 0, std::numeric_limits<size_t>::max())) {
        if (carried.entry.log_offset >= store_->cursors().min) continue;
        Problem(fmt::format("the carried entry {} of queue {} stands in a segment that has gone",
                            carried.offset, index));
        return;
      }
    }
  }

  // A trim that the crash has stopped anywhere goes on.
  void FinishRetention() {
    if (absl::Status enforced = store_->EnforceRetention(); !enforced.ok()) {
      Problem("retention fails: " + std::string(enforced.message()));
    }
    CheckLive();
  }

  std::vector<std::string> ReadAll(QueueKey queue) {
    const QueueRange range = store_->Range(queue);
    std::vector<std::string> contents(range.next - range.min);
    const auto entries = store_->ReadEntries(queue, range.min, range.next - range.min);
    if (!entries.ok() || entries->size() != contents.size()) {
      Problem(fmt::format("queue {} cannot be read: {}", queue.queue,
                          std::string(entries.status().message())));
      return contents;
    }
    for (size_t i = 0; i < contents.size(); ++i) {
      const auto message = store_->ReadMessage(queue, range.min + i, (*entries)[i]);
      if (message.ok()) {
        contents[i] = message->view.content;
      } else {
        Problem("a message is unreadable: " + std::string(message.status().message()));
      }
    }
    return contents;
  }

  void CheckPuts() {
    if (scenario_.claimed != Durability::kSync) return;
    for (size_t i = 0; i < image_.puts; ++i) {
      const auto& [key, value] = history_.puts[i];
      if (machine_->Get(key) == value) continue;
      Problem(fmt::format("{} is \"{}\", not \"{}\"", key, machine_->Get(key), value));
      return;
    }
  }

  // Goes on where it stopped: offsets continue, and no position is given a second time.
  void CheckNewAppends() {
    if (store_->epoch() <= image_.epoch) {
      Problem(fmt::format("epoch {} comes again", store_->epoch()));
    }
    auto define = std::make_unique<TestAppend>();
    TestMachine::AddDefineTopic(*define, kCrashTopic, kCrashQueues);
    if (!SendAndWait(store_.get(), std::move(define)).ok()) Problem("a definition fails");
    for (uint32_t index = 0; index < kCrashQueues; ++index) {
      const QueueKey queue{kCrashTopic, index};
      const QueueOffset next = store_->Range(queue).next;
      auto append = std::make_unique<TestAppend>();
      append->AddMessage(queue, 1, time_.NowMillis(), "after the crash");
      const absl::StatusOr<AppendResult> sent = SendAndWait(store_.get(), std::move(append));
      if (!sent.ok()) {
        Problem("a send fails: " + std::string(sent.status().message()));
        return;
      }
      if (sent->queue_offsets[0] != next) Problem("a queue offset was skipped or given again");
      const auto given = history_.positions.begin();
      const auto now = given + static_cast<ptrdiff_t>(image_.positions);
      if (std::find(given, now, sent->PositionOf(0)) != now) Problem("a log position comes again");
      if (ReadAll(queue).back() != "after the crash") Problem("a new message is not readable");
    }
  }

  const Scenario& scenario_;
  const History& history_;
  Image& image_;
  Findings& findings_;
  MemoryStore checkpoint_;
  bool had_checkpoint_ = false;  // at the last start
  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  std::unique_ptr<TestMachine> machine_;
  std::unique_ptr<StoreImpl> store_;
};

}  // namespace

Findings Explore(const Scenario& scenario, uint64_t seed, size_t points, size_t enough_problems) {
  constexpr size_t kPointsPerRun = 50;
  const logging::LogCapture quiet;  // thousands of starts
  Findings findings;
  for (; findings.points < points && findings.problems.size() < enough_problems; ++seed) {
    World world(seed, /*every=*/12, std::min(kPointsPerRun, points - findings.points),
                scenario.mode);
    world.files().IgnoreSyncs(scenario.ignore_syncs);
    if (absl::Status run = RunWorkload(world, scenario, seed); !run.ok()) {
      findings.problems.push_back("the workload itself fails: " + std::string(run.message()));
      break;
    }
    const History history{world.promises(), world.puts(), world.positions()};
    for (Image& image : world.TakeImages()) {
      Check(scenario, history, image, findings).Run();
      image.files.reset();
      if (findings.problems.size() >= enough_problems) break;
    }
  }
  return findings;
}

}  // namespace mansio::store
