#include "common/status/wire_status.h"

#include <fmt/format.h>

#include <charconv>

#include "absl/strings/cord.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "common/names/utf8.h"

namespace mansio {
namespace {

namespace v2 = apache::rocketmq::v2;

constexpr char kCodePayload[] = "mansio/wire-code";

absl::StatusCode CanonicalOf(int code) {
  switch (code) {
    case v2::INVALID_RECEIPT_HANDLE:
    case v2::PRECONDITION_FAILED:
    case v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE:
      return absl::StatusCode::kFailedPrecondition;
    case v2::HA_NOT_AVAILABLE:
      return absl::StatusCode::kUnavailable;
    default:
      break;
  }
  switch (code / 100) {  // Public codes are HTTP-like: class and two digits of detail.
    case 400:
    case 413:
    case 431:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 402:
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 408:
    case 504:
      return absl::StatusCode::kDeadlineExceeded;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    case 501:
    case 505:
      return absl::StatusCode::kUnimplemented;
    case 500:
      return absl::StatusCode::kInternal;
    default:
      return absl::StatusCode::kUnknown;
  }
}

v2::Code CodeOfCanonical(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return v2::OK;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return v2::BAD_REQUEST;
    case absl::StatusCode::kNotFound:
      return v2::NOT_FOUND;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return v2::PRECONDITION_FAILED;
    case absl::StatusCode::kPermissionDenied:
      return v2::FORBIDDEN;
    case absl::StatusCode::kUnauthenticated:
      return v2::UNAUTHORIZED;
    case absl::StatusCode::kResourceExhausted:
      return v2::TOO_MANY_REQUESTS;
    case absl::StatusCode::kUnimplemented:
      return v2::NOT_IMPLEMENTED;
    case absl::StatusCode::kDeadlineExceeded:
      return v2::PROXY_TIMEOUT;
    case absl::StatusCode::kUnavailable:
      return v2::HA_NOT_AVAILABLE;
    default:
      return v2::INTERNAL_SERVER_ERROR;
  }
}

}  // namespace

absl::Status WireError(v2::Code code, std::string message) {
  if (code == v2::OK || code == v2::CODE_UNSPECIFIED) {
    return absl::InternalError(
        fmt::format("code {} was used for an error: {}", static_cast<int>(code), message));
  }
  absl::Status status(CanonicalOf(code), message);
  status.SetPayload(kCodePayload, absl::Cord(fmt::format("{}", static_cast<int>(code))));
  return status;
}

v2::Code CodeOf(const absl::Status& status) {
  if (const auto payload = status.GetPayload(kCodePayload)) {
    const std::string text(*payload);
    int code = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
    if (error == std::errc() && code != 0) return static_cast<v2::Code>(code);
  }
  return CodeOfCanonical(status.code());
}

std::string CodeName(v2::Code code) {
  const std::string& name = v2::Code_Name(code);
  return name.empty() ? fmt::format("{}", static_cast<int>(code)) : name;
}

void ToWire(const absl::Status& status, v2::Status* out) {
  const v2::Code code = CodeOf(status);
  out->set_code(code);
  const std::string name = CodeName(code);
  const std::string_view text(status.message().data(), status.message().size());
  if (text.empty() || status.ok()) {
    out->set_message(name);
  } else {
    out->set_message(fmt::format("{}: {}", name, SanitizeUtf8(text)));
  }
}

absl::Status FromWire(const v2::Status& status) {
  if (status.code() == v2::OK) return absl::OkStatus();
  if (status.code() == v2::CODE_UNSPECIFIED) {
    return absl::InternalError(fmt::format("the server answered with a status without a code: '{}'",
                                           EscapeForLog(status.message())));
  }
  const std::string prefix = CodeName(status.code()) + ": ";
  std::string_view text = status.message();
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return WireError(status.code(), std::string(text));
}

}  // namespace mansio
