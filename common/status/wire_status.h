#ifndef MANSIO_COMMON_STATUS_WIRE_STATUS_H_
#define MANSIO_COMMON_STATUS_WIRE_STATUS_H_

// absl::Status inside, apache.rocketmq.v2.Status outside.
//
// Modules pass errors as absl::Status. An error that a client will see carries the exact public
// code as a payload, so that it survives every layer in between; an error without one is mapped by
// its canonical code. Every function is pure and thread safe.

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace apache::rocketmq::v2 {
enum Code : int;  // definition.pb.h has the values; this header stays free of protobuf.
class Status;
}  // namespace apache::rocketmq::v2

namespace mansio {

// An error with public code `code` and a sentence that says cause and cure, without the code's
// name (ToWire adds it). The canonical code is the nearest one: InvalidArgument for 400xx, NotFound
// for 404xx, and so on. A success code is a mistake of the caller and gives an Internal error.
absl::Status WireError(apache::rocketmq::v2::Code code, std::string message);

// The public code of `status`: its exact one if it has one, else by canonical code (OK,
// BAD_REQUEST, NOT_FOUND, TOO_MANY_REQUESTS, ..., INTERNAL_SERVER_ERROR).
apache::rocketmq::v2::Code CodeOf(const absl::Status& status);

// The code's name, for example INVALID_RECEIPT_HANDLE; the number as text when it has no name.
std::string CodeName(apache::rocketmq::v2::Code code);

// Writes `status` as a client sees it. The message is never empty, is valid UTF-8 and begins with
// the code's name: "TOPIC_NOT_FOUND: there is no topic 'orders'; ..." (RocketMQ 5 API: users and
// tests look for the name in the exception text). OK gives code OK and message "OK".
void ToWire(const absl::Status& status, apache::rocketmq::v2::Status* out);

// The inverse, for clients of other nodes: OK for code OK, else a WireError whose message has no
// code name in front. A status without code (0) is an Internal error: no server may send it.
absl::Status FromWire(const apache::rocketmq::v2::Status& status);

}  // namespace mansio

#endif  // MANSIO_COMMON_STATUS_WIRE_STATUS_H_
