#ifndef MANSIO_COMMON_RPC_SLICES_H_
#define MANSIO_COMMON_RPC_SLICES_H_

#include <grpcpp/impl/serialization_traits.h>
#include <grpcpp/support/byte_buffer.h>

#include <string>
#include <string_view>

#include "common/rpc/payload.h"
#include "common/rpc/request_budget.h"

// Between our payloads and gRPC's slices. Internal to common/rpc.
namespace mansio::rpc {

// Moves the bytes of `payload` into a gRPC buffer. Shared pieces and large owned ones are handed
// over by reference; small ones are copied into one slice, which is cheaper than a reference count
// each.
grpc::ByteBuffer ToByteBuffer(Payload payload);

// A received message as contiguous bytes: without a copy where gRPC has it in one slice, as small
// messages are.
class ReceivedBytes {
 public:
  // The view is valid until the next Load or Clear.
  std::string_view Load(const grpc::ByteBuffer& buffer);
  // False when a copy is needed and `budget` has no room for it. What it takes it gives back by
  // Clear, not by being destroyed.
  [[nodiscard]] bool LoadWithin(RequestBudget* budget, const grpc::ByteBuffer& buffer);
  std::string_view view() const { return view_; }
  void Clear();

 private:
  grpc::Slice slice_;
  std::string joined_;
  std::string_view view_;
  RequestBudget* budget_ = nullptr;  // of which `joined_` holds a part
};

// What the gRPC writers send. gRPC's own ByteBuffer would be copied once more on its way.
struct Outgoing {
  mutable Payload payload;
};

}  // namespace mansio::rpc

namespace grpc {

template <>
class SerializationTraits<mansio::rpc::Outgoing, void> {
 public:
  static Status Serialize(const mansio::rpc::Outgoing& message, ByteBuffer* buffer,
                          bool* own_buffer) {
    mansio::rpc::ToByteBuffer(std::move(message.payload)).Swap(buffer);
    *own_buffer = true;
    return Status::OK;
  }
};

}  // namespace grpc

#endif  // MANSIO_COMMON_RPC_SLICES_H_
