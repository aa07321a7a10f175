#ifndef MANSIO_TESTS_FUZZ_FUZZ_H_
#define MANSIO_TESTS_FUZZ_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What a fuzzer needs to know of a parser. Two programs use it: mansio_fuzz, which runs mutants of
// the seeds in a fixed order, and mansio_libfuzzer, where the compiler is Clang.
namespace mansio::fuzz {

struct Target {
  std::string_view name;
  // In the form of LLVMFuzzerTestOneInput: takes any bytes, returns 0, aborts when a promise of the
  // parser does not hold.
  int (*run)(const uint8_t* data, size_t size);
  // Inputs that the parser accepts.
  std::vector<std::string> (*seeds)();
  int64_t runs;  // mutants in one run of the tests
};

// Every parser that reads what a client, a disk or a user wrote.
const std::vector<Target>& Targets();
// nullptr when there is none of that name.
const Target* FindTarget(std::string_view name);

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

inline std::string_view AsText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Takes the first byte off `input`, for targets of several forms; 0 when there is none.
inline uint8_t TakeByte(std::string_view& input) {
  if (input.empty()) return 0;
  const auto byte = static_cast<uint8_t>(input[0]);
  input.remove_prefix(1);
  return byte;
}

}  // namespace mansio::fuzz

// A promise of the parser that must hold for every input.
#define MANSIO_FUZZ_CHECK(condition)                                               \
  do {                                                                             \
    if (!(condition)) ::mansio::fuzz::CheckFailed(#condition, __FILE__, __LINE__); \
  } while (false)

#endif  // MANSIO_TESTS_FUZZ_FUZZ_H_
