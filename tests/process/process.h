#ifndef MANSIO_TESTS_PROCESS_PROCESS_H_
#define MANSIO_TESTS_PROCESS_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace mansio::testing {

// 127.0.0.1 with a port that nobody uses, and that nobody else is given while this process lives.
std::string FreeAddress();

// A new empty directory, removed with its content at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  // The path of `name` in it.
  std::string Path(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// A program that a test runs, with its output in files. Not thread-safe.
class Process {
 public:
  // Starts `program` with `arguments`; output goes to `directory`/`name`.out and .err. The standard
  // input is empty.
  Process(const std::string& program, const std::vector<std::string>& arguments,
          const std::string& directory, const std::string& name);
  // Kills the program if it still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Waits until the error output has a line that contains `text`, and returns that line; "" when
  // the program ends or `timeout` passes before.
  std::string WaitForError(const std::string& text, absl::Duration timeout);
  // Waits for the end and returns the exit code; 128 + the number of the signal that ended it.
  int Wait();
  void Signal(int signal);
  pid_t pid() const { return pid_; }

  std::string Out() const;
  std::string Err() const;

 private:
  const std::string out_path_;
  const std::string err_path_;
  pid_t pid_ = -1;
  int exit_ = -1;
};

// What a program that has ended left behind.
struct Finished {
  int code = 0;  // as Process::Wait
  std::string out;
  std::string err;
};
// Runs a program that ends by itself.
Finished RunToEnd(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace mansio::testing

#endif  // MANSIO_TESTS_PROCESS_PROCESS_H_
