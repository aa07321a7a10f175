#ifndef MANSIO_CLIENT_BENCH_SEQUENCE_FILE_H_
#define MANSIO_CLIENT_BENCH_SEQUENCE_FILE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mansio::bench {

// A text file of what happened, one line each, for tests that kill a server: every line is written
// at once, before the load generator goes on. Thread-safe.
class SequenceFile {
 public:
  // Creates `path`, or empties it. An error names it.
  static absl::StatusOr<std::unique_ptr<SequenceFile>> Create(const std::string& path);
  ~SequenceFile();

  // Appends whole lines. A failed write ends the process: a test must not go on without its record.
  void Write(std::string_view lines);

 private:
  explicit SequenceFile(int descriptor) : descriptor_(descriptor) {}
  const int descriptor_;
};

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_SEQUENCE_FILE_H_
