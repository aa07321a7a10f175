#include "common/names/edit_distance.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace mansio {

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1] ? 1 : 0);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}


size_t MostEditsOfAMistake(std::string_view typed) {
  return std::max<size_t>(2, typed.size() / 3);
}

}  // namespace mansio
