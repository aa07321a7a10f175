#ifndef MANSIO_BROKER_MESSAGE_CONTENT_COPY_H_
#define MANSIO_BROKER_MESSAGE_CONTENT_COPY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/message/provenance.h"
#include "broker/message/stored_message.h"
#include "store/append.h"

namespace mansio::broker {

// What a copy of a stored message has of its own; everything else is the stored bytes as they are.
struct CopyChanges {
  Provenance provenance;           // replaces the one of the source
  std::string_view drop_property;  // a user property that the copy does not have; "": none
  // User properties that the copy has besides; they replace those of the same key.
  std::vector<std::pair<std::string, std::string>> set_properties;
};

// The content of a message for another queue, spliced from stored bytes. Borrows `source`; is not
// copied or moved.
class ContentCopy {
 public:
  ContentCopy(const StoredContent& source, const CopyChanges& changes);
  ContentCopy(const ContentCopy&) = delete;
  ContentCopy& operator=(const ContentCopy&) = delete;

  size_t size() const { return size_; }
  // Writes exactly size() bytes.
  void EncodeTo(char* out) const;
  // Adds the copy to an append as a message of `queue`, with the tag of the source. `now_ms` is
  // broker time.
  void AddTo(store::Append& append, store::QueueKey queue, int64_t now_ms) const;

 private:
  const StoredContent& source_;
  std::string before_system_;      // head, length of the system properties
  std::string before_properties_;  // their length
  std::string changed_;            // the properties, where they are not those of the source
  std::string_view properties_;
  size_t size_ = 0;
};

// The value of a user property in the encoded properties of a content; nullopt when it has none.
std::optional<std::string_view> FindProperty(std::string_view properties, std::string_view key);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_MESSAGE_CONTENT_COPY_H_
