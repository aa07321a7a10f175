#include "broker/registration/nameserver_channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

namespace mansio::broker {

namespace {
constexpr int kConnectMillis = 2000;
constexpr int kPingMillis = 5000;
}  // namespace

std::shared_ptr<grpc::Channel> ConnectToNameserver(const std::string& nameserver) {
  grpc::ChannelArguments arguments;
  // Each attempt is a connection of its own: gRPC's own back-off would come on top of ours.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMillis);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMillis);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingMillis);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1);
  // A proxy of the environment is meant for the web.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(nameserver, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace mansio::broker
