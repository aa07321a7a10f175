#ifndef MANSIO_BROKER_FILTER_SQL_FILTER_H_
#define MANSIO_BROKER_FILTER_SQL_FILTER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "broker/filter/message_filter.h"
#include "broker/filter/sql_program.h"

namespace mansio::broker {

// An SQL92 expression over a message's user properties, its tag as TAGS and its keys, joined by
// blanks, as KEYS (RocketMQ 5 API). Properties are looked at where they are stored.
class SqlFilter : public MessageFilter {
 public:
  // As CompileSql.
  static absl::StatusOr<SqlFilter> Parse(std::string_view expression);

  bool all() const override { return false; }
  bool reads_messages() const override { return true; }
  bool MayMatch(uint32_t) const override { return true; }
  bool Matches(const StoredContent& content) const override;
  size_t Cost(const StoredContent& content) const override;

 private:
  explicit SqlFilter(SqlProgram program);

  SqlProgram program_;
  std::optional<uint32_t> tag_;   // the number of the name TAGS
  std::optional<uint32_t> keys_;  // of KEYS
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_FILTER_SQL_FILTER_H_
