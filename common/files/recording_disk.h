#ifndef MANSIO_COMMON_FILES_RECORDING_DISK_H_
#define MANSIO_COMMON_FILES_RECORDING_DISK_H_

// What RecordingFileSystem stores: files as pages and directories as names, each with its present
// and its durable state. Not thread safe; the file system locks around it.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/files/recording_file_system.h"

namespace mansio::recording {

using CrashMode = RecordingFileSystem::CrashMode;
using Random = std::mt19937_64;

inline constexpr size_t kPageSize = 4096;
inline constexpr size_t kSectorSize = 512;  // what a disk writes atomically

using Page = std::array<char, kPageSize>;
// Pages never change once stored, so crash copies share them. Null is a page of zeros.
using PagePtr = std::shared_ptr<const Page>;

class FileNode {
 public:
  uint64_t size() const { return now_.size; }

  size_t Read(uint64_t offset, char* out, size_t size) const;
  void Write(uint64_t offset, std::string_view data);
  void Resize(uint64_t size);

  // Makes the present state durable.
  void Sync();

  // A failed sync: the unsynced pages stay readable, but no later sync writes them.
  void LoseUnsynced() { unsynced_.clear(); }

  std::shared_ptr<FileNode> CrashCopy(CrashMode mode, Random& random) const;

 private:
  struct State {
    std::vector<PagePtr> pages;  // one for each page below `size`
    uint64_t size = 0;
  };
  static void SetSize(State& state, uint64_t size);

  void ReplacePage(size_t index, PagePtr page);

  State now_;
  State durable_;
  // Pages changed since the last sync, each with a few of its contents in between.
  std::map<size_t, std::vector<PagePtr>> unsynced_;
};

class DirectoryNode;
using Node = std::variant<std::shared_ptr<FileNode>, std::shared_ptr<DirectoryNode>>;

class DirectoryNode {
 public:
  const std::map<std::string, Node>& names() const { return now_; }

  void Add(const std::string& name, Node node);
  void Remove(const std::string& name);
  void Rename(const std::string& from, const std::string& to);  // Atomic, also in a crash.

  // Makes the present names durable.
  void Sync();

  std::shared_ptr<DirectoryNode> CrashCopy(CrashMode mode, Random& random) const;

 private:
  // One name set, removed, or both (a rename).
  struct Change {
    std::string removed;
    std::string added;
    Node node;
  };
  static void Apply(const Change& change, std::map<std::string, Node>& names);

  std::map<std::string, Node> now_;
  std::map<std::string, Node> durable_;
  std::vector<Change> unsynced_;
};

}  // namespace mansio::recording

#endif  // MANSIO_COMMON_FILES_RECORDING_DISK_H_
