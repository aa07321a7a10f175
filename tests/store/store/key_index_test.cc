// The key index in a store: found at once, over restarts, power cuts, damage and retention.

#include "store/index/key_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/hash/siphash.h"
#include "common/sync/sync.h"
#include "tests/store/support/store_harness.h"

namespace mansio::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr QueueKey kQueue{1, 0};
constexpr QueueKey kOther{2, 0};

uint64_t HashOf(std::string_view key) { return SipHash24({1, 2}, key); }

// The keys of a content are its words up to the first '|'. Whoever comes to a content with the word
// "stop" waits while it is closed.
class Words : public MessageKeys {
 public:
  void Close() {
    const MutexLock lock(&mutex_);
    closed_ = true;
  }
  void Open() {
    const MutexLock lock(&mutex_);
    closed_ = false;
    changed_.SignalAll();
  }
  void AwaitWaiting() {
    const MutexLock lock(&mutex_);
    while (!waiting_) changed_.Wait(&mutex_);
  }

  void ForEach(std::string_view content,
               absl::FunctionRef<void(uint64_t hash)> add) const override {
    if (content.starts_with("stop")) AwaitOpen();
    for (const auto word : absl::StrSplit(std::string(content.substr(0, content.find('|'))), ' ',
                                          absl::SkipEmpty())) {
      add(HashOf({word.data(), word.size()}));
    }
  }

 private:
  void AwaitOpen() const {
    const MutexLock lock(&mutex_);
    waiting_ = closed_;
    changed_.SignalAll();
    while (closed_) changed_.Wait(&mutex_);
  }

  mutable Mutex mutex_;
  mutable CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  mutable bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
};

class KeyIndexTest : public ::testing::Test, protected StoreHarness {
 protected:
  void SetUp() override {
    keys = &words_;
    options.key_index_piece_bytes = 16 << 10;
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(Define(1, 1).ok());
    ASSERT_TRUE(Define(2, 1).ok());
  }

  void TearDown() override { Drop(); }  // before words_, which the index's thread asks

  // A message of about `bytes` with these keys.
  void SendWith(const std::string& words, QueueKey queue = kQueue, size_t bytes = 1000,
                uint64_t tag_hash = 0) {
    ASSERT_TRUE(Send(queue, words + "|" + std::string(bytes, '.'), tag_hash).ok());
  }
  // Messages "m0", "m1", …, each also with the key "all".
  void SendMany(int count) {
    for (int i = 0; i < count; ++i) SendWith("m" + std::to_string(sent_++) + " all");
  }

  // What is found of a key: "topic/queue offset", newest first; and what could not be read.
  std::vector<std::string> Find(KeyQuery query) {
    std::vector<std::string> found;
    // The index's own thread may be reading the newest.
    auto searched = FindOnce(query, &found);
    for (int tries = 0; tries < 20 && searched.ok() && searched->missing_bytes > 0; ++tries) {
      found.clear();
      searched = FindOnce(query, &found);
    }
    if (!searched.ok()) found.push_back(searched.status().ToString());
    return found;
  }
  absl::StatusOr<KeySearch> FindOnce(const KeyQuery& query, std::vector<std::string>* found) {
    return store->FindByKey(query, [&](const KeyMatch& match) {
      const auto message = store->ReadMessageAt(match.offset);
      if (absl::IsNotFound(message.status())) return true;
      if (!message.ok()) {
        found->push_back(message.status().ToString());
        return true;
      }
      EXPECT_EQ(message->message.view.queue.topic, match.topic);
      found->push_back(std::to_string(message->message.view.queue.topic) + "/" +
                       std::to_string(message->message.view.queue_offset));
      return true;
    });
  }
  std::vector<std::string> Find(std::string_view key) { return Find({.hash = HashOf(key)}); }

  void ExpectAllFound(const char* when) {
    ASSERT_TRUE(store->key_index()->CatchUp().ok()) << when;
    const QueueRange range = store->Range(kQueue);
    for (QueueOffset i = range.min; i < range.next; ++i) {
      EXPECT_THAT(Find("m" + std::to_string(i)), ElementsAre("1/" + std::to_string(i)))
          << when << ", message " << i;
    }
  }
  std::vector<std::string> IndexFiles() { return files.List("/store/index").value_or(none_); }
  std::string ReadIndexFile(const std::string& name) {
    return ReadWholeFile(files, "/store/index/" + name, 1 << 20).value_or("");
  }

  int sent_ = 0;
  Words words_;

 private:
  const std::vector<std::string> none_;
};

TEST_F(KeyIndexTest, WhatWasJustSentIsFoundNewestFirst) {
  SendWith("red apple");
  SendWith("green apple", kOther);
  SendWith("green pear");
  EXPECT_THAT(Find("apple"), ElementsAre("2/0", "1/0"));
  EXPECT_THAT(Find("green"), ElementsAre("1/1", "2/0"));
  EXPECT_THAT(Find("plum"), IsEmpty());
  EXPECT_THAT(Find({.hash = HashOf("apple"), .topic = 2}), ElementsAre("2/0"));
}

TEST_F(KeyIndexTest, FilesAreMadeAndOldMessagesAreFoundInThem) {
  SendMany(200);
  ExpectAllFound("in one life");
  EXPECT_EQ(store->usage().unindexed_bytes, 0u);
  EXPECT_GE(IndexFiles().size(), 10u);
  EXPECT_THAT(Find("all"), SizeIs(200));
  ASSERT_TRUE(Open().ok());
  ExpectAllFound("after a restart");
}

TEST_F(KeyIndexTest, ASearchEndsWhenNoMoreAreWanted) {
  SendMany(200);
  ASSERT_TRUE(store->key_index()->CatchUp().ok());
  int seen = 0;
  LogOffset last = 0;
  const auto searched = store->FindByKey({.hash = HashOf("all")}, [&](const KeyMatch& match) {
    last = match.offset;
    return ++seen < 70;
  });
  ASSERT_TRUE(searched.ok());
  EXPECT_EQ(seen, 70);
  EXPECT_THAT(Find({.hash = HashOf("all"), .before = last}), SizeIs(130));
}

TEST_F(KeyIndexTest, ASearchInStepsFindsTheSame) {
  SendMany(200);
  ASSERT_TRUE(store->key_index()->CatchUp().ok());
  const std::vector<std::string> whole = Find("all");
  KeyQuery query{.hash = HashOf("all"), .max_files = 2};
  std::vector<std::string> found;
  int steps = 0;
  for (; query.before > 0 && steps < 100; ++steps) {
    const auto searched = FindOnce(query, &found);
    ASSERT_TRUE(searched.ok()) << searched.status();
    query.before = searched->rest_before;
  }
  EXPECT_EQ(found, whole);
  EXPECT_GE(steps, static_cast<int>(IndexFiles().size()) / 2);
}

TEST_F(KeyIndexTest, ASearchDoesNotWaitForWhoReadsTheLog) {
  SendWith("red");
  EXPECT_THAT(Find("red"), ElementsAre("1/0"));
  words_.Close();
  SendWith("stop");
  std::thread reader([this] { EXPECT_TRUE(store->key_index()->CatchUp().ok()); });
  words_.AwaitWaiting();
  std::vector<std::string> found;
  const auto searched = FindOnce({.hash = HashOf("red")}, &found);
  ASSERT_TRUE(searched.ok()) << searched.status();
  EXPECT_THAT(found, ElementsAre("1/0"));
  EXPECT_GT(searched->missing_bytes, 0u);
  words_.Open();
  reader.join();
  EXPECT_THAT(Find("stop"), ElementsAre("1/1"));
}

TEST_F(KeyIndexTest, TheNewestAreFoundWhileAGapIsFilled) {
  SendWith("stop");
  SendMany(400);
  ASSERT_TRUE(store->key_index()->CatchUp().ok());
  Drop();
  for (const std::string& name : IndexFiles()) {
    ASSERT_TRUE(files.Remove("/store/index/" + name).ok());
  }
  words_.Close();
  ASSERT_TRUE(Open().ok());
  std::thread reader([this] { EXPECT_TRUE(store->key_index()->CatchUp().ok()); });
  words_.AwaitWaiting();
  SendWith("red");
  std::vector<std::string> found;
  for (int tries = 0; tries < 20 && found.empty(); ++tries) {
    ASSERT_TRUE(FindOnce({.hash = HashOf("red")}, &found).ok());
  }
  EXPECT_THAT(found, ElementsAre("1/401"));
  words_.Open();
  reader.join();
  EXPECT_THAT(Find("stop"), ElementsAre("1/0"));
}

TEST_F(KeyIndexTest, PartsOfOtherTimesAreNotLookedAt) {
  SendMany(100);
  const StoreTime between = time.NowMillis() + 1000;
  clock.Advance(absl::Seconds(60));
  SendMany(100);
  ASSERT_TRUE(store->key_index()->CatchUp().ok());
  const size_t late = Find({.hash = HashOf("all"), .from = between + 30'000}).size();
  EXPECT_GE(late, 100u);
  EXPECT_LT(late, 130u);  // with the rest of the file that has both
}

TEST_F(KeyIndexTest, ARestartMakesNoFileAgain) {
  SendMany(200);
  ASSERT_TRUE(store->key_index()->CatchUp().ok());
  const std::vector<std::string> before = IndexFiles();
  std::map<std::string, std::string> contents;
  for (const std::string& name : before) contents[name] = ReadIndexFile(name);
  ASSERT_TRUE(Open().ok());
  const uint64_t renamed = files.count(RecordingFileSystem::Operation::kRename);
  SendMany(1);
  EXPECT_THAT(Find("m7"), ElementsAre("1/7"));
  for (const std::string& name : before) EXPECT_EQ(ReadIndexFile(name), contents[name]) << name;
  EXPECT_LE(files.count(RecordingFileSystem::Operation::kRename), renamed + 4);
}

TEST_F(KeyIndexTest, WhatIsMissingIsMadeAgain) {
  SendMany(200);
  ASSERT_TRUE(store->key_index()->CatchUp().ok());
  Drop();
  size_t i = 0;
  for (const std::string& name : IndexFiles()) {
    if (++i % 3 != 0) continue;
    ASSERT_TRUE(files.Remove("/store/index/" + name).ok());
  }
  ASSERT_TRUE(Open().ok());
  ExpectAllFound("some are missing");
  Drop();
  for (const std::string& name : IndexFiles()) {
    ASSERT_TRUE(files.Remove("/store/index/" + name).ok());
  }
  ASSERT_TRUE(Open().ok());
  ExpectAllFound("all are missing");
}

TEST_F(KeyIndexTest, ADamagedFileIsNeverTrustedAndMadeAgain) {
  SendMany(60);
  ASSERT_TRUE(store->key_index()->CatchUp().ok());
  const std::string name = IndexFiles().front();
  const std::string good = ReadIndexFile(name);
  ASSERT_GT(good.size(), kIndexHeaderBytes);
  for (const size_t at : {size_t{0}, size_t{10}, kIndexHeaderBytes + 1, good.size() - 1}) {
    for (const bool restart : {false, true}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x40);
      if (restart) Drop();
      ASSERT_TRUE(ReplaceFile(files, "/store/index/" + name, bad).ok());
      if (restart) {
        ASSERT_TRUE(Open().ok());
      }
      // A search meets the damage, and the next one finds all again.
      for (int i = 0; i < 60; ++i) Find("m" + std::to_string(i));
      ExpectAllFound("a bit was flipped");
    }
  }
  Drop();
  ASSERT_TRUE(ReplaceFile(files, "/store/index/" + name, good.substr(0, good.size() / 2)).ok());
  ASSERT_TRUE(Open().ok());
  ExpectAllFound("it was cut off");
}

TEST_F(KeyIndexTest, AFileOfAnotherLogIsNotUsed) {
  SendMany(60);
  ASSERT_TRUE(store->key_index()->CatchUp().ok());
  const std::string name = IndexFiles().front();
  const std::string foreign = ReadIndexFile(name);
  ASSERT_FALSE(foreign.empty());

  // The same messages in another order, in a later reign.
  StoreHarness other;
  other.options = options;
  other.keys = keys;
  ASSERT_TRUE(other.Open().ok());
  ASSERT_TRUE(other.Define(1, 1).ok());
  ASSERT_TRUE(other.Open().ok());
  for (int i = 60; i-- > 0;) {
    ASSERT_TRUE(other.Send(kQueue, "m" + std::to_string(i) + "|" + std::string(1000, '.')).ok());
  }
  ASSERT_TRUE(other.store->key_index()->CatchUp().ok());
  other.Drop();
  ASSERT_TRUE(ReplaceFile(other.files, "/store/index/" + name, foreign).ok());
  ASSERT_TRUE(other.Open().ok());
  ASSERT_TRUE(other.store->key_index()->CatchUp().ok());
  for (int i = 0; i < 60; ++i) {
    const KeyQuery query{.hash = HashOf("m" + std::to_string(i))};
    std::vector<QueueOffset> found;
    const auto searched = other.store->FindByKey(query, [&](const KeyMatch& match) {
      const auto message = other.store->ReadMessageAt(match.offset);
      if (message.ok()) found.push_back(message->message.view.queue_offset);
      return true;
    });
    ASSERT_TRUE(searched.ok());
    EXPECT_THAT(found, ElementsAre(59 - i));
  }
}

TEST_F(KeyIndexTest, AFullDiskStopsNoSend) {
  files.Inject({.operation = RecordingFileSystem::Operation::kWrite,
                .sticky = true,
                .error_number = ENOSPC,
                .path_contains = "/index/"});
  SendMany(100);
  EXPECT_FALSE(store->key_index()->CatchUp().ok());
  EXPECT_GT(store->usage().unindexed_bytes, 0u);
  EXPECT_THAT(Find("m0"), ElementsAre("1/0"));  // still in memory
  files.ClearFaults();
  ExpectAllFound("there is room again");
}

TEST_F(KeyIndexTest, WhatCanNeverBeReadIsPassedOver) {
  SendMany(2000);
  ASSERT_TRUE(store->key_index()->CatchUp().ok());
  Drop();
  for (const std::string& name : IndexFiles()) {
    ASSERT_TRUE(files.Remove("/store/index/" + name).ok());
  }
  ASSERT_TRUE(Open().ok());
  const auto segments = files.List("/store/log");
  ASSERT_TRUE(segments.ok());
  ASSERT_GE(segments->size(), 3u);
  files.Inject({.operation = RecordingFileSystem::Operation::kRead,
                .sticky = true,
                .path_contains = (*segments)[1]});
  int tries = 1;
  while (!store->key_index()->CatchUp().ok() && tries < 10) ++tries;
  EXPECT_LT(tries, 10);
  EXPECT_EQ(store->usage().unindexed_bytes, 0u);
  EXPECT_THAT(Find("m0"), ElementsAre("1/0"));
  EXPECT_THAT(Find("m1999"), ElementsAre("1/1999"));
}

TEST_F(KeyIndexTest, RetentionTakesTheFilesAndCarriedMessagesStayFound) {
  Drop();
  options.retention_bytes = 2 * options.segment_bytes;
  ASSERT_TRUE(Open().ok());
  SendWith("live", kOther, 100, TestMachine::kLiveTag);
  SendMany(60);
  ASSERT_TRUE(store->key_index()->CatchUp().ok());
  const std::string first = IndexFiles().front();
  SendMany(300);
  ASSERT_TRUE(store->EnforceRetention().ok());
  ASSERT_GT(store->cursors().min, 0u);
  EXPECT_THAT(IndexFiles(), ::testing::Not(::testing::Contains(first)));
  ExpectAllFound("after retention");
  EXPECT_THAT(Find("m0"), IsEmpty());
  EXPECT_THAT(Find("live"), ElementsAre("2/0"));
  ASSERT_TRUE(Open().ok());
  ExpectAllFound("after retention and a restart");
  EXPECT_THAT(Find("live"), ElementsAre("2/0"));
}

TEST_F(KeyIndexTest, WithoutAnIndexASearchSaysSo) {
  Drop();
  options.key_index = false;
  ASSERT_TRUE(Open().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      store->FindByKey({.hash = 1}, [](const KeyMatch&) { return true; }).status()));
}

TEST_F(KeyIndexTest, ReadingAtAnyOffsetIsHarmless) {
  SendMany(3);
  const LogOffset end = store->cursors().applied;
  int messages = 0;
  for (LogOffset at = 0; at < end + 100; ++at) {
    const auto message = store->ReadMessageAt(at);
    messages += message.ok();
  }
  EXPECT_EQ(messages, 3);
}

TEST_F(KeyIndexTest, TheLogIsReadRecordByRecord) {
  SendMany(100);
  std::vector<QueueOffset> offsets;
  LogOffset at = store->cursors().min;
  for (;;) {
    const auto next = store->ReadLog(at, 8 << 10, [&](const RecordView& record) {
      if (record.message != nullptr) offsets.push_back(record.message->queue_offset);
    });
    ASSERT_TRUE(next.ok()) << next.status();
    if (*next == at) break;
    at = *next;
  }
  ASSERT_THAT(offsets, SizeIs(100));
  EXPECT_TRUE(std::is_sorted(offsets.begin(), offsets.end()));
}

TEST_F(KeyIndexTest, TheLogIsReadOnBehindAFileThatCannotBeRead) {
  SendMany(2000);
  ASSERT_TRUE(Open().ok());
  const auto segments = files.List("/store/log");
  ASSERT_TRUE(segments.ok());
  ASSERT_GE(segments->size(), 3u);
  files.Inject({.operation = RecordingFileSystem::Operation::kRead,
                .sticky = true,
                .path_contains = (*segments)[1]});
  std::vector<QueueOffset> offsets;
  int failures = 0;
  LogOffset at = store->cursors().min;
  while (at < store->cursors().applied && failures < 10) {
    const auto next = store->ReadLog(at, 64 << 10, [&](const RecordView& record) {
      if (record.message != nullptr) offsets.push_back(record.message->queue_offset);
    });
    failures += !next.ok();
    at = next.ok() ? *next : store->NextLogFile(at);
  }
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(at, store->cursors().applied);
  EXPECT_EQ(store->NextLogFile(at), at);
  ASSERT_FALSE(offsets.empty());
  EXPECT_EQ(offsets.front(), 0u);
  EXPECT_EQ(offsets.back(), 1999u);
  EXPECT_LT(offsets.size(), 2000u);
}

// The power fails at any moment, again and again: what was acknowledged is found.
TEST_F(KeyIndexTest, PowerCuts) {
  std::mt19937_64 random(11);
  for (uint64_t round = 0; round < 25; ++round) {
    files.PowerOffAt(files.operations() + 1 + random() % 60);
    for (int i = 0; i < 60; ++i) {
      const uint64_t next = store->Range(kQueue).next;
      if (!Send(kQueue, "m" + std::to_string(next) + "|" + std::string(1500, '.')).ok()) break;
    }
    Drop();
    files.Crash(round % 2 == 0 ? RecordingFileSystem::CrashMode::kDropAll
                               : RecordingFileSystem::CrashMode::kRandomSubset,
                round);
    ASSERT_TRUE(Open().ok());
    ExpectAllFound("after a power cut");
  }
}

// Random operations against a table.
TEST_F(KeyIndexTest, Model) {
  std::mt19937_64 random(7);
  std::map<std::string, std::vector<std::string>> expected;  // newest first
  for (int step = 0; step < 600; ++step) {
    switch (random() % 12) {
      case 0:
        ASSERT_TRUE(Open().ok());
        break;
      case 1:
        ASSERT_TRUE(store->key_index()->CatchUp().ok());
        break;
      default: {
        const QueueKey queue = random() % 2 == 0 ? kQueue : kOther;
        const std::string offset = std::to_string(store->Range(queue).next);
        std::string words;
        for (uint64_t i = random() % 4; i > 0; --i) {
          const std::string word = "k" + std::to_string(random() % 40);
          if ((words + " ").find(" " + word + " ") != std::string::npos) continue;
          words += " " + word;
          auto& of_word = expected[word];
          of_word.insert(of_word.begin(), std::to_string(queue.topic) + "/" + offset);
        }
        SendWith(words, queue, random() % 2000);
      }
    }
    const std::string word = "k" + std::to_string(random() % 40);
    const auto wanted = expected.find(word);
    const auto found = Find(word);
    if (wanted == expected.end()) {
      EXPECT_THAT(found, IsEmpty());
    } else {
      ASSERT_EQ(found, wanted->second) << word << " at step " << step;
    }
  }
}

}  // namespace
}  // namespace mansio::store
