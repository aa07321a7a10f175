#ifndef MANSIO_BROKER_CONSUMPTION_TAG_FILTER_H_
#define MANSIO_BROKER_CONSUMPTION_TAG_FILTER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace mansio::broker {

// A TAG filter expression (contract section 6.8): `*` or nothing for all, else tags separated by
// `||`. Immutable; thread-safe.
class TagFilter {
 public:
  // ILLEGAL_FILTER_EXPRESSION (wire status) for one that is too long or names no tag.
  static absl::StatusOr<TagFilter> Parse(std::string_view expression);

  bool all() const { return tags_.empty(); }
  // By the hash that the ConsumeQueue keeps: false means that the message cannot match. Two tags
  // can share a hash, so that true has to be confirmed by Matches.
  bool MayMatch(uint64_t tag_hash) const;
  // By text. A message without a tag matches only `*`.
  bool Matches(std::string_view tag) const;

 private:
  std::vector<std::string> tags_;
  std::vector<uint64_t> hashes_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_TAG_FILTER_H_
