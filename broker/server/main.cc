// mansio-broker: stores messages and hands them out.

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "broker/election/etcd_client.h"
#include "broker/promotion/kept_role.h"
#include "broker/server/advertise.h"
#include "broker/server/broker.h"
#include "broker/server/elected_role.h"
#include "common/clock/clock.h"
#include "common/config/process_flags.h"
#include "common/files/posix_file_system.h"
#include "common/logging/logging.h"
#include "common/rpc/client.h"
#include "common/sync/sync.h"

namespace mansio::broker {
namespace {

// Asks the main thread to stop the broker and start it again.
constexpr int kReopen = SIGUSR1;

// They are taken by sigwait in the main thread; every thread inherits that they wait.
sigset_t Signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, kReopen}) sigaddset(&signals, signal);
  return signals;
}

// From start to end: the signal that ended it, or nullopt when it could not start. `port` stays
// between one that is to be started again and the next.
std::optional<int> Serve(const config::ProcessDescription& process,
                         const absl::StatusOr<BrokerConfig>& applied,
                         const Broker::Environment& environment, const sigset_t& signals,
                         std::unique_ptr<rpc::Server>& port) {
  if (!applied.ok()) {
    logging::Announce(
        fmt::format("{} cannot start: {}", process.name, std::string(applied.status().message())));
    return std::nullopt;
  }
  const BrokerConfig& config = *applied;
  auto broker = Broker::Start(config, environment, std::move(port));
  if (!broker.ok()) {
    logging::Announce(
        fmt::format("{} cannot start: {}", process.name, std::string(broker.status().message())));
    return std::nullopt;
  }
  logging::Announce(fmt::format("{} {} ready on {}, advertised as {}, durability {}, data in {}",
                                process.name, process.version, (*broker)->Address(),
                                (*broker)->Advertised(), DurabilityName(config.store.durability),
                                config.store.path));
  int received = 0;
  do {
    sigwait(&signals, &received);
    // An elected master cannot begin its reign a second time: what nobody has asked for is not
    // done.
  } while (received == kReopen && environment.elected != nullptr &&
           !environment.elected->WantsOpening());
  if (received == kReopen) {
    port = (*broker)->Leave();
  } else {
    LOG_INFO("Signal {}: ending in order", received);
    (*broker)->StepAside();
    (*broker)->Stop();
  }
  return received;
}

std::optional<int> ServeAsConfigured(const config::ProcessDescription& process,
                                     const BrokerConfig& config, Broker::Environment environment,
                                     const sigset_t& signals) {
  KeptRole roles(environment.files, config);
  environment.roles = &roles;
  std::optional<int> ended;
  std::unique_ptr<rpc::Server> port;
  do {
    ended = Serve(process, roles.Apply(config), environment, signals, port);
  } while (ended == kReopen);
  return ended;
}

// The same, in the role that the group's election gives this broker, again and again.
std::optional<int> ServeAsElected(const config::ProcessDescription& process,
                                  const BrokerConfig& config, Broker::Environment environment,
                                  const sigset_t& signals) {
  const absl::StatusOr<HostPort> address = AdvertisedAddress(config);
  if (!address.ok()) {
    logging::Announce(
        fmt::format("{} cannot start: {}", process.name, std::string(address.status().message())));
    return std::nullopt;
  }
  EtcdOptions options;
  for (const HostPort& endpoint : config.etcd) options.endpoints.push_back(endpoint.ToString());
  const std::unique_ptr<rpc::Client> client = rpc::Client::Create({});
  EtcdClient etcd(std::move(options), client.get());
  std::optional<int> ended;
  {
    ElectedRole role(config, address->ToString(),
                     {.files = environment.files,
                      .clock = environment.clock,
                      .etcd = &etcd,
                      .reopen = environment.reopen,
                      .boot = BootId()});
    environment.elected = &role;
    environment.reopen = [&role] { role.Reopen(); };
    std::unique_ptr<rpc::Server> port;
    do {
      ended = Serve(process, role.NextOpening(config), environment, signals, port);
    } while (ended == kReopen);
    if (ended.has_value()) role.End();
  }
  client->Stop();
  return ended;
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
  const sigset_t signals = Signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (absl::Status status = logging::InitLogging(process.name, config.log); !status.ok()) {
    std::cerr << process.name << ": " << status.message() << "\n";
    return EXIT_FAILURE;
  }

  const RealClock clock;
  Broker::Environment environment{.files = &files, .clock = &clock, .version = process.version};
  environment.reopen = [] { kill(getpid(), kReopen); };
  const std::optional<int> ended = config.etcd.empty()
                                       ? ServeAsConfigured(process, config, environment, signals)
                                       : ServeAsElected(process, config, environment, signals);
  if (!ended.has_value()) {
    logging::Flush();
    return EXIT_FAILURE;
  }
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
