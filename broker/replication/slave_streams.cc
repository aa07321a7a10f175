#include "broker/replication/slave_streams.h"

#include <memory>
#include <utility>

#include "common/rpc/proto_call.h"

namespace mansio::broker {
namespace {

// Of one stream: the window, and a frame of the largest size on top.
constexpr int64_t kMaxUnsentBytes = 64 << 20;

class CallStream final : public SlaveStream {
 public:
  explicit CallStream(std::shared_ptr<rpc::BidiCall> call) : call_(std::move(call)) {}
  void Send(v1::MasterMessage message) override {
    // False: it has ended, and Closed is about to come.
    static_cast<void>(rpc::Write(*call_, message));
  }
  void End(const absl::Status& why) override { call_->Finish(why); }

 private:
  const std::shared_ptr<rpc::BidiCall> call_;
};

// A slave's stream, as the transport tells of it.
class StreamEvents final : public rpc::ParsedBidiEvents<v1::SlaveMessage> {
 public:
  StreamEvents(std::shared_ptr<rpc::BidiCall> call, SlaveStreams* streams,
               std::function<void()> wake)
      : ParsedBidiEvents(call),
        streams_(streams),
        wake_(std::move(wake)),
        session_(streams->Opened(std::make_shared<CallStream>(call))) {}

  void OnElement(v1::SlaveMessage message) override {
    streams_->Received(session_, message);
    wake_();
  }
  void OnHalfClose() override { call()->Finish(absl::OkStatus()); }
  void OnClosed() override {
    streams_->Closed(session_);
    wake_();
  }

 private:
  SlaveStreams* const streams_;
  const std::function<void()> wake_;
  const SlaveStreams::Session session_;
};

}  // namespace

rpc::MethodTable::Bidi ServeSlaves(SlaveStreams* streams, std::function<void()> wake) {
  return {std::string(kReplicatePath),
          [streams, wake = std::move(wake)](std::shared_ptr<rpc::BidiCall> call) {
            return std::make_unique<StreamEvents>(std::move(call), streams, wake);
          },
          kMaxUnsentBytes};
}

rpc::MethodTable::Bidi RefuseSlaves(std::string why) {
  return {std::string(kReplicatePath),
          [why = std::move(why)](const std::shared_ptr<rpc::BidiCall>& call) {
            call->Finish(absl::FailedPreconditionError(why));
            return std::unique_ptr<rpc::BidiEvents>();
          },
          kMaxUnsentBytes};
}

}  // namespace mansio::broker
