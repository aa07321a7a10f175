#include "common/rpc/call_base.h"

#include "absl/strings/str_replace.h"

namespace mansio::rpc {

std::string PeerText(std::string peer) {
  const size_t scheme = peer.find(':');
  if (scheme != std::string::npos && (peer.starts_with("ipv4:") || peer.starts_with("ipv6:"))) {
    peer.erase(0, scheme + 1);
  }
  // gRPC writes an IPv6 address percent-encoded, as in a URI.
  return absl::StrReplaceAll(peer, {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
}

absl::Status NotServed() {
  return absl::UnavailableError("the server is changing what it does; try again in a moment");
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  // The canonical codes are gRPC's.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

}  // namespace mansio::rpc
