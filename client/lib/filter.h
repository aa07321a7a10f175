#ifndef MANSIO_CLIENT_LIB_FILTER_H_
#define MANSIO_CLIENT_LIB_FILTER_H_

#include <string>
#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"

namespace mansio::client {

// Which messages of a topic a consumer wants.
class Filter {
 public:
  // Tags such as "paid || shipped" (exact, case-sensitive), or "*" for all messages. Implicit: a
  // plain text means tags.
  Filter(std::string tags = "*") : expression_(std::move(tags)) {}
  Filter(const char* tags) : expression_(tags) {}
  // An SQL92 expression over the messages' properties.
  static Filter Sql(std::string expression) {
    Filter filter(std::move(expression));
    filter.type_ = apache::rocketmq::v2::SQL;
    return filter;
  }

  // As requests and settings carry it.
  void ToWire(apache::rocketmq::v2::FilterExpression* out) const {
    out->set_type(type_);
    out->set_expression(expression_);
  }

 private:
  apache::rocketmq::v2::FilterType type_ = apache::rocketmq::v2::TAG;
  std::string expression_;
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_FILTER_H_
