#ifndef MANSIO_COMMON_NET_CONNECTION_TABLE_H_
#define MANSIO_COMMON_NET_CONNECTION_TABLE_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/sync/sync.h"

namespace mansio::net {

// Watches sockets that somebody else owns. Nobody tells when gRPC closes a descriptor that it was
// given, and a duplicate to watch would double the descriptors and keep the connection open. But a
// descriptor that is closed is soon another file or none: so remember each one's inode and compare
// when the number matters. The kernel hands out the lowest free descriptor, so most closed ones are
// found without a look at all when their number comes again. Thread-safe.
class ConnectionTable {
 public:
  // Remembers `fd`, a socket that is about to be handed over.
  void Add(int fd);
  // Forgets `fd`: a new connection has this number, so an older one is closed.
  void Forget(int fd);
  // How many are known: those that are open, and closed ones that have not been noticed.
  int64_t Known() const;
  // Looks at each one, forgets the closed ones, and returns how many are open.
  int64_t CountOpen();
  // Looks at each one, and returns those that have sent more than `limit` bytes since this side
  // last sent any.
  std::vector<int> FindUnanswered(uint64_t limit);

 private:
  struct Connection {
    uint64_t inode = 0;
    uint64_t sent = 0;              // by this side, when last looked at
    uint64_t received_at_sent = 0;  // received when `sent` last changed
  };

  mutable Mutex mutex_;
  absl::flat_hash_map<int, Connection> connections_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::net

#endif  // MANSIO_COMMON_NET_CONNECTION_TABLE_H_
