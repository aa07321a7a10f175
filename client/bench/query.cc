#include "client/bench/query.h"

#include <utility>

#include "client/bench/errors.h"
#include "client/bench/send_template.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::bench {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr char kQueryMessages[] = "/mansio.v1.Admin/QueryMessages";
constexpr uint64_t kStep = 2654435761;  // a prime: neighbours lie far from each other

Outcome EvaluateQuery(const absl::Status& status, std::string_view bytes) {
  if (!status.ok()) return {.error = TransportError(status)};
  v1::QueryMessagesResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return {.error = "UNREADABLE_RESPONSE"};
  }
  if (response.status().code() != v2::OK) {
    return {.error = v2::Code_Name(response.status().code())};
  }
  if (response.messages_size() == 0) return {.error = "NOT_FOUND"};
  if (response.messages_size() > 1) return {.error = "SEVERAL_FOUND"};
  return {.messages = 1, .bytes = response.messages(0).body_bytes()};
}

}  // namespace

absl::StatusOr<LoadResult> Query(const QueryOptions& options) {
  absl::StatusOr<std::unique_ptr<Target>> target = Target::Connect(options.target);
  if (!target.ok()) return target.status();
  const auto keys = static_cast<uint64_t>(options.keys);
  return RunLoad(options.load, [&](int64_t number, int64_t, auto done) {
    v1::QueryMessagesRequest request;
    request.set_topic(options.target.topic);
    request.set_key(SequenceText(static_cast<uint64_t>(number) * kStep % keys));
    (*target)
        ->link(static_cast<size_t>(number))
        .connection->Unary(
            kQueryMessages, request.SerializeAsString(), options.target.client.request_timeout,
            [done = std::move(done)](absl::Status status, std::string_view bytes) mutable {
              done(EvaluateQuery(status, bytes));
            });
  });
}

}  // namespace mansio::bench
