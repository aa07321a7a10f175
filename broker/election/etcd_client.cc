#include "broker/election/etcd_client.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <utility>

#include "absl/time/clock.h"
#include "common/rpc/proto_call.h"
#include "common/sync/sync.h"
#include "etcd/rpc.pb.h"

namespace mansio::broker {
namespace {

// The first key behind all that begin with `prefix`.
std::string EndOfPrefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (prefix.empty()) return std::string(1, '\0');  // to the end of all keys
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

void FillRange(const std::string& prefix, etcdserverpb::RangeRequest* range) {
  range->set_key(prefix);
  range->set_range_end(EndOfPrefix(prefix));
}

EtcdSnapshot SnapshotOf(const etcdserverpb::RangeResponse& range) {
  EtcdSnapshot snapshot;
  snapshot.revision = range.header().revision();
  for (const mvccpb::KeyValue& kv : range.kvs()) {
    snapshot.values[kv.key()] = {kv.value(), kv.create_revision(), kv.mod_revision(), kv.lease()};
  }
  return snapshot;
}

void Fill(const EtcdCompare& compare, etcdserverpb::Compare* out) {
  out->set_result(etcdserverpb::Compare::EQUAL);
  out->set_key(compare.key);
  switch (compare.field) {
    case EtcdCompare::Field::kCreated:
      out->set_target(etcdserverpb::Compare::CREATE);
      out->set_create_revision(compare.revision);
      return;
    case EtcdCompare::Field::kModified:
      out->set_target(etcdserverpb::Compare::MOD);
      out->set_mod_revision(compare.revision);
      return;
  }
}

void Fill(const EtcdChange& change, etcdserverpb::RequestOp* out) {
  if (!change.value.has_value()) {
    out->mutable_request_delete_range()->set_key(change.key);
    return;
  }
  out->mutable_request_put()->set_key(change.key);
  out->mutable_request_put()->set_value(*change.value);
  out->mutable_request_put()->set_lease(change.lease);
}

// Another server could not answer otherwise: the request itself is at fault.
bool IsOfTheRequest(absl::StatusCode code) {
  return code == absl::StatusCode::kOk || code == absl::StatusCode::kNotFound ||
         code == absl::StatusCode::kInvalidArgument || code == absl::StatusCode::kOutOfRange ||
         code == absl::StatusCode::kFailedPrecondition ||
         code == absl::StatusCode::kResourceExhausted;
}

}  // namespace

// Which server is asked.
class EtcdClient::Endpoints {
 public:
  explicit Endpoints(std::vector<std::string> all) : all_(std::move(all)) {}

  std::string Present() {
    const MutexLock lock(&mutex_);
    return all_[present_];
  }
  // What a call to `endpoint` has come to; returns that with the server's name in it. Only a
  // failure of the present one counts: others are of calls that began before the last change.
  absl::Status Noted(const std::string& endpoint, const absl::Status& status) {
    const MutexLock lock(&mutex_);
    if (IsOfTheRequest(status.code())) {
      silent_.clear();
    } else {
      silent_.insert(endpoint);
      if (all_[present_] == endpoint) present_ = (present_ + 1) % all_.size();
    }
    if (status.ok()) return status;
    std::string text = fmt::format("etcd at {} says: {}", endpoint, std::string(status.message()));
    if (all_.size() > 1 && silent_.size() == all_.size()) {
      text = fmt::format("none of the {} etcd servers answers ({}); the last: {}", all_.size(),
                         fmt::join(all_, ", "), text);
    }
    return absl::Status(status.code(), text);
  }

 private:
  const std::vector<std::string> all_;
  Mutex mutex_;
  size_t present_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<std::string> silent_ ABSL_GUARDED_BY(mutex_);  // since any of them has answered
};

EtcdClient::EtcdClient(EtcdOptions options, rpc::Client* client)
    : timeout_(options.timeout),
      client_(client),
      endpoints_(std::make_shared<Endpoints>(std::move(options.endpoints))) {}
EtcdClient::~EtcdClient() = default;

rpc::OutgoingCall EtcdClient::CallTo(const std::string& endpoint, std::string method) const {
  return {endpoint, "/etcdserverpb." + std::move(method), {}, absl::Now() + timeout_};
}

template <typename Response, typename Request>
void EtcdClient::Call(std::string method, const Request& request, Done<Response> done) {
  const std::string endpoint = endpoints_->Present();
  client_->CallUnary(CallTo(endpoint, std::move(method)), rpc::Encode(request),
                     [endpoint, endpoints = endpoints_,
                      done = std::move(done)](absl::StatusOr<rpc::Payload> answer) mutable {
                       absl::Status status = endpoints->Noted(endpoint, answer.status());
                       if (!status.ok()) return done(std::move(status));
                       Response response;
                       if (!rpc::Parse(answer->Flatten(), &response)) {
                         return done(absl::DataLossError(
                             fmt::format("the answer of etcd at {} is malformed", endpoint)));
                       }
                       done(std::move(response));
                     });
}

void EtcdClient::Read(std::string prefix, Done<EtcdSnapshot> done) {
  etcdserverpb::RangeRequest request;
  FillRange(prefix, &request);
  Call<etcdserverpb::RangeResponse>(
      "KV/Range", request,
      [done = std::move(done)](absl::StatusOr<etcdserverpb::RangeResponse> response) mutable {
        if (!response.ok()) return done(response.status());
        done(SnapshotOf(*response));
      });
}

void EtcdClient::Commit(EtcdTxn txn, Done<EtcdCommit> done) {
  etcdserverpb::TxnRequest request;
  for (const EtcdCompare& compare : txn.compares) Fill(compare, request.add_compare());
  for (const EtcdChange& change : txn.changes) Fill(change, request.add_success());
  FillRange(txn.read_prefix, request.add_failure()->mutable_request_range());
  Call<etcdserverpb::TxnResponse>(
      "KV/Txn", request,
      [done = std::move(done)](absl::StatusOr<etcdserverpb::TxnResponse> response) mutable {
        if (!response.ok()) return done(response.status());
        EtcdCommit commit;
        commit.succeeded = response->succeeded();
        commit.revision = response->header().revision();
        if (!commit.succeeded && response->responses_size() == 1) {
          commit.seen = SnapshotOf(response->responses(0).response_range());
          commit.seen.revision = commit.revision;
        }
        done(std::move(commit));
      });
}

void EtcdClient::Grant(absl::Duration ttl, Done<EtcdLease> done) {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(absl::ToInt64Seconds(absl::Ceil(ttl, absl::Seconds(1))));
  Call<etcdserverpb::LeaseGrantResponse>(
      "Lease/LeaseGrant", request,
      [done = std::move(done)](absl::StatusOr<etcdserverpb::LeaseGrantResponse> response) mutable {
        if (!response.ok()) return done(response.status());
        if (!response->error().empty()) return done(absl::UnavailableError(response->error()));
        done(EtcdLease{response->id(), absl::Seconds(response->ttl())});
      });
}

void EtcdClient::Revoke(EtcdLeaseId lease, absl::AnyInvocable<void(absl::Status)> done) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(lease);
  Call<etcdserverpb::LeaseRevokeResponse>(
      "Lease/LeaseRevoke", request,
      [done = std::move(done)](absl::StatusOr<etcdserverpb::LeaseRevokeResponse> response) mutable {
        done(response.status());
      });
}

// The stream of a call, for its events, which exist before it.
class EtcdClient::StreamHolder {
 public:
  void Set(std::shared_ptr<rpc::ClientStream> stream) {
    const MutexLock lock(&mutex_);
    stream_ = std::move(stream);
  }
  // Null before it is set, and when the call has ended.
  std::shared_ptr<rpc::ClientStream> Get() {
    const MutexLock lock(&mutex_);
    return stream_.lock();
  }

 private:
  Mutex mutex_;
  std::weak_ptr<rpc::ClientStream> stream_ ABSL_GUARDED_BY(mutex_);
};

// One renewal: a stream of one request and one answer, so that a lost one has its time-out.
class EtcdClient::KeepAliveCall final : public rpc::ClientStreamEvents {
 public:
  KeepAliveCall(std::string endpoint, std::shared_ptr<Endpoints> endpoints,
                std::shared_ptr<StreamHolder> stream, Done<absl::Duration> done)
      : endpoint_(std::move(endpoint)),
        endpoints_(std::move(endpoints)),
        stream_(std::move(stream)),
        done_(std::move(done)) {}

  void OnElement(rpc::Payload element) override {
    etcdserverpb::LeaseKeepAliveResponse response;
    if (rpc::Parse(element.Flatten(), &response)) {
      static_cast<void>(endpoints_->Noted(endpoint_, absl::OkStatus()));
      Tell(absl::Seconds(response.ttl()));
    } else {
      Tell(absl::DataLossError(fmt::format("the answer of etcd at {} is malformed", endpoint_)));
    }
    if (const auto stream = stream_->Get()) stream->Cancel();
  }
  void OnEnd(absl::Status status) override {
    if (done_ == nullptr) return;
    if (status.ok()) status = absl::UnavailableError("the stream has ended without an answer");
    Tell(endpoints_->Noted(endpoint_, status));
  }

 private:
  void Tell(absl::StatusOr<absl::Duration> outcome) {
    if (done_ != nullptr) std::exchange(done_, nullptr)(std::move(outcome));
  }

  const std::string endpoint_;
  const std::shared_ptr<Endpoints> endpoints_;
  const std::shared_ptr<StreamHolder> stream_;
  Done<absl::Duration> done_;
};

void EtcdClient::KeepAlive(EtcdLeaseId lease, Done<absl::Duration> done) {
  const std::string endpoint = endpoints_->Present();
  const auto holder = std::make_shared<StreamHolder>();
  const auto stream = client_->OpenBidi(
      CallTo(endpoint, "Lease/LeaseKeepAlive"),
      std::make_unique<KeepAliveCall>(endpoint, endpoints_, holder, std::move(done)));
  holder->Set(stream);
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  static_cast<void>(stream->Write(rpc::Encode(request)));  // refused: OnEnd says why
}

class EtcdClient::WatchCall final : public rpc::ClientStreamEvents {
 public:
  WatchCall(std::string endpoint, std::shared_ptr<Endpoints> endpoints,
            std::shared_ptr<StreamHolder> stream, absl::AnyInvocable<void()> changed,
            absl::AnyInvocable<void(absl::Status)> ended)
      : endpoint_(std::move(endpoint)),
        endpoints_(std::move(endpoints)),
        stream_(std::move(stream)),
        changed_(std::move(changed)),
        ended_(std::move(ended)) {}

  void OnElement(rpc::Payload element) override {
    etcdserverpb::WatchResponse response;
    const auto stream = stream_->Get();
    const bool good = rpc::Parse(element.Flatten(), &response) && !response.canceled();
    if (good && response.events_size() > 0) changed_();
    if (stream == nullptr) return;
    if (good) {
      stream->Read();
    } else {
      stream->Cancel();
    }
  }
  void OnEnd(absl::Status status) override {
    if (status.ok()) status = absl::UnavailableError("the watch has ended");
    ended_(endpoints_->Noted(endpoint_, status));
  }

 private:
  const std::string endpoint_;
  const std::shared_ptr<Endpoints> endpoints_;
  const std::shared_ptr<StreamHolder> stream_;
  absl::AnyInvocable<void()> changed_;
  absl::AnyInvocable<void(absl::Status)> ended_;
};

class EtcdClient::OpenWatch final : public EtcdWatch {
 public:
  explicit OpenWatch(std::shared_ptr<rpc::ClientStream> stream) : stream_(std::move(stream)) {}
  ~OpenWatch() override { stream_->Cancel(); }

 private:
  const std::shared_ptr<rpc::ClientStream> stream_;
};

std::unique_ptr<EtcdWatch> EtcdClient::Watch(std::string prefix, absl::AnyInvocable<void()> changed,
                                             absl::AnyInvocable<void(absl::Status)> ended) {
  const std::string endpoint = endpoints_->Present();
  const auto holder = std::make_shared<StreamHolder>();
  rpc::OutgoingCall call = CallTo(endpoint, "Watch/Watch");
  call.deadline = absl::InfiniteFuture();
  const auto stream = client_->OpenBidi(
      std::move(call), std::make_unique<WatchCall>(endpoint, endpoints_, holder, std::move(changed),
                                                   std::move(ended)));
  holder->Set(stream);
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key(prefix);
  request.mutable_create_request()->set_range_end(EndOfPrefix(prefix));
  static_cast<void>(stream->Write(rpc::Encode(request)));  // refused: OnEnd says why
  return std::make_unique<OpenWatch>(stream);
}

}  // namespace mansio::broker
