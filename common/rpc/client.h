#ifndef MANSIO_COMMON_RPC_CLIENT_H_
#define MANSIO_COMMON_RPC_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/payload.h"

// Calls to other nodes, as raw bytes and never blocking. No gRPC type appears here, for the reason
// that call.h gives.
//
// Threads. A call belongs to the rpc thread that starts it, and shares its completion queue; one
// that is started on another thread belongs to a thread of the client's own. What is told of a call
// is told on its thread, never before the function that started it returns.
namespace mansio::rpc {

struct OutgoingCall {
  std::string address;                                       // HOST:PORT, spoken to in plaintext
  std::string path;                                          // "/package.Service/Method"
  std::vector<std::pair<std::string, std::string>> headers;  // lower-case keys
  absl::Time deadline = absl::InfiniteFuture();
};

// A streaming call under way. Shared with whoever writes to it.
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  // Asks for the next element, after the one before it was given to OnElement (the first one comes
  // unasked). On the call's thread.
  virtual void Read() = 0;
  // Queues one element. False, and it is dropped, when the stream has ended or when its unsent
  // bytes would pass the limit. From any thread.
  virtual bool Write(Payload element) = 0;
  // Ends the call; OnEnd says when it has. From any thread. Idempotent.
  virtual void Cancel() = 0;
};

// What the owner of a streaming call is told, on the call's thread.
class ClientStreamEvents {
 public:
  virtual ~ClientStreamEvents() = default;
  virtual void OnElement(Payload element) = 0;
  // The call has ended, with the status that the other side gave, kUnavailable when it cannot be
  // reached, kDeadlineExceeded, or kCancelled. The last call made.
  virtual void OnEnd(absl::Status status) = 0;
};

struct ClientOptions {
  int64_t max_unsent_bytes = 8 * 1024 * 1024;  // of one stream
};

// Connections are made when they are needed and kept; a further one to the same node when the
// others have as many calls under way as servers take. Thread-safe.
class Client {
 public:
  static std::unique_ptr<Client> Create(ClientOptions options);
  virtual ~Client() = default;

  using UnaryDone = absl::AnyInvocable<void(absl::StatusOr<Payload> response)>;
  // Errors as OnEnd has them. A node that is known to be unreachable is not waited for.
  virtual void CallUnary(OutgoingCall call, Payload request, UnaryDone done) = 0;
  // A server-streaming call.
  virtual std::shared_ptr<ClientStream> CallServerStream(
      OutgoingCall call, Payload request, std::unique_ptr<ClientStreamEvents> events) = 0;
  // A bidirectional stream.
  virtual std::shared_ptr<ClientStream> OpenBidi(OutgoingCall call,
                                                 std::unique_ptr<ClientStreamEvents> events) = 0;
  // Cancels what is under way; later calls end at once with kUnavailable. Returns when calls that
  // were not started on rpc threads have ended; the others end before the server has shut down,
  // which must come after this. Not from a callback. Idempotent.
  virtual void Stop() = 0;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_CLIENT_H_
