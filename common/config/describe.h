#ifndef MANSIO_COMMON_CONFIG_DESCRIBE_H_
#define MANSIO_COMMON_CONFIG_DESCRIBE_H_

// Keys as documentation. Pure, thread safe.

#include <string>

#include "absl/types/span.h"
#include "common/config/value.h"

namespace mansio::config {

// Every key with type, default and explanation, as Markdown that also reads well in a terminal.
std::string Explain(absl::Span<const Key> keys);

// A YAML file that sets every key to its default, each explained in a comment. Loading it gives the
// defaults.
std::string RenderDefault(absl::Span<const Key> keys);

}  // namespace mansio::config

#endif  // MANSIO_COMMON_CONFIG_DESCRIBE_H_
