#ifndef MANSIO_BROKER_ELECTION_ETCD_CLIENT_H_
#define MANSIO_BROKER_ELECTION_ETCD_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "broker/election/etcd.h"
#include "common/rpc/client.h"

namespace mansio::broker {

struct EtcdOptions {
  std::vector<std::string> endpoints;                // HOST:PORT of each etcd server, at least one
  absl::Duration timeout = absl::Milliseconds(700);  // of each call
};

// etcd's v3 API over gRPC (apis/etcd/rpc.proto), in plaintext and without its users. Talks to one
// endpoint, and to the next one after an error that another server might not give; what has failed
// is not tried again by itself, as whoever asked decides what is still to be asked. Outcomes are
// told on the client's thread, and may come after this object's end. Thread-safe.
class EtcdClient final : public Etcd {
 public:
  // `client` is borrowed; its calls must be stopped before whatever the outcomes refer to is gone.
  EtcdClient(EtcdOptions options, rpc::Client* client);
  ~EtcdClient() override;

  void Read(std::string prefix, Done<EtcdSnapshot> done) override;
  void Commit(EtcdTxn txn, Done<EtcdCommit> done) override;
  void Grant(absl::Duration ttl, Done<EtcdLease> done) override;
  void KeepAlive(EtcdLeaseId lease, Done<absl::Duration> done) override;
  void Revoke(EtcdLeaseId lease, absl::AnyInvocable<void(absl::Status)> done) override;
  std::unique_ptr<EtcdWatch> Watch(std::string prefix, absl::AnyInvocable<void()> changed,
                                   absl::AnyInvocable<void(absl::Status)> ended) override;

 private:
  class Endpoints;
  class StreamHolder;
  class KeepAliveCall;
  class WatchCall;
  class OpenWatch;

  // A call to the present endpoint, with the usual time-out.
  rpc::OutgoingCall CallTo(const std::string& endpoint, std::string method) const;
  template <typename Response, typename Request>
  void Call(std::string method, const Request& request, Done<Response> done);

  const absl::Duration timeout_;
  rpc::Client* const client_;
  const std::shared_ptr<Endpoints> endpoints_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_ELECTION_ETCD_CLIENT_H_
