#ifndef MANSIO_CLIENT_LIB_SESSION_H_
#define MANSIO_CLIENT_LIB_SESSION_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/lib/transport.h"
#include "client/lib/wait.h"
#include "common/sync/sync.h"

namespace mansio::client {

// A connection to one node and the telemetry stream on it, which carries the client's settings and
// tells the server that the client lives (RocketMQ 5 API). A lost stream is opened again
// after a second, with the settings. Thread-safe.
class Session final : public BidiEvents, public std::enable_shared_from_this<Session> {
 public:
  // Told of a check-back with the node's endpoint and the encoded command; on an rpc thread, must
  // not block.
  using OnCheck = std::function<void(const std::string& endpoint, std::string_view command)>;

  // `settings` returns an encoded TelemetryCommand with the present settings; it must outlive the
  // transport, and so must whatever it reads. `on_check` may be empty.
  Session(Transport* transport, std::shared_ptr<Connection> connection,
          std::function<std::string()> settings, OnCheck on_check = {});

  // Opens the stream and sends the settings. To be called once.
  void Open();
  // Sends the settings again, after they have changed.
  void SendSettings();
  // Waits until the server has answered the settings or the stream has failed for the first time;
  // kDeadlineExceeded when neither happens within `timeout`. To be called by one thread only.
  absl::Status WaitUntilAnswered(absl::Duration timeout);

  // Ends the stream for good, because the node has gone; calls can still be made.
  void Close();

  Connection& connection() { return *connection_; }

  // Whether the node failed lately: set by failed calls, cleared by an answered heartbeat.
  void SetIsolated(bool isolated);
  bool isolated() const;

  void OnMessage(std::string_view element) override;
  void OnClosed(absl::Status reason) override;

 private:
  Transport* const transport_;
  const std::shared_ptr<Connection> connection_;
  const std::function<std::string()> settings_;
  const OnCheck on_check_;
  const Result<absl::Status> answered_;

  mutable Mutex mutex_;
  std::shared_ptr<BidiStream> stream_ ABSL_GUARDED_BY(mutex_);
  bool isolated_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_SESSION_H_
