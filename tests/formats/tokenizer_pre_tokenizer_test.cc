// Words: every pre-tokenizer against Hugging Face's, and texts that a bad pattern takes quadratic time for.
#include "formats/tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "formats/gguf_text.h"
#include "tests/support/linear_time.h"

namespace sain::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

PreTokenizer compiled(const PreTokenizerSpec& spec) {
  auto pre_tokenizer = PreTokenizer::compile(spec);
  EXPECT_TRUE(pre_tokenizer) << pre_tokenizer.error().message;
  return *std::move(pre_tokenizer);
}

std::vector<std::string_view> split(const PreTokenizer& pre_tokenizer, std::string_view text) {
  std::vector<std::string_view> pieces;
  pre_tokenizer.split(text, pieces);
  return pieces;
}

class EveryPreTokenizer : public ::testing::TestWithParam<PreTokenizerSpec> {};

INSTANTIATE_TEST_SUITE_P(All, EveryPreTokenizer, ::testing::ValuesIn(pre_tokenizers()), [](const auto& test) {
  std::string name(test.param.name);
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

TEST_P(EveryPreTokenizer, CutsLikeTheReference) {
  const PreTokenizer pre_tokenizer = compiled(GetParam());
  std::ifstream file(SAIN_SOURCE_DIR "/tests/formats/pre_tokenizer_vectors.json");
  const auto vectors = nlohmann::json::parse(file);
  ASSERT_GT(vectors.size(), 70u);
  for (const auto& [text, families] : vectors.items()) {
    std::vector<size_t> lengths;
    for (const std::string_view piece : split(pre_tokenizer, text)) lengths.push_back(piece.size());
    EXPECT_EQ(lengths, families.at(std::string(GetParam().name)).get<std::vector<size_t>>())
        << nlohmann::json(text).dump();
  }
}

// 131,072 times the same: reported to overflow stacks and to take minutes elsewhere.
TEST_P(EveryPreTokenizer, LongRunsTakeLinearTime) {
  const PreTokenizer pre_tokenizer = compiled(GetParam());
  for (const std::string unit : {"a", "A", " ", "\n", "\t", "1", ".", "'", "\xE4\xB8\xAD", "\xCC\x81", "\xC2\xA0",
                                 " \n", "aB", "Ab", " a", "\r\n", "\xFF", "a\xFF", "'s"}) {
    for (const std::string end : {"", " b\nc"}) {
      std::string text;
      std::vector<std::string_view> pieces;
      const auto split_run = [&](size_t n) {
        text.clear();
        for (size_t i = 0; i < n; ++i) text += unit;
        text += end;
        pieces = split(pre_tokenizer, text);
      };
      EXPECT_TRUE(testing::takes_linear_time(split_run, 131072 / 8)) << quote(unit + end);
      std::string joined;
      for (const std::string_view piece : pieces) {
        EXPECT_FALSE(piece.empty());
        joined += piece;
      }
      EXPECT_EQ(joined, text);
      // The matcher did not give up half-way, which would leave the rest in one piece.
      if (end.ends_with('c')) {
        EXPECT_EQ(pieces.back(), "c");
      }
    }
  }
}

TEST(PreTokenizerTest, BytesThatAreNotTextAreAPieceOfTheirOwn) {
  const PreTokenizer pre_tokenizer = compiled(default_pre_tokenizer());
  EXPECT_THAT(split(pre_tokenizer, ""), IsEmpty());
  EXPECT_THAT(split(pre_tokenizer, "a\xFF\xFE b"), ElementsAre("a", "\xFF\xFE", " b"));
  EXPECT_THAT(split(pre_tokenizer, "\xE4\xB8"), ElementsAre("\xE4\xB8"));
  EXPECT_THAT(split(pre_tokenizer, "\xED\xA0\x80z"), ElementsAre("\xED\xA0\x80", "z"));  // a surrogate
}

TEST(PreTokenizerTest, NamesLeadToFamilies) {
  const auto family = [](std::string_view name) {
    const PreTokenizerSpec* spec = find_pre_tokenizer(name);
    return spec == nullptr ? "" : spec->name;
  };
  EXPECT_EQ(family("default"), "gpt-2");
  EXPECT_EQ(family("gpt-2"), "gpt-2");
  EXPECT_EQ(family("llama3"), "llama-bpe");
  EXPECT_EQ(family("deepseek-r1-qwen"), "qwen2");
  EXPECT_EQ(family("starcoder"), "smollm");
  EXPECT_EQ(family("llama4"), "gpt-4o");
  EXPECT_EQ(family("nonsense"), "");
  EXPECT_EQ(family(""), "");
  EXPECT_TRUE(find_pre_tokenizer("llama-bpe")->ignore_merges);
  EXPECT_FALSE(find_pre_tokenizer("smaug-bpe")->ignore_merges);
}

TEST(PreTokenizerTest, ABadPatternIsAnError) {
  const std::string_view stages[] = {"a(", "b"};
  const auto bad = PreTokenizer::compile({.name = "bad", .stages = stages});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kInternal);
}

}  // namespace
}  // namespace sain::formats
