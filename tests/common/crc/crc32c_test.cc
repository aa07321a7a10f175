#include "common/crc/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace mansio {
namespace {

TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("a"), 0xc1d04330u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  // RFC 3720, appendix B.4.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string ascending;
  std::string descending;
  for (char c = 0; c < 32; ++c) ascending += c;
  for (char c = 31; c >= 0; --c) descending += c;
  EXPECT_EQ(Crc32c(ascending), 0x46dd794eu);
  EXPECT_EQ(Crc32c(descending), 0x113fdb5cu);
}

TEST(Crc32c, PortableAndExtendedFormsAgree) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 500; ++round) {
    std::string data(random() % 300, '\0');
    for (char& c : data) c = static_cast<char>(random());
    const std::string_view view = data;
    const uint32_t whole = Crc32c(view);
    EXPECT_EQ(crc_internal::ExtendPortable(0, view), whole);
    const size_t cut = data.empty() ? 0 : random() % data.size();
    EXPECT_EQ(ExtendCrc32c(Crc32c(view.substr(0, cut)), view.substr(cut)), whole);
  }
}

TEST(Crc32c, EveryFlippedBitShows) {
  std::string data = "the log is the broker";
  const uint32_t before = Crc32c(data);
  for (size_t bit = 0; bit < data.size() * 8; ++bit) {
    data[bit / 8] = static_cast<char>(data[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_NE(Crc32c(data), before);
    data[bit / 8] = static_cast<char>(data[bit / 8] ^ (1 << (bit % 8)));
  }
}

}  // namespace
}  // namespace mansio
