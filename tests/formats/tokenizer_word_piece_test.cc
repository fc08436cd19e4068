#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/formats/tiny_tokenizer.h"

namespace sain::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// 0 [PAD], 1 [UNK], 2 [CLS], 3 [SEP], then pieces.
struct TinyWordPiece : TinyVocabulary {
  TinyWordPiece() {
    data.source = "tiny.gguf";
    data.model = "bert";
    add("[PAD]", TokenType::kControl);
    add("[UNK]", TokenType::kUnknown);
    add("[CLS]", TokenType::kControl);
    add("[SEP]", TokenType::kControl);
    for (const char* text : {"un", "able", "aff"}) inner.push_back(add(text));
    for (const char* text : {"un", "cafe", "a", ",", "!", "-", "\u4e16"}) {
      begin.push_back(add(std::string("\u2581") + text));
    }
    data.unknown = 1;
  }
  std::vector<Token> inner, begin;
};

class WordPieceTest : public ::testing::Test {
 protected:
  std::vector<Token> encode(std::string_view text) const { return tokenizer_.encode(text, SpecialTokens::kAsText); }

  TinyWordPiece tiny_;
  Tokenizer tokenizer_ = *Tokenizer::create(tiny_.data);
  const Token un_ = tiny_.begin[0], cafe_ = tiny_.begin[1], a_ = tiny_.begin[2], comma_ = tiny_.begin[3],
              bang_ = tiny_.begin[4], dash_ = tiny_.begin[5], world_ = tiny_.begin[6];
  static constexpr Token kUnknown = 1;
};

TEST_F(WordPieceTest, TheLongestPiecesFirst) {
  EXPECT_THAT(encode("unaffable"), ElementsAre(un_, tiny_.inner[2], tiny_.inner[1]));
  EXPECT_THAT(encode("un able"), ElementsAre(un_, kUnknown));  // "able" begins no word
  EXPECT_THAT(encode(""), IsEmpty());
  EXPECT_THAT(encode(" \t\n "), IsEmpty());
}

TEST_F(WordPieceTest, AWordThatCannotBeSpelledIsOneUnknownToken) {
  EXPECT_THAT(encode("a unx a"), ElementsAre(a_, kUnknown, a_));
  EXPECT_THAT(encode("xun"), ElementsAre(kUnknown));
  std::string word = "un";
  while (word.size() + 4 <= 100) word += "able";
  EXPECT_EQ(encode(word).size(), 25u);
  EXPECT_THAT(encode(word + "able"), ElementsAre(kUnknown));  // over 100 characters
}

TEST_F(WordPieceTest, CaseAndAccentsDoNotMatter) {
  EXPECT_THAT(encode("Caf\u00e9 CAFE cafe\u0301"), ElementsAre(cafe_, cafe_, cafe_));
}

TEST_F(WordPieceTest, PunctuationAndIdeographsAreWords) {
  EXPECT_THAT(encode("a,a!-a"), ElementsAre(a_, comma_, a_, bang_, dash_, a_));
  EXPECT_THAT(encode("a\u4e16a"), ElementsAre(a_, world_, a_));
  EXPECT_THAT(encode("a\u2014a"), ElementsAre(a_, kUnknown, a_));  // a dash that is not in the vocabulary
}

TEST_F(WordPieceTest, ControlCharactersAndBadBytesVanish) {
  EXPECT_THAT(encode(std::string_view("u\0n", 3)), ElementsAre(un_));
  EXPECT_THAT(encode("u\u200bn"), ElementsAre(un_));
  EXPECT_THAT(encode("u\xff\xc3n"), ElementsAre(un_));
  EXPECT_THAT(encode("a\u00a0a"), ElementsAre(a_, a_));  // a space that does not break
}

TEST_F(WordPieceTest, FramesTextsAndDecodesThem) {
  EXPECT_EQ(tokenizer_.bos(), 2);
  EXPECT_EQ(tokenizer_.eos(), 3);
  EXPECT_TRUE(tokenizer_.add_bos());
  EXPECT_TRUE(tokenizer_.add_eos());
  EXPECT_EQ(tokenizer_.decode(encode("A unaffable cafe")), "a unaffable cafe");
  EXPECT_THAT(encode("[CLS]"), ElementsAre(kUnknown, kUnknown, kUnknown));  // never a control token
}

TEST_F(WordPieceTest, NeedsAnUnknownToken) {
  TinyVocabulary tiny;
  tiny.data.source = "tiny.gguf";
  tiny.data.model = "bert";
  tiny.add(
      "\u2581"
      "a");
  const auto created = Tokenizer::create(tiny.data);
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(created.error().message, HasSubstr("tiny.gguf: metadata 'tokenizer.ggml.unknown_token_id' is missing"));
}

}  // namespace
}  // namespace sain::formats
