#include "tests/bench/crowd/watchers.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/alarm.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "broker/registration/nameserver_channel.h"
#include "mansio/v1/registration.pb.h"

namespace mansio::bench {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr char kWatch[] = "/mansio.v1.Registration/Watch";
constexpr auto kPauseBeforeNext = std::chrono::seconds(1);

constexpr uint32_t VarintTag(int field) {
  return static_cast<uint32_t>(field << 3 | WireFormatLite::WIRETYPE_VARINT);
}
constexpr uint32_t BytesTag(int field) {
  return static_cast<uint32_t>(field << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

// What all watchers count together.
struct Totals {
  std::atomic<int> knowing{0};
  std::atomic<int64_t> bytes{0};
};

// One watcher; a single operation is under way at any time, with the watcher as its tag.
class Watcher {
 public:
  Watcher(const std::string& nameserver, int brokers, grpc::CompletionQueue* queue, Totals* totals)
      : nameserver_(nameserver), brokers_(brokers), queue_(queue), totals_(totals) {}

  void Begin() {
    stream_.reset();
    context_ = std::make_unique<grpc::ClientContext>();
    stub_ = std::make_unique<grpc::GenericStub>(broker::ConnectToNameserver(nameserver_));
    stream_ = stub_->PrepareCall(context_.get(), kWatch, queue_);
    sequence_ = 0;
    Forget();
    step_ = Step::kAcknowledge;
    stream_->StartCall(this);
  }

  // The operation under way has ended.
  void Proceed(bool ok) {
    if (step_ == Step::kBegin) return Begin();
    if (step_ == Step::kPause) return Pause();
    if (!ok) return End();
    if (step_ == Step::kTake) Take();
    if (step_ == Step::kRead) return Read();
    Acknowledge();
  }

 private:
  // What follows the operation that is under way.
  enum class Step { kBegin, kAcknowledge, kRead, kTake, kPause };

  void Acknowledge() {
    v1::WatchRequest request;
    request.set_acknowledged_sequence(sequence_);
    const grpc::Slice bytes(request.SerializeAsString());
    step_ = Step::kRead;
    stream_->Write(grpc::ByteBuffer(&bytes, 1), this);
  }
  void Read() {
    step_ = Step::kTake;
    stream_->Read(&element_, this);
  }
  void End() {
    step_ = Step::kPause;
    stream_->Finish(&status_, this);
  }
  void Pause() {
    step_ = Step::kBegin;
    Forget();
    pause_.Set(queue_, std::chrono::system_clock::now() + kPauseBeforeNext, this);
  }

  void Forget() {
    if (KnowsAll()) --totals_->knowing;
    known_.clear();
  }
  bool KnowsAll() const { return static_cast<int>(known_.size()) == brokers_; }

  // Reads on only as far as it has to: topics come last, and are most of it.
  void Take() {
    totals_->bytes += static_cast<int64_t>(element_.Length());
    const bool knew_all = KnowsAll();
    grpc::ProtoBufferReader reader(&element_);
    CodedInputStream in(&reader);
    while (const uint32_t tag = in.ReadTag()) {
      uint32_t size = 0;
      if (tag == VarintTag(v1::ClusterUpdate::kSequenceFieldNumber)) {
        in.ReadVarint64(&sequence_);
      } else if (tag != BytesTag(v1::ClusterUpdate::kBrokersFieldNumber)) {
        WireFormatLite::SkipField(&in, tag);
      } else if (in.ReadVarint32(&size)) {
        const CodedInputStream::Limit outer = in.PushLimit(static_cast<int>(size));
        TakeBroker(in);
        in.Skip(in.BytesUntilLimit());
        in.PopLimit(outer);
      }
    }
    totals_->knowing += static_cast<int>(KnowsAll()) - static_cast<int>(knew_all);
  }

  void TakeBroker(CodedInputStream& in) {
    v1::BrokerIdentity identity;
    while (const uint32_t tag = in.ReadTag()) {
      uint32_t value = 0;
      if (tag == BytesTag(v1::BrokerUpdate::kBrokerFieldNumber)) {
        if (!WireFormatLite::ReadMessage(&in, &identity)) return;
      } else if (tag == VarintTag(v1::BrokerUpdate::kSnapshotFieldNumber)) {
        in.ReadVarint32(&value);
      } else if (tag == VarintTag(v1::BrokerUpdate::kLastPartFieldNumber)) {
        in.ReadVarint32(&value);
        if (value != 0) known_.insert(identity.name());
      } else if (tag == VarintTag(v1::BrokerUpdate::kLeftFieldNumber)) {
        in.ReadVarint32(&value);
        known_.erase(identity.name());
      } else {
        return;
      }
    }
  }

  const std::string nameserver_;
  const int brokers_;
  grpc::CompletionQueue* const queue_;
  Totals* const totals_;
  Step step_ = Step::kBegin;
  std::unique_ptr<grpc::GenericStub> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  grpc::ByteBuffer element_;
  grpc::Status status_;
  grpc::Alarm pause_;
  uint64_t sequence_ = 0;
  std::set<std::string, std::less<>> known_;
};

}  // namespace

class Watchers::Impl {
 public:
  Impl(const std::string& nameserver, int count, int brokers) {
    for (int i = 0; i < count; ++i) {
      watchers_.push_back(std::make_unique<Watcher>(nameserver, brokers, &queue_, &totals));
    }
    thread_ = std::thread([this] { Run(); });
  }
  // The process ends with it: streams are not ended one by one.
  ~Impl() { thread_.detach(); }

  Totals totals;

 private:
  void Run() {
    for (const auto& watcher : watchers_) watcher->Begin();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) static_cast<Watcher*>(tag)->Proceed(ok);
  }

  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  std::thread thread_;
};

Watchers::Watchers(const std::string& nameserver, int count, int brokers)
    : impl_(std::make_unique<Impl>(nameserver, count, brokers)) {}
Watchers::~Watchers() = default;

int Watchers::Knowing() const { return impl_->totals.knowing; }
int64_t Watchers::Bytes() const { return impl_->totals.bytes; }

}  // namespace mansio::bench
