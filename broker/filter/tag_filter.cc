#include "broker/filter/tag_filter.h"

#include <fmt/format.h>

#include <algorithm>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/message/stored_message.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace {

constexpr size_t kMaxExpressionBytes = 16 * 1024;
constexpr size_t kMaxTags = 256;

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\f\v";
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

absl::Status Illegal(std::string sentence) {
  return WireError(apache::rocketmq::v2::ILLEGAL_FILTER_EXPRESSION, std::move(sentence));
}

}  // namespace

absl::StatusOr<TagFilter> TagFilter::Parse(std::string_view expression) {
  TagFilter filter;
  expression = Trim(expression);
  if (expression.empty() || expression == "*") return filter;
  if (expression.size() > kMaxExpressionBytes) {
    return Illegal(fmt::format("a tag expression has at most {} bytes, this one has {}",
                               kMaxExpressionBytes, expression.size()));
  }
  while (!expression.empty()) {
    const size_t bar = expression.find("||");
    const std::string_view tag = Trim(expression.substr(0, bar));
    expression = bar == std::string_view::npos ? std::string_view() : expression.substr(bar + 2);
    if (tag.empty()) continue;
    filter.tags_.emplace_back(tag);
    filter.hashes_.push_back(TagHash(tag));
    if (filter.tags_.size() > kMaxTags) {
      return Illegal(fmt::format("a tag expression names at most {} tags", kMaxTags));
    }
  }
  if (filter.tags_.empty()) {
    return Illegal("the tag expression names no tag; write `tagA || tagB`, or `*` for all");
  }
  return filter;
}

bool TagFilter::MayMatch(uint32_t tag_hash) const {
  return all() || std::find(hashes_.begin(), hashes_.end(), tag_hash) != hashes_.end();
}

bool TagFilter::MatchesTag(std::string_view tag) const {
  return all() || std::find(tags_.begin(), tags_.end(), tag) != tags_.end();
}

}  // namespace mansio::broker
