#include "tests/fuzz/targets.h"

#include <cstdio>
#include <cstdlib>

namespace mansio::fuzz {

const std::vector<Target>& Targets() {
  static const auto* const targets = [] {
    auto* all = new std::vector<Target>;
    for (const auto& part : {LogTargets(), StoreTargets(), BrokerTargets(), CommonTargets()}) {
      all->insert(all->end(), part.begin(), part.end());
    }
    return all;
  }();
  return *targets;
}

const Target* FindTarget(std::string_view name) {
  for (const Target& target : Targets()) {
    if (target.name == name) return &target;
  }
  return nullptr;
}

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: this does not hold: %s\n", file, line, condition);
  std::abort();
}

}  // namespace mansio::fuzz
