#include "common/config/describe.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

namespace mansio::config {
namespace {

constexpr size_t kLineWidth = 98;

// `text` in lines that begin with `prefix`, broken between words.
std::string Wrapped(std::string_view text, std::string_view prefix) {
  std::string result;
  std::string line;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    if (word.empty()) continue;
    if (!line.empty() && prefix.size() + line.size() + 1 + word.size() > kLineWidth) {
      fmt::format_to(std::back_inserter(result), "{}{}\n", prefix, line);
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty()) fmt::format_to(std::back_inserter(result), "{}{}\n", prefix, line);
  return result;
}

std::string Nature(const Key& key) {
  std::string accepted = Accepted(key);
  accepted[0] = static_cast<char>(accepted[0] - 'a' + 'A');
  return fmt::format("{}{}. Changes {}.", accepted,
                     key.unit.empty() ? "" : fmt::format(" ({})", key.unit),
                     key.run_time ? "while the process runs" : "at the next start");
}

bool IsPlainYaml(std::string_view text) {
  const std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:-";
  return !text.empty() && text.find_first_not_of(plain) == std::string_view::npos &&
         text.front() != '-' && text.front() != ':' && text.back() != ':';
}

std::string YamlScalar(std::string_view text) {
  if (IsPlainYaml(text)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

std::string YamlDefault(const Key& key) {
  if (key.type != ValueType::kHostPorts) return YamlScalar(FormatValue(key, key.default_value));
  std::string list;
  for (const HostPort& item : std::get<std::vector<HostPort>>(key.default_value)) {
    if (!list.empty()) list += ", ";
    list += YamlScalar(item.ToString());
  }
  return fmt::format("[{}]", list);
}

std::string_view GroupOf(std::string_view name) {
  const size_t dot = name.find('.');
  return dot == std::string_view::npos ? "" : name.substr(0, dot);
}

void RenderKey(const Key& key, std::string_view group, std::string* out) {
  const std::string indent = group.empty() ? "" : "  ";
  const std::string comment = indent + "# ";
  const std::string_view name =
      std::string_view(key.name).substr(group.empty() ? 0 : group.size() + 1);
  *out += "\n";
  *out += Wrapped(key.explanation, comment);
  *out += Wrapped(Nature(key), comment);
  fmt::format_to(std::back_inserter(*out), "{}{}: {}\n", indent, name, YamlDefault(key));
}

}  // namespace

std::string Explain(absl::Span<const Key> keys) {
  std::string out;
  for (const Key& key : keys) {
    const std::string default_text = FormatValue(key, key.default_value);
    fmt::format_to(std::back_inserter(out), "{}`{}` (default {})\n", out.empty() ? "" : "\n",
                   key.name, default_text.empty() ? "empty" : default_text);
    out += Wrapped(key.explanation, "    ");
    out += Wrapped(Nature(key), "    ");
  }
  return out;
}

std::string RenderDefault(absl::Span<const Key> keys) {
  std::string out =
      "# Every key with its default. A key may also be written with its full dotted name, and\n"
      "# --set key=value on the command line overrides it.\n";
  // Keys without a group first, then each group where its first key stands.
  for (const Key& key : keys) {
    if (GroupOf(key.name).empty()) RenderKey(key, "", &out);
  }
  std::vector<std::string_view> done;
  for (const Key& first : keys) {
    const std::string_view group = GroupOf(first.name);
    bool is_done = group.empty();
    for (std::string_view other : done) is_done = is_done || other == group;
    if (is_done) continue;
    done.push_back(group);
    fmt::format_to(std::back_inserter(out), "\n{}:\n", group);
    for (const Key& key : keys) {
      if (GroupOf(key.name) == group) RenderKey(key, group, &out);
    }
  }
  return out;
}

}  // namespace mansio::config
