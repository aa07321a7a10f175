// The store on the machine's own file system, with RocksDB.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "common/clock/broker_time.h"
#include "common/clock/clock.h"
#include "common/files/posix_file_system.h"
#include "store/store_impl.h"
#include "tests/store/support/test_append.h"
#include "tests/store/support/test_machine.h"

namespace mansio::store {
namespace {

using ::testing::HasSubstr;

constexpr QueueKey kQueue{1, 0};

class RealDirectoryTest : public ::testing::Test {
 protected:
  RealDirectoryTest() {
    std::filesystem::remove_all(directory_);
    options_.path = directory_;
    options_.segment_bytes = 1 << 20;
    options_.cold_threads = 1;
  }
  ~RealDirectoryTest() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  absl::Status Open() {
    store_.reset();
    machine_ = std::make_unique<TestMachine>();
    auto opened = StoreImpl::Open(options_, {&files_, &time_}, machine_.get());
    if (!opened.ok()) return opened.status();
    store_ = *std::move(opened);
    return absl::OkStatus();
  }

  void Fill(int messages) {
    auto define = std::make_unique<TestAppend>();
    TestMachine::AddDefineTopic(*define, 1, 1);
    ASSERT_TRUE(SendAndWait(store_.get(), std::move(define)).ok());
    for (int i = 0; i < messages; ++i) {
      auto append = std::make_unique<TestAppend>();
      append->AddMessage(kQueue, 0, time_.NowMillis(), "message " + std::to_string(i));
      ASSERT_TRUE(SendAndWait(store_.get(), std::move(append)).ok());
    }
  }

  void ExpectMessages(QueueOffset count) {
    ASSERT_EQ(store_->Range(kQueue).next, count);
    const auto entries = store_->ReadEntries(kQueue, 0, count);
    ASSERT_TRUE(entries.ok()) << entries.status().message();
    for (QueueOffset i = 0; i < count; ++i) {
      const auto message = store_->ReadMessage(kQueue, i, (*entries)[i]);
      ASSERT_TRUE(message.ok()) << message.status().message();
      EXPECT_EQ(message->view.content, "message " + std::to_string(i));
    }
  }

  const std::string directory_ =
      (std::filesystem::path(::testing::TempDir()) / ("mansio-store-" + std::to_string(::getpid())))
          .string();
  PosixFileSystem files_;
  RealClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  StoreOptions options_;
  std::unique_ptr<TestMachine> machine_;
  std::unique_ptr<StoreImpl> store_;
};

TEST_F(RealDirectoryTest, ComesBackFromItsCheckpointAndItsLog) {
  ASSERT_TRUE(Open().ok());
  Fill(300);
  ASSERT_TRUE(store_->Checkpoint().ok());
  Fill(0);
  const std::string digest = machine_->Digest();
  ASSERT_TRUE(Open().ok());
  EXPECT_FALSE(store_->recovered().rebuilt);
  EXPECT_EQ(machine_->replayed(), 1u);
  EXPECT_EQ(machine_->Digest(), digest);
  ExpectMessages(300);
}

TEST_F(RealDirectoryTest, ADamagedDatabaseIsRebuiltFromTheLog) {
  ASSERT_TRUE(Open().ok());
  Fill(300);
  const std::string digest = machine_->Digest();
  for (const char* victim : {"MANIFEST", ".sst", "CURRENT"}) {
    ASSERT_TRUE(store_->Close().ok());
    store_.reset();
    int damaged = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory_ + "/checkpoint")) {
      if (file.path().filename().string().find(victim) == std::string::npos) continue;
      std::ofstream(file.path(), std::ios::binary) << "nonsense";
      ++damaged;
    }
    ASSERT_GT(damaged, 0) << victim;
    ASSERT_TRUE(Open().ok()) << victim;
    EXPECT_TRUE(store_->recovered().rebuilt) << victim;
    EXPECT_EQ(machine_->Digest(), digest) << victim;
    ExpectMessages(300);
  }
}

TEST_F(RealDirectoryTest, TheLockNamesItsHolder) {
  ASSERT_TRUE(Open().ok());
  TestMachine other;
  const auto second = StoreImpl::Open(options_, {&files_, &time_}, &other);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(std::to_string(::getpid())));
}

}  // namespace
}  // namespace mansio::store
