#include "store/checkpoint/key_value_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "store/checkpoint/memory_store.h"
#include "store/checkpoint/rocksdb_store.h"

namespace mansio::store {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs Scan(const KeyValueStore& store, std::string_view begin, std::string_view end) {
  Pairs pairs;
  EXPECT_TRUE(store
                  .Scan(begin, end,
                        [&](std::string_view key, std::string_view value) {
                          pairs.emplace_back(key, value);
                          return true;
                        })
                  .ok());
  return pairs;
}

std::string TestDirectory() {
  return (std::filesystem::path(::testing::TempDir()) /
          ("mansio-checkpoint-" + std::to_string(::getpid())))
      .string();
}

// What both implementations promise.
class KeyValueStoreTest : public ::testing::TestWithParam<bool> {
 protected:
  KeyValueStoreTest() {
    std::filesystem::remove_all(TestDirectory());
    if (GetParam()) {
      store_ = *OpenRocksDb(TestDirectory());
    } else {
      store_ = std::make_unique<MemoryStore>();
    }
  }
  ~KeyValueStoreTest() override {
    store_.reset();
    std::filesystem::remove_all(TestDirectory());
  }
  std::unique_ptr<KeyValueStore> store_;
};

TEST_P(KeyValueStoreTest, ABatchTakesEffectInOrder) {
  KeyValueBatch batch;
  batch.Put("a", "1");
  batch.Put("b", "2");
  batch.Put("c", "3");
  batch.Put("d", std::string("\0\xff", 2));
  batch.DeleteRange("b", "d");
  batch.Put("c", "4");
  batch.Delete("a");
  batch.Delete("never there");
  ASSERT_TRUE(store_->Write(batch).ok());
  EXPECT_EQ(Scan(*store_, "", "z"), (Pairs{{"c", "4"}, {"d", std::string("\0\xff", 2)}}));
  EXPECT_EQ(*store_->Get("c"), "4");
  EXPECT_EQ(*store_->Get("b"), std::nullopt);
}

TEST_P(KeyValueStoreTest, ScanKeepsItsBoundsAndStops) {
  KeyValueBatch batch;
  for (const char* key : {"a", "b1", "b2", "b3", "c"}) batch.Put(key, key);
  ASSERT_TRUE(store_->Write(batch).ok());
  EXPECT_EQ(Scan(*store_, "b", PrefixEnd("b")).size(), 3u);
  EXPECT_EQ(Scan(*store_, "b2", "c"), (Pairs{{"b2", "b2"}, {"b3", "b3"}}));
  int seen = 0;
  ASSERT_TRUE(
      store_->Scan("", "z", [&](std::string_view, std::string_view) { return ++seen < 2; }).ok());
  EXPECT_EQ(seen, 2);
}

TEST_P(KeyValueStoreTest, WipeLeavesNothing) {
  KeyValueBatch batch;
  batch.Put("a", "1");
  ASSERT_TRUE(store_->Write(batch).ok());
  ASSERT_TRUE(store_->Wipe().ok());
  EXPECT_TRUE(Scan(*store_, "", "z").empty());
  ASSERT_TRUE(store_->Write(batch).ok());
  EXPECT_EQ(*store_->Get("a"), "1");
}

INSTANTIATE_TEST_SUITE_P(Both, KeyValueStoreTest, ::testing::Bool(),
                         [](const auto& is_rocksdb) -> std::string {
                           return is_rocksdb.param ? "RocksDb" : "Memory";
                         });

TEST(KeyValueBatchTest, AppendKeepsTheOrder) {
  KeyValueBatch first;
  KeyValueBatch second;
  first.Put("a", "1");
  second.Put("a", "2");
  second.Delete("b");
  first.Append(second);
  std::vector<std::string> seen;
  first.ForEach([&](const KeyValueBatch::Change& change) {
    seen.push_back(std::string(change.key) + "=" + std::string(change.value));
  });
  EXPECT_THAT(seen, ::testing::ElementsAre("a=1", "a=2", "b="));
  first.Clear();
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(first.bytes(), 0u);
}

TEST(PrefixEndTest, IsTheFirstKeyBehindThePrefix) {
  EXPECT_EQ(PrefixEnd("ab"), "ac");
  EXPECT_EQ(PrefixEnd(std::string("a\xff", 2)), "b");
}

class RocksDbTest : public ::testing::Test {
 protected:
  RocksDbTest() { std::filesystem::remove_all(TestDirectory()); }
  ~RocksDbTest() override { std::filesystem::remove_all(TestDirectory()); }

  void WriteSome() {
    const std::unique_ptr<KeyValueStore> store = *OpenRocksDb(directory_);
    KeyValueBatch batch;
    for (int i = 0; i < 1000; ++i) batch.Put("key" + std::to_string(i), std::string(100, 'v'));
    ASSERT_TRUE(store->Write(batch).ok());
  }

  // Applies `change` to every file whose name has the extension or begins with the text.
  void ForFiles(std::string_view name, const std::function<void(const std::string&)>& change) {
    int changed = 0;
    for (const auto& file : std::filesystem::directory_iterator(directory_)) {
      if (file.path().filename().string().find(name) == std::string::npos) continue;
      change(file.path().string());
      ++changed;
    }
    ASSERT_GT(changed, 0) << name;
  }

  static void Overwrite(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(50);
    file << std::string(200, 'x');
  }

  const std::string directory_ = TestDirectory() + "/deep/below";
};

TEST_F(RocksDbTest, ABatchIsOnDiskWhenWriteReturns) {
  const std::unique_ptr<KeyValueStore> store = *OpenRocksDb(directory_);
  KeyValueBatch batch;
  batch.Put("a", "1");
  ASSERT_TRUE(store->Write(batch).ok());
  // The files as they are now, without anything that closing would still write.
  const std::string copy = TestDirectory() + "/copy";
  std::filesystem::copy(directory_, copy);
  const std::unique_ptr<KeyValueStore> copied = *OpenRocksDb(copy);
  EXPECT_EQ(*copied->Get("a"), "1");
}

TEST_F(RocksDbTest, AMissingManifestIsDamage) {
  WriteSome();
  ForFiles("MANIFEST", [](const std::string& path) { std::filesystem::remove(path); });
  EXPECT_TRUE(absl::IsDataLoss(OpenRocksDb(directory_).status()));
  ASSERT_TRUE(WipeRocksDb(directory_).ok());
  EXPECT_TRUE(OpenRocksDb(directory_).ok());
}

TEST_F(RocksDbTest, ADamagedTableIsDamageWhenItIsRead) {
  WriteSome();
  ForFiles(".sst", Overwrite);
  const auto store = OpenRocksDb(directory_);
  absl::Status read = store.status();
  if (store.ok()) {
    read = (*store)->Scan("", "z", [](std::string_view, std::string_view) { return true; });
  }
  EXPECT_TRUE(absl::IsDataLoss(read)) << read.message();
}

TEST_F(RocksDbTest, AnUnusableDirectoryIsNamed) {
  std::filesystem::create_directories(TestDirectory());
  std::ofstream(TestDirectory() + "/deep") << "a file";
  const absl::Status status = OpenRocksDb(directory_).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr(directory_));
}

}  // namespace
}  // namespace mansio::store
