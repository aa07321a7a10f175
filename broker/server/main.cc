// mansio-broker: stores messages and hands them out.

#include <signal.h>

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
#include "broker/server/process_config.h"
#include "broker/server/process_signals.h"
#include "broker/server/static_run.h"
#include "common/clock/clock.h"
#include "common/config/process_flags.h"
#include "common/files/posix_file_system.h"
#include "common/logging/logging.h"
#include "common/metrics/monitor.h"
#include "common/rpc/client.h"
#include "common/sync/sync.h"

namespace mansio::broker {
namespace {

// Says why the process cannot start; nullopt.
std::nullopt_t CannotStart(const config::ProcessDescription& process, const absl::Status& status) {
  logging::Announce(fmt::format("{} cannot start: {}", process.name, std::string(status.message())),
                    logging::Level::kError);
  return std::nullopt;
}

// From start to end: the signal that ended it, or nullopt when it could not start. `port` stays
// between one that is to be started again and the next.
std::optional<int> Serve(const config::ProcessDescription& process,
                         const absl::StatusOr<BrokerConfig>& applied,
                         const Broker::Environment& environment, const ProcessSignals& signals,
                         std::unique_ptr<rpc::Server>& port) {
  if (signals.end_waits()) return signals.Take();
  if (!applied.ok()) return CannotStart(process, applied.status());
  const BrokerConfig& config = *applied;
  auto broker = Broker::Start(config, environment, std::move(port));
  if (absl::IsCancelled(broker.status()) && signals.end_waits()) {
    LOG_INFO("Ends before it was ready");
    return signals.Take();
  }
  if (!broker.ok()) return CannotStart(process, broker.status());
  logging::Announce(fmt::format("{} {} ready on {}, advertised as {}, durability {}, data in {}{}",
                                process.name, process.version, (*broker)->Address(),
                                (*broker)->Advertised(), DurabilityName(config.store.durability),
                                config.store.path,
                                (*broker)->WaitsForMaster() ? "; it waits for a master" : ""));
  int received = 0;
  do {
    received = signals.Take();
    // An elected master cannot begin its reign a second time: what nobody has asked for is not
    // done.
  } while (received == ProcessSignals::kReopen && environment.elected != nullptr &&
           !environment.elected->WantsOpening());
  if (received == ProcessSignals::kReopen) {
    port = (*broker)->Leave();
  } else {
    LOG_INFO("Signal {}: ending in order", received);
    (*broker)->StepAside();
    (*broker)->Stop();
  }
  return received;
}

std::optional<int> ServeAsConfigured(const config::ProcessDescription& process,
                                     Broker::Environment environment,
                                     const ProcessSignals& signals) {
  KeptRole roles(environment.files, environment.process->started_with());
  environment.roles = &roles;
  StaticRun run(environment.files, environment.process->started_with(), BootId());
  environment.run = &run;
  std::optional<int> ended;
  std::unique_ptr<rpc::Server> port;
  do {
    absl::StatusOr<BrokerConfig> config = roles.Apply(environment.process->Current());
    if (config.ok()) config = run.Opening(*std::move(config));
    ended = Serve(process, config, environment, signals, port);
  } while (ended == ProcessSignals::kReopen);
  if (ended.has_value()) run.End();
  return ended;
}

// The same, in the role that the group's election gives this broker, again and again.
std::optional<int> ServeAsElected(const config::ProcessDescription& process,
                                  Broker::Environment environment, const ProcessSignals& signals) {
  const BrokerConfig& config = environment.process->started_with();
  const absl::StatusOr<HostPort> address = AdvertisedAddress(config);
  if (!address.ok()) return CannotStart(process, address.status());
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
      ended = Serve(process, role.NextOpening(environment.process->Current()), environment, signals,
                    port);
    } while (ended == ProcessSignals::kReopen);
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
  const ProcessSignals signals;
  if (absl::Status status = logging::InitLogging(process.name, config.log); !status.ok()) {
    CannotStart(process, status);
    return EXIT_FAILURE;
  }

  if (const std::string notice = DurabilityNotice(config); !notice.empty()) {
    LOG_WARNING("{}", notice);
  }
  metrics::Labels labels = {
      {"cluster", config.cluster}, {"node_type", "broker"}, {"node_id", config.name}};
  if (config.id != 0) labels.emplace_back("member", std::to_string(config.id));
  auto monitor = metrics::Monitor::Start(config.monitor, std::move(labels));
  std::optional<int> ended;
  if (monitor.ok()) {
    if (*monitor != nullptr) LOG_INFO("Metrics and health are on http://{}", (*monitor)->Address());
    const RealClock clock;
    ProcessConfig in_force(config);
    const Broker::Environment environment{.files = &files,
                                          .clock = &clock,
                                          .version = process.version,
                                          .reopen = ProcessSignals::AskToReopen,
                                          .process = &in_force,
                                          .monitor = monitor->get(),
                                          .give_up = [&] { return signals.end_waits(); }};
    ended = config.etcd.empty() ? ServeAsConfigured(process, environment, signals)
                                : ServeAsElected(process, environment, signals);
  } else {
    CannotStart(process, monitor.status());
  }
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
