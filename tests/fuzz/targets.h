#ifndef MANSIO_TESTS_FUZZ_TARGETS_H_
#define MANSIO_TESTS_FUZZ_TARGETS_H_

#include <vector>

#include "tests/fuzz/fuzz.h"

// The targets of each folder; targets.cc puts them together.
namespace mansio::fuzz {

std::vector<Target> CommonTargets();
std::vector<Target> LogTargets();
std::vector<Target> StoreTargets();
std::vector<Target> BrokerTargets();

}  // namespace mansio::fuzz

#endif  // MANSIO_TESTS_FUZZ_TARGETS_H_
