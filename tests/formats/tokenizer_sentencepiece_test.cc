// SentencePiece: scores, spaces, bytes for what has no piece.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "tests/formats/tiny_tokenizer.h"

namespace sain::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Tiny = TinySentencePiece;

constexpr SpecialTokens kText = SpecialTokens::kAsText;
constexpr SpecialTokens kParse = SpecialTokens::kParse;
constexpr Token kByte0 = 3;

TEST(SentencePieceTest, TheHigherScoreMergesFirst) {
  const Tokenizer tokenizer = made(Tiny().data);
  EXPECT_THAT(tokenizer.encode("ab", kText), ElementsAre(Tiny::kSpaceAB));  // a+b before the space joins
  EXPECT_THAT(tokenizer.encode("aab", kText), ElementsAre(Tiny::kSpaceA, Tiny::kAB));
  EXPECT_THAT(tokenizer.encode("a b", kText), ElementsAre(Tiny::kSpaceA, Tiny::kSpace, Tiny::kB));
  EXPECT_THAT(tokenizer.encode("", kText), IsEmpty());
  TinySentencePiece tiny;
  const Token ba = tiny.add("ba", TokenType::kNormal, -1.5);
  EXPECT_THAT(made(tiny.data).encode("aba", kText), ElementsAre(Tiny::kSpaceAB, Tiny::kA));
  tiny.data.scores[ba] = 1;  // above 0, and so above a+b
  EXPECT_THAT(made(tiny.data).encode("aba", kText), ElementsAre(Tiny::kSpaceA, ba));
}

TEST(SentencePieceTest, ASpaceIsPutBeforeATextAndTakenOffAgain) {
  const Tokenizer tokenizer = made(Tiny().data);
  EXPECT_THAT(tokenizer.encode(" a", kText), ElementsAre(Tiny::kSpace, Tiny::kSpaceA));
  EXPECT_THAT(tokenizer.encode("<s>a</s>b", kParse), ElementsAre(1, Tiny::kSpaceA, 2, Tiny::kSpace, Tiny::kB));
  EXPECT_THAT(tokenizer.encode("a\n\na", kText), ElementsAre(Tiny::kSpaceA, Tiny::kNewlines, Tiny::kA));
  for (const std::string text : {"a", " a", "  a", "a b ", "<s>a</s> b", "\n\n a", "a<unk>b"}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, kParse), kParse), text);
  }
  const std::vector<Token> tokens = {1, Tiny::kSpaceAB, Tiny::kSpaceA};
  EXPECT_EQ(tokenizer.decode(tokens), "ab a");
  EXPECT_EQ(tokenizer.piece(Tiny::kSpaceA), " a");
}

TEST(SentencePieceTest, TheSpacePrefixCanBeOff) {
  TinySentencePiece tiny;
  tiny.data.add_space_prefix = false;
  const Tokenizer tokenizer = made(tiny.data);
  EXPECT_THAT(tokenizer.encode("a a", kText), ElementsAre(Tiny::kA, Tiny::kSpaceA));
  EXPECT_EQ(tokenizer.decode(std::vector<Token>{Tiny::kSpaceA}), " a");
}

TEST(SentencePieceTest, BytesStandInForWhatHasNoPiece) {
  TinySentencePiece tiny;
  tiny.data.add_space_prefix = false;
  const Tokenizer tokenizer = made(tiny.data);
  EXPECT_THAT(tokenizer.encode("\u00E9", kText), ElementsAre(kByte0 + 0xC3, kByte0 + 0xA9));
  EXPECT_THAT(tokenizer.encode("\xFF", kText), ElementsAre(kByte0 + 0xFF));
  EXPECT_THAT(tokenizer.encode("\xE4\xB8", kText), ElementsAre(kByte0 + 0xE4, kByte0 + 0xB8));
  EXPECT_EQ(tokenizer.piece(kByte0 + 0xC3), "\xC3");
}

TEST(SentencePieceTest, WithoutBytesTheUnknownTokenDoes) {
  TinySentencePiece tiny;
  for (int b = 0; b < 256; ++b) tiny.data.types[kByte0 + b] = static_cast<int64_t>(TokenType::kUnused);
  EXPECT_THAT(made(tiny.data).encode("a\u00E9\u00E8 a", kText), ElementsAre(Tiny::kSpaceA, 0, 0, Tiny::kSpaceA));
  EXPECT_EQ(made(tiny.data).decode(std::vector<Token>{Tiny::kSpaceA, 0, Tiny::kSpaceA}, kParse), "a<unk> a");
  tiny.data.unknown.reset();  // found by its name
  EXPECT_THAT(made(tiny.data).encode("a\u00E9", kText), ElementsAre(Tiny::kSpaceA, 0));
  tiny.data.tokens[0] = "?";
  EXPECT_THAT(made(tiny.data).encode("a\u00E9", kText), ElementsAre(Tiny::kSpaceA));
}

TEST(SentencePieceTest, BosAndEosByName) {
  TinySentencePiece tiny;
  EXPECT_TRUE(made(tiny.data).add_bos());
  EXPECT_FALSE(made(tiny.data).add_eos());
  tiny.data.bos.reset();
  tiny.data.eos.reset();
  EXPECT_EQ(made(tiny.data).bos(), 1);
  EXPECT_EQ(made(tiny.data).eos(), 2);
  EXPECT_TRUE(made(tiny.data).is_end_of_generation(2));
  tiny.data.tokens[1] = "<other>";
  EXPECT_FALSE(made(tiny.data).add_bos());
}

TEST(SentencePieceTest, TextNeverBecomesAControlToken) {
  TinySentencePiece tiny;
  tiny.add("ba", TokenType::kControl, 100);
  EXPECT_THAT(made(tiny.data).encode("ba", kText), ElementsAre(Tiny::kSpace, Tiny::kB, Tiny::kA));
}

TEST(SentencePieceTest, PiecesMayHoldSpaces) {
  TinySentencePiece tiny;
  const Token inner = tiny.add("b\u2581a", TokenType::kNormal, 5);  // reached from b + "\u2581a"
  EXPECT_THAT(made(tiny.data).encode("b a", kText), ElementsAre(Tiny::kSpace, inner));
  EXPECT_THAT(made(tiny.data).encode("a  a", kText), ElementsAre(Tiny::kSpaceA, Tiny::kSpace, Tiny::kSpaceA));
  EXPECT_THAT(made(tiny.data).encode("a   ", kText), ElementsAre(Tiny::kSpaceA, Tiny::kSpaceSpace, Tiny::kSpace));
}

TEST(SentencePieceTest, RefusesWhatContradictsItself) {
  const auto message = [](auto&& damage) {
    TinySentencePiece tiny;
    damage(tiny.data);
    const Error error = error_of(tiny.data);
    EXPECT_EQ(error.code, ErrorCode::kCorrupt) << error.message;
    return error.message;
  };
  EXPECT_EQ(message([](TokenizerData& data) { data.scores.pop_back(); }),
            "tiny.gguf: metadata 'tokenizer.ggml.scores': expected 267 elements, one a token, found 266");
  EXPECT_THAT(message([](TokenizerData& data) { data.scores[3] = std::numeric_limits<float>::quiet_NaN(); }),
              HasSubstr("expected a finite number at 3"));
  EXPECT_THAT(message([](TokenizerData& data) { data.types[kByte0 + 0x41] = 1; }), HasSubstr("found none for <0x41>"));
  EXPECT_THAT(message([](TokenizerData& data) { data.tokens[kByte0] = "<0x01>"; }),
              HasSubstr("expected one byte token for <0x01>, found 3 and 4"));
  EXPECT_THAT(message([](TokenizerData& data) { data.tokens[kByte0] = "<0x0G>"; }), HasSubstr("'<0x0G>'"));
}

TEST(SentencePieceTest, WithoutTypesBytesAreKnownByTheirNames) {
  TinySentencePiece tiny;
  tiny.data.types.clear();
  const Tokenizer tokenizer = made(tiny.data);
  EXPECT_THAT(tokenizer.encode("\u00E9", kText), ElementsAre(Tiny::kSpace, kByte0 + 0xC3, kByte0 + 0xA9));
  EXPECT_THAT(tokenizer.encode("<s>a", kParse), ElementsAre(1, Tiny::kSpaceA));
}

TEST(SentencePieceTest, LongRuns) {
  TinySentencePiece tiny;
  tiny.add("aa", TokenType::kNormal, -5);
  const Tokenizer tokenizer = made(tiny.data);
  for (const std::string unit : {"a", "ab", " ", "b", "\u00E9", " a", "\xFF"}) {
    std::string text;
    while (text.size() < 131072) text += unit;
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, kText)), text);
  }
}

}  // namespace
}  // namespace sain::formats
