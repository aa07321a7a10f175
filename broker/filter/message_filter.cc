#include "broker/filter/message_filter.h"

#include <fmt/format.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/filter/sql_filter.h"
#include "broker/filter/tag_filter.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

template <typename Filter>
absl::StatusOr<FilterPtr> Shared(absl::StatusOr<Filter> filter) {
  if (!filter.ok()) return filter.status();
  return std::make_shared<const Filter>(*std::move(filter));
}

}  // namespace

absl::StatusOr<FilterPtr> CompileFilter(int type, std::string_view expression) {
  switch (type) {
    case v2::FILTER_TYPE_UNSPECIFIED:
    case v2::TAG:
      return Shared(TagFilter::Parse(expression));
    case v2::SQL:
      return Shared(SqlFilter::Parse(expression));
    default:
      return WireError(v2::NOT_IMPLEMENTED,
                       fmt::format("filter type {} is not known; use TAG or SQL", type));
  }
}

}  // namespace mansio::broker
