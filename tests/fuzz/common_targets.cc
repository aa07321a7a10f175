// Configuration, names, addresses, and the first bytes of a connection.

#include <google/protobuf/stubs/logging.h>

#include <string>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/server/broker_config.h"
#include "common/config/host_port.h"
#include "common/config/loader.h"
#include "common/config/value.h"
#include "common/gateway/call_target.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/net/address.h"
#include "common/net/first_bytes.h"
#include "tests/fuzz/targets.h"

namespace mansio::fuzz {
namespace {

std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// Errors reach terminals and logs, whatever was wrong.
void CheckPrintable(std::string_view text) {
  MANSIO_FUZZ_CHECK(!text.empty());
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    MANSIO_FUZZ_CHECK(!HasControlCharacter(text.substr(at, end - at)));
    at = end + 1;
  }
}

// ---- A configuration file; what follows a NUL byte is an override ----

std::vector<std::string> ConfigSeeds() {
  return {"listen: 127.0.0.1:8081\ndurability: sync\n",
          "store:\n  path: data\nlimits:\n  body-bytes: 4MiB\n  properties: 128\n",
          "nameservers:\n  - a:9876\n  - \"[::1]:9876\"\n",
          "retention.age: 72h\nlimits.silent-connection: 10s\nlog.level: info\n",
          std::string("# comment\ncluster: c1\0limits.leases=5\0broker.name=b", 51),
          "a: &x [1, {b: *x}]\n--- |\n  text\n...\n? key\n: value\n",
          "{listen: \"\\u0041:1\", topics: {auto-create: true}}"};
}

int ReadConfig(const uint8_t* data, size_t size) {
  std::string_view input = AsText(data, size);
  const std::string_view content = input.substr(0, input.find('\0'));
  std::vector<std::string> overrides;
  for (size_t at = content.size(); at < input.size();) {
    const size_t end = std::min(input.find('\0', at + 1), input.size());
    overrides.emplace_back(input.substr(at + 1, end - at - 1));
    at = end;
  }
  const auto& schema = broker::BrokerSchema();
  const auto loaded = config::LoadValues(schema.keys(), "f.yaml", content, overrides);
  if (!loaded.ok()) {
    CheckPrintable(MessageOf(loaded.status()));
    return 0;
  }
  for (size_t i = 0; i < loaded->values.size(); ++i) {
    const config::Key& key = schema.keys()[i];
    const auto again = config::ParseValue(key, config::FormatValue(key, loaded->values[i]));
    MANSIO_FUZZ_CHECK(again.ok());
    MANSIO_FUZZ_CHECK(*again == loaded->values[i]);
  }
  if (const auto config = schema.Build(*loaded); !config.ok()) {
    CheckPrintable(MessageOf(config.status()));
  }
  return 0;
}

// ---- Text of clients ----

std::vector<std::string> NameSeeds() {
  return {"orders",
          "%RETRY%billing",
          "rmq_sys_x",
          "",
          " \t",
          "a\nb\x1b[31m",
          "\xc3\xa4\xe2\x82\xac",
          "\xf0\x9f\x98\x80\xe2\x80\xae",
          "\xed\xa0\x80\xc0\xaf\xff",
          std::string(130, 'a')};
}

int ReadNames(const uint8_t* data, size_t size) {
  const std::string_view text = AsText(data, size);
  const std::string clean = SanitizeUtf8(text);
  MANSIO_FUZZ_CHECK(IsValidUtf8(clean));
  MANSIO_FUZZ_CHECK(IsValidUtf8(text) == (clean == text));
  MANSIO_FUZZ_CHECK(!HasControlCharacter(EscapeForLog(text)));
  MANSIO_FUZZ_CHECK(!HasControlCharacter(EscapeForLog(text, 8)));
  if (IsBlank(text)) MANSIO_FUZZ_CHECK(IsValidUtf8(text));

  for (const absl::Status& status :
       {names::ValidateTopic(text), names::ValidateConsumerGroup(text),
        names::ValidateMessageTag(text), names::ValidateMessageKey(text),
        names::ValidateMessageId(text), names::ValidateMessageGroup(text),
        names::ValidateUserProperty(text, "v"), names::ValidateUserProperty("k", text),
        names::ValidateNodeName("broker.name", text)}) {
    if (!status.ok()) CheckPrintable(MessageOf(status));
  }
  if (names::ValidateTopic(text).ok()) {
    MANSIO_FUZZ_CHECK(text.size() <= names::kMaxDerivedTopicLength && !HasControlCharacter(text));
  }
  if (names::ValidateMessageGroup(text).ok()) {
    MANSIO_FUZZ_CHECK(text.size() <= names::kMaxMessageGroupLength && !IsBlank(text));
  }
  return 0;
}

// ---- Addresses ----

std::vector<std::string> AddressSeeds() {
  return {"127.0.0.1:8081", "[::1]:80",         "broker-1.example.com:65535",
          "0.0.0.0:0",      "[fe80::1%eth0]:1", "a_b:9876",
          "localhost:"};
}

int ReadAddress(const uint8_t* data, size_t size) {
  const std::string_view text = AsText(data, size);
  if (const auto address = net::ParseHostPort(text); address.ok()) {
    const auto again = net::ParseHostPort(address->ToString());
    MANSIO_FUZZ_CHECK(again.ok() && *again == *address);
    MANSIO_FUZZ_CHECK(!(address->IsLoopback() && address->IsWildcard()));
    MANSIO_FUZZ_CHECK(!HasControlCharacter(address->host));
  } else {
    CheckPrintable(MessageOf(address.status()));
  }
  if (const auto address = ParseHostPort(text); address.ok()) {
    MANSIO_FUZZ_CHECK(!HasControlCharacter(address->host));
    const auto again = ParseHostPort(address->ToString());
    MANSIO_FUZZ_CHECK(again.ok() && *again == *address);
  } else {
    CheckPrintable(MessageOf(address.status()));
  }
  return 0;
}

// ---- The first bytes of a connection ----

std::vector<std::string> FirstBytesSeeds() {
  return {"PRI * HTTP/2.0", "POST / HTTP/1.1", "\x16\x03\x01", "GET /", "P", "PR", "SSH-2.0"};
}

// What was decided stays so, however much more arrives.
int ReadFirstBytes(const uint8_t* data, size_t size) {
  const std::string_view bytes = AsText(data, size);
  const net::FirstBytes all = net::Classify(bytes);
  for (size_t n = 1; n <= bytes.size() && n <= net::kBytesToDecide; ++n) {
    const net::FirstBytes part = net::Classify(bytes.substr(0, n));
    // Capital letters look like HTTP/1 until a byte says otherwise.
    if (part != net::FirstBytes::kUndecided && part != net::FirstBytes::kHttp1) {
      MANSIO_FUZZ_CHECK(part == all);
    }
  }
  if (bytes.size() >= net::kBytesToDecide) MANSIO_FUZZ_CHECK(all != net::FirstBytes::kUndecided);
  return 0;
}

// ---- The brokers of an acknowledgement, which are read beside the parser ----

std::vector<std::string> AckSeeds() {
  apache::rocketmq::v2::AckMessageRequest request;
  request.mutable_group()->set_name("g");
  request.mutable_topic()->set_name("t");
  for (const char* handle : {"AAFi", "AAFj", "?"}) {
    request.add_entries()->set_receipt_handle(handle);
  }
  const std::string bytes = request.SerializeAsString();
  // Unknown fields: a group, and a number where entries are.
  return {bytes, bytes + "\x53\x54" + bytes, bytes + std::string("\x18\x01") + bytes};
}

int ReadAckBrokers(const uint8_t* data, size_t size) {
  const std::string_view input = AsText(data, size);
  const std::vector<std::string> brokers = gateway::BrokersOfAck(input);
  apache::rocketmq::v2::AckMessageRequest request;
  const google::protobuf::LogSilencer silence;  // it reports every text that is not UTF-8
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  MANSIO_FUZZ_CHECK(brokers.size() == static_cast<size_t>(request.entries_size()));
  for (int i = 0; i < request.entries_size(); ++i) {
    const std::string& handle = request.entries(i).receipt_handle();
    MANSIO_FUZZ_CHECK(brokers[static_cast<size_t>(i)] == gateway::BrokerOfHandle(handle));
  }
  return 0;
}

}  // namespace

std::vector<Target> CommonTargets() {
  return {{"ack_brokers", ReadAckBrokers, AckSeeds, 20'000},
          {"config", ReadConfig, ConfigSeeds, 4'000},
          {"names", ReadNames, NameSeeds, 10'000},
          {"address", ReadAddress, AddressSeeds, 20'000},
          {"first_bytes", ReadFirstBytes, FirstBytesSeeds, 20'000}};
}

}  // namespace mansio::fuzz
