// mansio-broker: stores messages and hands them out.

#include <signal.h>

#include <cstdlib>
#include <iostream>
#include <string>

#include "broker/server/broker.h"
#include "common/clock/clock.h"
#include "common/config/process_flags.h"
#include "common/files/posix_file_system.h"
#include "common/logging/logging.h"
#include "common/sync/sync.h"

namespace mansio::broker {
namespace {

// SIGTERM and SIGINT are taken by sigwait in the main thread; every thread inherits that they wait.
sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

int Run(int argc, const char* const* argv) {
  const config::ProcessDescription process = {
      .name = "mansio-broker",
      .version = MANSIO_VERSION,
      .purpose = "Stores messages and hands them out to consumers.",
      .examples =
          "mansio-broker --config conf/broker.yaml\n"
          "mansio-broker --set store.path=/tmp/data --set durability=async"};
  PosixFileSystem files;
  auto read = config::ConfigFromCommandLine(process, BrokerSchema(), files, argc, argv, std::cout,
                                            std::cerr);
  if (const auto* code = std::get_if<config::ExitCode>(&read)) return code->value;
  const BrokerConfig& config = std::get<BrokerConfig>(read);

  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (absl::Status status = logging::InitLogging(process.name, config.log); !status.ok()) {
    std::cerr << process.name << ": " << status.message() << "\n";
    return EXIT_FAILURE;
  }

  const RealClock clock;
  auto broker =
      Broker::Start(config, {.files = &files, .clock = &clock, .version = process.version});
  if (!broker.ok()) {
    logging::Announce(
        fmt::format("{} cannot start: {}", process.name, std::string(broker.status().message())));
    logging::Flush();
    return EXIT_FAILURE;
  }
  logging::Announce(fmt::format("{} {} ready on {}, advertised as {}, durability {}, data in {}",
                                process.name, process.version, (*broker)->Address(),
                                (*broker)->Advertised(), DurabilityName(config.store.durability),
                                config.store.path));
  int received = 0;
  sigwait(&signals, &received);
  LOG_INFO("Signal {}: ending in order", received);
  (*broker)->Stop();
  LOG_INFO("Ended");
  logging::Flush();
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace mansio::broker

int main(int argc, char** argv) {
  mansio::TurnOffDeadlockDetection();
  return mansio::broker::Run(argc, argv);
}
