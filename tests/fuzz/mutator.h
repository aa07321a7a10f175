#ifndef MANSIO_TESTS_FUZZ_MUTATOR_H_
#define MANSIO_TESTS_FUZZ_MUTATOR_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace mansio::fuzz {

// Makes inputs out of others: the same ones in the same order for the same seed, on every machine.
class Mutator {
 public:
  // `inputs` is not empty.
  Mutator(std::vector<std::string> inputs, uint64_t seed, size_t max_bytes)
      : inputs_(std::move(inputs)), max_bytes_(max_bytes), random_(seed) {}

  // One of the inputs after a few changes.
  std::string Next();

 private:
  size_t Below(size_t n) { return n == 0 ? 0 : random_() % n; }
  const std::string& AnyInput() { return inputs_[Below(inputs_.size())]; }
  void Change(std::string& text);
  void PutNumber(std::string& text);

  const std::vector<std::string> inputs_;
  const size_t max_bytes_;
  std::mt19937_64 random_;  // its sequence is part of the language standard
};

}  // namespace mansio::fuzz

#endif  // MANSIO_TESTS_FUZZ_MUTATOR_H_
