#include <gtest/gtest.h>
#include <malloc.h>

#include <filesystem>

#include "store/checkpoint/memory_store.h"
#include "store/queue/consume_queues.h"

namespace mansio::store {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMallocIsOurs = false;  // mallinfo2 knows nothing of a sanitizer's heap
#else
constexpr bool kMallocIsOurs = true;
#endif

size_t HeapBytes() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

size_t Descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

TEST(QueueMemoryTest, AHundredThousandQueuesCostLittle) {
  constexpr uint32_t kTopics = 100'000 / 8;
  MemoryStore disk;
  const size_t heap = HeapBytes();
  const size_t descriptors = Descriptors();
  ConsumeQueues queues(64 << 20, &disk);
  for (uint32_t topic = 0; topic < kTopics; ++topic) queues.Define(topic, 8);
  if (kMallocIsOurs) {
    EXPECT_LT((HeapBytes() - heap) / 100'000, 300u) << "bytes per empty queue";
  }
  EXPECT_EQ(queues.MemoryBytes(), 0u);
  // With one message in each: a block of a few entries, and nothing once a checkpoint has it.
  for (uint32_t topic = 0; topic < kTopics; ++topic) {
    for (uint32_t queue = 0; queue < 8; ++queue) {
      ASSERT_TRUE(queues.Append({topic, queue}, 0, {topic, 1, 1}, 1).ok());
    }
  }
  EXPECT_LT(queues.MemoryBytes() / 100'000, 300u);
  EXPECT_EQ(Descriptors(), descriptors);
}

}  // namespace
}  // namespace mansio::store
