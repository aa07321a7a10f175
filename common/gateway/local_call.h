#ifndef MANSIO_COMMON_GATEWAY_LOCAL_CALL_H_
#define MANSIO_COMMON_GATEWAY_LOCAL_CALL_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/rpc/call.h"

namespace mansio::gateway {

// A part of a client's call as a handler of this node serves it: another request, the same client
// and deadline, and an answer that goes to `done`, on the handler's thread. Made with `new`;
// deletes itself when it is ended, which must be before the client's call is.
class LocalCall final : public rpc::UnaryCall {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<rpc::Payload> response)>;
  LocalCall(rpc::UnaryCall& whole, std::string request, Done done)
      : whole_(whole), request_(std::move(request)), done_(std::move(done)) {}

  std::string_view Metadata(std::string_view key) const override { return whole_.Metadata(key); }
  std::string_view Peer() const override { return whole_.Peer(); }
  absl::Time Deadline() const override { return whole_.Deadline(); }
  bool Cancelled() const override { return whole_.Cancelled(); }
  void OnCancel(absl::AnyInvocable<void()>) override {}  // as unary calls do
  void Post(absl::AnyInvocable<void()> fn) override { whole_.Post(std::move(fn)); }
  std::string_view Request() const override { return request_; }
  void Finish(rpc::Payload response) override { End(std::move(response)); }
  void Abort(absl::Status status) override { End(std::move(status)); }

 private:
  void End(absl::StatusOr<rpc::Payload> response) {
    const std::unique_ptr<LocalCall> self(this);
    done_(std::move(response));
  }

  rpc::UnaryCall& whole_;
  const std::string request_;
  Done done_;
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_LOCAL_CALL_H_
