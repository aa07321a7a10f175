#ifndef MANSIO_CLIENT_LIB_IDENTITY_H_
#define MANSIO_CLIENT_LIB_IDENTITY_H_

#include <string>

#include "client/lib/transport.h"

namespace mansio::client {

// The version of this library and of the command: that of the project.
const char* Version();

// The name of this machine. Thread-safe.
const std::string& HostName();

// A client id that no other client object uses: `host@pid@index@nanoseconds`. Thread-safe.
std::string NewClientId();

// The headers that identify a client to every server (RocketMQ 5 API).
Headers IdentityHeaders(const std::string& client_id);

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_IDENTITY_H_
