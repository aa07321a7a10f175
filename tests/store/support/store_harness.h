#ifndef MANSIO_TESTS_STORE_SUPPORT_STORE_HARNESS_H_
#define MANSIO_TESTS_STORE_SUPPORT_STORE_HARNESS_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/clock/broker_time.h"
#include "common/clock/clock.h"
#include "common/files/recording_file_system.h"
#include "store/checkpoint/memory_store.h"
#include "store/store_impl.h"
#include "tests/store/support/test_append.h"
#include "tests/store/support/test_machine.h"

namespace mansio::store {

// A store in memory with a machine on it, that can be closed, dropped and opened again.
struct StoreHarness {
  StoreHarness() {
    options.path = "/store";
    options.segment_bytes = 64 << 10;
    options.checkpoint_bytes = uint64_t{1} << 40;  // only when a test asks
    options.cold_threads = 1;
  }

  // A new process: a new machine, recovered from what is there.
  absl::Status Open() {
    store.reset();
    machine = std::make_unique<TestMachine>();
    auto opened = StoreImpl::Open(
        options, {.files = &files, .time = &time, .checkpoint = &checkpoint, .keys = keys},
        machine.get());
    if (!opened.ok()) return opened.status();
    store = *std::move(opened);
    return absl::OkStatus();
  }
  // Ends the process without a last checkpoint.
  void Drop() { store.reset(); }

  absl::Status Define(uint32_t topic, uint32_t queues) {
    auto append = std::make_unique<TestAppend>();
    TestMachine::AddDefineTopic(*append, topic, queues);
    return SendAndWait(store.get(), std::move(append)).status();
  }
  absl::Status DropTopic(uint32_t topic) {
    auto append = std::make_unique<TestAppend>();
    TestMachine::AddDropTopic(*append, topic);
    return SendAndWait(store.get(), std::move(append)).status();
  }
  absl::Status Put(std::string_view key, std::string_view value) {
    auto append = std::make_unique<TestAppend>();
    TestMachine::AddPut(*append, key, value);
    return SendAndWait(store.get(), std::move(append)).status();
  }
  absl::StatusOr<AppendResult> Send(QueueKey queue, std::string_view content,
                                    uint64_t tag_hash = 0) {
    auto append = std::make_unique<TestAppend>();
    append->AddMessage(queue, tag_hash, time.NowMillis(), content);
    return SendAndWait(store.get(), std::move(append));
  }

  // Every message of a queue from its minimum on, or a text that says what is wrong.
  std::vector<std::string> Contents(QueueKey queue) {
    std::vector<std::string> contents;
    const QueueRange range = store->Range(queue);
    const auto entries = store->ReadEntries(queue, range.min, range.next - range.min);
    if (!entries.ok()) return {std::string(entries.status().message())};
    QueueOffset offset = range.min;
    for (const QueueEntry& entry : *entries) {
      const auto message = store->ReadMessage(queue, offset++, entry);
      contents.push_back(message.ok() ? std::string(message->view.content)
                                      : std::string(message.status().message()));
    }
    return contents;
  }

  RecordingFileSystem files;
  MemoryStore checkpoint;
  FakeClock clock;
  BrokerTime time{&clock, absl::InfinitePast()};
  StoreOptions options;
  const MessageKeys* keys = nullptr;  // set before Open: there is a key index
  std::unique_ptr<TestMachine> machine;
  std::unique_ptr<StoreImpl> store;
};

}  // namespace mansio::store

#endif  // MANSIO_TESTS_STORE_SUPPORT_STORE_HARNESS_H_
