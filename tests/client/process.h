#ifndef MANSIO_TESTS_CLIENT_PROCESS_H_
#define MANSIO_TESTS_CLIENT_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mansio::testing {

// 127.0.0.1 with a port that nobody uses at this moment.
std::string FreeAddress();

// A program that a test runs, with its output in files. Not thread-safe.
class Process {
 public:
  // Starts `program` with `arguments`; output goes to `directory`/`name`.out and .err. The standard
  // input is empty.
  Process(const std::string& program, const std::vector<std::string>& arguments,
          const std::string& directory, const std::string& name);
  // Kills the program if it still runs.
  ~Process();

  // Waits until the error output has a line that contains `text`, and returns that line; "" when
  // the program ends or `timeout` passes before.
  std::string WaitForError(const std::string& text, absl::Duration timeout);
  // Waits for the end and returns the exit code; 128 + the number of the signal that ended it.
  int Wait();
  void Signal(int signal);

  std::string Out() const;
  std::string Err() const;

 private:
  const std::string out_path_;
  const std::string err_path_;
  pid_t pid_ = -1;
  int exit_ = -1;
};

}  // namespace mansio::testing

#endif  // MANSIO_TESTS_CLIENT_PROCESS_H_
