#ifndef MANSIO_BROKER_REGISTRATION_NAMESERVER_CHANNEL_H_
#define MANSIO_BROKER_REGISTRATION_NAMESERVER_CHANNEL_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>

namespace mansio::broker {

// A new connection to a nameserver, HOST:PORT, in plaintext, for one long stream. It notices within
// 10 s that the other side has silently gone. Thread-safe.
std::shared_ptr<grpc::Channel> ConnectToNameserver(const std::string& nameserver);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REGISTRATION_NAMESERVER_CHANNEL_H_
