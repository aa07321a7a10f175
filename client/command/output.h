#ifndef MANSIO_CLIENT_COMMAND_OUTPUT_H_
#define MANSIO_CLIENT_COMMAND_OUTPUT_H_

#include <cstddef>
#include <string>

#include "nlohmann/json.hpp"

// What a command prints, in every format, comes from one JSON value: objects have stable field
// names (the interface for scripts, held by golden tests), and the table for people is derived from
// the same value. Pure functions, thread-safe.
namespace mansio::command {

using Json = nlohmann::ordered_json;

enum class Format { kTable, kJson, kYaml };

struct TableOptions {
  // Columns of the terminal; 0: no limit. In a table that is too wide free text is cut, then whole
  // columns are left out and named below it. Ids, handles and times are never cut: somebody is
  // going to type or compare them.
  size_t terminal_width = 0;
};

// `value` as text that ends with a newline.
//  - kJson: indented by 2, numbers raw; text that is not UTF-8 gets replacement characters.
//  - kYaml: the same value as YAML; all text quoted, so that nothing changes its type.
//  - kTable: an array of objects is a table with a column for each field, numbers to the right with
//    thousands separators; an object is a list of its plain fields, then a table for each array of
//    objects in it; null is "-". Control characters in text are shown as escapes.
std::string Render(const Json& value, Format format, const TableOptions& options = {});

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_OUTPUT_H_
