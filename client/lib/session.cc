#include "client/lib/session.h"

#include <fmt/format.h>

#include <utility>

#include "absl/time/clock.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "client/lib/rpc.h"
#include "common/status/wire_status.h"

namespace mansio::client {

namespace v2 = apache::rocketmq::v2;

constexpr absl::Duration kReopenDelay = absl::Seconds(1);

Session::Session(Transport* transport, std::shared_ptr<Connection> connection,
                 std::function<std::string()> settings, OnCheck on_check)
    : transport_(transport),
      connection_(std::move(connection)),
      settings_(std::move(settings)),
      on_check_(std::move(on_check)) {}

void Session::Open() {
  {
    MutexLock lock(&mutex_);
    if (closed_) return;
  }
  std::shared_ptr<BidiStream> stream = connection_->Bidi(method::kTelemetry, shared_from_this());
  stream->Write(settings_());
  {
    MutexLock lock(&mutex_);
    if (!closed_) {
      stream_ = std::move(stream);
      return;
    }
  }
  stream->Cancel();  // closed meanwhile
}

void Session::Close() {
  std::shared_ptr<BidiStream> stream;
  {
    MutexLock lock(&mutex_);
    closed_ = true;
    stream = std::exchange(stream_, nullptr);
  }
  if (stream != nullptr) stream->Cancel();
}

void Session::SendSettings() {
  const std::string settings = settings_();
  MutexLock lock(&mutex_);
  if (stream_ != nullptr) stream_->Write(settings);  // A lost stream sends them when it reopens.
}

absl::Status Session::WaitUntilAnswered(absl::Duration timeout) {
  std::optional<absl::Status> answer = answered_.TakeBefore(absl::Now() + timeout);
  if (answer.has_value()) return *std::move(answer);
  return absl::DeadlineExceededError(
      fmt::format("{} did not answer in time", connection_->endpoint()));
}

void Session::SetIsolated(bool isolated) {
  MutexLock lock(&mutex_);
  isolated_ = isolated;
}

bool Session::isolated() const {
  MutexLock lock(&mutex_);
  return isolated_;
}

void Session::OnMessage(std::string_view element) {
  v2::TelemetryCommand command;
  if (!command.ParseFromArray(element.data(), static_cast<int>(element.size()))) return;
  if (command.has_recover_orphaned_transaction_command() && on_check_) {
    on_check_(connection_->endpoint(),
              command.recover_orphaned_transaction_command().SerializeAsString());
  }
  // Other commands (stack traces) are for clients that this library does not offer.
  if (command.has_settings()) {
    answered_.Set(absl::OkStatus());
  } else if (command.has_status() && command.status().code() != v2::OK) {
    answered_.Set(FromWire(command.status()));
  }
}

void Session::OnClosed(absl::Status reason) {
  if (reason.ok()) {
    reason = absl::UnavailableError(
        fmt::format("{} closed the telemetry stream", connection_->endpoint()));
  }
  answered_.Set(std::move(reason));
  {
    MutexLock lock(&mutex_);
    stream_.reset();
    if (closed_) return;
  }
  transport_->After(kReopenDelay, [session = shared_from_this()] { session->Open(); });
}

}  // namespace mansio::client
