#ifndef MANSIO_CLIENT_COMMAND_PROGRESS_H_
#define MANSIO_CLIENT_COMMAND_PROGRESS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "client/command/context.h"

namespace mansio::command {

// One line of at most `width` columns: what is done, a bar, the rate and the time that is left.
// Pure.
std::string ProgressLine(const std::string& what, int64_t done, int64_t total,
                         absl::Duration elapsed, size_t width);

// Shows on the error stream, where that is a terminal, how far a long command is. The line goes
// with the object. Not thread-safe.
class Progress {
 public:
  Progress(const Context& context, std::string what, int64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Draws at most some times a second.
  void Update(int64_t done);

 private:
  const Context& context_;
  const std::string what_;
  const int64_t total_;
  const absl::Time begin_;
  absl::Time drawn_ = absl::InfinitePast();
};

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_PROGRESS_H_
