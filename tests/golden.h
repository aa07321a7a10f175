#ifndef MANSIO_TESTS_GOLDEN_H_
#define MANSIO_TESTS_GOLDEN_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace mansio::testing {

// Expects that the file `name`, a path in the source tree, holds `actual`. With MANSIO_RENEW=1 in
// the environment the file is written instead.
inline void ExpectGolden(const std::string& name, const std::string& actual) {
  const std::string path = std::string(MANSIO_SOURCE_DIR) + "/" + name;
  if (std::getenv("MANSIO_RENEW") != nullptr) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << actual << std::flush;
    ASSERT_TRUE(file.good()) << path;
    return;
  }
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  EXPECT_EQ(content.str(), actual)
      << name << " is not up to date. Look at the difference; if it is meant, renew it with\n  "
      << "MANSIO_RENEW=1 " << std::filesystem::read_symlink("/proc/self/exe").string();
}

}  // namespace mansio::testing

#endif  // MANSIO_TESTS_GOLDEN_H_
