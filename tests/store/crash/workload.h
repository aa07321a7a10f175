#ifndef MANSIO_TESTS_STORE_CRASH_WORKLOAD_H_
#define MANSIO_TESTS_STORE_CRASH_WORKLOAD_H_

#include <cstdint>

#include "absl/status/status.h"
#include "store/options.h"
#include "tests/store/crash/explorer.h"
#include "tests/store/crash/world.h"

namespace mansio::store {

inline constexpr uint32_t kCrashTopic = 1;
inline constexpr uint32_t kCrashQueues = 3;

StoreOptions CrashOptions(Durability durability);

// Uses a store in `world` for a while, with a restart or two, as a broker would: some appends in
// flight, checkpoints and retention now and then. Every promise goes to the world.
absl::Status RunWorkload(World& world, const Scenario& scenario, uint64_t seed);

}  // namespace mansio::store

#endif  // MANSIO_TESTS_STORE_CRASH_WORKLOAD_H_
