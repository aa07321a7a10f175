#include "broker/filter/sql_filter.h"

#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "broker/filter/sql_parser.h"

namespace mansio::broker {

namespace {

std::optional<uint32_t> NumberOf(const SqlProgram& program, std::string_view name) {
  const auto it = program.names.find(name);
  if (it == program.names.end()) return std::nullopt;
  return it->second;
}

// The keys of a message as one text; `joined` holds it where there are several.
SqlValue KeysValue(const StoredContent& content, std::string& joined) {
  SqlValue value;
  size_t count = 0;
  ForEachKey(content, [&](std::string_view key) {
    if (count++ == 0) {
      value = key;
      return;
    }
    if (count == 2) joined = std::get<std::string_view>(value);
    joined.append(" ").append(key);
  });
  return count > 1 ? SqlValue(std::string_view(joined)) : value;
}

}  // namespace

absl::StatusOr<SqlFilter> SqlFilter::Parse(std::string_view expression) {
  absl::StatusOr<SqlProgram> program = CompileSql(expression);
  if (!program.ok()) return program.status();
  return SqlFilter(*std::move(program));
}

SqlFilter::SqlFilter(SqlProgram program)
    : program_(std::move(program)),
      tag_(NumberOf(program_, "TAGS")),
      keys_(NumberOf(program_, "KEYS")) {}

bool SqlFilter::Matches(const StoredContent& content) const {
  absl::InlinedVector<SqlValue, 8> properties(program_.names.size());
  if (!program_.names.empty()) {
    ForEachUserProperty(content, [&](std::string_view name, std::string_view value) {
      const auto it = program_.names.find(name);
      if (it != program_.names.end()) properties[it->second] = value;
    });
  }
  std::string joined_keys;
  if (tag_.has_value()) {
    const std::string_view tag = TagOf(content);
    properties[*tag_] = tag.empty() ? SqlValue() : SqlValue(tag);
  }
  if (keys_.has_value()) properties[*keys_] = KeysValue(content, joined_keys);
  return program_.IsTrue(properties);
}

size_t SqlFilter::Cost(const StoredContent& content) const {
  // Each step looks at one property at most, and at all of it in the worst case.
  return (content.properties.size() + content.system.size()) * (1 + program_.steps.size() / 2);
}

}  // namespace mansio::broker
