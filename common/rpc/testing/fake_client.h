#ifndef MANSIO_COMMON_RPC_TESTING_FAKE_CLIENT_H_
#define MANSIO_COMMON_RPC_TESTING_FAKE_CLIENT_H_

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/rpc/client.h"

// Other nodes without a transport: what is called is kept, and the test answers. Not thread-safe.
namespace mansio::rpc::testing {

inline std::string HeaderOf(const OutgoingCall& call, std::string_view key) {
  for (const auto& [name, value] : call.headers) {
    if (name == key) return value;
  }
  return {};
}

// A streaming call; the test plays the other node.
class FakeClientStream final : public ClientStream {
 public:
  FakeClientStream(OutgoingCall outgoing, std::string sent, std::unique_ptr<ClientStreamEvents> e)
      : call(std::move(outgoing)), request(std::move(sent)), events_(std::move(e)) {}

  void Read() override { ++reads; }
  bool Write(Payload element) override {
    if (refuses_writes || events_ == nullptr) return false;
    written.push_back(element.Flatten());
    return true;
  }
  void Cancel() override { cancelled = true; }

  void Element(const std::string& bytes) { events_->OnElement(Payload(bytes)); }
  void End(const absl::Status& status) { std::exchange(events_, nullptr)->OnEnd(status); }
  template <typename Message>
  std::vector<Message> Written() const {
    std::vector<Message> messages(written.size());
    for (size_t i = 0; i < written.size(); ++i) messages[i].ParseFromString(written[i]);
    return messages;
  }

  const OutgoingCall call;
  const std::string request;
  int reads = 0;  // beyond the first, which is not asked for
  bool cancelled = false;
  bool refuses_writes = false;
  std::vector<std::string> written;

 private:
  std::unique_ptr<ClientStreamEvents> events_;
};

class FakeClient final : public Client {
 public:
  struct Unary {
    OutgoingCall call;
    std::string request;
    UnaryDone done;
  };

  void CallUnary(OutgoingCall call, Payload request, UnaryDone done) override {
    unary.push_back({std::move(call), request.Flatten(), std::move(done)});
  }
  std::shared_ptr<ClientStream> CallServerStream(
      OutgoingCall call, Payload request, std::unique_ptr<ClientStreamEvents> events) override {
    streams.push_back(
        std::make_shared<FakeClientStream>(std::move(call), request.Flatten(), std::move(events)));
    return streams.back();
  }
  std::shared_ptr<ClientStream> OpenBidi(OutgoingCall call,
                                         std::unique_ptr<ClientStreamEvents> events) override {
    return CallServerStream(std::move(call), Payload(), std::move(events));
  }
  // Forgets what is under way, without an end.
  void Stop() override {
    unary.clear();
    streams.clear();
  }

  // Answers the oldest unary call.
  void Answer(absl::StatusOr<std::string> response) {
    Unary oldest = std::move(unary.front());
    unary.pop_front();
    if (response.ok()) {
      oldest.done(Payload(*std::move(response)));
    } else {
      oldest.done(response.status());
    }
  }

  std::deque<Unary> unary;
  std::vector<std::shared_ptr<FakeClientStream>> streams;
};

}  // namespace mansio::rpc::testing

#endif  // MANSIO_COMMON_RPC_TESTING_FAKE_CLIENT_H_
