#include "tests/golden/golden.h"

namespace sain::testing {
namespace {

using formats::Token;

class GreedyGolden : public GoldenTest {
 protected:
  std::vector<Token> generate(engine::Session& session, const nlohmann::ordered_json& prompt_ids) {
    NullSink sink;
    session.reset();
    const auto prompt = prompt_ids.get<std::vector<Token>>();
    const auto generation = session.generate(prompt, {.max_tokens = 48}, {}, sink);
    EXPECT_TRUE(generation) << generation.error().message;
    return generation ? generation->tokens : std::vector<Token>();
  }
};

TEST_P(GreedyGolden, EveryContinuationEqualsTheFp32Reference) {
  engine::Session session = exact_session(512);
  const auto golden = golden_json(GetParam(), "greedy");
  ASSERT_EQ(golden["cases"].size(), 6u);
  for (const auto& c : golden["cases"]) {
    EXPECT_EQ(generate(session, c["prompt_ids"]), c["output_ids"].get<std::vector<Token>>())
        << c["name"] << ", smallest margin " << *std::min_element(c["margins"].begin(), c["margins"].end());
  }
}

TEST_P(GreedyGolden, TheChatTemplateGivesTheReferencePrompt) {
  if (GetParam() == "gemma-3-270m") {  // a base model: its prompts are written by hand
    EXPECT_EQ(model->chat_template(), nullptr);
    return;
  }
  ASSERT_NE(model->chat_template(), nullptr);
  const auto golden = golden_json(GetParam(), "greedy");
  const formats::Tokenizer& tokenizer = model->tokenizer();
  for (const auto& c : golden["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>());
    formats::ChatTemplateInput input;
    input.messages = c["messages"];
    const auto rendered = model->chat_template()->render(input);
    ASSERT_TRUE(rendered) << rendered.error().message;
    EXPECT_EQ(rendered->text, c["prompt"].get<std::string>());
    EXPECT_EQ(tokenizer.encode(rendered->segments()), c["prompt_ids"].get<std::vector<Token>>());
  }
}

TEST_P(GreedyGolden, EndsWhereTheReferenceEnds) {
  const auto golden = golden_json(GetParam(), "greedy");
  std::vector<Token> ends;
  for (Token t = 0; t < static_cast<Token>(model->tokenizer().vocab_size()); ++t) {
    if (model->tokenizer().is_end_of_generation(t)) ends.push_back(t);
  }
  EXPECT_EQ(ends, golden["eog_ids"].get<std::vector<Token>>());
}

INSTANTIATE_TEST_SUITE_P(Models, GreedyGolden, kReferenceModels, test_name);

/// The 1.5B has no fp32 reference: llama.cpp's answer, up to the first step whose margin its 8-bit noise could cross.
class GreedyPeer : public GreedyGolden {};

TEST_P(GreedyPeer, EveryContinuationEqualsUpToTheFirstNarrowMargin) {
  constexpr double kNarrow = 0.7;
  engine::Session session = exact_session(512);
  size_t n_compared = 0;
  const auto golden = golden_json(GetParam(), "greedy");
  for (const auto& c : golden["cases"]) {
    auto expected = c["output_ids"].get<std::vector<Token>>();
    const auto margins = c["margins"].get<std::vector<double>>();
    size_t n = 0;
    while (n < expected.size() && margins[n] >= kNarrow) ++n;
    auto found = generate(session, c["prompt_ids"]);
    found.resize(std::min(n, found.size()));
    expected.resize(n);
    EXPECT_EQ(found, expected) << c["name"];
    n_compared += n;
  }
  EXPECT_GE(n_compared, 30u) << "the margins leave too little to compare";
}

INSTANTIATE_TEST_SUITE_P(Models, GreedyPeer, ::testing::Values("qwen2.5-coder-1.5b-instruct"), test_name);

}  // namespace
}  // namespace sain::testing
