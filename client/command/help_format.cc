#include "client/command/help_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <sstream>

namespace mansio::command {
namespace {

constexpr size_t kTextWidth = 70;  // beside the 30 columns of names

std::string Wrapped(const std::string& text) {
  std::istringstream words(text);
  std::string out;
  size_t column = 0;
  for (std::string word; words >> word;) {
    const bool fits = column + 1 + word.size() <= kTextWidth;
    if (!out.empty()) out += fits ? ' ' : '\n';
    column = (out.empty() || !fits ? 0 : column + 1) + word.size();
    out += word;
  }
  return out;
}

}  // namespace

std::string HelpFormat::make_option_name(const CLI::Option* option, bool is_positional) const {
  std::string name = CLI::Formatter::make_option_name(option, is_positional);
  // CLI11 writes what a flag means without a value as --tls,--no-tls{false} and --watch{2s}.
  const size_t brace = name.find('{');
  if (brace == std::string::npos) return name;
  const std::string value = name.substr(brace + 1, name.find('}') - brace - 1);
  return name.substr(0, brace) + (value == "false" ? "" : fmt::format("[={}]", value));
}

std::string HelpFormat::make_option_opts(const CLI::Option* option) const {
  std::string out;
  if (option->get_type_size() != 0) {
    if (!option->get_type_name().empty()) out += " " + option->get_type_name();
    if (!option->get_default_str().empty()) out += "=" + option->get_default_str();
    if (option->get_expected_max() == CLI::detail::expected_max_vector_size) out += " ...";
    if (option->get_required()) out += " REQUIRED";
  }
  if (!option->get_envname().empty()) out += fmt::format(" (Env:{})", option->get_envname());
  std::set<std::string> excluded;  // CLI11's own set is in the order of addresses
  for (const CLI::Option* other : option->get_excludes()) excluded.insert(other->get_name());
  if (!excluded.empty()) out += fmt::format(" (not with {})", fmt::join(excluded, ", "));
  return out;
}

std::string HelpFormat::make_option_desc(const CLI::Option* option) const {
  return Wrapped(option->get_description());
}

std::string HelpFormat::make_subcommand(const CLI::App* sub) const {
  std::ostringstream out;
  CLI::detail::format_help(out, sub->get_name(), Wrapped(sub->get_description()),
                           get_column_width());
  return out.str();
}

}  // namespace mansio::command
