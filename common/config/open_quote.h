#ifndef MANSIO_COMMON_CONFIG_OPEN_QUOTE_H_
#define MANSIO_COMMON_CONFIG_OPEN_QUOTE_H_

#include <optional>
#include <string_view>

namespace mansio::config {

// The line, from 1, of the first quoted text in a YAML file that does not end in its line; nullopt
// when each does. YAML lets it go on, up to the next quote in whatever line, which is never meant
// in a configuration. Any bytes are good; linear in them.
std::optional<int> LineOfOpenQuote(std::string_view yaml);

}  // namespace mansio::config

#endif  // MANSIO_COMMON_CONFIG_OPEN_QUOTE_H_
