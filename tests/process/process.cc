#include "tests/process/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>

#include "absl/time/clock.h"

namespace mansio::testing {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(10);

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void RedirectTo(int target, const std::string& path, int flags) {
  const int descriptor = open(path.c_str(), flags, 0644);
  if (descriptor < 0 || dup2(descriptor, target) < 0) _exit(127);
}

}  // namespace

std::string FreeAddress() {
  // Stays open. It does not listen, so that it stands in nobody's way who sets SO_REUSEADDR, too,
  // as our servers do.
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool bound =
      bind(descriptor, generic, size) == 0 && getsockname(descriptor, generic, &size) == 0;
  return "127.0.0.1:" + std::to_string(bound ? ntohs(address.sin_port) : 0);
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "mansio-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Process::Process(const std::string& program, const std::vector<std::string>& arguments,
                 const std::string& directory, const std::string& name)
    : out_path_(directory + "/" + name + ".out"), err_path_(directory + "/" + name + ".err") {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  // Here and not in the child: whoever waits for a line must not read a predecessor's.
  std::error_code ignored;
  std::filesystem::remove(out_path_, ignored);
  std::filesystem::remove(err_path_, ignored);
  pid_ = fork();
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves no server behind
  RedirectTo(STDIN_FILENO, "/dev/null", O_RDONLY);
  RedirectTo(STDOUT_FILENO, out_path_, O_WRONLY | O_CREAT | O_TRUNC);
  RedirectTo(STDERR_FILENO, err_path_, O_WRONLY | O_CREAT | O_TRUNC);
  execv(argv[0], argv.data());
  _exit(127);
}

Process::~Process() {
  if (exit_ >= 0 || pid_ <= 0) return;
  Signal(SIGKILL);
  Wait();
}

std::string Process::WaitForError(const std::string& text, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    std::istringstream lines(Err());
    for (std::string line; std::getline(lines, line);) {
      if (line.find(text) != std::string::npos && !lines.eof()) return line;
    }
    int status = 0;
    if (exit_ < 0 && waitpid(pid_, &status, WNOHANG) == pid_) exit_ = ExitCode(status);
    if (exit_ >= 0 || absl::Now() > deadline) return "";
    std::this_thread::sleep_for(kPoll);
  }
}

int Process::Wait() {
  int status = 0;
  if (exit_ < 0 && waitpid(pid_, &status, 0) == pid_) exit_ = ExitCode(status);
  return exit_;
}

void Process::Signal(int signal) {
  if (exit_ < 0) kill(pid_, signal);
}

std::string Process::Out() const { return ReadFile(out_path_); }
std::string Process::Err() const { return ReadFile(err_path_); }

Finished RunToEnd(const std::string& program, const std::vector<std::string>& arguments) {
  const TemporaryDirectory directory;
  Process process(program, arguments, directory.path(), "program");
  const int code = process.Wait();
  return {code, process.Out(), process.Err()};
}

}  // namespace mansio::testing
