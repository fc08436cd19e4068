// The tokenizers of three real models against 50 texts each. The references are two programs; where they differ, either
// answer is right (tests/golden/README.md lists the cases).
#include "formats/tokenizer.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "tests/golden/golden.h"

namespace sain::testing {
namespace {

using formats::SpecialTokens;
using formats::Token;

const std::map<std::string, std::set<std::string>> kOpenCases = {
    {"smollm2-135m-instruct", {"rare_unicode"}},
    {"gemma-3-270m", {"byte_tok", "special_eot"}},
    {"qwen2.5-coder-0.5b-instruct", {"combining", "special_eot"}},
};

/// Only the tokenizer of the file: its weights are not read.
class GoldenTokenizer : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const auto path = router::resolve_model(GetParam());
    ASSERT_TRUE(path) << path.error().message;
    const auto file = formats::GgufFile::open(*path);
    ASSERT_TRUE(file) << file.error().message;
    auto made = formats::Tokenizer::from_metadata(file->metadata());
    ASSERT_TRUE(made) << made.error().message;
    tokenizer = std::make_unique<formats::Tokenizer>(*std::move(made));
    golden = golden_json(GetParam(), "tokenizer");
    ASSERT_EQ(golden["cases"].size(), 50u);
  }

  /// What may come out for `field` of a case: the second reference's answer too, where the case is open.
  std::vector<std::vector<Token>> answers(const nlohmann::ordered_json& golden_case, const std::string& field) const {
    std::vector<std::vector<Token>> all = {golden_case[field]};
    const std::string other = field == "ids" ? "hf_ids" : "hf_ids_parse_special";
    if (kOpenCases.at(GetParam()).contains(golden_case["name"]) && golden_case.contains(other)) {
      std::vector<Token> ids = golden_case[other];
      if (field.starts_with("ids_add_special")) ids = with_bos(ids);
      all.push_back(ids);
    }
    return all;
  }

  std::vector<Token> with_bos(std::vector<Token> ids) const {
    if (tokenizer->add_bos()) ids.insert(ids.begin(), *tokenizer->bos());
    return ids;
  }

  std::unique_ptr<formats::Tokenizer> tokenizer;
  nlohmann::ordered_json golden;
};

INSTANTIATE_TEST_SUITE_P(RealModels, GoldenTokenizer, kReferenceModels, test_name);

TEST_P(GoldenTokenizer, EncodesLikeTheReference) {
  for (const auto& c : golden["cases"]) {
    const std::string text = c["text"];
    EXPECT_THAT(answers(c, "ids"), ::testing::Contains(tokenizer->encode(text, SpecialTokens::kAsText))) << c["name"];
    const std::vector<Token> parsed = tokenizer->encode(text, SpecialTokens::kParse);
    EXPECT_THAT(answers(c, "ids_parse_special"), ::testing::Contains(parsed)) << c["name"];
    EXPECT_THAT(answers(c, "ids_add_special_parse_special"), ::testing::Contains(with_bos(parsed))) << c["name"];
  }
}

TEST_P(GoldenTokenizer, DecodesWhatItEncoded) {
  for (const auto& c : golden["cases"]) {
    const std::string text = c["text"];
    const std::vector<Token> ids = tokenizer->encode(text, SpecialTokens::kAsText);
    EXPECT_EQ(tokenizer->decode(ids) == text, c["roundtrip"].get<bool>()) << c["name"];
    const std::vector<Token> parsed = tokenizer->encode(text, SpecialTokens::kParse);
    EXPECT_EQ(tokenizer->decode(parsed, SpecialTokens::kParse) == text, c["roundtrip"].get<bool>()) << c["name"];
  }
}

TEST_P(GoldenTokenizer, StreamsWhatItDecodes) {
  for (const auto& c : golden["cases"]) {
    for (const SpecialTokens special : {SpecialTokens::kAsText, SpecialTokens::kParse}) {
      const std::vector<Token> ids = c["ids_parse_special"];
      formats::StreamDecoder decoder(*tokenizer, special);
      std::string streamed;
      for (const Token id : ids) streamed += decoder.push(id);
      streamed += decoder.flush();
      EXPECT_EQ(streamed, tokenizer->decode(ids, special)) << c["name"];
    }
  }
}

// A prompt in trusted segments gives the tokens of the whole, however it is cut, as long as no control token is cut.
TEST_P(GoldenTokenizer, SegmentsGiveTheTokensOfTheWhole) {
  for (const auto& c : golden["cases"]) {
    const std::string text = c["text"];
    const std::vector<Token> whole = tokenizer->encode(text, SpecialTokens::kAsText);
    for (const size_t cut : {size_t{0}, text.size() / 3, text.size() / 2, text.size()}) {
      const formats::TextSegment segments[] = {{std::string_view(text).substr(0, cut), SpecialTokens::kAsText},
                                               {std::string_view(text).substr(cut), SpecialTokens::kAsText}};
      EXPECT_EQ(tokenizer->encode(segments), whole) << c["name"] << ", cut at " << cut;
    }
  }
}

TEST_P(GoldenTokenizer, KnowsItsSpecialTokens) {
  EXPECT_EQ(tokenizer->vocab_size(), golden["n_vocab"]);
  EXPECT_EQ(tokenizer->add_bos(), golden["add_bos"]);
  EXPECT_EQ(tokenizer->bos(), golden["bos_id"].get<Token>());
  EXPECT_EQ(tokenizer->eos(), golden["eos_id"].get<Token>());
  EXPECT_THAT(tokenizer->warnings(), ::testing::IsEmpty());
  std::vector<Token> ends;
  for (size_t id = 0; id < tokenizer->vocab_size(); ++id) {
    if (tokenizer->is_end_of_generation(static_cast<Token>(id))) ends.push_back(static_cast<Token>(id));
  }
  EXPECT_EQ(ends, golden_json(GetParam(), "greedy")["eog_ids"].get<std::vector<Token>>());
}

TEST_P(GoldenTokenizer, EncodesTheGreedyPrompts) {
  const auto greedy = golden_json(GetParam(), "greedy");
  for (const auto& c : greedy["cases"]) {
    const std::vector<Token> ids = with_bos(tokenizer->encode(c["prompt"].get<std::string>(), SpecialTokens::kParse));
    EXPECT_EQ(ids, c["prompt_ids"].get<std::vector<Token>>()) << c["name"];
  }
}

}  // namespace
}  // namespace sain::testing
