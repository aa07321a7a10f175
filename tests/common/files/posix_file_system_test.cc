#include "common/files/posix_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace mansio {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PosixFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/mansio-files-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(std::string_view name) const { return JoinPath(directory_, name); }

  std::unique_ptr<File> Create(std::string_view name) {
    auto file = files_.Open(Path(name), OpenMode::kCreateNew);
    EXPECT_TRUE(file.ok()) << file.status();
    return std::move(*file);
  }

  static std::string ReadAll(const File& file) {
    std::string content(100, '?');
    auto read = file.Read(0, content.data(), content.size());
    EXPECT_TRUE(read.ok()) << read.status();
    content.resize(read.value_or(0));
    return content;
  }

  PosixFileSystem files_;
  std::string directory_;
};

TEST_F(PosixFileSystemTest, WritesReadsAndTruncates) {
  auto file = Create("a");
  EXPECT_TRUE(file->Write(2, "cd").ok());
  EXPECT_TRUE(file->Write(0, "ab").ok());
  EXPECT_TRUE(file->Datasync().ok());
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_EQ(ReadAll(*file), "abcd");
  EXPECT_TRUE(file->Truncate(3).ok());
  EXPECT_EQ(ReadAll(*file), "abc");
  char byte;
  EXPECT_EQ(file->Read(3, &byte, 1).value(), 0u);
  EXPECT_EQ(file->path(), Path("a"));
}

TEST_F(PosixFileSystemTest, GathersMorePiecesThanOneSystemCallTakes) {
  auto file = Create("a");
  const std::string text = "0123456789";
  std::vector<std::string_view> pieces;
  std::string expected;
  for (int i = 0; i < 150; ++i) {
    pieces.push_back(std::string_view(text).substr(0, i % 11));
    expected += pieces.back();
  }
  EXPECT_TRUE(file->WriteGather(5, pieces).ok());
  std::string content(expected.size() + 5, '?');
  EXPECT_EQ(file->Read(0, content.data(), content.size()).value(), content.size());
  EXPECT_EQ(content.substr(5), expected);
}

TEST_F(PosixFileSystemTest, AllocationExtendsWithZeros) {
  auto file = Create("a");
  EXPECT_TRUE(file->Allocate(0, 8192).ok());
  EXPECT_EQ(file->Size().value(), 8192u);
  EXPECT_EQ(ReadAll(*file), std::string(100, '\0'));
}

TEST_F(PosixFileSystemTest, NextDataNeverSkipsWhatWasWritten) {
  auto file = Create("a");
  EXPECT_TRUE(file->Truncate(1 << 20).ok());
  EXPECT_TRUE(file->Write(600'000, "x").ok());
  // A file system without holes may answer any byte before the first one written.
  EXPECT_LE(file->NextData(0), 600'000u);
  EXPECT_EQ(file->NextData(600'000), 600'000u);
  EXPECT_LE(file->NextData(700'000), 1u << 20);
  EXPECT_GT(file->NextHole(600'000), 600'000u);
}

TEST_F(PosixFileSystemTest, ReservedSpaceIsDataOnlyWhereItWasRead) {
  constexpr uint64_t kBytes = 64 << 20;
  auto file = Create("a");
  EXPECT_TRUE(file->Allocate(0, kBytes).ok());
  EXPECT_TRUE(file->Write(0, "x").ok());
  // A file system that cannot tell of holes says that there is none.
  if (file->NextHole(0) >= kBytes) return;
  std::string bytes(1 << 20, '\0');
  EXPECT_TRUE(file->Read(0, bytes.data(), bytes.size()).ok());  // which reads ahead
  file->SetReadAhead(false);
  file->ForgetCached(4096);
  const uint64_t hole = file->NextHole(0);
  bytes.resize(hole);
  EXPECT_EQ(file->Read(0, bytes.data(), bytes.size()).value(), bytes.size());
  EXPECT_EQ(file->NextHole(0), hole);
  EXPECT_EQ(file->NextData(hole), kBytes);
}

TEST_F(PosixFileSystemTest, OpenModes) {
  EXPECT_TRUE(absl::IsNotFound(files_.Open(Path("a"), OpenMode::kReadOnly).status()));
  EXPECT_TRUE(absl::IsNotFound(files_.Open(Path("a"), OpenMode::kReadWrite).status()));
  EXPECT_TRUE(files_.Open(Path("a"), OpenMode::kOpenOrCreate).ok());
  EXPECT_TRUE(files_.Open(Path("a"), OpenMode::kOpenOrCreate).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(files_.Open(Path("a"), OpenMode::kCreateNew).status()));
  auto read_only = files_.Open(Path("a"), OpenMode::kReadOnly);
  const absl::Status status = (*read_only)->Write(0, "x");
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write " + Path("a")));
}

TEST_F(PosixFileSystemTest, RenameRemoveListExists) {
  Create("b");
  Create("a");
  EXPECT_TRUE(files_.CreateDirectory(Path("c/d/e")).ok());
  EXPECT_TRUE(files_.CreateDirectory(Path("c/d/e")).ok());
  EXPECT_THAT(files_.List(directory_).value(), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(files_.Rename(Path("a"), Path("b")).ok());
  EXPECT_FALSE(files_.Exists(Path("a")).value());
  EXPECT_TRUE(files_.Exists(Path("b")).value());
  EXPECT_TRUE(absl::IsInvalidArgument(files_.Rename(Path("b"), Path("c/b"))));
  EXPECT_TRUE(files_.Remove(Path("b")).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(files_.Remove(Path("c"))));
  EXPECT_TRUE(absl::IsNotFound(files_.Remove(Path("b"))));
  EXPECT_TRUE(absl::IsNotFound(files_.List(Path("nowhere")).status()));
  EXPECT_TRUE(files_.SyncDirectory(directory_).ok());
  EXPECT_TRUE(absl::IsNotFound(files_.SyncDirectory(Path("nowhere"))));
}

TEST_F(PosixFileSystemTest, ADirectoryBelowAFileIsRefused) {
  Create("a");
  EXPECT_FALSE(files_.CreateDirectory(Path("a")).ok());
  EXPECT_FALSE(files_.CreateDirectory(Path("a/b")).ok());
}

TEST_F(PosixFileSystemTest, ASecondLockNamesTheHolder) {
  auto first = files_.Lock(Path("LOCK"));
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = files_.Lock(Path("LOCK"));
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("process " + std::to_string(getpid())));
  first->reset();
  EXPECT_TRUE(files_.Lock(Path("LOCK")).ok());
}

TEST_F(PosixFileSystemTest, SpaceIsKnown) {
  const auto space = files_.Space(directory_);
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->total, 0u);
  EXPECT_LE(space->available, space->total);
}

TEST_F(PosixFileSystemTest, WholeFiles) {
  EXPECT_TRUE(ReplaceFile(files_, Path("a"), "first, and longer").ok());
  EXPECT_TRUE(ReplaceFile(files_, Path("a"), "second").ok());
  EXPECT_EQ(ReadWholeFile(files_, Path("a"), 6).value(), "second");
  EXPECT_TRUE(absl::IsResourceExhausted(ReadWholeFile(files_, Path("a"), 5).status()));
  EXPECT_THAT(files_.List(directory_).value(), ElementsAre("a"));
}

TEST(Paths, AreSplitAndJoined) {
  EXPECT_EQ(DirectoryOf("/a/b"), "/a");
  EXPECT_EQ(DirectoryOf("/a/b/"), "/a");
  EXPECT_EQ(DirectoryOf("/a"), "/");
  EXPECT_EQ(DirectoryOf("/"), "/");
  EXPECT_EQ(DirectoryOf("a"), ".");
  EXPECT_EQ(DirectoryOf("./a/b"), "./a");
  EXPECT_EQ(JoinPath("/", "a"), "/a");
  EXPECT_EQ(JoinPath("/a/", "b"), "/a/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
}

TEST(FileErrors, SayWhatFailedAndWhatToDo) {
  EXPECT_EQ(FileError("write", "/data/x", ENOSPC).message(),
            "cannot write /data/x: No space left on device; free disk space or choose another "
            "directory");
  EXPECT_TRUE(absl::IsResourceExhausted(FileError("write", "x", ENOSPC)));
  EXPECT_TRUE(absl::IsPermissionDenied(FileError("write", "x", EROFS)));
}

}  // namespace
}  // namespace mansio
