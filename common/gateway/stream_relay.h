#ifndef MANSIO_COMMON_GATEWAY_STREAM_RELAY_H_
#define MANSIO_COMMON_GATEWAY_STREAM_RELAY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "common/rpc/call.h"
#include "common/rpc/client.h"

namespace mansio::gateway {

// Passes the elements of a forwarded server stream on to its client. Small ones are gathered, so
// that an answer takes few packets; from some amount on, the next is asked for when the client's
// transport has taken those before it. A client that goes away cancels the call at the owner. Used
// on the call's rpc thread, and held by the events of the outgoing call.
class StreamRelay final : public std::enable_shared_from_this<StreamRelay> {
 public:
  struct Hooks {
    // Whether so many bytes more (less, when negative) may be gathered here.
    std::function<bool(int64_t bytes)> reserve;
    // Ends the call where nothing was passed on; else it is ended with what was.
    absl::AnyInvocable<void(rpc::ServerStreamCall&, const absl::Status&)> refuse;
  };
  // `call` is ended by this object, once.
  StreamRelay(rpc::ServerStreamCall& call, Hooks hooks) : call_(call), hooks_(std::move(hooks)) {}

  std::unique_ptr<rpc::ClientStreamEvents> Events();
  // The outgoing call, before the first event.
  void Begin(std::shared_ptr<rpc::ClientStream> stream);

 private:
  class EventsOf;

  void OnElement(rpc::Payload element);
  void OnEnd(absl::Status status);
  void WriteGathered();
  void OnWritten(bool written);
  void Finish();

  rpc::ServerStreamCall& call_;
  Hooks hooks_;
  std::shared_ptr<rpc::ClientStream> stream_;
  std::deque<rpc::Payload> gathered_;
  size_t gathered_bytes_ = 0;  // since the client last had everything
  bool writing_ = false;
  bool any_passed_on_ = false;
  std::optional<absl::Status> end_;
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_STREAM_RELAY_H_
