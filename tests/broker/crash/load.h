#ifndef MANSIO_TESTS_BROKER_CRASH_LOAD_H_
#define MANSIO_TESTS_BROKER_CRASH_LOAD_H_

#include <cstdint>

#include "absl/status/status.h"
#include "tests/broker/crash/explorer.h"
#include "tests/broker/crash/history.h"
#include "tests/store/crash/world.h"

namespace mansio::broker {

// Uses a broker on the world's disks for a while, with a restart or two: some calls in flight, time
// that passes, checkpoints and retention now and then. What clients ask and are told goes to the
// history.
absl::Status RunBrokerLoad(store::World& world, const CrashScenario& scenario, uint64_t seed,
                           History& history);

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_CRASH_LOAD_H_
