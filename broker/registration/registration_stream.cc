#include "broker/registration/registration_stream.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "broker/registration/nameserver_channel.h"
#include "common/status/wire_status.h"
#include "mansio/v1/registration.grpc.pb.h"

namespace mansio::broker {

namespace {

constexpr size_t kPartSize = 1000;  // topics or groups in one part of a snapshot
}  // namespace

class RegistrationStream::Impl {
 public:
  Impl(const std::string& nameserver, const std::string& cluster_secret)
      : stub_(v1::Registration::NewStub(ConnectToNameserver(nameserver))) {
    ProveSecret(cluster_secret, "Register", context_);
  }

  ~Impl() {
    context_.TryCancel();
    if (stream_ != nullptr) Finish().IgnoreError();
  }

  absl::Status Send(v1::RegistrationUpdate update) {
    if (stream_ == nullptr) stream_ = stub_->Register(&context_);  // waits for the connection
    update.set_sequence(++sequence_);
    v1::RegistrationReply reply;
    if (!stream_->Write(update) || !stream_->Read(&reply)) return Finish();
    if (absl::Status status = FromWire(reply.status()); !status.ok()) {
      superseded_by_ = reply.superseded_by();
      return status;
    }
    if (reply.acknowledged_sequence() != sequence_) {
      return absl::InternalError(fmt::format("the nameserver acknowledged update {} instead of {}",
                                             reply.acknowledged_sequence(), sequence_));
    }
    return absl::OkStatus();
  }

  void Cancel() { context_.TryCancel(); }
  const std::string& superseded_by() const { return superseded_by_; }

 private:
  // Why the stream has ended.
  absl::Status Finish() {
    if (std::exchange(finished_, true)) return absl::UnavailableError("the stream has ended");
    const grpc::Status status = stream_->Finish();
    return absl::UnavailableError(status.ok() ? "the nameserver ended the stream"
                                              : status.error_message());
  }

  grpc::ClientContext context_;
  const std::unique_ptr<v1::Registration::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::RegistrationUpdate, v1::RegistrationReply>> stream_;
  uint64_t sequence_ = 0;
  std::string superseded_by_;
  bool finished_ = false;
};

RegistrationStream::RegistrationStream(const std::string& nameserver,
                                       const std::string& cluster_secret)
    : impl_(std::make_unique<Impl>(nameserver, cluster_secret)) {}
RegistrationStream::~RegistrationStream() = default;

absl::Status RegistrationStream::SendSnapshot(const RegistrationSource& source) {
  const v1::BrokerIdentity identity = source.Identity();
  std::vector<v1::TopicInfo> topics = source.Topics();
  std::vector<v1::GroupInfo> groups = source.Groups();
  for (size_t topic = 0, group = 0;;) {
    v1::RegistrationUpdate update;
    v1::Snapshot* part = update.mutable_snapshot();
    *part->mutable_broker() = identity;
    for (size_t n = 0; n < kPartSize && topic < topics.size(); ++n) {
      *part->add_topics() = std::move(topics[topic++]);
    }
    for (size_t n = 0; n < kPartSize && group < groups.size(); ++n) {
      *part->add_groups() = std::move(groups[group++]);
    }
    const bool last = topic == topics.size() && group == groups.size();
    part->set_last_part(last);
    if (absl::Status status = impl_->Send(std::move(update)); !status.ok() || last) return status;
  }
}

absl::Status RegistrationStream::SendDelta(v1::Delta delta) {
  v1::RegistrationUpdate update;
  *update.mutable_delta() = std::move(delta);
  return impl_->Send(std::move(update));
}

absl::Status RegistrationStream::SendKeepAlive() {
  v1::RegistrationUpdate update;
  update.mutable_keep_alive();
  return impl_->Send(std::move(update));
}

void RegistrationStream::Cancel() { impl_->Cancel(); }

const std::string& RegistrationStream::superseded_by() const { return impl_->superseded_by(); }

}  // namespace mansio::broker
