#include "client/command/bench_options.h"

#include <map>

#include "CLI/CLI.hpp"
#include "client/bench/send_template.h"

namespace mansio::command {

void AddTarget(CLI::App& verb, bench::TargetOptions& target) {
  verb.add_option("--topic", target.topic, "The topic; made when it is missing")
      ->type_name("NAME")
      ->capture_default_str();
  verb.add_option("--queues", target.queues, "Queues of a topic that has to be made")
      ->check(CLI::Range(1, 1 << 20).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--connections", target.connections, "TCP connections in all")
      ->check(CLI::Range(1, 10000).description(""))
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--threads", target.threads, "rpc threads of the load generator")
      ->check(CLI::Range(1, 256).description(""))
      ->type_name("N")
      ->capture_default_str();
}

void AddLoad(CLI::App& verb, bench::LoadOptions& load) {
  AddDuration(verb, "--duration", &load.duration, "How long to measure");
  AddDuration(verb, "--warmup", &load.warmup, "Load before the measurement begins");
  verb.add_option("--server-pid", load.server_pid,
                  "A server process on this machine whose CPU time and memory are measured")
      ->type_name("PID");
}

void AddMessages(CLI::App& verb, bench::ProduceOptions& produce) {
  verb.add_option("--size", produce.size, "Bytes of a body")
      ->check(CLI::Range(static_cast<int>(bench::kSequenceBytes), 4 << 20).description(""))
      ->type_name("BYTES")
      ->capture_default_str();
  verb.add_option("--batch", produce.batch, "Messages in a request")
      ->check(CLI::Range(1, 1024).description(""))
      ->type_name("N")
      ->capture_default_str();
}

void AddSchedule(CLI::App& verb, bench::LoadOptions& load) {
  static const std::map<std::string, bench::Schedule::Kind> kKinds = {
      {"uniform", bench::Schedule::Kind::kUniform}, {"poisson", bench::Schedule::Kind::kPoisson}};
  verb.add_option("--schedule", load.schedule,
                  "Spacing of an open loop: uniform, or poisson as from many clients")
      ->transform(CLI::CheckedTransformer(kKinds).description(""))
      ->type_name("KIND")
      ->default_str("uniform");
}

void AddReceiver(CLI::App& verb, bench::ReceiverOptions& receiver) {
  verb.add_option("--tags", receiver.tags, "Tags that are wanted, as `A || B`; * for all")
      ->type_name("TAGS")
      ->capture_default_str();
  verb.add_option("--sql", receiver.sql, "A SQL92 expression over the messages' properties instead")
      ->type_name("EXPRESSION");
  verb.add_option("--receive-batch", receiver.batch, "Messages asked for in a receive")
      ->check(CLI::Range(1, 1024).description(""))
      ->type_name("N")
      ->capture_default_str();
  AddDuration(verb, "--invisible", &receiver.invisible, "Lease of a message");
  AddDuration(verb, "--wait", &receiver.wait, "How long a receive waits for messages");
  verb.add_option("--ack-batch", receiver.ack_batch,
                  "Messages in an ack; 1 is what SDKs do, 0 acknowledges nothing")
      ->check(CLI::Range(0, 1024).description(""))
      ->type_name("N")
      ->capture_default_str();
}

int Finish(const Context& context, const Json& report, const bench::LoadResult& result) {
  context.Print(report);
  if (result.errors.empty()) return kOk;
  return result.messages > 0 ? kPartial : kFailed;
}

Json Header(const Context& context, const char* workload, const bench::TargetOptions& target) {
  return {{"workload", workload},
          {"endpoint", context.client.endpoint},
          {"topic", target.topic},
          {"connections", target.connections}};
}

}  // namespace mansio::command
