#ifndef MANSIO_TESTS_BROKER_CRASH_SURVIVOR_H_
#define MANSIO_TESTS_BROKER_CRASH_SURVIVOR_H_

#include "tests/broker/crash/explorer.h"
#include "tests/broker/crash/history.h"
#include "tests/store/crash/world.h"

namespace mansio::broker {

// Recovers a broker from one image and holds it against the facts of before its moment: first as it
// stands, then when everything that is pending has been ended, fired and consumed.
void CheckSurvivor(const CrashScenario& scenario, const Facts& facts, store::Image& image,
                   CrashFindings& findings);

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_CRASH_SURVIVOR_H_
