#ifndef MANSIO_COMMON_RPC_PAYLOAD_H_
#define MANSIO_COMMON_RPC_PAYLOAD_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/inlined_vector.h"

namespace mansio::rpc {

// The encoded bytes of one outgoing protobuf message, as a list of pieces. Small pieces are owned
// strings; large message bodies are shared with the log's tail cache instead of being copied.
// Not thread-safe; a value that is moved from thread to thread.
class Payload {
 public:
  struct Piece {
    std::string owned;                  // used when `owner` is null
    std::shared_ptr<const void> owner;  // keeps `view` alive otherwise
    std::string_view view;
    std::string_view bytes() const { return owner ? view : std::string_view(owned); }
  };

  Payload() = default;
  explicit Payload(std::string bytes) { Append(std::move(bytes)); }

  // Adds bytes at the end. Appending an empty piece is allowed and does nothing.
  void Append(std::string bytes) {
    if (bytes.empty()) return;
    size_ += bytes.size();
    pieces_.push_back(Piece{std::move(bytes), nullptr, {}});
  }
  // Adds `view` without a copy; `owner` must keep it valid.
  void AppendShared(std::shared_ptr<const void> owner, std::string_view view) {
    if (view.empty()) return;
    size_ += view.size();
    pieces_.push_back(Piece{{}, std::move(owner), view});
  }

  size_t size() const { return size_; }
  const absl::InlinedVector<Piece, 1>& pieces() const { return pieces_; }
  absl::InlinedVector<Piece, 1>& mutable_pieces() { return pieces_; }

  // Joins all pieces into one string; for tests and cold paths.
  std::string Flatten() const {
    std::string all;
    all.reserve(size_);
    for (const Piece& piece : pieces_) all.append(piece.bytes());
    return all;
  }

 private:
  absl::InlinedVector<Piece, 1> pieces_;
  size_t size_ = 0;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_PAYLOAD_H_
