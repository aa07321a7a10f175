// Runs parsers on mutants of inputs that they accept; README.md beside it says how.

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutator.h"

namespace mansio::fuzz {
namespace {

constexpr size_t kMaxInputBytes = size_t{1} << 20;
constexpr size_t kMaxMutantBytes = size_t{1} << 14;
constexpr unsigned kSecondsPerInput = 60;  // a parser that takes longer is stuck

struct Options {
  std::vector<std::string> targets;  // none: all
  int64_t runs = -1;                 // of each target; negative: its own number
  uint64_t seed = 1;
  std::vector<std::string> files;
};

// What a target was given last; outlives its process.
struct LastInput {
  size_t size = 0;
  uint8_t bytes[kMaxInputBytes];
};

LastInput* MapLastInput() {
  void* memory =
      mmap(nullptr, sizeof(LastInput), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : new (memory) LastInput;
}

bool ReadFile(const std::string& path, std::string* content) {
  std::ifstream file(path, std::ios::binary);
  content->assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  return file.good() || file.eof();
}

// A copy of exactly the input's size, so that AddressSanitizer sees a read behind its end.
void RunOne(const Target& target, const std::string& input, LastInput* last) {
  last->size = std::min(input.size(), kMaxInputBytes);
  std::memcpy(last->bytes, input.data(), last->size);
  const std::vector<uint8_t> exact(last->bytes, last->bytes + last->size);
  alarm(kSecondsPerInput);
  target.run(exact.data(), exact.size());
}

// In a process of its own.
[[noreturn]] void RunTarget(const Target& target, const Options& options,
                            const std::vector<std::string>& corpus, LastInput* last) {
  std::vector<std::string> inputs = target.seeds();
  inputs.insert(inputs.end(), corpus.begin(), corpus.end());
  for (const std::string& input : inputs) RunOne(target, input, last);
  RunOne(target, "", last);
  Mutator mutator(std::move(inputs), options.seed, kMaxMutantBytes);
  const int64_t runs = options.runs < 0 ? target.runs : options.runs;
  for (int64_t i = 0; i < runs; ++i) RunOne(target, mutator.Next(), last);
  alarm(0);
  std::exit(0);  // with the sanitizer's look for leaks
}

// True when the target came through.
bool Fuzz(const Target& target, const Options& options, const std::vector<std::string>& corpus,
          LastInput* last) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) RunTarget(target, options, corpus, last);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    fmt::print("ok    {}\n", target.name);
    return true;
  }
  const std::string path = fmt::format("crash-{}", target.name);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(last->bytes), static_cast<std::streamsize>(last->size));
  fmt::print(
      "FAIL  {}: {}; its last input, {} bytes, is in {}; try it alone with "
      "mansio_fuzz --target {} --runs 0 {}\n",
      target.name,
      WIFSIGNALED(status) ? fmt::format("ended by signal {}", WTERMSIG(status))
                          : fmt::format("ended with code {}", WEXITSTATUS(status)),
      last->size, path, target.name, path);
  return false;
}

int Run(const Options& options) {
  std::vector<const Target*> chosen;
  for (const std::string& name : options.targets) {
    chosen.push_back(FindTarget(name));
    if (chosen.back() == nullptr) {
      fmt::print(stderr, "there is no target '{}'; --list shows them\n", name);
      return 2;
    }
  }
  if (chosen.empty()) {
    for (const Target& target : Targets()) chosen.push_back(&target);
  }
  std::vector<std::string> corpus(options.files.size());
  for (size_t i = 0; i < corpus.size(); ++i) {
    if (ReadFile(options.files[i], &corpus[i])) continue;
    fmt::print(stderr, "{} cannot be read\n", options.files[i]);
    return 2;
  }
  LastInput* last = MapLastInput();
  if (last == nullptr) {
    fmt::print(stderr, "there is no memory for the inputs\n");
    return 2;
  }
  const auto failed = std::count_if(chosen.begin(), chosen.end(), [&](const Target* target) {
    return !Fuzz(*target, options, corpus, last);
  });
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace mansio::fuzz

int main(int argc, char** argv) {
  using namespace mansio::fuzz;  // NOLINT(google-build-using-namespace)
  Options options;
  CLI::App app("Runs Mansio's parsers on mutants of inputs that they accept");
  app.add_option("--target", options.targets, "Only this target; may be repeated");
  app.add_option("--runs", options.runs, "Mutants for each target; 0: the given files only");
  app.add_option("--seed", options.seed, "Another seed makes other mutants");
  app.add_option("FILE", options.files, "Inputs to try and to make mutants of");
  app.add_flag_callback(
      "--list",
      [] {
        for (const Target& target : Targets()) fmt::print("{}\n", target.name);
        std::exit(0);
      },
      "List the targets");
  CLI11_PARSE(app, argc, argv);
  return Run(options);
}
