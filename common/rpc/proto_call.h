#ifndef MANSIO_COMMON_RPC_PROTO_CALL_H_
#define MANSIO_COMMON_RPC_PROTO_CALL_H_

#include <google/protobuf/message_lite.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/rpc/call.h"
#include "common/rpc/payload.h"

// Calls whose messages are protobuf objects: for all methods but the hot ones, which scan the raw
// bytes.
namespace mansio::rpc {

// The encoding of `message`.
inline Payload Encode(const google::protobuf::MessageLite& message) {
  return Payload(message.SerializeAsString());
}

// Parses protobuf bytes into `*message`; false when they are not a valid encoding.
inline bool Parse(std::string_view bytes, google::protobuf::MessageLite* message) {
  return message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// The gRPC status for a request that cannot be parsed; no business code can say it, since the
// fields that a response would refer to are unknown (RocketMQ 5 API).
inline absl::Status CannotParse(const google::protobuf::MessageLite& message) {
  return absl::InvalidArgumentError("the request is not a valid encoding of " +
                                    message.GetTypeName());
}

// Answers with `response`. Ends the call.
inline void Reply(UnaryCall& call, const google::protobuf::MessageLite& response) {
  call.Finish(Encode(response));
}

// Queues `element`; false when the stream is closed or its limit is reached, as BidiCall::Write.
inline bool Write(BidiCall& call, const google::protobuf::MessageLite& element) {
  return call.Write(Encode(element));
}

// A handler of a unary method whose requests are `Request` messages. An unparsable one is aborted
// with INVALID_ARGUMENT before `handle` is called.
template <typename Request>
UnaryHandler ParsedUnary(std::function<void(UnaryCall&, Request)> handle) {
  return [handle = std::move(handle)](UnaryCall& call) {
    Request request;
    if (!Parse(call.Request(), &request)) return call.Abort(CannotParse(request));
    handle(call, std::move(request));
  };
}

// The same for a server-streaming method.
template <typename Request>
ServerStreamHandler ParsedServerStream(std::function<void(ServerStreamCall&, Request)> handle) {
  return [handle = std::move(handle)](ServerStreamCall& call) {
    Request request;
    if (!Parse(call.Request(), &request)) return call.Abort(CannotParse(request));
    call.ForgetRequest();
    handle(call, std::move(request));
  };
}

// Events of a bidirectional stream whose elements are `Element` messages. One that cannot be parsed
// ends the stream with INVALID_ARGUMENT.
template <typename Element>
class ParsedBidiEvents : public BidiEvents {
 public:
  explicit ParsedBidiEvents(std::shared_ptr<BidiCall> call) : call_(std::move(call)) {}
  virtual void OnElement(Element element) = 0;

  void OnMessage(std::string_view bytes) final {
    Element element;
    if (!Parse(bytes, &element)) return call_->Finish(CannotParse(element));
    OnElement(std::move(element));
  }

 protected:
  const std::shared_ptr<BidiCall>& call() const { return call_; }

 private:
  const std::shared_ptr<BidiCall> call_;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_PROTO_CALL_H_
