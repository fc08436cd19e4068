// Text as it comes: valid UTF-8 at every step, and in the end the same as decoding at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <utf8proc.h>

#include <random>

#include "formats/utf8.h"
#include "tests/formats/tiny_tokenizer.h"

namespace sain::formats {
namespace {

using ::testing::ElementsAre;

/// Each byte's output, then the flush.
std::vector<std::string> stream(std::string_view bytes) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  StreamDecoder decoder(tokenizer);
  std::vector<std::string> outputs;
  for (const char c : bytes) outputs.push_back(decoder.push(static_cast<unsigned char>(c)));
  outputs.push_back(decoder.flush());
  return outputs;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    utf8proc_int32_t character;
    const auto n = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + i,
                                    static_cast<utf8proc_ssize_t>(text.size() - i), &character);
    if (n <= 0) return false;
    i += static_cast<size_t>(n);
  }
  return true;
}

TEST(StreamDecoderTest, HoldsBackWhatIsUnfinished) {
  EXPECT_THAT(stream("a\xE4\xB8\xAD"), ElementsAre("a", "", "", "\u4E2D", ""));
  EXPECT_THAT(stream("\xF0\x9F\x98\x80"), ElementsAre("", "", "", "\U0001F600", ""));
  EXPECT_THAT(stream(""), ElementsAre(""));
}

TEST(StreamDecoderTest, ReplacesWhatCanNeverBecomeValid) {
  EXPECT_THAT(stream("\xFF!"), ElementsAre("\uFFFD", "!", ""));
  EXPECT_THAT(stream("\x80"), ElementsAre("\uFFFD", ""));
  EXPECT_THAT(stream("\xE4\xB8!"), ElementsAre("", "", "\uFFFD!", ""));
  EXPECT_THAT(stream("\xE4\xE4\xB8\xAD"), ElementsAre("", "\uFFFD", "", "\u4E2D", ""));
  EXPECT_THAT(stream("\xC0\xAF"), ElementsAre("\uFFFD", "\uFFFD", ""));                              // over-long
  EXPECT_THAT(stream("\xED\xA0\x80"), ElementsAre("", "\uFFFD\uFFFD", "\uFFFD", ""));                // a surrogate
  EXPECT_THAT(stream("\xF4\x90\x80\x80"), ElementsAre("", "\uFFFD\uFFFD", "\uFFFD", "\uFFFD", ""));  // above U+10FFFF
}

// The example of The Unicode Standard, table 3-8.
TEST(StreamDecoderTest, ReplacesMaximalSubparts) {
  EXPECT_EQ(joined(stream("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64")),
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
}

TEST(StreamDecoderTest, FlushEndsWhatIsUnfinished) {
  EXPECT_THAT(stream("\xE4\xB8"), ElementsAre("", "", "\uFFFD"));
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(0xE4), "");
  EXPECT_EQ(decoder.flush(), "\uFFFD");
  EXPECT_EQ(decoder.flush(), "");
  EXPECT_EQ(decoder.push('a'), "a");
}

TEST(StreamDecoderTest, ControlTokensAreShownOnDemand) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  StreamDecoder hiding(tokenizer);
  EXPECT_EQ(hiding.push(261), "");
  EXPECT_EQ(hiding.push(259), "hello");
  EXPECT_EQ(hiding.push(-1), "");
  StreamDecoder showing(tokenizer, SpecialTokens::kParse);
  EXPECT_EQ(showing.push(261), "<s>");
}

TEST(StreamDecoderTest, OnlyTheFirstSpaceIsTakenOff) {
  using Tiny = TinySentencePiece;
  const Tokenizer tokenizer = made(Tiny().data);
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(1), "");
  EXPECT_EQ(decoder.push(Tiny::kSpaceA), "a");
  EXPECT_EQ(decoder.push(Tiny::kSpaceA), " a");
  EXPECT_EQ(decoder.push(Tiny::kSpaceSpace), "  ");
}

TEST(StreamDecoderTest, AnyBytesGiveTextEqualToTheRepairedWhole) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 500; ++round) {
    std::string bytes;
    for (size_t n = random() % 30; n > 0; --n) {
      constexpr std::string_view kPieces[] = {"\xE4\xB8\xAD", "a", "\xF0\x9F\x98\x80", "\xC3\xA9", "\xF0\x9F"};
      bytes += random() % 2 ? std::string(kPieces[random() % 5]) : std::string(1, static_cast<char>(random()));
    }
    const std::vector<std::string> outputs = stream(bytes);
    for (const std::string& output : outputs) EXPECT_TRUE(is_utf8(output)) << "seed " << seed;
    if (is_utf8(bytes)) {
      EXPECT_EQ(joined(outputs), bytes) << "seed " << seed;
    }
    EXPECT_EQ(is_utf8(bytes), valid_utf8_prefix(bytes) == bytes.size()) << "seed " << seed;
  }
}

TEST(Utf8Test, ValidPrefix) {
  EXPECT_EQ(valid_utf8_prefix(""), 0u);
  EXPECT_EQ(valid_utf8_prefix("0123456789abcdef\xE4\xB8\xAD!"), 20u);
  EXPECT_EQ(valid_utf8_prefix("01234567\xFF"
                              "9"),
            8u);
  EXPECT_EQ(valid_utf8_prefix("0123\xE4\xB8"), 4u);
}

}  // namespace
}  // namespace sain::formats
