#ifndef MANSIO_TESTS_COMMON_NET_HTTP_GET_H_
#define MANSIO_TESTS_COMMON_NET_HTTP_GET_H_

#include <string>

#include "common/net/address.h"
#include "tests/common/net/raw_socket.h"

namespace mansio::net {

// What a server on loopback answers to the bytes of one request: head and body, "" when it closes
// without a word.
inline std::string HttpExchange(const std::string& address, const std::string& request) {
  RawSocket socket(ParseHostPort(address)->port);
  if (!socket.connected() || !socket.Send(request)) return "";
  bool closed = false;
  return socket.ReadToEnd(&closed);
}

inline std::string HttpGet(const std::string& address, const std::string& path) {
  return HttpExchange(address, "GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n");
}

}  // namespace mansio::net

#endif  // MANSIO_TESTS_COMMON_NET_HTTP_GET_H_
