#include "client/bench/halves.h"

#include <memory>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "client/bench/errors.h"
#include "client/lib/rpc.h"

namespace mansio::bench {

namespace v2 = apache::rocketmq::v2;

Halves::Halves(const TargetOptions& options, int size, Target& target)
    : options_(options),
      target_(target),
      template_({.topic = options.topic,
                 .body_bytes = static_cast<size_t>(size),
                 .transactional = true}) {}

void Halves::Begin(int64_t number, Begun done) {
  const auto link = static_cast<size_t>(number);
  const std::string request =
      template_.Make(static_cast<uint64_t>(number), [this] { return target_.NextMessageId(); });
  target_.link(link).connection->Unary(
      client::method::kSendMessage, request, options_.client.request_timeout,
      [link, done = std::move(done)](absl::Status status, std::string_view bytes) mutable {
        if (!status.ok()) return done(TransportError(status), {});
        v2::SendMessageResponse response;
        if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
          return done("UNREADABLE_RESPONSE", {});
        }
        const v2::Code code = response.status().code();
        if (code != v2::OK) return done(v2::Code_Name(code), {});
        if (response.entries_size() != 1 || response.entries(0).transaction_id().empty()) {
          return done("NO_TRANSACTION_ID", {});
        }
        v2::SendResultEntry& entry = *response.mutable_entries(0);
        done("", {std::move(*entry.mutable_message_id()),
                  std::move(*entry.mutable_transaction_id()), link});
      });
}

void Halves::End(const OpenHalf& half, bool commit, Ended done) {
  v2::EndTransactionRequest request;
  request.mutable_topic()->set_name(options_.topic);
  request.set_message_id(half.message_id);
  request.set_transaction_id(half.transaction_id);
  request.set_resolution(commit ? v2::COMMIT : v2::ROLLBACK);
  request.set_source(v2::SOURCE_CLIENT);
  auto response = std::make_shared<v2::EndTransactionResponse>();
  client::CallAsync(*target_.link(half.link).connection, client::method::kEndTransaction, request,
                    response, options_.client.request_timeout,
                    [response, done = std::move(done)](absl::Status status) mutable {
                      if (!status.ok()) return done(TransportError(status));
                      const v2::Code code = response->status().code();
                      done(code == v2::OK ? "" : v2::Code_Name(code));
                    });
}

}  // namespace mansio::bench
