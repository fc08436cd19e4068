// What byte-level BPE and SentencePiece have in common: special tokens, segments, the ends, and what is refused.
#include "formats/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "formats/gguf_writer.h"
#include "tests/formats/tiny_tokenizer.h"

namespace sain::formats {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr SpecialTokens kText = SpecialTokens::kAsText;
constexpr SpecialTokens kParse = SpecialTokens::kParse;

std::vector<Token> encode(const Tokenizer& tokenizer, std::vector<TextSegment> segments) {
  return tokenizer.encode(segments);
}

TEST(TokenizerTest, ControlTokensNeedPermission) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  EXPECT_THAT(tokenizer.encode("<s>hello<|end|>", kParse), ElementsAre(261, 259, 262));
  EXPECT_THAT(tokenizer.encode("<s>hello", kText), ElementsAre('<', 's', '>', 259));
  EXPECT_THAT(tokenizer.encode("<s", kParse), ElementsAre('<', 's'));
  EXPECT_THAT(tokenizer.encode("", kParse), IsEmpty());
  EXPECT_THAT(tokenizer.encode("[PAD]", kParse), ElementsAre('[', 'P', 'A', 'D', ']'));  // unused: not matched
}

TEST(TokenizerTest, UserDefinedTokensAreMatchedEverywhereTheLongestFirst) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  for (const SpecialTokens special : {kText, kParse}) {
    EXPECT_THAT(tokenizer.encode("<tool>", special), ElementsAre(263));
    EXPECT_THAT(tokenizer.encode("<tool>xy", special), ElementsAre(264, 'y'));
    EXPECT_THAT(tokenizer.encode("<<tool><tool", special), ElementsAre('<', 263, '<', 't', 'o', 'o', 'l'));
  }
}

TEST(TokenizerTest, SegmentsAreOneText) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  EXPECT_THAT(encode(tokenizer, {{"<s>he", kParse}, {"ll", kText}, {"o<|end|>", kParse}}), ElementsAre(261, 259, 262));
  EXPECT_THAT(encode(tokenizer, {{"<to", kText}, {"ol>", kParse}}), ElementsAre(263));  // user-defined
  EXPECT_THAT(encode(tokenizer, {}), IsEmpty());
}

TEST(TokenizerTest, AControlTokenMustLieInsideTrustedText) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  EXPECT_THAT(encode(tokenizer, {{"<", kParse}, {"s", kText}, {">", kParse}}), ElementsAre('<', 's', '>'));
  EXPECT_THAT(encode(tokenizer, {{"<s", kParse}, {">", kText}}), ElementsAre('<', 's', '>'));
  EXPECT_THAT(encode(tokenizer, {{"<", kText}, {"s>", kParse}}), ElementsAre('<', 's', '>'));
  EXPECT_THAT(encode(tokenizer, {{"<s>", kText}, {"<s>", kParse}, {"<s>", kText}}),
              ElementsAre('<', 's', '>', 261, '<', 's', '>'));
  // Trusted neighbours are one trusted text, empty ones between them or not.
  EXPECT_THAT(encode(tokenizer, {{"<", kParse}, {"", kText}, {"s>", kParse}}), ElementsAre(261));
}

TEST(TokenizerTest, MergesCannotMakeAControlToken) {
  TinyByteLevel tiny;
  const Token most = tiny.add("sto");
  tiny.add("st");
  tiny.add("stop", TokenType::kControl);
  tiny.add_merge("s", "t");
  tiny.add_merge("st", "o");
  tiny.add_merge("sto", "p");
  EXPECT_THAT(made(tiny.data).encode("stop", kText), ElementsAre(most, 'p'));
}

TEST(TokenizerTest, DecodingHidesControlTokens) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  const std::vector<Token> tokens = {261, 259, 260, 265, 263, 262, -1, 1000};
  EXPECT_EQ(tokenizer.decode(tokens), "hello w<tool>");
  EXPECT_EQ(tokenizer.decode(tokens, kParse), "<s>hello w[PAD]<tool><|end|>");
  EXPECT_EQ(tokenizer.piece(261), "");
  EXPECT_EQ(tokenizer.piece(261, kParse), "<s>");
  EXPECT_EQ(tokenizer.piece(260), " w");
  EXPECT_EQ(tokenizer.piece(266), "");
  EXPECT_EQ(tokenizer.piece(-1), "");
}

TEST(TokenizerTest, TellsItsTokens) {
  const Tokenizer tokenizer = made(TinyByteLevel().data);
  EXPECT_EQ(tokenizer.vocab_size(), 266u);
  EXPECT_EQ(tokenizer.find("\u0120w"), 260);
  EXPECT_EQ(tokenizer.find(" w"), std::nullopt);
  EXPECT_TRUE(tokenizer.is_control(261));
  EXPECT_FALSE(tokenizer.is_control(263));
  EXPECT_FALSE(tokenizer.is_control(-1));
  EXPECT_FALSE(tokenizer.is_control(266));
}

TEST(TokenizerTest, EndsOfGeneration) {
  TinyByteLevel tiny;
  tiny.data.eot = 'x';
  tiny.data.eom = 'y';
  EXPECT_TRUE(made(tiny.data).is_end_of_generation(262));  // <|end|>, by its text
  EXPECT_TRUE(made(tiny.data).is_end_of_generation('x'));
  EXPECT_TRUE(made(tiny.data).is_end_of_generation('y'));
  EXPECT_FALSE(made(tiny.data).is_end_of_generation(261));
  EXPECT_FALSE(made(tiny.data).is_end_of_generation(-1));
  tiny.data.unknown = 262;  // a declared unknown token is no end, whatever its text ...
  EXPECT_FALSE(made(tiny.data).is_end_of_generation(262));
  tiny.data.eos = 262;  // ... unless it is also declared as one
  EXPECT_TRUE(made(tiny.data).is_end_of_generation(262));
  tiny.data.eos.reset();
  tiny.data.unknown.reset();
  tiny.data.types[262] = static_cast<int64_t>(TokenType::kUserDefined);
  EXPECT_FALSE(made(tiny.data).is_end_of_generation(262));  // text, not structure
}

TEST(TokenizerTest, BosIsAsTheFileOrTheFamilySays) {
  TinyByteLevel tiny;
  EXPECT_FALSE(made(tiny.data).add_bos());
  tiny.data.pre = "llama-bpe";
  EXPECT_TRUE(made(tiny.data).add_bos());
  tiny.data.add_bos = false;
  EXPECT_FALSE(made(tiny.data).add_bos());
  tiny.data.add_bos = true;
  EXPECT_TRUE(made(tiny.data).add_bos());
  EXPECT_EQ(made(tiny.data).bos(), 261);
  EXPECT_THAT(made(tiny.data).warnings(), IsEmpty());
  tiny.data.bos.reset();
  EXPECT_FALSE(made(tiny.data).add_bos());
  EXPECT_EQ(made(tiny.data).bos(), std::nullopt);
  EXPECT_THAT(made(tiny.data).warnings(), ElementsAre(HasSubstr("add_bos_token")));
  tiny.data.add_eos = true;
  EXPECT_FALSE(made(tiny.data).add_eos());
  tiny.data.eos = 262;
  EXPECT_TRUE(made(tiny.data).add_eos());
  EXPECT_EQ(made(tiny.data).eos(), 262);
}

TEST(TokenizerTest, WarnsOfAnUnknownPreTokenizer) {
  TinyByteLevel tiny;
  EXPECT_THAT(made(tiny.data).warnings(), IsEmpty());
  tiny.data.pre.reset();
  EXPECT_THAT(made(tiny.data).warnings(),
              ElementsAre(AllOf(HasSubstr("tiny.gguf"), HasSubstr("tokenizer.ggml.pre"), HasSubstr("missing"))));
  tiny.data.pre = "new\x1b";
  EXPECT_THAT(made(tiny.data).warnings(), ElementsAre(HasSubstr("'new\\x1b', which is not known")));
  EXPECT_THAT(made(tiny.data).encode("hello", kText), ElementsAre(259));
}

TEST(TokenizerTest, TheFirstOfEqualTokensCounts) {
  TinyByteLevel tiny;
  tiny.add("hello");
  tiny.add("");
  tiny.add("");
  const Tokenizer tokenizer = made(tiny.data);
  EXPECT_THAT(tokenizer.encode("hello", kText), ElementsAre(259));
  EXPECT_EQ(tokenizer.piece(266), "hello");
  EXPECT_THAT(tokenizer.warnings(), ElementsAre(HasSubstr("2 tokens are spelled like an earlier one")));
}

TEST(TokenizerTest, RefusesWhatContradictsItself) {
  const auto message = [](auto&& damage) {
    TinyByteLevel tiny;
    damage(tiny);
    const Error error = error_of(tiny.data);
    EXPECT_EQ(error.code, ErrorCode::kCorrupt) << error.message;
    return error.message;
  };
  EXPECT_EQ(message([](TinyByteLevel& tiny) { tiny.data.bos = 266; }),
            "tiny.gguf: metadata 'tokenizer.ggml.bos_token_id': expected a token id below 266, found 266");
  EXPECT_THAT(message([](TinyByteLevel& tiny) { tiny.data.eos = ~uint64_t{0}; }), HasSubstr("eos_token_id"));
  EXPECT_THAT(message([](TinyByteLevel& tiny) { tiny.data.eot = 266; }), HasSubstr("eot_token_id"));
  EXPECT_THAT(message([](TinyByteLevel& tiny) { tiny.data.eom = 266; }), HasSubstr("eom_token_id"));
  EXPECT_THAT(message([](TinyByteLevel& tiny) { tiny.data.unknown = 266; }), HasSubstr("unknown_token_id"));
  EXPECT_EQ(message([](TinyByteLevel& tiny) { tiny.data.types.pop_back(); }),
            "tiny.gguf: metadata 'tokenizer.ggml.token_type': expected 266 elements, one a token, found 265");
  EXPECT_EQ(message([](TinyByteLevel& tiny) { tiny.data.types[7] = 9; }),
            "tiny.gguf: metadata 'tokenizer.ggml.token_type': expected 1 to 6 at 7, found 9");
  EXPECT_THAT(message([](TinyByteLevel& tiny) { tiny.data.types[7] = 0; }), HasSubstr("expected 1 to 6"));
  EXPECT_THAT(message([](TinyByteLevel& tiny) { tiny.data.tokens.clear(), tiny.data.bos.reset(); }),
              HasSubstr("found 0"));
  EXPECT_THAT(message([](TinyByteLevel& tiny) { tiny.add(std::string(2000, 'x'), TokenType::kControl); }),
              HasSubstr("expected at most 1024 bytes in special token 266, found 2000"));
  EXPECT_EQ(message([](TinyByteLevel& tiny) { tiny.add("<0x4>", TokenType::kByte); }),
            "tiny.gguf: metadata 'tokenizer.ggml.tokens': expected '<0xHH>' for byte token 266, found '<0x4>'");
  EXPECT_THAT(message([](TinyByteLevel& tiny) { tiny.data.merges.push_back("nospace"); }),
              HasSubstr("merge 5 'nospace'"));
  EXPECT_EQ(
      message([](TinyByteLevel& tiny) { tiny.data.merges.push_back("zz y"); }),
      "tiny.gguf: metadata 'tokenizer.ggml.merges': expected tokens of the vocabulary in merge 5 'zz y', found 'zz'");
  EXPECT_THAT(message([](TinyByteLevel& tiny) { tiny.data.merges.push_back("z yy"); }), HasSubstr("found 'yy'"));
  EXPECT_THAT(message([](TinyByteLevel& tiny) { tiny.data.merges.push_back("z y"); }), HasSubstr("found 'zy'"));
}

TEST(TokenizerTest, RefusesOtherKindsOfTokenizer) {
  for (const char* model : {"t5", "rwkv", ""}) {
    TinyByteLevel tiny;
    tiny.data.model = model;
    const Error error = error_of(tiny.data);
    EXPECT_EQ(error.code, ErrorCode::kUnsupported);
    EXPECT_THAT(error.message, AllOf(HasSubstr("tokenizer.ggml.model"), HasSubstr(std::string("'") + model + "'")));
  }
}

TEST(TokenizerTest, WithoutTypesTheIdsTellWhatIsControl) {
  TinyByteLevel tiny;
  tiny.data.types.clear();
  tiny.data.eos = 262;
  tiny.data.unknown = 265;
  const Tokenizer tokenizer = made(tiny.data);
  EXPECT_THAT(tokenizer.encode("<s><|end|>", kParse), ElementsAre(261, 262));
  EXPECT_THAT(tokenizer.encode("<tool>", kParse), ElementsAre('<', 't', 'o', 'o', 'l', '>'));
  EXPECT_TRUE(tokenizer.is_control(265));
}

TEST(TokenizerTest, ByteTokensParseStrictly) {
  EXPECT_EQ(parse_byte_token("<0x0a>"), 0x0A);
  EXPECT_EQ(parse_byte_token("<0xFF>"), 0xFF);
  for (const char* bad :
       {"<0x0>", "<0x0g>", "<0xg0>", "<0x-1>", "<0x 1>", "<0x0A", "<0x00A>", "0x0A>>", "<0X0A>", ""}) {
    EXPECT_EQ(parse_byte_token(bad), std::nullopt) << bad;
  }
}

/// The metadata of a file with `vocabulary`, as a reader of files meets it.
class TokenizerMetadataTest : public ::testing::Test {
 protected:
  TokenizerMetadataTest() {
    const TinyByteLevel tiny;
    writer.set("general.architecture", "llama");
    writer.set("tokenizer.ggml.model", "gpt2");
    writer.set("tokenizer.ggml.pre", "gpt-2");
    writer.set("tokenizer.ggml.tokens", std::vector<std::string>(tiny.data.tokens.begin(), tiny.data.tokens.end()));
    writer.set("tokenizer.ggml.token_type", std::vector<int32_t>(tiny.data.types.begin(), tiny.data.types.end()));
    writer.set("tokenizer.ggml.merges", std::vector<std::string>(tiny.data.merges.begin(), tiny.data.merges.end()));
    writer.set("tokenizer.ggml.bos_token_id", uint32_t{261});
    writer.set("tokenizer.ggml.padding_token_id", uint32_t{265});
    writer.set("tokenizer.ggml.add_bos_token", true);
  }

  Result<Tokenizer> read() {
    const auto path = std::filesystem::path(::testing::TempDir()) / fmt::format("tokenizer_{}.gguf", getpid());
    const auto written = writer.write(path);
    EXPECT_TRUE(written) << written.error().message;
    const auto file = GgufFile::open(path);
    EXPECT_TRUE(file) << file.error().message;
    auto tokenizer = Tokenizer::from_metadata(file->metadata());
    std::filesystem::remove(path);
    return tokenizer;
  }

  std::string error() {
    const auto tokenizer = read();
    if (tokenizer) return "no error";
    EXPECT_EQ(tokenizer.error().code, ErrorCode::kCorrupt);
    return tokenizer.error().message;
  }

  GgufWriter writer;
};

TEST_F(TokenizerMetadataTest, OutlivesItsFile) {
  const auto tokenizer = read();
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_THAT(tokenizer->encode("<s>hello", kParse), ElementsAre(261, 259));
  EXPECT_TRUE(tokenizer->add_bos());
  EXPECT_THAT(tokenizer->warnings(), IsEmpty());
}

TEST_F(TokenizerMetadataTest, MissingKeysMakeTheFileCorrupt) {
  for (const char* key : {"tokenizer.ggml.merges", "tokenizer.ggml.tokens", "tokenizer.ggml.model"}) {
    writer.remove(key);
    EXPECT_THAT(error(), HasSubstr(key));
  }
  writer.set("tokenizer.ggml.model", "llama");
  writer.set("tokenizer.ggml.tokens", std::vector<std::string>(266, "a"));
  EXPECT_THAT(error(), HasSubstr("tokenizer.ggml.scores"));
}

TEST_F(TokenizerMetadataTest, EveryTokenIdIsChecked) {
  writer.set("tokenizer.ggml.fim_pad_token_id", uint32_t{266});
  EXPECT_THAT(error(), AllOf(HasSubstr("tokenizer.ggml.fim_pad_token_id"), HasSubstr("below 266, found 266")));
  writer.set("tokenizer.ggml.fim_pad_token_id", "x");
  EXPECT_THAT(error(), HasSubstr("tokenizer.ggml.fim_pad_token_id"));
}

TEST_F(TokenizerMetadataTest, WrongTypesAreErrors) {
  writer.set("tokenizer.ggml.add_bos_token", "yes");
  EXPECT_THAT(error(), HasSubstr("tokenizer.ggml.add_bos_token"));
}

}  // namespace
}  // namespace sain::formats
