#include "broker/server/store_id.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/crc/crc32c.h"
#include "common/files/recording_file_system.h"

namespace mansio::broker {
namespace {

using ::testing::MatchesRegex;

class StoreIdTest : public ::testing::Test {
 protected:
  StoreIdTest() {
    EXPECT_TRUE(MakeDurableDirectory(files_, "one").ok());
    EXPECT_TRUE(MakeDurableDirectory(files_, "two").ok());
  }
  StoreId Open(const std::string& directory) {
    const absl::StatusOr<StoreId> id = OpenStoreId(&files_, directory);
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or("");
  }

  RecordingFileSystem files_;
};

TEST_F(StoreIdTest, EachDirectoryHasItsOwnAndKeepsItThroughAPowerCut) {
  const StoreId id = Open("one");
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]+"));
  EXPECT_EQ(id.size(), 32u);
  EXPECT_NE(Open("two"), id);
  files_.Crash(RecordingFileSystem::CrashMode::kDropAll, 1);
  EXPECT_EQ(Open("one"), id);
}

TEST_F(StoreIdTest, TheFileIsAsItsPageSays) {
  constexpr char kFile[] =
      "mansio store-id 1\n"
      "id 5f0c9d2e8a41b7763e90d1c24f85ab60\n"
      "crc 412d50d9\n";
  ASSERT_TRUE(ReplaceFile(files_, "one/STORE_ID", kFile).ok());
  EXPECT_EQ(Open("one"), "5f0c9d2e8a41b7763e90d1c24f85ab60");
  EXPECT_EQ(ReadWholeFile(files_, "one/STORE_ID", 1000).value_or(""), kFile);

  const std::string made = fmt::format("mansio store-id 1\nid {}\n", Open("two"));
  EXPECT_EQ(ReadWholeFile(files_, "two/STORE_ID", 1000).value_or(""),
            fmt::format("{}crc {:08x}\n", made, Crc32c(made)));
}

TEST_F(StoreIdTest, ADamagedFileAndANewerOneStopTheStart) {
  const StoreId id = Open("one");
  const std::string path = "one/STORE_ID";
  const auto content = ReadWholeFile(files_, path, 1000);
  ASSERT_TRUE(content.ok());
  std::string damaged = *content;
  damaged[damaged.find(id)] ^= 1;
  for (const std::string& bad : {damaged, std::string(), content->substr(0, 30)}) {
    ASSERT_TRUE(ReplaceFile(files_, path, bad).ok());
    EXPECT_TRUE(absl::IsDataLoss(OpenStoreId(&files_, "one").status())) << bad;
  }
  ASSERT_TRUE(ReplaceFile(files_, path, "mansio store-id 2\n").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(OpenStoreId(&files_, "one").status()));
}

}  // namespace
}  // namespace mansio::broker
