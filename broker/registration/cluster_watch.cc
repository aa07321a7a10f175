#include "broker/registration/cluster_watch.h"

#include <grpcpp/client_context.h>

#include <utility>

#include "absl/time/clock.h"
#include "broker/registration/nameserver_channel.h"
#include "common/logging/logging.h"
#include "mansio/v1/registration.grpc.pb.h"

namespace mansio::broker {

ClusterWatch::ClusterWatch(Options options, ClusterView* view)
    : options_(std::move(options)), view_(view) {}

ClusterWatch::~ClusterWatch() { Stop(); }

void ClusterWatch::Start() {
  if (!options_.nameservers.empty()) thread_ = std::thread([this] { Run(); });
}

void ClusterWatch::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    if (call_ != nullptr) call_->TryCancel();
    stopped_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

void ClusterWatch::Run() {
  while (true) {
    for (const std::string& nameserver : options_.nameservers) Watch(nameserver);
    MutexLock lock(&mutex_);
    const absl::Time next = absl::Now() + options_.pause;
    while (!stopping_ && !stopped_.WaitUntil(&mutex_, next)) {
    }
    if (stopping_) return;
  }
}

void ClusterWatch::Watch(const std::string& nameserver) {
  grpc::ClientContext context;
  {
    MutexLock lock(&mutex_);
    if (stopping_) return;
    call_ = &context;
  }
  ProveSecret(options_.cluster_secret, "Watch", context);
  const auto stub = v1::Registration::NewStub(ConnectToNameserver(nameserver));
  const auto stream = stub->Watch(&context);
  v1::WatchRequest request;
  v1::ClusterUpdate update;
  bool begun = false;
  // The nameserver is asked first for what it knows, and told each time that it may go on.
  while (stream->Write(request) && stream->Read(&update)) {
    if (!std::exchange(begun, true)) view_->Begin();
    view_->Apply(update);
    if (update.complete() && !update.settling()) {
      LOG_INFO("nameserver {} says that there are {} other brokers", nameserver, view_->size());
    }
    request.set_acknowledged_sequence(update.sequence());
  }
  {
    MutexLock lock(&mutex_);
    call_ = nullptr;
  }
  context.TryCancel();
  (void)stream->Finish();
}

}  // namespace mansio::broker
