#ifndef MANSIO_BROKER_REGISTRATION_CLUSTER_WATCH_H_
#define MANSIO_BROKER_REGISTRATION_CLUSTER_WATCH_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "broker/registration/cluster_view.h"
#include "common/sync/sync.h"

namespace grpc {
class ClientContext;
}

namespace mansio::broker {

// Keeps a ClusterView up to date from one nameserver at a time, on a thread of its own
// (mansio/v1/registration.proto): all of them know the same, so when one is lost, the next is
// asked. Thread-safe.
class ClusterWatch {
 public:
  struct Options {
    std::vector<std::string> nameservers;            // HOST:PORT each; none: nothing is watched
    absl::Duration pause = absl::Milliseconds(300);  // when all of them have failed
  };
  // `view` is borrowed.
  ClusterWatch(Options options, ClusterView* view);
  ~ClusterWatch();

  void Start();
  // Idempotent.
  void Stop();

 private:
  void Run();
  // From connecting to the loss of the stream.
  void Watch(const std::string& nameserver);

  const Options options_;
  ClusterView* const view_;
  std::thread thread_;
  Mutex mutex_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;  // under way
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REGISTRATION_CLUSTER_WATCH_H_
