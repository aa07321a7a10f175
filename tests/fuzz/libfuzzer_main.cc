// The targets for libFuzzer, which brings main() along; MANSIO_FUZZ_TARGET names one of them.

#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/fuzz.h"

namespace {

const mansio::fuzz::Target& ChosenTarget() {
  const char* name = std::getenv("MANSIO_FUZZ_TARGET");
  const auto* target = mansio::fuzz::FindTarget(name == nullptr ? "" : name);
  if (target != nullptr) return *target;
  std::fprintf(stderr, "set MANSIO_FUZZ_TARGET to one of these:\n");
  for (const mansio::fuzz::Target& known : mansio::fuzz::Targets()) {
    std::fprintf(stderr, "  %.*s\n", static_cast<int>(known.name.size()), known.name.data());
  }
  std::exit(2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const mansio::fuzz::Target& target = ChosenTarget();
  return target.run(data, size);
}
