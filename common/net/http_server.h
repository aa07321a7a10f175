#ifndef MANSIO_COMMON_NET_HTTP_SERVER_H_
#define MANSIO_COMMON_NET_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mansio::net {

struct HttpResponse {
  int status = 200;  // 200, 404, 503
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct HttpServerOptions {
  std::string listen;    // HOST:PORT; port 0 picks a free one
  std::string name;      // of its thread, at most 15 characters
  int connections = 32;  // at a time; further ones wait for their turn
  // From accept to the last byte of the answer, the handler's own time aside.
  absl::Duration patience = absl::Seconds(10);
};

// A small HTTP/1.1 server for what machines ask of a process: metrics and health. It answers GET
// and HEAD, one request a connection, on one thread of its own, so that nobody who asks can take
// time from another thread. Requests are at most 8 KiB, bodies are not read. Thread-safe.
class HttpServer {
 public:
  // What `path` (without a query) gives; called on the server's thread, which waits meanwhile.
  using Handler = std::function<HttpResponse(std::string_view path)>;

  // Binds and starts. The error names the address (listening_socket.h).
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(HttpServerOptions options,
                                                           Handler handler);

  // Stops first.
  virtual ~HttpServer() = default;
  // HOST:PORT with the real port.
  virtual std::string Address() const = 0;
  // Closes the port and all connections, and ends the thread. Idempotent.
  virtual void Stop() = 0;
};

}  // namespace mansio::net

#endif  // MANSIO_COMMON_NET_HTTP_SERVER_H_
