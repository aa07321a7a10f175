#ifndef MANSIO_TESTS_STORE_LOG_REPLICATION_TESTING_H_
#define MANSIO_TESTS_STORE_LOG_REPLICATION_TESTING_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "store/log/segment.h"
#include "tests/store/log/log_testing.h"

// A master's and a slave's log in one process, without anything between them.
namespace mansio::store::testing {

inline StoreOptions MasterOptions(Durability durability) {
  StoreOptions options;
  options.durability = durability;
  return options;
}

inline StoreOptions SlaveOptions(Durability durability) {
  StoreOptions options;
  options.role = Role::kSlave;
  options.durability = durability;
  options.segment_bytes = 2 * kSegment;  // its own wish, which its master's frames overrule
  return options;
}

// Copies what the slave lacks, in runs of about `run_bytes`, up to `limit`; the first error.
inline absl::Status CatchUp(TestLog& master, TestLog& slave, size_t run_bytes = 3000,
                            LogOffset limit = ~LogOffset{0}) {
  for (;;) {
    const LogOffset end = slave.log->cursors().appended;
    if (end >= limit) return absl::OkStatus();
    auto run = master.log->replicated()->ReadFrames(end, run_bytes);
    if (!run.ok()) return run.status();
    if (run->bytes.bytes.empty()) return absl::OkStatus();
    if (absl::Status taken = slave.Take(std::string(run->bytes.bytes)); !taken.ok()) return taken;
  }
}

// Cuts what the slave has and the master has not, then copies the rest.
inline absl::Status Follow(TestLog& master, TestLog& slave) {
  const auto common =
      CommonPoint(master.log->replicated()->History(), slave.log->replicated()->History());
  if (!common.has_value()) return absl::NotFoundError("the histories have nothing in common");
  if (absl::Status cut = slave.log->replicated()->TruncateTo(*common); !cut.ok()) return cut;
  return CatchUp(master, slave);
}

// The log's bytes [0, end) from its files.
inline std::string LogBytesOf(FileSystem& files, LogOffset end) {
  std::string bytes;
  const auto names = files.List("data/log");
  for (const std::string& name : *names) {
    const auto first = ParseSegmentName(name);
    if (!first.has_value() || *first >= end) continue;
    EXPECT_EQ(*first, bytes.size()) << "a gap";
    bytes += ReadFile(files, SegmentPath(*first), 0, 4 << 20);
  }
  bytes.resize(std::min<size_t>(bytes.size(), end));
  return bytes;
}

inline std::vector<std::string> Texts(const std::vector<Seen>& seen) {
  std::vector<std::string> texts;
  for (const Seen& one : seen) texts.push_back(one.text);
  return texts;
}

}  // namespace mansio::store::testing

#endif  // MANSIO_TESTS_STORE_LOG_REPLICATION_TESTING_H_
