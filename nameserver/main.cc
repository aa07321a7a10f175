#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <iostream>

#include "common/clock/clock.h"
#include "common/config/process_flags.h"
#include "common/files/posix_file_system.h"
#include "common/logging/logging.h"
#include "common/sync/sync.h"
#include "nameserver/nameserver.h"

namespace mansio::nameserver {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(5);

const config::ProcessDescription kProcess = {
    .name = "mansio-nameserver",
    .version = MANSIO_VERSION,
    .purpose = "Tells clients which broker has a topic. Brokers register with every nameserver.",
    .examples =
        "mansio-nameserver --config conf/nameserver.yaml\n"
        "mansio-nameserver --config conf/nameserver.yaml --set listen=127.0.0.1:9876"};

// Blocked before any thread starts, so that only Serve's wait sees them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

[[noreturn]] void Fail(const absl::Status& status) {
  logging::Fatal(fmt::format("mansio-nameserver cannot start: {}", std::string(status.message())));
}

void Serve(const NameserverConfig& config, const sigset_t& signals) {
  if (absl::Status s = logging::InitLogging(kProcess.name, config.log); !s.ok()) Fail(s);
  const RealClock clock;
  const auto nameserver = Nameserver::Start(config, &clock);
  if (!nameserver.ok()) Fail(nameserver.status());
  if ((*nameserver)->SelfSigned()) {
    LOG_WARNING(
        "TLS uses a self-signed certificate in {}, which clients cannot verify; set "
        "tls.certificate and tls.key for one of your own",
        config.generated_dir);
  }
  logging::Announce(fmt::format("mansio-nameserver {} is ready on {} (advertised as {})",
                                kProcess.version, (*nameserver)->Address(),
                                (*nameserver)->Advertised()));
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  LOG_INFO("{}: finishing what was accepted", signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
  (*nameserver)->Shutdown(kGrace);
  logging::Flush();
}

int Main(int argc, char** argv) {
  const sigset_t signals = BlockSignals();
  PosixFileSystem files;
  auto config = config::ConfigFromCommandLine(kProcess, NameserverSchema(), files, argc, argv,
                                              std::cout, std::cerr);
  if (const auto* code = std::get_if<config::ExitCode>(&config)) return code->value;
  Serve(std::get<NameserverConfig>(config), signals);
  return 0;
}

}  // namespace
}  // namespace mansio::nameserver

int main(int argc, char** argv) {
  mansio::TurnOffDeadlockDetection();
  return mansio::nameserver::Main(argc, argv);
}
