#include "common/rpc/client_channels.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>

#include "absl/time/clock.h"

namespace mansio::rpc {
namespace {

// Calls on one connection before another one is made. Servers take some more
// (limits.streams-per-connection) and hold further ones back.
constexpr int kCallsPerChannel = 1000;
constexpr size_t kChannelsPerNode = 64;
constexpr absl::Duration kUnused = absl::Minutes(10);

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  const std::pair<const char*, int> arguments[] = {
      // A connection of its own, also where another channel has the same address.
      {GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1},
      // Found again soon after a restart; until then calls fail at once.
      {GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100},
      {GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000},
      // The time that a connection may take, on a busy machine, too.
      {GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000},
      // Finds a node whose machine is gone without a word.
      {GRPC_ARG_KEEPALIVE_TIME_MS, 5000},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000},
      {GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0},
      {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1},
      {GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1},
      // Whoever made the call decides whether it is made again.
      {GRPC_ARG_ENABLE_RETRIES, 0},
      // A proxy of the environment is meant for the web.
      {GRPC_ARG_ENABLE_HTTP_PROXY, 0},
  };
  grpc::ChannelArguments channel;
  for (const auto& [name, value] : arguments) channel.SetInt(name, value);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), channel);
}

}  // namespace

ClientChannel::ClientChannel(const std::string& address) : stub(Connect(address)) {}

std::shared_ptr<ClientChannel> ClientChannels::Take(const std::string& address) {
  const absl::Time now = absl::Now();
  MutexLock lock(&mutex_);
  auto node = nodes_.find(address);
  if (node == nodes_.end()) {
    DropUnused(now);
    node = nodes_.try_emplace(address).first;
  }
  node->second.last_used = now;
  auto& channels = node->second.channels;
  const auto calls = [](const auto& channel) {
    return channel->calls.load(std::memory_order_relaxed);
  };
  auto chosen = std::find_if(channels.begin(), channels.end(), [&](const auto& channel) {
    return calls(channel) < kCallsPerChannel;
  });
  if (chosen == channels.end() && channels.size() < kChannelsPerNode) {
    channels.push_back(std::make_shared<ClientChannel>(address));
    chosen = std::prev(channels.end());
  } else if (chosen == channels.end()) {
    chosen = std::min_element(channels.begin(), channels.end(),
                              [&](const auto& a, const auto& b) { return calls(a) < calls(b); });
  }
  (*chosen)->calls.fetch_add(1, std::memory_order_relaxed);
  return *chosen;
}

void ClientChannels::DropUnused(absl::Time now) {
  absl::erase_if(nodes_, [now](const auto& node) {
    return now - node.second.last_used > kUnused &&
           std::all_of(node.second.channels.begin(), node.second.channels.end(),
                       [](const auto& channel) { return channel->calls.load() == 0; });
  });
}

}  // namespace mansio::rpc
