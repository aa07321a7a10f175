#include "client/lib/rpc.h"

#include <fmt/format.h>

#include <utility>

#include "client/lib/wait.h"

namespace mansio::client {

void CallAsync(Connection& connection, const char* method,
               const google::protobuf::MessageLite& request,
               std::shared_ptr<google::protobuf::MessageLite> response, absl::Duration timeout,
               absl::AnyInvocable<void(absl::Status)> done) {
  connection.Unary(
      method, request.SerializeAsString(), timeout,
      [response = std::move(response), done = std::move(done), method,
       endpoint = connection.endpoint()](absl::Status status, std::string_view bytes) mutable {
        if (status.ok() &&
            !response->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
          status = absl::InternalError(
              fmt::format("{} answered {} with bytes that are not its response", endpoint, method));
        }
        done(std::move(status));
      });
}

absl::Status Call(Connection& connection, const char* method,
                  const google::protobuf::MessageLite& request,
                  google::protobuf::MessageLite* response, absl::Duration timeout) {
  // Not owned: this function outlives the call.
  std::shared_ptr<google::protobuf::MessageLite> unowned(std::shared_ptr<void>(), response);
  Result<absl::Status> result;
  CallAsync(connection, method, request, std::move(unowned), timeout,
            [result](absl::Status status) { result.Set(std::move(status)); });
  return result.Take();
}

}  // namespace mansio::client
