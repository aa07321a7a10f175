#ifndef MANSIO_TESTS_STORE_STORE_RETENTION_FIXTURE_H_
#define MANSIO_TESTS_STORE_STORE_RETENTION_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/store/support/store_harness.h"

namespace mansio::store {

inline constexpr QueueKey kBusy{1, 0};
inline constexpr QueueKey kQuiet{1, 1};
inline constexpr QueueKey kEmpty{1, 2};

class RetentionTest : public ::testing::Test, protected StoreHarness {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(Define(1, 3).ok());
    ASSERT_TRUE(Put("k", "v").ok());
    ASSERT_TRUE(Send(kQuiet, "first of the quiet queue").ok());
  }

  // About `segments` segments full of messages.
  void Fill(int segments) {
    for (int i = 0; i < segments * 33; ++i) ASSERT_TRUE(Send(kBusy, NextContent()).ok());
  }
  std::string NextContent() { return std::to_string(sent_++) + std::string(1950, '.'); }

  // The messages of the busy queue are those that were sent last, without a gap.
  void ExpectDense() {
    const QueueRange range = store->Range(kBusy);
    const std::vector<std::string> contents = Contents(kBusy);
    ASSERT_EQ(contents.size(), range.next - range.min);
    for (size_t i = 0; i < contents.size(); ++i) {
      ASSERT_EQ(contents[i].substr(0, contents[i].find('.')), std::to_string(range.min + i));
    }
  }

  int sent_ = 0;
};

}  // namespace mansio::store

#endif  // MANSIO_TESTS_STORE_STORE_RETENTION_FIXTURE_H_
