#ifndef MANSIO_COMMON_RPC_SERVER_H_
#define MANSIO_COMMON_RPC_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/rpc/call.h"
#include "common/rpc/call_stats.h"

namespace mansio::rpc {

struct ServerOptions {
  std::string listen;         // HOST:PORT, [v6]:PORT; port 0 picks a free one
  std::string certificate;    // PEM file; empty: `generated_dir` holds a self-signed one
  std::string private_key;    // PEM file
  std::string generated_dir;  // where a self-signed ECDSA P-256 certificate is kept (key mode 0600)
  int threads = 1;            // rpc threads, one completion queue each
  int max_connections = 10000;
  int max_streams_per_connection = 1024;
  int max_request_header_bytes = 16 * 1024;
  int max_request_bytes = 34 * 1024 * 1024;
  int64_t max_undelivered_bytes = 8 * 1024 * 1024;  // per stream that the server pushes to
  // Once for what gRPC receives and sends, once for the large requests that handlers hold.
  int64_t memory_quota_bytes = 512 * 1024 * 1024;
  absl::Duration silent_connection = absl::Seconds(10);
  bool count_calls = false;  // for Stats
};

// Which calls wait.
enum class Holding {
  kNothing,
  kDecisions,   // unary methods that are marked so in the table
  kEverything,  // there are no handlers
};

// One port for TLS and plaintext HTTP/2 (design section 2) and the rpc threads behind it. Besides
// the methods that it is given it serves gRPC health and reflection. Thread-safe.
class Server {
 public:
  // Binds, starts the accept loop and the rpc threads. The error names the address, and for a taken
  // port the process that holds it where that can be found out.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options, MethodTable methods);

  virtual ~Server() = default;
  // The bound address, HOST:PORT with the real port.
  virtual std::string Address() const = 0;
  // True when the certificate in use is one that this server generated itself.
  virtual bool SelfSigned() const = 0;
  // What came of the calls of each method; empty without `count_calls`. Valid as long as the
  // server.
  virtual std::vector<const MethodStats*> Stats() const = 0;
  // Connections that are open; may count those that were closed in the last second.
  virtual int64_t OpenConnections() const = 0;
  // What the gRPC health service says of every service; SERVING at first.
  virtual void SetServing(bool serving) = 0;
  // Which calls wait instead of being handed to their handlers. Each waits for a few seconds at
  // most, less when its deadline is sooner, and so do not too many; it then goes to its handler, or
  // is refused with kEverything, which Suspend should follow, and which only Resume ends.
  virtual void Hold(Holding what) = 0;
  // Takes the handlers away, so that what stands behind them can be replaced while the port and its
  // connections stay: calls that come now wait. Bidirectional streams end as UNAVAILABLE, running
  // calls may end for `grace` and are cancelled then. False when a handler has not finished its
  // call even so: only Shutdown may follow. Again: waits for what was posted meanwhile.
  virtual bool Suspend(absl::Duration grace) = 0;
  // The handlers from now on, of the same methods as before; those that are missing are
  // UNIMPLEMENTED. `what` waits still. After Suspend. InvalidArgument names a method that was not
  // there.
  virtual absl::Status Resume(MethodTable methods, Holding what) = 0;
  // Stops accepting, lets running calls end for at most `grace`, cancels the rest, joins the
  // threads. Idempotent.
  virtual void Shutdown(absl::Duration grace) = 0;
};

// While one is alive on a thread, completions (Finish, Write, Post) made from that thread are only
// queued; when the outermost one ends, each rpc thread concerned is woken once. The log thread
// holds one around each batch (design section 10: one wake per batch).
class CompletionScope {
 public:
  CompletionScope();
  ~CompletionScope();
  CompletionScope(const CompletionScope&) = delete;
  CompletionScope& operator=(const CompletionScope&) = delete;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_SERVER_H_
