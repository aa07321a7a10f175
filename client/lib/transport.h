#ifndef MANSIO_CLIENT_LIB_TRANSPORT_H_
#define MANSIO_CLIENT_LIB_TRANSPORT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"

// The one RPC path of everything in client/: encoded requests in, encoded responses out, callbacks
// on an rpc thread. Producer, consumer, admin client and load generator all stand on it. No gRPC
// type appears here, so that only transport.cc pays for gRPC's headers.
//
// Callbacks run on an rpc thread and must not block: no synchronous call of this library, no
// Shutdown.
namespace mansio::client {

// Whether `status` came from the transport: the endpoint could not be reached or did not answer.
// Every other error is what a server said.
bool IsTransportError(const absl::Status& status);

// Request headers that are sent with every call of a connection (RocketMQ 5 API).
using Headers = std::vector<std::pair<std::string, std::string>>;

// A bidirectional stream that the client has opened. Thread-safe.
class BidiStream {
 public:
  virtual ~BidiStream() = default;
  // Queues one element. Returns false when the stream has ended.
  virtual bool Write(std::string element) = 0;
  // Ends the stream; its owner is told through OnClosed.
  virtual void Cancel() = 0;
};

// What the owner of a stream is told, one call at a time, on an rpc thread.
class BidiEvents {
 public:
  virtual ~BidiEvents() = default;
  virtual void OnMessage(std::string_view element) = 0;
  // The stream has ended, for the reason given (OK: the server closed it). The last call made.
  virtual void OnClosed(absl::Status reason) = 0;
};

// One HTTP/2 connection to one endpoint, made at the first call and again whenever it was lost.
// Thread-safe. A transport error comes as a canonical status that names the endpoint: kUnavailable,
// kDeadlineExceeded, kCancelled and so on; what the server itself refuses is inside the response.
class Connection {
 public:
  using UnaryDone = absl::AnyInvocable<void(absl::Status status, std::string_view response)>;
  using StreamDone =
      absl::AnyInvocable<void(absl::Status status, std::vector<std::string> elements)>;

  virtual ~Connection() = default;

  // Starts a unary call of `method` ("/package.Service/Method"). `done` runs once; its view of the
  // response is valid during that call only.
  virtual void Unary(const std::string& method, std::string_view request, absl::Duration timeout,
                     UnaryDone done) = 0;
  // Starts a call that is answered by a stream, and collects it: `done` gets all elements.
  virtual void ServerStream(const std::string& method, std::string_view request,
                            absl::Duration timeout, StreamDone done) = 0;
  // Opens a stream without a deadline. `events` lives until OnClosed has returned.
  virtual std::shared_ptr<BidiStream> Bidi(const std::string& method,
                                           std::shared_ptr<BidiEvents> events) = 0;

  virtual const std::string& endpoint() const = 0;
};

struct ConnectionOptions {
  std::string endpoint;  // as in ClientOptions
  bool tls = false;
  Headers headers;
  // Further headers for one call of a method; may be empty.
  std::function<Headers(const std::string& method)> call_headers;
};

// The rpc threads and everything that runs on them. Thread-safe.
class Transport {
 public:
  // Starts `threads` rpc threads; a connection belongs to one of them, in turn.
  static std::unique_ptr<Transport> Start(int threads = 1);

  virtual ~Transport() = default;
  // Makes a connection of its own (connections to one endpoint share nothing). Never fails: errors
  // come with the calls. The connection must not be used after the transport is gone.
  virtual std::shared_ptr<Connection> Connect(ConnectionOptions options) = 0;
  // Runs `fn` on an rpc thread after `delay`; not at all when Shutdown comes first.
  virtual void After(absl::Duration delay, absl::AnyInvocable<void()> fn) = 0;
  // Cancels all calls, streams and timers, lets the callbacks of the calls run, and joins the
  // threads. A call made later fails with kCancelled. Idempotent; not from a callback.
  virtual void Shutdown() = 0;
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_TRANSPORT_H_
