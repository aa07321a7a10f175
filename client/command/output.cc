#include "client/command/output.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "common/names/utf8.h"

namespace mansio::command {
namespace {

constexpr size_t kNarrowestCut = 8;  // a cut column keeps at least that many characters

// Columns that are left out first, in this order, and those that never are, as the first one is.
constexpr std::string_view kLeastWanted[] = {"permission", "expired",    "stored",     "body_bytes",
                                             "version",    "language",   "durability", "epoch",
                                             "broker",     "brokers",    "resends",    "address",
                                             "connected",  "next_check", "checks",     "level"};
constexpr std::string_view kAlwaysShown[] = {"message_id", "transaction_id", "recall_handle",
                                             "due",        "time",           "body"};
constexpr char kGap[] = "  ";

// ---- YAML ----

void EmitYaml(const Json& value, YAML::Emitter& out) {
  switch (value.type()) {
    case Json::value_t::object:
      out << YAML::BeginMap;
      for (const auto& [key, field] : value.items()) {
        out << YAML::Key << key << YAML::Value;
        EmitYaml(field, out);
      }
      out << YAML::EndMap;
      break;
    case Json::value_t::array:
      if (value.empty()) out << YAML::Flow;
      out << YAML::BeginSeq;
      for (const Json& element : value) EmitYaml(element, out);
      out << YAML::EndSeq;
      break;
    case Json::value_t::string:
      out << YAML::DoubleQuoted << SanitizeUtf8(value.get<std::string>());
      break;
    case Json::value_t::null:
      out << YAML::Null;
      break;
    default:  // Numbers and booleans are written alike in both languages.
      out << value.dump();
  }
}

std::string Yaml(const Json& value) {
  YAML::Emitter out;
  EmitYaml(value, out);
  return std::string(out.c_str()) + "\n";
}

// ---- Tables ----

// "delivery_attempt" → "DELIVERY ATTEMPT".
std::string Title(std::string_view key) {
  std::string title(key);
  for (char& c : title)
    c = c == '_' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return title;
}

// The number of code points; near enough to columns for what brokers hold.
size_t Width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Cut(std::string_view text, size_t width) {
  if (Width(text) <= width) return std::string(text);
  size_t bytes = 0;
  for (size_t points = 0; points + 1 < width; ++points)
    bytes += FirstCodePoint(text.substr(bytes)).length;
  return std::string(text.substr(0, bytes)) + "…";
}

std::string WithSeparators(std::string digits) {
  const size_t first = digits.front() == '-' ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

std::string Cell(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "-";
    case Json::value_t::boolean:
      return value.get<bool>() ? "yes" : "no";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return WithSeparators(value.dump());
    case Json::value_t::string: {
      const std::string text = value.get<std::string>();
      return text.empty() ? "-" : EscapeForLog(text, 4096);
    }
    case Json::value_t::array:
    case Json::value_t::object: {
      std::string text;
      for (const auto& [key, element] : value.items()) {
        if (!text.empty()) text += value.is_object() ? " " : ", ";
        if (value.is_object()) text += EscapeForLog(key) + "=";
        text += Cell(element);
      }
      return text.empty() ? "-" : text;
    }
    default:
      return value.dump();
  }
}

bool IsTable(const Json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const Json& row) { return row.is_object(); });
}

struct Column {
  std::string key;
  std::string title;
  size_t width = 0;
  bool right = true;     // every cell is a number or missing
  bool is_text = false;  // it can be cut and still be of use
  std::vector<std::string> cells;
};

std::vector<Column> Columns(const Json& rows) {
  std::vector<std::string> keys;
  for (const Json& row : rows) {
    for (const auto& [key, unused] : row.items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  std::vector<Column> columns;
  for (const std::string& key : keys) {
    Column& column = columns.emplace_back();
    column.key = key;
    column.title = Title(key);
    column.is_text = key == "body";
    column.width = Width(column.title);
    for (const Json& row : rows) {
      const Json cell = row.contains(key) ? row.at(key) : Json();
      column.right = column.right && (cell.is_number() || cell.is_null());
      column.cells.push_back(Cell(cell));
      column.is_text = column.is_text || column.cells.back().find(' ') != std::string::npos;
      column.width = std::max(column.width, Width(column.cells.back()));
    }
  }
  return columns;
}

size_t TotalWidth(const std::vector<Column>& columns) {
  size_t total = (columns.size() - 1) * (sizeof(kGap) - 1);
  for (const Column& column : columns) total += column.width;
  return total;
}

// Narrows the widest columns of text, one character at a time, until the table fits or nothing is
// left to narrow.
void Narrow(std::vector<Column>& columns, size_t limit) {
  for (size_t total = TotalWidth(columns); total > limit; --total) {
    Column* widest = nullptr;
    for (Column& column : columns) {
      const bool can =
          column.is_text && column.width > std::max(kNarrowestCut, Width(column.title));
      if (can && (widest == nullptr || column.width > widest->width)) widest = &column;
    }
    if (widest == nullptr) return;
    --widest->width;
  }
}

// The column that is missed least; the end when all that are left must be shown.
std::vector<Column>::iterator LeastWanted(std::vector<Column>& columns) {
  for (const std::string_view key : kLeastWanted) {
    const auto found = std::find_if(columns.begin() + 1, columns.end(),
                                    [key](const Column& column) { return column.key == key; });
    if (found != columns.end()) return found;
  }
  for (auto column = columns.end() - 1; column != columns.begin(); --column) {
    const auto* const end = std::end(kAlwaysShown);
    if (std::find(std::begin(kAlwaysShown), end, column->key) == end) return column;
  }
  return columns.end();
}

// Makes the table as narrow as the terminal, if that is possible. Returns the titles of the columns
// that had to go.
std::vector<std::string> Fit(std::vector<Column>& columns, size_t limit) {
  std::vector<std::string> left_out;
  if (limit == 0 || columns.empty()) return left_out;
  Narrow(columns, limit);
  while (TotalWidth(columns) > limit) {
    const auto least = LeastWanted(columns);
    if (least == columns.end()) break;
    left_out.push_back(least->title);
    columns.erase(least);
  }
  return left_out;
}

std::string Padded(const std::string& text, const Column& column, bool last) {
  const std::string cut = Cut(text, column.width);
  const std::string padding(column.width - Width(cut), ' ');
  if (column.right) return padding + cut;
  return last ? cut : cut + padding;  // no blanks at the end of a line
}

std::string Table(const Json& rows, const TableOptions& options) {
  if (rows.empty()) return "(none)\n";
  std::vector<Column> columns = Columns(rows);
  const std::vector<std::string> left_out = Fit(columns, options.terminal_width);
  std::string out;
  for (size_t row = 0; row <= rows.size(); ++row) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) out += kGap;
      const std::string& text = row == 0 ? columns[i].title : columns[i].cells[row - 1];
      out += Padded(text, columns[i], i + 1 == columns.size());
    }
    out += '\n';
  }
  if (!left_out.empty()) out += fmt::format("(-o wide shows also {})\n", fmt::join(left_out, ", "));
  return out;
}

std::string Object(const Json& object, const TableOptions& options) {
  size_t width = 0;
  for (const auto& [key, field] : object.items()) {
    if (!IsTable(field) || field.empty()) width = std::max(width, key.size());
  }
  std::string fields;
  std::string tables;
  for (const auto& [key, field] : object.items()) {
    if (IsTable(field) && !field.empty()) {
      tables += fmt::format("\n{}\n{}", Title(key), Table(field, options));
    } else {
      fields += fmt::format("{:<{}}{}{}\n", Title(key), width, kGap, Cell(field));
    }
  }
  return fields + tables;
}

}  // namespace

std::string Render(const Json& value, Format format, const TableOptions& options) {
  switch (format) {
    case Format::kJson:
      return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    case Format::kYaml:
      return Yaml(value);
    case Format::kTable:
      if (value.is_object()) return Object(value, options);
      if (IsTable(value)) return Table(value, options);
      return Cell(value) + "\n";
  }
  return "";
}

}  // namespace mansio::command
