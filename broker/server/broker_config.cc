#include "broker/server/broker_config.h"

#include <fmt/format.h>

#include "absl/status/status.h"
#include "broker/delay/levels.h"
#include "common/names/names.h"

namespace mansio::broker {

namespace {

using config::kGiB;
using config::kKiB;
using config::kMiB;
using config::kTiB;
using store::Durability;
using store::Role;
using store::StoreOptions;
using Schema = config::Schema<BrokerConfig>;

// A member of BrokerConfig::store.
template <typename Member>
auto Store(Member member) {
  return [member](BrokerConfig & config) -> auto& { return config.store.*member; };
}

auto NodeName(const char* key) {
  return [key](std::string_view name) -> absl::Status {
    const absl::Status status = names::ValidateNodeName(key, name);
    if (status.ok()) return status;
    return absl::InvalidArgumentError(std::string(status.message()));
  };
}

void AddAddresses(Schema& schema) {
  schema
      .Address(
          "listen", &BrokerConfig::listen, "0.0.0.0:8081",
          "Where clients connect: one port for plaintext and TLS. 0.0.0.0 and [::] stand for all "
          "addresses of the machine.")
      .Address(
          "advertise", &BrokerConfig::advertise, "",
          "The address that routes contain, which every client must be able to reach. Empty: the "
          "listen address; where that stands for all addresses, the machine's first one that is "
          "not loopback. Set it where clients see another address, as with containers or NAT.")
      .Addresses(
          "nameservers", &BrokerConfig::nameservers,
          "The nameservers to register with, every one of the cluster. Without any the broker is "
          "a complete system by itself.")
      .String("cluster", &BrokerConfig::cluster, "DefaultCluster",
              "The cluster that the broker belongs to, for `mansio cluster list`.",
              NodeName("cluster"))
      .String(
          "broker.name", &BrokerConfig::name, "broker-a",
          "The broker's name: different on every broker of a cluster, and never changed, because "
          "receipt handles contain it.",
          NodeName("broker.name"))
      .Path(
          "tls.certificate", &BrokerConfig::certificate, "",
          "The certificate chain for TLS, a PEM file. Empty: the broker makes a self-signed one in "
          "the directory tls below store.path at its first start.")
      .Path("tls.key", &BrokerConfig::private_key, "",
            "The private key of tls.certificate, a PEM file.");
}

void AddReplication(Schema& schema) {
  schema
      .Int("broker.id", &BrokerConfig::id, 0, {0, 999}, "number",
           "The broker's number among the members of its group, which have the same broker.name "
           "and each an id of its own, from 1 on, that never changes. 0: it is alone, without "
           "replication.")
      .Enum<Role>("role", Store(&StoreOptions::role), "",
                  {{"master", Role::kMaster}, {"slave", Role::kSlave}, {"", Role::kMaster}},
                  "What the broker is in its group. A slave copies its master's log, and answers "
                  "what can be read when the master is away; it passes other calls on to it. "
                  "Empty: master, or with election.etcd what it is elected to be.")
      .Address("replication.master", &BrokerConfig::master, "",
               "A slave's master: the address that this one advertises.")
      .Int("replication.min-in-sync", &BrokerConfig::min_in_sync, 1, {1, 999}, "members",
           "With durability replica and replica-sync: sends are refused with HA_NOT_AVAILABLE "
           "unless so many members are in sync, the master included. With 1 the last member "
           "goes on alone, and what it then acknowledges has no copy.")
      .Duration("replication.max-lag", &BrokerConfig::max_lag, absl::Seconds(3),
                {absl::Milliseconds(100), absl::Minutes(10)},
                "A slave that is away or behind for so long leaves the in-sync set, as long as "
                "replication.min-in-sync members remain. Sends wait for it until then.")
      .Size("replication.catch-up-bytes-per-second", &BrokerConfig::catch_up_bytes_per_second,
            64 * kMiB, {0, 1 * kTiB},
            "How fast the master sends what a slave lacks that is far behind, so that the disk "
            "and the network have something left for clients. 0: no limit.");
}

void AddElection(Schema& schema) {
  schema
      .Addresses(
          "election.etcd", &BrokerConfig::etcd,
          "The servers of the etcd through which the group elects its master, the same on all "
          "members. Each needs broker.id then, and neither role nor replication.master. Empty: "
          "roles are static.")
      .Duration(
          "election.lease", &BrokerConfig::lease, absl::Seconds(3),
          {absl::Seconds(2), absl::Minutes(1)},
          "Whole seconds, the same on all members. When the master dies another one is elected "
          "after about this long. A master whose lease etcd does not renew in time stops storing, "
          "unless all in-sync members confirm that they elect nobody else.")
      .Bool("election.founds", &BrokerConfig::founds, false,
            "Whether this member becomes the master of a group that etcd knows nothing of. Set it "
            "on one member: the one that has the group's messages, or any of a new group. The "
            "others take over what it has. It means nothing later, unless etcd has lost its data.")
      .Bool("election.allow-outside", &BrokerConfig::allow_outside, false,
            "Whether a member that is not in sync may become master when nobody in sync has been "
            "there for ten leases: the group goes on, and what was acknowledged without that "
            "member is lost. The same on all members.");
}

void AddStore(Schema& schema) {
  schema
      .Path(
          "store.path", Store(&StoreOptions::path), "./mansio-data/broker",
          "The directory that holds everything the broker knows: the commit log, checkpoints, the "
          "self-signed certificate. One broker at a time.")
      .Enum<Durability>(
          "durability", Store(&StoreOptions::durability), "sync",
          {{"async", Durability::kAsync},
           {"sync", Durability::kSync},
           {"replica", Durability::kReplica},
           {"replica-sync", Durability::kReplicaSync}},
          "When a message counts as stored. sync: it was flushed to the disk, so that it survives a "
          "power cut. async: the operating system has it; it survives the end of the process, and is "
          "flushed every store.flush-interval. replica: every in-sync member of the broker's group "
          "has it, so that it survives the loss of a machine. replica-sync: every one of them has "
          "flushed it. The same on all members.")
      .Duration("store.flush-interval", Store(&StoreOptions::flush_interval),
                absl::Milliseconds(500), {absl::Milliseconds(1), absl::Minutes(10)},
                "With durability async and replica: how often the log is flushed to the disk.")
      .Size("store.segment-bytes", Store(&StoreOptions::segment_bytes), 1 * kGiB,
            {64 * kKiB, 64 * kGiB},
            "The size of one file of the commit log. Retention deletes whole files.")
      .Size("store.tail-cache-bytes", Store(&StoreOptions::tail_cache_bytes), 128 * kMiB,
            {1 * kMiB, 1 * kTiB},
            "How much of the newest part of the log is kept in memory for consumers.")
      .Size(
          "store.checkpoint-bytes", Store(&StoreOptions::checkpoint_bytes), 128 * kMiB,
          {64 * kKiB, 4 * kGiB},
          "A checkpoint is taken after this much log. A start reads at most about this much again.")
      .Size("store.queue-memory-bytes", Store(&StoreOptions::queue_memory_bytes), 64 * kMiB,
            {1 * kMiB, 64 * kGiB}, "Memory for the indexes of all queues together.")
      .Int("store.cold-threads", Store(&StoreOptions::cold_threads), 2, {1, 256}, "threads",
           "Threads that read old messages from the disk and digest large ones.")
      .Int("store.cold-queue", Store(&StoreOptions::cold_queue), 4096, {1, 1'000'000}, "jobs",
           "How many jobs may wait for those threads; further ones are refused with "
           "TOO_MANY_REQUESTS.")
      .Bool(
          "store.key-index", Store(&StoreOptions::key_index), true,
          "Index messages by their keys and ids, for `mansio message query`, `get` and `trace`. It "
          "takes some 14 bytes of disk for a message with an id and a key, and is made behind the "
          "sends; what is missing is made again from the log.")
      .Size(
          "store.key-index-piece-bytes", Store(&StoreOptions::key_index_piece_bytes), 64 * kMiB,
          {64 * kKiB, 1 * kGiB},
          "The part of the log that one file of the key index is about. The newest part is held in "
          "memory: 16 bytes for each key and id, at most some 40MiB.")
      .Bool(
          "store.salvage", Store(&StoreOptions::salvage), false,
          "Start although the log is damaged: it is cut at the damage, and what follows is lost. Set "
          "it for one start only, after a copy of the directory was made.")
      .Duration(
          "retention.age", Store(&StoreOptions::retention_age), absl::Hours(72),
          {absl::Seconds(1), absl::Hours(24 * 3650)},
          "Messages are kept for at least this long, then deleted with their file, consumed or "
          "not.")
      .Size(
          "retention.bytes", Store(&StoreOptions::retention_bytes), 0, {0, 1024 * kTiB},
          "The most bytes of log; the oldest files go first, also before retention.age. Messages that "
          "are carried forward out of them come on top. 0: no limit.")
      .Duration("retention.dead-letters", &BrokerConfig::dead_letter_retention, absl::Hours(24 * 7),
                {absl::Seconds(1), absl::Hours(24 * 3650)},
                "The dead letters of a group (%DLQ%) are kept for at least this long, also beyond "
                "retention.age and retention.bytes: they are carried forward when their file goes.")
      .Int(
          "retention.carry-percent", Store(&StoreOptions::carry_percent), 20, {1, 90}, "percent",
          "Messages that still wait (delayed, half, leased, dead letters) are carried forward when "
          "their file goes. When they fill this part of retention.bytes, new delayed and "
          "transactional messages are refused with TOO_MANY_REQUESTS.")
      .Int(
          "dead-letters.max-resends", &BrokerConfig::max_resends, 3, {1, 1'000'000}, "times",
          "A dead letter that was resent that often and came back is not resent again, unless that "
          "is forced: what it meets is not going to change.");
}

void AddTopicsAndClients(Schema& schema) {
  schema
      .Bool("topics.auto-create", &BrokerConfig::auto_create_topics, false,
            "Create a topic when a client first asks for its route or sends to it. Convenient for "
            "development; in production a mistyped name then becomes a topic.")
      .Int("topics.default-queues", &BrokerConfig::default_queues, 8, {1, 1024}, "queues",
           "Queues of a topic that is created without a number.")
      .Duration(
          "receive.min-long-polling", &BrokerConfig::min_long_polling, absl::Seconds(5),
          {absl::ZeroDuration(), absl::Minutes(1)},
          "A receive that finds nothing waits at least this long, whatever the client asks for.")
      .Duration(
          "receive.max-long-polling", &BrokerConfig::max_long_polling, absl::Seconds(20),
          {absl::Milliseconds(100), absl::Minutes(5)},
          "A receive that finds nothing waits at most this long; push consumers are told to use "
          "it.")
      .Duration("receive.max-auto-renew", &BrokerConfig::max_auto_renew, absl::Hours(3),
                {absl::Seconds(1), absl::Hours(24 * 30)},
                "A message that a push consumer holds comes again after this long, although the "
                "consumer lives.")
      .Duration(
          "clients.silence", &BrokerConfig::client_silence, absl::Seconds(120),
          {absl::Milliseconds(100), absl::Hours(24)},
          "A client that has not called for this long is dead: what it held is delivered again.")
      .Duration("clients.disconnected", &BrokerConfig::client_disconnected, absl::Seconds(35),
                {absl::Milliseconds(100), absl::Hours(24)},
                "A client whose telemetry streams are all closed is dead after this long without a "
                "call.")
      .Int("threads.rpc", &BrokerConfig::rpc_threads, 0, {0, 256}, "threads",
           "Threads that serve calls. 0: one per two cores.");
}

void AddTransactions(Schema& schema) {
  schema
      .Duration("transaction.first-check", &BrokerConfig::first_check, absl::Seconds(6),
                {absl::Milliseconds(100), absl::Hours(24)},
                "A producer is asked about a transaction that nobody has ended after this long, "
                "unless the message or the topic says otherwise.")
      .Duration("transaction.check-interval", &BrokerConfig::check_interval, absl::Seconds(30),
                {absl::Milliseconds(100), absl::Hours(24)},
                "And then again and again after this long, unless the topic says otherwise.")
      .Int("transaction.max-checks", &BrokerConfig::max_checks, 15, {1, 1000}, "checks",
           "After so many checks and one more interval the transaction is rolled back by the "
           "broker, unless the topic says otherwise; `mansio transaction list --state expired` "
           "shows it. Checks for which no producer was online do not count.");
}

void AddLimits(Schema& schema) {
  config::AddNetworkLimits(schema, &BrokerConfig::network);
  schema
      .Size(
          "limits.rpc-memory-bytes", &BrokerConfig::rpc_memory_bytes, 512 * kMiB,
          {64 * kMiB, 1 * kTiB},
          "Memory for requests and answers on their way, and as much again for requests of more than "
          "some KiB that are being worked on; beyond it calls are refused with RESOURCE_EXHAUSTED.")
      .Size("limits.body-bytes", &BrokerConfig::body_bytes, 4 * kMiB, {1, 12 * kMiB},
            "The largest body of a message. Some SDKs cannot receive more than 4MiB.")
      .Int("limits.properties", &BrokerConfig::properties, 128, {0, 100'000}, "properties",
           "The most user properties of a message.")
      .Size("limits.properties-bytes", &BrokerConfig::properties_bytes, 16 * kKiB, {0, 2 * kMiB},
            "The most bytes of a message's user properties, tag and keys together.")
      .Int("limits.messages-per-request", &BrokerConfig::messages_per_request, 1024, {1, 1024},
           "messages", "The most messages of one send request.")
      .Size(
          "limits.send-bytes-in-flight", Store(&StoreOptions::max_uncommitted_bytes), 256 * kMiB,
          {1 * kKiB, 1 * kTiB},
          "The most bytes that were accepted and are not stored yet; further sends are refused with "
          "TOO_MANY_REQUESTS.")
      .Int("limits.receive-batch", &BrokerConfig::receive_batch, 32, {1, 1024}, "messages",
           "The most messages that one receive hands out.")
      .Int("limits.topics", &BrokerConfig::topics, 100'000, {1, 10'000'000}, "topics",
           "The most topics.")
      .Int("limits.queues-per-topic", &BrokerConfig::queues_per_topic, 1024, {1, 65'536}, "queues",
           "The most queues of one topic.")
      .Int("limits.groups", &BrokerConfig::groups, 100'000, {1, 10'000'000}, "groups",
           "The most consumer groups.")
      .Int("limits.pending-transactions", &BrokerConfig::pending_transactions, 1'000'000,
           {1, 100'000'000}, "transactions",
           "The most transactions that nobody has ended yet; beyond it further ones are refused "
           "with TOO_MANY_REQUESTS.")
      .Int("limits.parked-receives", &BrokerConfig::parked_receives, 200'000, {1, 100'000'000},
           "receives",
           "The most receives that wait for a message at a time, and the most pulls; further ones "
           "are refused with TOO_MANY_REQUESTS.")
      .Int("limits.broadcast-clients", &BrokerConfig::broadcast_clients, 100'000, {1, 10'000'000},
           "clients",
           "The most clients of broadcast groups whose positions are kept, for a day after their "
           "last use; further ones are refused with TOO_MANY_REQUESTS.")
      .Int(
          "limits.leases", &BrokerConfig::leases, 1'000'000, {1, 100'000'000}, "messages",
          "The most messages that are handed out and not acknowledged; beyond it receives are refused "
          "with TOO_MANY_REQUESTS.")
      .Int("limits.leases-per-group", &BrokerConfig::leases_per_group, 500'000, {1, 100'000'000},
           "messages",
           "The same for one consumer group, so that one that never acknowledges does not use up "
           "limits.leases alone.")
      .Int("limits.leases-per-queue", &BrokerConfig::leases_per_queue, 100'000, {1, 100'000'000},
           "messages",
           "The same for one consumer group on one queue, what it has to retry of a topic counting "
           "as a queue; other queues go on.")
      .Int(
          "limits.pending-timers", &BrokerConfig::pending_timers, 10'000'000, {0, 1'000'000'000},
          "messages",
          "The most delayed messages that are not delivered yet, each of which takes some 35 bytes "
          "of memory; further ones are refused with TOO_MANY_REQUESTS.")
      .Size("limits.move-bytes-per-second", &BrokerConfig::move_bytes_per_second, 32 * kMiB,
            {64 * kKiB, 64 * kGiB},
            "How much the broker stores on its own account, as when delayed messages become due. "
            "Many at once are spread at this rate, so that producers are not held up; a message "
            "counts 1KiB besides its bytes.");
}

void AddDelay(Schema& schema) {
  schema
      .String("delay.levels", &BrokerConfig::delay_levels, std::string(kDefaultDelayLevels),
              "The delays of level 1 and those that follow, which a message names with its user "
              "property DELAY. A change is for new messages; those that wait keep their time.",
              [](std::string_view text) { return ParseDelayLevels(text).status(); })
      .Duration("delay.max", &BrokerConfig::delay_max, absl::Hours(24),
                {absl::Seconds(1), absl::Hours(24 * 40)},
                "How far ahead the delivery time of a message may be. Messages that wait are kept "
                "as long as they must.");
}

bool IsElected(const BrokerConfig& config) { return !config.etcd.empty(); }

void AddRules(Schema& schema) {
  schema
      .Rule(
          {"tls.certificate", "tls.key"},
          [](const BrokerConfig& config) {
            if (config.certificate.empty() == config.private_key.empty()) return absl::OkStatus();
            return absl::InvalidArgumentError(
                "tls.certificate and tls.key belong together: set both, or none for a self-signed "
                "certificate");
          })
      .Rule(
          {"advertise", "listen"},
          [](const BrokerConfig& config) {
            if (config.listen.port != 0 &&
                (config.advertise.empty() || config.advertise.port != 0)) {
              return absl::OkStatus();
            }
            return absl::InvalidArgumentError(
                "listen and advertise need a port from 1 to 65535, because routes tell it to clients");
          })
      .Rule({"advertise"},
            [](const BrokerConfig& config) {
              if (config.advertise.host != "0.0.0.0" && config.advertise.host != "::") {
                return absl::OkStatus();
              }
              return absl::InvalidArgumentError(
                  "advertise must be an address that clients can connect to; a wildcard is none");
            })
      .Rule(
          {"role", "broker.id", "replication.master"},
          [](const BrokerConfig& config) {
            const bool is_static_slave = config.store.role == Role::kSlave && config.etcd.empty();
            if (!is_static_slave || (config.id > 0 && !config.master.empty()))
              return absl::OkStatus();
            return absl::InvalidArgumentError(
                "a slave needs broker.id, its number in the group from 1 on, and replication.master, "
                "the address of its master");
          })
      .Rule(
          {"election.etcd"},
          [](const BrokerConfig& config) {
            if (config.etcd.empty() || config.id > 0) return absl::OkStatus();
            return absl::InvalidArgumentError(
                "election.etcd is for the members of a group: set broker.id, the broker's number in it "
                "from 1 on");
          })
      .Rule({"election.lease"},
            [](const BrokerConfig& config) {
              if (config.lease == absl::Floor(config.lease, absl::Seconds(1)))
                return absl::OkStatus();
              return absl::InvalidArgumentError(
                  "election.lease must be whole seconds, as etcd's are");
            })
      .Rule({"replication.min-in-sync"},
            [](const BrokerConfig& config) {
              if (config.min_in_sync <= 1 || config.id > 0) return absl::OkStatus();
              return absl::InvalidArgumentError(
                  "replication.min-in-sync is for the members of a group: set broker.id, the "
                  "broker's number in it from 1 on");
            })
      .RefuseWhere(IsElected, "role",
                   "role says nothing where the group elects its master (election.etcd): take it "
                   "out, or election.etcd")
      .RefuseWhere(IsElected, "replication.master",
                   "replication.master says nothing where the group elects its master "
                   "(election.etcd): take it out, or election.etcd")
      .Rule(
          {"durability", "broker.id"},
          [](const BrokerConfig& config) {
            if (!store::WaitsForInSyncSet(config.store.durability) || config.id > 0) {
              return absl::OkStatus();
            }
            return absl::InvalidArgumentError(
                "durability replica and replica-sync are for the members of a group: set broker.id, "
                "the broker's number in it from 1 on");
          })
      .Rule({"receive.min-long-polling", "receive.max-long-polling"},
            [](const BrokerConfig& config) {
              if (config.min_long_polling <= config.max_long_polling) return absl::OkStatus();
              return absl::InvalidArgumentError(
                  "receive.min-long-polling must not be longer than receive.max-long-polling");
            })
      .Rule({"topics.default-queues", "limits.queues-per-topic"}, [](const BrokerConfig& config) {
        if (config.default_queues <= config.queues_per_topic) return absl::OkStatus();
        return absl::InvalidArgumentError(
            "topics.default-queues must not be more than limits.queues-per-topic");
      });
}

Schema MakeSchema() {
  Schema schema;
  AddAddresses(schema);
  AddReplication(schema);
  AddElection(schema);
  AddStore(schema);
  AddTopicsAndClients(schema);
  AddTransactions(schema);
  AddLimits(schema);
  AddDelay(schema);
  access::AddAccess(schema, &BrokerConfig::admin);
  config::AddMonitor(schema, &BrokerConfig::monitor);
  config::AddLogging(schema, &BrokerConfig::log);
  // What Broker puts into force without a restart (Parts::ApplyChanges).
  for (const char* key : {"retention.age", "retention.bytes", "dead-letters.max-resends",
                          "limits.move-bytes-per-second", "log.level"}) {
    schema.ChangesAtRunTime(key);
  }
  AddRules(schema);
  return schema;
}

}  // namespace

const config::Schema<BrokerConfig>& BrokerSchema() {
  static const auto* const schema = new Schema(MakeSchema());
  return *schema;
}

std::string_view RoleName(store::Role role) { return role == Role::kSlave ? "slave" : "master"; }

std::string_view DurabilityName(store::Durability durability) {
  switch (durability) {
    case Durability::kAsync:
      return "async";
    case Durability::kSync:
      return "sync";
    case Durability::kReplica:
      return "replica";
    case Durability::kReplicaSync:
      break;
  }
  return "replica-sync";
}

std::string DurabilityNotice(const BrokerConfig& config) {
  if (config.id == 0 || store::WaitsForInSyncSet(config.store.durability)) return "";
  return fmt::format(
      "durability is {}: the master of group {} acknowledges messages before another member has "
      "them, and those are lost with it, also where another member becomes the master. Where they "
      "must not be, set durability to replica-sync, or replica, and replication.min-in-sync to 2 on "
      "all members",
      DurabilityName(config.store.durability), config.name);
}

}  // namespace mansio::broker
