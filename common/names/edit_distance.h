#ifndef MANSIO_COMMON_NAMES_EDIT_DISTANCE_H_
#define MANSIO_COMMON_NAMES_EDIT_DISTANCE_H_

#include <cstddef>
#include <string_view>

namespace mansio {

// The number of single-character changes between two names (Levenshtein). Pure; takes time and
// memory of the product of their lengths.
size_t EditDistance(std::string_view a, std::string_view b);

// Up to this distance another name was probably meant by `typed`.
size_t MostEditsOfAMistake(std::string_view typed);

}  // namespace mansio

#endif  // MANSIO_COMMON_NAMES_EDIT_DISTANCE_H_
