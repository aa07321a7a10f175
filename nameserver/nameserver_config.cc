#include "nameserver/nameserver_config.h"

#include "absl/status/status.h"

namespace mansio::nameserver {

namespace {

using config::kMiB;
using config::kTiB;
using Schema = config::Schema<NameserverConfig>;

void AddAddresses(Schema& schema) {
  schema
      .Address(
          "listen", &NameserverConfig::listen, "0.0.0.0:9876",
          "Where clients and brokers connect: one port for plaintext and TLS. 0.0.0.0 and [::] "
          "stand for all addresses of the machine.")
      .Address(
          "advertise", &NameserverConfig::advertise, "",
          "The address by which this nameserver names itself, for `mansio cluster list`. Empty: "
          "the listen address; where that stands for all addresses, the machine's first one that "
          "is not loopback.")
      .Path("tls.certificate", &NameserverConfig::certificate, "",
            "The certificate chain for TLS, a PEM file. Empty: the nameserver makes a self-signed "
            "one in tls.generated-dir at its first start.")
      .Path("tls.key", &NameserverConfig::private_key, "",
            "The private key of tls.certificate, a PEM file.")
      .Path(
          "tls.generated-dir", &NameserverConfig::generated_dir, "./mansio-data/nameserver",
          "The directory of the self-signed certificate, the only thing that a nameserver keeps on "
          "the disk.")
      .Int("threads.rpc", &NameserverConfig::rpc_threads, 0, {0, 256}, "threads",
           "Threads that serve calls. 0: one per two cores.");
}

void AddBrokers(Schema& schema) {
  schema
      .Duration("brokers.expiry", &NameserverConfig::broker_expiry, absl::Seconds(5),
                {absl::Milliseconds(100), absl::Hours(1)},
                "A broker that has sent nothing for this long leaves the routes, although its "
                "connection is open. Brokers send something each second.")
      .Duration("brokers.deadline", &NameserverConfig::broker_deadline, absl::Seconds(5),
                {absl::Milliseconds(100), absl::Minutes(5)},
                "How long a command such as `mansio topic create` waits for each broker.")
      .Int("limits.topics", &NameserverConfig::topics, 100'000, {1, 10'000'000}, "topics",
           "The most topics that one broker may register.")
      .Int("limits.groups", &NameserverConfig::groups, 100'000, {1, 10'000'000}, "groups",
           "The most consumer groups that one broker may register.");
}

void AddClients(Schema& schema) {
  schema
      .Size("limits.body-bytes", &NameserverConfig::body_bytes, 4 * kMiB, {1, 12 * kMiB},
            "The largest body of a message that producers are told. Use the brokers' value.")
      .Int("limits.receive-batch", &NameserverConfig::receive_batch, 32, {1, 1024}, "messages",
           "The batch size that push consumers are told. Use the brokers' value.")
      .Duration("receive.max-long-polling", &NameserverConfig::max_long_polling, absl::Seconds(20),
                {absl::Milliseconds(100), absl::Minutes(5)},
                "How long push consumers are told to wait for messages. Use the brokers' value.")
      .Duration("clients.silence", &NameserverConfig::client_silence, absl::Seconds(120),
                {absl::Milliseconds(100), absl::Hours(24)},
                "A client that has not called for this long is forgotten.")
      .Duration(
          "clients.disconnected", &NameserverConfig::client_disconnected, absl::Seconds(35),
          {absl::Milliseconds(100), absl::Hours(24)},
          "A client whose telemetry streams are all closed is forgotten after this long without "
          "a call.");
}

Schema MakeSchema() {
  Schema schema;
  AddAddresses(schema);
  AddBrokers(schema);
  AddClients(schema);
  config::AddNetworkLimits(schema, &NameserverConfig::network);
  schema.Size(
      "limits.rpc-memory-bytes", &NameserverConfig::rpc_memory_bytes, 256 * kMiB,
      {64 * kMiB, 1 * kTiB},
      "Memory for requests and answers on their way, and as much again for requests of more than "
      "some KiB that are being worked on; beyond it calls are refused with RESOURCE_EXHAUSTED.");
  access::AddAccess(schema, &NameserverConfig::admin);
  config::AddMonitor(schema, &NameserverConfig::monitor);
  config::AddLogging(schema, &NameserverConfig::log);
  schema
      .Rule(
          {"tls.certificate", "tls.key"},
          [](const NameserverConfig& config) {
            if (config.certificate.empty() == config.private_key.empty()) return absl::OkStatus();
            return absl::InvalidArgumentError(
                "tls.certificate and tls.key belong together: set both, or none for a self-signed "
                "certificate");
          })
      .Rule({"advertise"}, [](const NameserverConfig& config) {
        if (config.advertise.host != "0.0.0.0" && config.advertise.host != "::") {
          return absl::OkStatus();
        }
        return absl::InvalidArgumentError(
            "advertise must be an address that others can connect to; a wildcard is none");
      });
  return schema;
}

}  // namespace

const config::Schema<NameserverConfig>& NameserverSchema() {
  static const auto* const schema = new Schema(MakeSchema());
  return *schema;
}

}  // namespace mansio::nameserver
