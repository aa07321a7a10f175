#ifndef MANSIO_COMMON_RPC_CLIENT_CHANNELS_H_
#define MANSIO_COMMON_RPC_CLIENT_CHANNELS_H_

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "common/sync/sync.h"

// The connections of a Client. Internal to common/rpc.
namespace mansio::rpc {

// One connection and the calls on it.
struct ClientChannel {
  explicit ClientChannel(const std::string& address);

  grpc::GenericStub stub;
  std::atomic<int> calls{0};  // under way
};

// Thread-safe.
class ClientChannels {
 public:
  // A connection to `address` for one more call, which is counted until it is given back.
  std::shared_ptr<ClientChannel> Take(const std::string& address);
  static void GiveBack(ClientChannel& channel) {
    channel.calls.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  struct Node {
    std::vector<std::shared_ptr<ClientChannel>> channels;
    absl::Time last_used;
  };

  // Forgets nodes that have not been called for long: brokers come and go with new addresses.
  void DropUnused(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  absl::flat_hash_map<std::string, Node> nodes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_CLIENT_CHANNELS_H_
