#ifndef MANSIO_BROKER_FILTER_MESSAGE_FILTER_H_
#define MANSIO_BROKER_FILTER_MESSAGE_FILTER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "broker/message/stored_message.h"

namespace mansio::broker {

// Which messages of a topic a subscription wants (RocketMQ 5 API). Immutable; thread-safe;
// shared by all subscribers with the same expression.
class MessageFilter {
 public:
  virtual ~MessageFilter() = default;

  // Every message matches: nothing else needs to be asked.
  virtual bool all() const = 0;
  // The ConsumeQueue's entry decides nothing, so that each message has to be read to be judged. For
  // other filters MayMatch leaves so few wrong ones that reading them first does not pay.
  virtual bool reads_messages() const = 0;
  // By the hash that the ConsumeQueue keeps of a tag (TagHashOf its entry's): false means that the
  // message cannot match. True has to be confirmed by Matches.
  virtual bool MayMatch(uint32_t tag_hash) const = 0;
  virtual bool Matches(const StoredContent& content) const = 0;
  // An upper bound of the bytes that Matches looks at, so that a scan can bound its work.
  virtual size_t Cost(const StoredContent& content) const = 0;
};

using FilterPtr = std::shared_ptr<const MessageFilter>;

// A filter from the type (a value of v2.FilterType; 0 counts as TAG) and text of a
// v2.FilterExpression. A wrong one is ILLEGAL_FILTER_EXPRESSION with a sentence that says where and
// what to write instead, an unknown type NOT_IMPLEMENTED (wire statuses).
absl::StatusOr<FilterPtr> CompileFilter(int type, std::string_view expression);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_FILTER_MESSAGE_FILTER_H_
