// The floor that the broker is measured against: the same rpc server and listener, and a
// SendMessage that does nothing.

#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <utility>

#include "common/net/address.h"
#include "common/rpc/server.h"
#include "common/sync/sync.h"
#include "tests/bench/empty_server/empty_service.h"

int main(int argc, char** argv) {
  mansio::TurnOffDeadlockDetection();
  CLI::App app("Answers SendMessage with OK and stores nothing: the floor for benchmarks.");
  std::string listen = "127.0.0.1:8091";
  int threads = 1;
  app.add_option("--listen", listen, "HOST:PORT to listen on")->capture_default_str();
  app.add_option("--threads", threads, "rpc threads")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  // Before any thread starts, so that all of them leave the signals to sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const absl::StatusOr<mansio::net::HostPort> address = mansio::net::ParseHostPort(listen);
  if (!address.ok()) {
    fmt::print(stderr, "{}\n", std::string(address.status().message()));
    return 1;
  }
  mansio::rpc::ServerOptions options;
  options.listen = listen;
  options.threads = threads;
  auto server = mansio::rpc::Server::Start(
      options, mansio::bench::EmptyService(mansio::net::DefaultAdvertised(*address)));
  if (!server.ok()) {
    fmt::print(stderr, "{}\n", std::string(server.status().message()));
    return 1;
  }
  fmt::print(stderr, "ready on {}; stores nothing\n", (*server)->Address());
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->Shutdown(absl::Seconds(1));
  return 0;
}
