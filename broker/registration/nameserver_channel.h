#ifndef MANSIO_BROKER_REGISTRATION_NAMESERVER_CHANNEL_H_
#define MANSIO_BROKER_REGISTRATION_NAMESERVER_CHANNEL_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <string_view>

namespace mansio::broker {

// A new connection to a nameserver, HOST:PORT, in plaintext, for one long stream. It notices within
// 10 s that the other side has silently gone. Thread-safe.
std::shared_ptr<grpc::Channel> ConnectToNameserver(const std::string& nameserver);

// Proves to the nameserver, in a call of mansio.v1.Registration that is about to begin, that this
// broker has the cluster's secret; with an empty one it does nothing.
void ProveSecret(const std::string& cluster_secret, std::string_view method,
                 grpc::ClientContext& call);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REGISTRATION_NAMESERVER_CHANNEL_H_
