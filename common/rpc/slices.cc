#include "common/rpc/slices.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "common/sync/annotations.h"

namespace mansio::rpc {
namespace {

// Below this many bytes a copy costs less than an allocated reference count with its callback.
constexpr size_t kCopyLimit = 2048;

void DestroyPiece(void* holder) {
  TsanAcquire(holder);  // gRPC may let go of a slice on another thread
  delete static_cast<Payload::Piece*>(holder);
}

grpc::Slice SharedSlice(Payload::Piece piece) {
  auto* holder = new Payload::Piece(std::move(piece));
  const std::string_view bytes = holder->bytes();
  TsanRelease(holder);
  return grpc::Slice(const_cast<char*>(bytes.data()), bytes.size(), DestroyPiece, holder);
}

grpc::Slice JoinedSlice(const Payload& payload) {
  grpc::Slice joined(payload.size());
  auto* out = const_cast<uint8_t*>(joined.begin());
  for (const Payload::Piece& piece : payload.pieces()) {
    const std::string_view bytes = piece.bytes();
    std::memcpy(out, bytes.data(), bytes.size());
    out += bytes.size();
  }
  return joined;
}

}  // namespace

grpc::ByteBuffer ToByteBuffer(Payload payload) {
  if (payload.size() <= kCopyLimit) {
    const grpc::Slice joined = JoinedSlice(payload);
    return grpc::ByteBuffer(&joined, 1);
  }
  absl::InlinedVector<grpc::Slice, 8> slices;
  for (Payload::Piece& piece : payload.mutable_pieces()) {
    const std::string_view bytes = piece.bytes();
    if (bytes.size() <= kCopyLimit) {
      slices.emplace_back(bytes.data(), bytes.size());
    } else {
      slices.push_back(SharedSlice(std::move(piece)));
    }
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

absl::Status RequestBudget::Exhausted() const {
  return absl::ResourceExhaustedError(fmt::format(
      "large requests in process hold the {} MiB of limits.rpc-memory-bytes; try again in a moment",
      limit_ >> 20));
}

std::string_view ReceivedBytes::Load(const grpc::ByteBuffer& buffer) {
  static_cast<void>(LoadWithin(nullptr, buffer));
  return view_;
}

bool ReceivedBytes::LoadWithin(RequestBudget* budget, const grpc::ByteBuffer& buffer) {
  Clear();
  if (buffer.TrySingleSlice(&slice_).ok()) {
    view_ = std::string_view(reinterpret_cast<const char*>(slice_.begin()), slice_.size());
    return true;
  }
  if (budget != nullptr && !budget->Take(buffer.Length())) return false;
  budget_ = budget;
  std::vector<grpc::Slice> slices;
  if (buffer.Dump(&slices).ok()) {
    joined_.reserve(buffer.Length());
    for (const grpc::Slice& slice : slices) {
      joined_.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  view_ = joined_;
  return true;
}

void ReceivedBytes::Clear() {
  if (budget_ != nullptr) std::exchange(budget_, nullptr)->GiveBack(joined_.size());
  slice_ = grpc::Slice();
  joined_ = std::string();  // gives a large request's memory back
  view_ = {};
}

}  // namespace mansio::rpc
