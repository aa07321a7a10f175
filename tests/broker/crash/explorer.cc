#include "tests/broker/crash/explorer.h"

#include <algorithm>

#include "common/logging/logging.h"
#include "tests/broker/crash/load.h"
#include "tests/broker/crash/survivor.h"

namespace mansio::broker {

CrashFindings ExploreBroker(const CrashScenario& scenario, uint64_t seed, size_t points,
                            size_t enough_problems) {
  constexpr size_t kPointsPerRun = 40;
  const logging::LogCapture quiet;  // thousands of starts
  CrashFindings findings;
  for (; findings.points < points && findings.problems.size() < enough_problems; ++seed) {
    store::World world(seed, /*every=*/40, std::min(kPointsPerRun, points - findings.points),
                       scenario.mode);
    world.files().IgnoreSyncs(scenario.ignore_syncs);
    History history;
    if (absl::Status run = RunBrokerLoad(world, scenario, seed, history); !run.ok()) {
      findings.problems.push_back("the load itself fails: " + std::string(run.message()));
      break;
    }
    const Facts facts = history.With([](const Facts& f) { return f; });
    for (const std::string& problem : facts.problems) findings.problems.push_back(problem);
    for (store::Image& image : world.TakeImages()) {
      if (findings.problems.size() >= enough_problems) break;
      CheckSurvivor(scenario, facts, image, findings);
      image.files.reset();
    }
  }
  return findings;
}

}  // namespace mansio::broker
