#include "broker/server/process_signals.h"

#include <gtest/gtest.h>

namespace mansio::broker {
namespace {

// Signals that are raised go to this thread, which the others of the test do not mind.
TEST(ProcessSignalsTest, AnEndGoesBeforeAnOpening) {
  const ProcessSignals signals;
  for (const int end : {SIGTERM, SIGINT}) {
    EXPECT_FALSE(signals.end_waits());
    raise(ProcessSignals::kReopen);
    EXPECT_FALSE(signals.end_waits());
    raise(end);
    EXPECT_TRUE(signals.end_waits());
    EXPECT_EQ(signals.Take(), end);
  }
  raise(ProcessSignals::kReopen);
  EXPECT_EQ(signals.Take(), ProcessSignals::kReopen);
}

}  // namespace
}  // namespace mansio::broker
