#include "client/lib/wire.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/time/clock.h"
#include "client/lib/body.h"
#include "client/lib/identity.h"

namespace mansio::client {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr size_t kMaxDecompressedBytes = 64 << 20;  // far above what a 4 MiB body honestly holds

absl::Status Malformed(std::string_view text) {
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not an endpoint; expected HOST:PORT, for example 127.0.0.1:8081", text));
}

absl::Status ParseAddress(std::string_view text, v2::Address* out) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return Malformed(text);
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  int port = 0;
  const auto [end, error] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size() || port < 1 ||
      port > 65535) {
    return Malformed(text);
  }
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) return Malformed(text);
  out->set_host(std::string(host));
  out->set_port(port);
  return absl::OkStatus();
}

v2::AddressScheme SchemeOf(const std::string& host) {
  in6_addr address;
  if (inet_pton(AF_INET, host.c_str(), &address) == 1) return v2::IPv4;
  if (inet_pton(AF_INET6, host.c_str(), &address) == 1) return v2::IPv6;
  return v2::DOMAIN_NAME;
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

void SetTimestamp(absl::Time from, google::protobuf::Timestamp* to) {
  const int64_t seconds = absl::ToUnixSeconds(from);
  to->set_seconds(seconds);
  to->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(from - absl::FromUnixSeconds(seconds))));
}

bool BodyIsIntact(const v2::SystemProperties& properties, const std::string& body) {
  const v2::Digest& digest = properties.body_digest();
  switch (digest.type()) {
    case v2::CRC32:
      return DigestMatches(DigestKind::kCrc32, digest.checksum(), body);
    case v2::MD5:
      return DigestMatches(DigestKind::kMd5, digest.checksum(), body);
    case v2::SHA1:
      return DigestMatches(DigestKind::kSha1, digest.checksum(), body);
    default:
      return true;  // The server sent none.
  }
}

}  // namespace

absl::Status ParseEndpoints(std::string_view text, v2::Endpoints* out) {
  out->Clear();
  std::string_view rest = text;
  while (true) {
    const size_t end = rest.find(';');
    if (absl::Status s = ParseAddress(rest.substr(0, end), out->add_addresses()); !s.ok()) return s;
    const v2::AddressScheme scheme = SchemeOf(out->addresses().rbegin()->host());
    if (out->addresses_size() > 1 && (scheme != out->scheme() || scheme == v2::DOMAIN_NAME)) {
      return absl::InvalidArgumentError(fmt::format(
          "'{}' mixes kinds of addresses; a list must be IPv4 only or IPv6 only", text));
    }
    out->set_scheme(scheme);
    if (end == std::string_view::npos) return absl::OkStatus();
    rest.remove_prefix(end + 1);
  }
}

std::string EndpointsText(const v2::Endpoints& endpoints) {
  std::string text;
  for (const v2::Address& address : endpoints.addresses()) {
    if (!text.empty()) text += ';';
    const bool v6 = address.host().find(':') != std::string::npos;
    text += v6 ? fmt::format("[{}]:{}", address.host(), address.port())
               : fmt::format("{}:{}", address.host(), address.port());
  }
  return text;
}

RouteQueue ToRouteQueue(const v2::MessageQueue& queue) {
  const bool master = queue.broker().id() == 0;
  const v2::Permission permission = queue.permission();
  RouteQueue result;
  result.broker = queue.broker().name();
  result.endpoint = EndpointsText(queue.broker().endpoints());
  result.queue_id = queue.id();
  result.readable = master && (permission == v2::READ || permission == v2::READ_WRITE);
  result.writable = master && (permission == v2::WRITE || permission == v2::READ_WRITE);
  return result;
}

void EncodeMessage(const Message& message, v2::Message* out) {
  out->mutable_topic()->set_name(message.topic);
  out->set_body(message.body);
  for (const auto& [key, value] : message.properties)
    (*out->mutable_user_properties())[key] = value;
  v2::SystemProperties* system = out->mutable_system_properties();
  system->set_message_id(message.message_id);
  if (!message.tag.empty()) system->set_tag(message.tag);
  for (const std::string& key : message.keys) system->add_keys(key);
  system->set_message_type(message.message_group.empty() ? v2::NORMAL : v2::FIFO);
  if (message.deliver_at.has_value()) {
    system->set_message_type(v2::DELAY);
    SetTimestamp(*message.deliver_at, system->mutable_delivery_timestamp());
  }
  if (message.delay_level != 0) {
    (*out->mutable_user_properties())["DELAY"] = std::to_string(message.delay_level);
  }
  if (!message.message_group.empty()) system->set_message_group(message.message_group);
  if (message.priority.has_value()) {
    system->set_message_type(v2::PRIORITY);
    system->set_priority(*message.priority);
  }
  system->set_body_encoding(v2::IDENTITY);
  SetTimestamp(absl::Now(), system->mutable_born_timestamp());
  system->set_born_host(HostName());
}

ReceivedMessage DecodeMessage(v2::Message&& message, std::string endpoint) {
  v2::SystemProperties& system = *message.mutable_system_properties();
  ReceivedMessage result;
  result.topic = message.topic().name();
  result.corrupted = !BodyIsIntact(system, message.body());
  if (system.body_encoding() == v2::GZIP && !result.corrupted) {
    absl::StatusOr<std::string> body = Gunzip(message.body(), kMaxDecompressedBytes);
    result.corrupted = !body.ok();
    if (body.ok()) message.set_body(*std::move(body));
  }
  result.body = std::move(*message.mutable_body());
  result.tag = system.tag();
  result.keys.assign(system.keys().begin(), system.keys().end());
  result.message_group = system.message_group();
  result.properties.insert(message.user_properties().begin(), message.user_properties().end());
  result.message_id = system.message_id();
  result.queue_id = system.queue_id();
  result.queue_offset = system.queue_offset();
  result.delivery_attempt = std::max(system.delivery_attempt(), 1);
  result.born_time = ToTime(system.born_timestamp());
  result.store_time = ToTime(system.store_timestamp());
  result.born_host = system.born_host();
  result.receipt_handle = system.receipt_handle();
  result.endpoint = std::move(endpoint);
  return result;
}

void SetDuration(absl::Duration from, google::protobuf::Duration* to) {
  const int64_t seconds = absl::ToInt64Seconds(from);
  to->set_seconds(seconds);
  to->set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(from - absl::Seconds(seconds))));
}

v2::UA UserAgent() {
  v2::UA agent;
  agent.set_language(v2::CPP);
  agent.set_version(Version());
  agent.set_platform("Linux");
  agent.set_hostname(HostName());
  return agent;
}

}  // namespace mansio::client
