#include "common/files/recording_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <random>
#include <set>

#include "common/files/posix_file_system.h"

namespace mansio {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using CrashMode = RecordingFileSystem::CrashMode;
using Operation = RecordingFileSystem::Operation;

class RecordingFileSystemTest : public ::testing::Test {
 protected:
  std::unique_ptr<File> Open(std::string_view path, OpenMode mode = OpenMode::kOpenOrCreate) {
    auto file = files_.Open(path, mode);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? std::move(*file) : nullptr;
  }

  static std::string Content(FileSystem& files, std::string_view path) {
    auto content = ReadWholeFile(files, path, 1 << 20);
    return content.ok() ? *content : "<" + std::string(content.status().message()) + ">";
  }

  RecordingFileSystem files_;
};

TEST_F(RecordingFileSystemTest, APowerCutKeepsExactlyWhatWasSynced) {
  auto file = Open("/a");
  EXPECT_TRUE(file->Write(0, "durable").ok());
  EXPECT_TRUE(file->Datasync().ok());
  EXPECT_TRUE(files_.SyncDirectory("/").ok());
  EXPECT_TRUE(file->Write(0, "DURABLE and more").ok());
  EXPECT_EQ(Content(files_, "/a"), "DURABLE and more");
  auto after = files_.CrashCopy(CrashMode::kDropAll, 0);
  EXPECT_EQ(Content(*after, "/a"), "durable");
  EXPECT_EQ(Content(files_, "/a"), "DURABLE and more");  // The original goes on.
}

TEST_F(RecordingFileSystemTest, AFileNeedsItsNameToo) {
  auto file = Open("/a");
  EXPECT_TRUE(file->Write(0, "x").ok());
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_THAT(files_.CrashCopy(CrashMode::kDropAll, 0)->List("/").value(), IsEmpty());
  EXPECT_TRUE(files_.SyncDirectory("/").ok());
  EXPECT_THAT(files_.CrashCopy(CrashMode::kDropAll, 0)->List("/").value(), ElementsAre("a"));
}

TEST_F(RecordingFileSystemTest, ADirectoryNeedsItsNameInItsParent) {
  EXPECT_TRUE(files_.CreateDirectory("/d/e").ok());
  Open("/d/e/a");
  EXPECT_TRUE(files_.SyncDirectory("/d/e").ok());
  EXPECT_TRUE(files_.SyncDirectory("/d").ok());
  EXPECT_FALSE(files_.CrashCopy(CrashMode::kDropAll, 0)->Exists("/d").value());
  EXPECT_TRUE(files_.SyncDirectory("/").ok());
  EXPECT_TRUE(files_.CrashCopy(CrashMode::kDropAll, 0)->Exists("/d/e/a").value());

  EXPECT_TRUE(MakeDurableDirectory(files_, "/x/y/z").ok());
  EXPECT_TRUE(files_.CrashCopy(CrashMode::kDropAll, 0)->Exists("/x/y/z").value());
}

TEST_F(RecordingFileSystemTest, RemovalRenameSizeAndAllocationNeedASyncAsWell) {
  Open("/a")->Sync().IgnoreError();
  auto b = Open("/b");
  EXPECT_TRUE(files_.SyncDirectory("/").ok());
  EXPECT_TRUE(files_.Remove("/a").ok());
  EXPECT_TRUE(files_.Rename("/b", "/c").ok());
  EXPECT_TRUE(b->Allocate(0, 10'000).ok());
  auto after = files_.CrashCopy(CrashMode::kDropAll, 0);
  EXPECT_THAT(after->List("/").value(), ElementsAre("a", "b"));
  EXPECT_EQ(Content(*after, "/b"), "");
  EXPECT_TRUE(files_.SyncDirectory("/").ok());
  EXPECT_TRUE(b->Datasync().ok());
  EXPECT_TRUE(b->Truncate(3).ok());
  after = files_.CrashCopy(CrashMode::kDropAll, 0);
  EXPECT_THAT(after->List("/").value(), ElementsAre("c"));
  EXPECT_EQ(Content(*after, "/c"), std::string(10'000, '\0'));
}

TEST_F(RecordingFileSystemTest, ARandomSubsetTearsPagesAtSectors) {
  auto file = Open("/a");
  EXPECT_TRUE(file->Write(0, std::string(4096, 'o')).ok());
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_TRUE(files_.SyncDirectory("/").ok());
  EXPECT_TRUE(file->Write(0, std::string(4096, 'n')).ok());
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    auto after = files_.CrashCopy(CrashMode::kRandomSubset, seed);
    const std::string content = Content(*after, "/a");
    ASSERT_EQ(content.size(), 4096u);
    for (size_t i = 0; i < content.size(); ++i) {
      ASSERT_EQ(content[i], content[i - i % 512]) << "a sector is written whole or not at all";
    }
    seen.insert(content);
    EXPECT_EQ(content, Content(*files_.CrashCopy(CrashMode::kRandomSubset, seed), "/a"));
  }
  EXPECT_TRUE(seen.contains(std::string(4096, 'o')));
  EXPECT_TRUE(seen.contains(std::string(4096, 'n')));
  EXPECT_GT(seen.size(), 20u);
}

TEST_F(RecordingFileSystemTest, ARandomSubsetMayShowAnEarlierMomentOrASizeInBetween) {
  auto file = Open("/a");
  EXPECT_TRUE(files_.SyncDirectory("/").ok());
  EXPECT_TRUE(file->Write(0, "one").ok());
  EXPECT_TRUE(file->Write(3, "two").ok());
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    seen.insert(Content(*files_.CrashCopy(CrashMode::kRandomSubset, seed), "/a"));
  }
  EXPECT_TRUE(seen.contains(""));
  EXPECT_TRUE(seen.contains("onetwo"));
  EXPECT_TRUE(seen.contains(std::string("one\0\0\0", 6)));
  EXPECT_TRUE(seen.contains(std::string(6, '\0')));
  EXPECT_TRUE(seen.contains("onet"));
}

TEST_F(RecordingFileSystemTest, ARenameIsAtomicInEveryCrash) {
  EXPECT_TRUE(ReplaceFile(files_, "/a", "old").ok());
  std::set<std::string> seen;
  // Each operation of the second replacement, and after the last.
  for (uint64_t at = files_.operations() + 1; at <= files_.operations() + 7; ++at) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
      auto files = files_.CrashCopy(CrashMode::kDropAll, 0);
      files->PowerOffAt(at - files_.operations());
      ReplaceFile(*files, "/a", "new").IgnoreError();
      files->Crash(CrashMode::kRandomSubset, seed);
      seen.insert(Content(*files, "/a"));
    }
  }
  EXPECT_THAT(seen, ElementsAre("new", "old"));
}

TEST_F(RecordingFileSystemTest, AfterACrashOldHandlesAreDeadAndLocksFree) {
  auto file = Open("/a");
  auto lock = files_.Lock("/LOCK");
  EXPECT_TRUE(lock.ok());
  auto second = files_.Lock("/LOCK");
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("/LOCK"));
  files_.Crash(CrashMode::kDropAll, 0);
  EXPECT_TRUE(absl::IsUnavailable(file->Write(0, "x")));
  EXPECT_TRUE(absl::IsUnavailable(file->Size().status()));
  auto again = files_.Lock("/LOCK");
  EXPECT_TRUE(again.ok());
  lock->reset();  // The dead lock must not free the new one.
  EXPECT_FALSE(files_.Lock("/LOCK").ok());
  again->reset();
  EXPECT_TRUE(files_.Lock("/LOCK").ok());
}

TEST_F(RecordingFileSystemTest, PowerGoesOffAtTheChosenOperation) {
  auto file = Open("/a");
  EXPECT_EQ(files_.operations(), 1u);
  files_.PowerOffAt(3);
  EXPECT_TRUE(file->Write(0, "x").ok());
  const absl::Status status = file->Write(1, "y");
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(status.message(), "the power is off");
  EXPECT_TRUE(absl::IsUnavailable(file->Datasync()));
  EXPECT_TRUE(absl::IsUnavailable(files_.List("/").status()));
  EXPECT_TRUE(absl::IsUnavailable(files_.Open("/a", OpenMode::kReadOnly).status()));
  files_.Crash(CrashMode::kDropAll, 0);
  EXPECT_THAT(files_.List("/").value(), IsEmpty());
  EXPECT_EQ(files_.operations(), 0u);
}

TEST_F(RecordingFileSystemTest, FaultsComeOnceOrStay) {
  auto file = Open("/log");
  auto other = Open("/other");
  files_.Inject({.operation = Operation::kWrite, .nth = 2, .path_contains = "log"});
  EXPECT_TRUE(other->Write(0, "x").ok());
  EXPECT_TRUE(file->Write(0, "x").ok());
  EXPECT_TRUE(other->Write(0, "x").ok());
  const absl::Status status = file->Write(0, "y");
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write /log: Input/output error"));
  EXPECT_EQ(Content(files_, "/log"), "x");
  EXPECT_TRUE(file->Write(0, "z").ok());

  files_.Inject({.operation = Operation::kWrite, .sticky = true, .error_number = EROFS});
  EXPECT_TRUE(absl::IsPermissionDenied(file->Write(0, "1")));
  EXPECT_TRUE(absl::IsPermissionDenied(other->Write(0, "1")));
  files_.ClearFaults();
  EXPECT_TRUE(file->Write(0, "1").ok());
  EXPECT_EQ(files_.count(Operation::kWrite), 8u);
}

TEST_F(RecordingFileSystemTest, AFailedFlushLosesItsPagesForGood) {
  auto file = Open("/a");
  EXPECT_TRUE(files_.SyncDirectory("/").ok());
  EXPECT_TRUE(file->Write(0, "gone").ok());
  files_.Inject({.operation = Operation::kDatasync});
  EXPECT_FALSE(file->Datasync().ok());
  EXPECT_TRUE(file->Datasync().ok());
  EXPECT_EQ(Content(files_, "/a"), "gone");
  EXPECT_EQ(Content(*files_.CrashCopy(CrashMode::kDropAll, 0), "/a"), std::string(4, '\0'));
}

TEST_F(RecordingFileSystemTest, IgnoredFlushesLie) {
  auto file = Open("/a");
  files_.IgnoreSyncs(true);
  EXPECT_TRUE(file->Write(0, "x").ok());
  EXPECT_TRUE(file->Datasync().ok());
  EXPECT_TRUE(files_.SyncDirectory("/").ok());
  EXPECT_THAT(files_.CrashCopy(CrashMode::kDropAll, 0)->List("/").value(), IsEmpty());
}

TEST_F(RecordingFileSystemTest, AFullDiskTakesWhatFits) {
  auto file = Open("/a");
  files_.LimitSpace(5);
  EXPECT_EQ(files_.Space("/")->available, 5u);
  EXPECT_TRUE(file->Write(0, "abc").ok());
  EXPECT_TRUE(file->Write(0, "ABC").ok());  // Nothing new is needed.
  EXPECT_TRUE(absl::IsResourceExhausted(file->Write(3, "defg")));
  EXPECT_EQ(Content(files_, "/a"), "ABCde");
  EXPECT_TRUE(absl::IsResourceExhausted(file->Allocate(0, 100)));
  files_.RemoveSpaceLimit();
  EXPECT_TRUE(file->Allocate(0, 100).ok());
}

TEST_F(RecordingFileSystemTest, ShortReadsLookLikeAnEarlyEnd) {
  auto file = Open("/a");
  EXPECT_TRUE(file->Write(0, "abcdef").ok());
  files_.Inject({.operation = Operation::kRead, .short_read = 2});
  char buffer[6];
  EXPECT_EQ(file->Read(0, buffer, 6).value(), 2u);
  EXPECT_EQ(file->Read(0, buffer, 6).value(), 6u);
  files_.Inject({.operation = Operation::kRead});
  EXPECT_FALSE(file->Read(0, buffer, 6).ok());
}

TEST_F(RecordingFileSystemTest, OpenModesAndErrorsAreThoseOfADisk) {
  EXPECT_TRUE(absl::IsNotFound(files_.Open("/a", OpenMode::kReadWrite).status()));
  EXPECT_TRUE(absl::IsNotFound(files_.Open("/d/a", OpenMode::kCreateNew).status()));
  Open("/a", OpenMode::kCreateNew);
  EXPECT_TRUE(absl::IsAlreadyExists(files_.Open("/a", OpenMode::kCreateNew).status()));
  EXPECT_FALSE(Open("/a", OpenMode::kReadOnly)->Write(0, "x").ok());
  EXPECT_FALSE(files_.CreateDirectory("/a").ok());
  EXPECT_FALSE(files_.CreateDirectory("/a/b").ok());
  EXPECT_TRUE(files_.CreateDirectory("/d").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(files_.Rename("/a", "/d/a")));
  EXPECT_TRUE(files_.Rename("/a", "/b").ok());
  EXPECT_TRUE(absl::IsNotFound(files_.Rename("/a", "/b")));
  EXPECT_TRUE(absl::IsNotFound(files_.Remove("/a")));
  Open("/d/x");
  EXPECT_TRUE(absl::IsFailedPrecondition(files_.Remove("/d")));
  EXPECT_TRUE(absl::IsNotFound(files_.SyncDirectory("/e")));
}

// The same random operations on a disk and in memory read back the same.
TEST(RecordingFileSystemModel, ReadsLikeARealFileSystem) {
  std::string pattern = ::testing::TempDir() + "/mansio-model-XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  PosixFileSystem posix;
  RecordingFileSystem recording;
  ASSERT_TRUE(recording.CreateDirectory(pattern).ok());
  auto real = posix.Open(JoinPath(pattern, "f"), OpenMode::kCreateNew);
  auto fake = recording.Open(JoinPath(pattern, "f"), OpenMode::kCreateNew);
  ASSERT_TRUE(real.ok() && fake.ok());
  std::mt19937_64 random(3);
  for (int step = 0; step < 3'000; ++step) {
    const uint64_t offset = random() % 20'000;
    const uint64_t length = random() % 6'000;
    for (File* file : {real->get(), fake->get()}) {
      switch (step % 5) {
        case 0:
        case 1: {
          const std::string data(length, static_cast<char>('a' + step % 26));
          ASSERT_TRUE(file->WriteGather(offset, {data, "tail"}).ok());
          break;
        }
        case 2:
          ASSERT_TRUE(file->Truncate(offset).ok());
          break;
        case 3:
          ASSERT_TRUE(file->Allocate(offset, length + 1).ok());
          break;
        default:
          ASSERT_TRUE(step % 2 == 0 ? file->Datasync().ok() : file->Size().ok());
      }
    }
    std::string expected(30'000, '?');
    std::string got(30'000, '?');
    expected.resize((*real)->Read(0, expected.data(), expected.size()).value());
    got.resize((*fake)->Read(0, got.data(), got.size()).value());
    ASSERT_EQ(got, expected) << "step " << step;
    ASSERT_EQ((*fake)->Size().value(), (*real)->Size().value());
  }
  std::filesystem::remove_all(pattern);
}

// A synced file survives every random crash unchanged, whatever is done to others.
TEST(RecordingFileSystemModel, SyncedContentSurvivesEveryCrash) {
  RecordingFileSystem files;
  std::mt19937_64 random(9);
  auto file = files.Open("/f", OpenMode::kCreateNew);
  ASSERT_TRUE(file.ok() && files.SyncDirectory("/").ok());
  for (uint64_t step = 0; step < 500; ++step) {
    ASSERT_TRUE((*file)->Write(random() % 9'000, std::string(random() % 5'000, 'x')).ok());
    if (step % 3 == 0) {
      ASSERT_TRUE((*file)->Truncate(random() % 9'000).ok());
    }
    ASSERT_TRUE((*file)->Sync().ok());
    const auto content = ReadWholeFile(files, "/f", 1 << 20);
    for (CrashMode mode : {CrashMode::kDropAll, CrashMode::kRandomSubset}) {
      auto after = files.CrashCopy(mode, step);
      ASSERT_EQ(ReadWholeFile(*after, "/f", 1 << 20).value(), content.value());
    }
  }
}

}  // namespace
}  // namespace mansio
