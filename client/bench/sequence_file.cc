#include "client/bench/sequence_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace mansio::bench {

absl::StatusOr<std::unique_ptr<SequenceFile>> SequenceFile::Create(const std::string& path) {
  const int descriptor =
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    return absl::InvalidArgumentError(
        fmt::format("cannot write to {}: {}", path, std::strerror(errno)));
  }
  return std::unique_ptr<SequenceFile>(new SequenceFile(descriptor));
}

SequenceFile::~SequenceFile() { close(descriptor_); }

void SequenceFile::Write(std::string_view lines) {
  // One write is one append: lines of different threads do not mix.
  if (write(descriptor_, lines.data(), lines.size()) == static_cast<ssize_t>(lines.size())) return;
  fmt::print(stderr, "error: cannot write the record of sequence numbers: {}\n",
             std::strerror(errno));
  std::abort();
}

}  // namespace mansio::bench
