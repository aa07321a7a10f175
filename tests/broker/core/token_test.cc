#include "broker/core/token.h"

#include <gtest/gtest.h>

namespace mansio::broker {
namespace {

TEST(TokenTest, ComesBackWhateverItsLength) {
  std::string bytes;
  for (int n = 0; n < 70; ++n) {
    EXPECT_EQ(TokenBytes(TokenText(bytes), 100), bytes);
    bytes.push_back(static_cast<char>(n * 37));
  }
}

TEST(TokenTest, NoOtherTextIsTheSameToken) {
  for (const std::string bytes : {"1", "12", "123", "1234"}) {
    const std::string text = TokenText(bytes);
    std::string changed = text;
    for (size_t i = 0; i < text.size(); ++i) {
      for (int c = 0; c < 256; ++c) {
        changed[i] = static_cast<char>(c);
        if (changed == text) continue;
        EXPECT_NE(TokenBytes(changed, 100), bytes) << text << " " << changed;
      }
      changed[i] = text[i];
    }
    for (const char* more : {"=", "==", " ", "\n"}) {
      EXPECT_NE(TokenBytes(text + more, 100), bytes) << text << " and '" << more << "'";
    }
  }
}

TEST(TokenTest, ATextThatIsTooLongIsNone) {
  EXPECT_TRUE(TokenBytes("QUJD", 4));
  EXPECT_FALSE(TokenBytes("QUJDRA", 4));
}

}  // namespace
}  // namespace mansio::broker
