#include "common/gateway/stream_relay.h"

#include <iterator>
#include <utility>
#include <vector>

namespace mansio::gateway {

namespace {
constexpr size_t kGathered = 256 << 10;
}

class StreamRelay::EventsOf final : public rpc::ClientStreamEvents {
 public:
  explicit EventsOf(std::shared_ptr<StreamRelay> relay) : relay_(std::move(relay)) {}
  void OnElement(rpc::Payload element) override { relay_->OnElement(std::move(element)); }
  void OnEnd(absl::Status status) override { relay_->OnEnd(std::move(status)); }

 private:
  const std::shared_ptr<StreamRelay> relay_;
};

std::unique_ptr<rpc::ClientStreamEvents> StreamRelay::Events() {
  return std::make_unique<EventsOf>(shared_from_this());
}

void StreamRelay::Begin(std::shared_ptr<rpc::ClientStream> stream) {
  stream_ = std::move(stream);
  call_.OnCancel([stream = stream_] { stream->Cancel(); });
}

void StreamRelay::OnElement(rpc::Payload element) {
  const size_t bytes = element.size();
  gathered_bytes_ += bytes;
  gathered_.push_back(std::move(element));
  const bool reserved = hooks_.reserve(static_cast<int64_t>(bytes));
  if (reserved && gathered_bytes_ < kGathered) return stream_->Read();
  WriteGathered();
}

void StreamRelay::WriteGathered() {
  writing_ = true;
  any_passed_on_ = true;
  rpc::Payload element = std::move(gathered_.front());
  gathered_.pop_front();
  call_.Write(std::move(element),
              [self = shared_from_this()](bool written) { self->OnWritten(written); });
}

void StreamRelay::OnWritten(bool written) {
  writing_ = false;
  if (end_) return Finish();
  if (!written) return stream_->Cancel();
  if (!gathered_.empty()) return WriteGathered();
  hooks_.reserve(-static_cast<int64_t>(std::exchange(gathered_bytes_, 0)));
  stream_->Read();
}

void StreamRelay::OnEnd(absl::Status status) {
  end_ = std::move(status);
  stream_.reset();  // it holds this object
  if (!writing_) Finish();
}

void StreamRelay::Finish() {
  hooks_.reserve(-static_cast<int64_t>(gathered_bytes_));
  if (!end_->ok() && !any_passed_on_ && gathered_.empty()) return hooks_.refuse(call_, *end_);
  // What has come is delivered; what has not, was not handed out or is handed out again.
  std::vector<rpc::Payload> rest(std::make_move_iterator(gathered_.begin()),
                                 std::make_move_iterator(gathered_.end()));
  call_.Finish(std::move(rest), [](bool) {});
}

}  // namespace mansio::gateway
