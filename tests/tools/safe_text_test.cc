#include "tools/terminal/safe_text.h"

#include <gtest/gtest.h>

namespace sain::tools {
namespace {

TEST(SafeTextTest, KeepsText) {
  EXPECT_EQ(safe_text("a\tb\nc"), "a\tb\nc");
  EXPECT_EQ(safe_text("é ü 漢字 🎉 \xC2\xA0"), "é ü 漢字 🎉 \xC2\xA0");
  EXPECT_EQ(safe_text(""), "");
}

TEST(SafeTextTest, DropsEscapeSequences) {
  EXPECT_EQ(safe_text("\x1b[31mred\x1b[0m"), "[31mred[0m");
  EXPECT_EQ(safe_text("\x1b]0;title\x07"), "]0;title");
}

TEST(SafeTextTest, DropsEveryControlCharacter) {
  for (int c = 1; c < 0x20; ++c) {
    if (c != '\n' && c != '\t') {
      EXPECT_EQ(safe_text(std::string(1, static_cast<char>(c))), "") << c;
    }
  }
  EXPECT_EQ(safe_text(std::string(1, '\0') + "\x7f"), "");
  for (int c = 0x80; c < 0xA0; ++c) EXPECT_EQ(safe_text(std::string("\xC2") + static_cast<char>(c)), "") << c;
}

}  // namespace
}  // namespace sain::tools
