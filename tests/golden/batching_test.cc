// Real models that several threads ask at once.
#include <string>
#include <thread>
#include <vector>

#include "tests/golden/golden.h"

namespace sain::engine {
namespace {

using testing::NullSink;

class BatchingGolden : public testing::GoldenTest {
 protected:
  std::vector<Token> answer(size_t i) {
    std::string text = "The oldest tree in the village ";
    for (size_t n = 0; n < i % 3 * 8; ++n) text += "has seen many winters and ";  // some longer than what goes together
    text += std::to_string(i);
    auto session = Session::create(*model, pool, {.context_length = 512});
    EXPECT_TRUE(session);
    NullSink sink;
    const auto done =
        session->generate(model->tokenizer().encode(text, formats::SpecialTokens::kAsText),
                          {.max_tokens = 16, .ignore_end = true, .sampler = {.temperature = 1, .seed = i}}, {}, sink);
    EXPECT_TRUE(done) << done.error().message;
    return done ? done->tokens : std::vector<Token>();
  }
};

// R36
TEST_P(BatchingGolden, AnswersAreThoseThatEachGetsAlone) {
  constexpr size_t kTalks = 6;
  std::vector<std::vector<Token>> alone;
  for (size_t i = 0; i < kTalks; ++i) alone.push_back(answer(i));
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < kTalks; ++i) threads.emplace_back([&, i] { EXPECT_EQ(answer(i), alone[i]) << "talk " << i; });
}

INSTANTIATE_TEST_SUITE_P(Models, BatchingGolden, ::testing::Values("smollm2-135m-instruct", "gemma-3-270m"),
                         testing::test_name);

}  // namespace
}  // namespace sain::engine
