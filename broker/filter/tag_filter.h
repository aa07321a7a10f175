#ifndef MANSIO_BROKER_FILTER_TAG_FILTER_H_
#define MANSIO_BROKER_FILTER_TAG_FILTER_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/filter/message_filter.h"

namespace mansio::broker {

// A TAG filter expression (RocketMQ 5 API): `*` or nothing for all, else tags separated by
// `||`.
class TagFilter : public MessageFilter {
 public:
  // ILLEGAL_FILTER_EXPRESSION (wire status) for one that is too long or names no tag.
  static absl::StatusOr<TagFilter> Parse(std::string_view expression);

  bool all() const override { return tags_.empty(); }
  bool reads_messages() const override { return false; }
  // Two tags can share a hash.
  bool MayMatch(uint32_t tag_hash) const override;
  bool Matches(const StoredContent& content) const override { return MatchesTag(TagOf(content)); }
  size_t Cost(const StoredContent& content) const override { return TagOf(content).size(); }

  // By text. A message without a tag matches only `*`.
  bool MatchesTag(std::string_view tag) const;

 private:
  std::vector<std::string> tags_;
  std::vector<uint64_t> hashes_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_FILTER_TAG_FILTER_H_
