#include "common/rpc/request_headers.h"

namespace mansio::rpc {
namespace {

// The array is a private member. An explicit instantiation may name it ([temp.spec]), and hands it
// on through the friend function.
grpc::internal::MetadataMap& ReceivedMetadata(grpc::ServerContextBase& context);

template <auto kMember>
struct PrivateMember {
  friend grpc::internal::MetadataMap& ReceivedMetadata(grpc::ServerContextBase& context) {
    return context.*kMember;
  }
};
template struct PrivateMember<&grpc::ServerContextBase::client_metadata_>;

std::string_view View(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

}  // namespace

std::string_view RequestHeader(grpc::ServerContext& context, std::string_view key) {
  const grpc_metadata_array& headers = *ReceivedMetadata(context).arr();
  for (size_t i = 0; i < headers.count; ++i) {
    if (View(headers.metadata[i].key) == key) return View(headers.metadata[i].value);
  }
  return {};
}

}  // namespace mansio::rpc
