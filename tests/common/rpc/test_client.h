#ifndef MANSIO_TESTS_COMMON_RPC_TEST_CLIENT_H_
#define MANSIO_TESTS_COMMON_RPC_TEST_CLIENT_H_

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// An ordinary gRPC client for raw bytes, with blocking calls. For tests.
namespace mansio::rpc {

enum class Transport { kPlaintext, kTls };

std::shared_ptr<grpc::Channel> Connect(const std::string& address,
                                       Transport transport = Transport::kPlaintext);

grpc::ByteBuffer ToBuffer(std::string_view bytes);
std::string ToString(const grpc::ByteBuffer& buffer);

struct UnaryResult {
  grpc::Status status;
  std::string response;
};

struct CallOptions {
  std::map<std::string, std::string> metadata;
  std::chrono::milliseconds deadline = std::chrono::seconds(30);  // so that no test hangs
};

UnaryResult CallUnary(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                      std::string_view request, const CallOptions& options = {});

// A streaming call, each operation of which waits until it is done.
class Stream {
 public:
  Stream(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
         const CallOptions& options = {});
  // Cancels what is still going on.
  ~Stream();

  bool started() const { return started_; }
  bool Write(std::string_view element);
  bool WritesDone();
  // Waits for the server's headers, which may come before any element.
  bool ReadHeaders();
  // The next element; nothing at the end of the stream.
  std::optional<std::string> Read();
  grpc::Status Finish();
  void Cancel() { context_.TryCancel(); }

 private:
  bool WaitFor(int tag);

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool started_ = false;
  bool finished_ = false;
};

}  // namespace mansio::rpc

#endif  // MANSIO_TESTS_COMMON_RPC_TEST_CLIENT_H_
