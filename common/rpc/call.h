#ifndef MANSIO_COMMON_RPC_CALL_H_
#define MANSIO_COMMON_RPC_CALL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/rpc/payload.h"

// What a handler sees of a call. No gRPC type appears here, so that another HTTP/2 transport can be
// put under the hot methods without a change above this line (design section 10).
//
// Threads. A handler is started on the rpc thread that owns the call. It must not block: no file,
// no RocksDB, no lock that is held long. Every Finish/Write may be called from any thread; the
// owning rpc thread sends the bytes. See CompletionScope in server.h for one wake per batch.
namespace mansio::rpc {

class Call {
 public:
  virtual ~Call() = default;

  // Value of a request header (lower-case key), or "" when absent. Valid until the call is
  // finished.
  virtual std::string_view Metadata(std::string_view key) const = 0;
  // The peer as text, `ip:port` or `[ip6]:port`.
  virtual std::string_view Peer() const = 0;
  // The client's deadline on the wall clock of the transport; InfiniteFuture when it set none.
  virtual absl::Time Deadline() const = 0;
  // True once the client has cancelled, disconnected, or passed its deadline.
  virtual bool Cancelled() const = 0;
  // Runs `fn` at most once, on the owning rpc thread, when the client goes away before the call is
  // finished (at once if it already has). It can run concurrently with a Finish from another
  // thread: decide the winner under a lock of your own (for example: who removes the call from the
  // wait list). The call must still be finished by its handler.
  virtual void OnCancel(absl::AnyInvocable<void()> fn) = 0;
  // Runs `fn` on the owning rpc thread, in order of posting.
  virtual void Post(absl::AnyInvocable<void()> fn) = 0;
};

// One request, one response. Valid until Finish or Abort, exactly one of which must be called once.
class UnaryCall : public Call {
 public:
  // The encoded request message.
  virtual std::string_view Request() const = 0;
  virtual void Finish(Payload response) = 0;
  // Ends the call with a gRPC status (canonical absl code) instead of a response: only for what is
  // not a business failure (unparsable request). Business failures are a v2.Status in a response.
  virtual void Abort(absl::Status status) = 0;
};

// One request, a list of response elements (ReceiveMessage, PullMessage). Valid until Finish or
// Abort.
class ServerStreamCall : public Call {
 public:
  virtual std::string_view Request() const = 0;
  // Writes one element before the end, for handlers that do not have them all at hand. On the
  // owning rpc thread only, one at a time: `done` runs there when the transport has taken it (true)
  // or the client was gone (false), never before Write returns.
  virtual void Write(Payload element, absl::AnyInvocable<void(bool written)> done) = 0;
  // The request's bytes are not needed any more. A call that is held for long would keep the buffer
  // that they were received in.
  virtual void ForgetRequest() = 0;
  // Writes all elements in order and ends the stream with gRPC OK. `done` runs on the rpc thread:
  // true when the transport took every element, false when the client was gone before.
  virtual void Finish(std::vector<Payload> elements,
                      absl::AnyInvocable<void(bool written)> done) = 0;
  virtual void Abort(absl::Status status) = 0;
};

// A bidirectional stream (Telemetry, Register). Shared: other threads push to it.
class BidiCall : public Call {
 public:
  // Queues one element. Returns false, and drops it, when the stream is closed or when the
  // undelivered bytes of this stream would pass the limit (8 MiB, design section 10).
  virtual bool Write(Payload element) = 0;
  // Ends the stream with a status after everything queued was written. Idempotent.
  virtual void Finish(absl::Status status) = 0;
};

// What a handler of a bidirectional stream is told, always on the owning rpc thread.
class BidiEvents {
 public:
  virtual ~BidiEvents() = default;
  // One element from the client.
  virtual void OnMessage(std::string_view bytes) = 0;
  // The client has half-closed; the server should Finish.
  virtual void OnHalfClose() = 0;
  // The stream has ended for whatever reason; the last call made.
  virtual void OnClosed() = 0;
};

using UnaryHandler = std::function<void(UnaryCall&)>;
using ServerStreamHandler = std::function<void(ServerStreamCall&)>;
using BidiHandler = std::function<std::unique_ptr<BidiEvents>(std::shared_ptr<BidiCall>)>;

// The methods that a server serves, by full path ("/package.Service/Method"). Filled before the
// server starts, read-only afterwards. Unknown methods are answered UNIMPLEMENTED by the transport.
struct MethodTable {
  struct Unary {
    std::string path;
    UnaryHandler handler;
    bool hot = false;  // more accepts are kept posted for it
    // It cannot be served while nobody decides what is stored, and may wait (Holding).
    bool decides = false;
    // Answers a call that has waited in vain while there was no handler; empty: UNAVAILABLE.
    UnaryHandler refuse = nullptr;
  };
  struct ServerStream {
    std::string path;
    ServerStreamHandler handler;
  };
  struct Bidi {
    std::string path;
    BidiHandler handler;
    int64_t max_undelivered_bytes = 0;  // of one stream; 0: the server's limit
  };
  std::vector<Unary> unary;
  std::vector<ServerStream> server_stream;
  std::vector<Bidi> bidi;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_CALL_H_
