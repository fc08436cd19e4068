// Streams of the real models, past four windows: text that is read, and answers that are written.
#include <cmath>
#include <fstream>
#include <iterator>
#include <set>
#include <span>

#include "engine/log_sum_exp.h"
#include "engine/stream_perplexity.h"
#include "tests/golden/golden.h"

namespace sain::testing {
namespace {

using engine::KvType;
using formats::Token;

constexpr uint32_t kSinks = 4, kWindow = 256;
constexpr size_t kRead = 5 * kWindow;  // tokens

class StreamGolden : public GoldenTest {
 protected:
  engine::Session stream(KvType type) {
    return session({.context_length = kSinks + kWindow,
                    .kv_type = type,
                    .policy = engine::ContextPolicy::kStream,
                    .n_sinks = kSinks});
  }
  engine::Session session(const engine::SessionOptions& options) {
    auto created = engine::Session::create(*model, pool, options);
    EXPECT_TRUE(created) << created.error().message;
    return *std::move(created);
  }

  struct Perplexities {
    std::vector<double> all, sampled, oracle;  // of each window's tokens
  };
  Perplexities read(engine::Session session, engine::Session* oracle) {
    const auto tokens = golden_json(GetParam(), "perplexity")["token_ids"].get<std::vector<Token>>();
    Perplexities found;
    const Status status = engine::stream_perplexity(session, tokens,
                                                    {.stretch = kWindow,
                                                     .n_tokens = kRead,
                                                     .oracle = oracle,
                                                     .oracle_step = kWindow / 2,
                                                     .on_stretch = [&](const engine::TextStretch& stretch) {
                                                       found.all.push_back(stretch.perplexity);
                                                       found.sampled.push_back(stretch.sampled_perplexity);
                                                       found.oracle.push_back(stretch.oracle_perplexity);
                                                     }});
    EXPECT_TRUE(status) << status.error().message;
    return found;
  }

  /// The perplexity of the last n tokens of what `session` keeps, read by one that begins with it.
  double read_afresh(const engine::Session& session, size_t n) {
    const std::span<const Token> kept = session.history();
    engine::Session fresh = stream(KvType::kF16);
    double nll = 0;
    const Status status = fresh.prefill_all(kept, [&](size_t i, std::span<const float> logits) {
      if (i + 1 < kept.size() && i + 1 + n >= kept.size()) {
        nll += engine::log_sum_exp(logits) - static_cast<double>(logits[static_cast<size_t>(kept[i + 1])]);
      }
    });
    EXPECT_TRUE(status) << status.error().message;
    return std::exp(nll / static_cast<double>(n));
  }

  /// More than four windows of conversation, the last word is the user's; for a base model of text.
  std::vector<Token> conversation() {
    std::ifstream file(std::string(SAIN_SOURCE_DIR) + "/tests/golden/data/opticks_excerpt.txt");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const formats::Tokenizer& tokenizer = model->tokenizer();
    if (model->chat_template() == nullptr) {
      std::vector<Token> tokens = tokenizer.encode(text, formats::SpecialTokens::kAsText);
      tokens.resize(kRead);
      tokens[0] = *tokenizer.bos();
      return tokens;
    }
    formats::ChatTemplateInput input;
    for (size_t i = 0; i < 4; ++i) {
      input.messages.push_back({{"role", "user"}, {"content", "Read this:\n" + text.substr(1000 * i, 1000)}});
      input.messages.push_back({{"role", "assistant"}, {"content", "I have read it. Please go on."}});
    }
    input.messages.push_back({{"role", "user"}, {"content", "What is the capital of France?"}});
    const auto rendered = model->chat_template()->render(input);
    EXPECT_TRUE(rendered) << rendered.error().message;
    return tokenizer.encode(rendered->segments());
  }
};

/// The share of runs of n tokens that were there before: 0 for a text that never says the same again, near 1 in a loop.
double repetition(std::span<const Token> tokens, size_t n) {
  if (tokens.size() < n) return 0;
  std::set<std::vector<Token>> seen;
  size_t n_repeated = 0;
  for (size_t i = 0; i + n <= tokens.size(); ++i) {
    n_repeated +=
        !seen.emplace(tokens.begin() + static_cast<ptrdiff_t>(i), tokens.begin() + static_cast<ptrdiff_t>(i + n))
             .second;
  }
  return static_cast<double>(n_repeated) / static_cast<double>(tokens.size() + 1 - n);
}

// The oracle sees what the stream still keeps, and nothing before it. Without sinks a stream is some 60 % worse.
TEST_P(StreamGolden, PredictsAboutAsWellAsFromAFreshStart) {
  engine::Session oracle = stream(KvType::kF16);
  const Perplexities found = read(stream(KvType::kF16), &oracle);
  ASSERT_EQ(found.all.size(), kRead / kWindow);
  double log_ratio = 0;
  for (size_t window = 1; window < found.all.size(); ++window) {
    EXPECT_LT(found.all[window], found.all[0]) << "window " << window;  // its beginning has no tokens before it
    log_ratio += std::log(found.sampled[window] / found.oracle[window]);
  }
  EXPECT_LT(log_ratio / static_cast<double>(found.all.size() - 1), 0.2);
}

TEST_P(StreamGolden, AnswersAfterFourWindows) {
  const bool is_base = model->chat_template() == nullptr;
  for (const KvType type : {KvType::kF16, KvType::kQ8_0, KvType::kQ4_0}) {
    SCOPED_TRACE(static_cast<int>(type));
    engine::Session session = stream(type);
    std::vector<Token> prompt = conversation();
    ASSERT_GT(prompt.size(), 4 * kWindow);
    NullSink sink;
    if (!is_base) {
      const auto answer = session.generate(prompt, {.max_tokens = 32}, {}, sink);
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_EQ(answer->text, "The capital of France is Paris.");
      EXPECT_EQ(answer->finish_reason, engine::FinishReason::kStop);
      prompt = model->tokenizer().encode(
          "\n<|im_start|>user\nTell me a story of a fox and a mirror.<|im_end|>\n<|im_start|>assistant\n",
          formats::SpecialTokens::kParse);
    }
    // Not the likeliest tokens: models of this size soon go round in circles with these, whatever they remember.
    const auto text =
        session.generate(prompt, {.max_tokens = 96, .sampler = {.temperature = 0.7f, .seed = 1}}, {}, sink);
    ASSERT_TRUE(text) << text.error().message;
    EXPECT_GT(text->tokens.size(), 24u) << text->text;
    EXPECT_LT(repetition(text->tokens, 4), 0.4) << text->text;
    EXPECT_LT(read_afresh(session, text->tokens.size()), 20) << text->text;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, StreamGolden, kReferenceModels, test_name);

class QuantizedStreamGolden : public StreamGolden {};

TEST_P(QuantizedStreamGolden, PredictsEachWindowAsWellAsF16) {
  const std::vector<double> f16 = read(stream(KvType::kF16), nullptr).all;
  for (const KvType type : {KvType::kQ8_0, KvType::kQ4_0}) {
    const std::vector<double> quantized = read(stream(type), nullptr).all;
    ASSERT_EQ(quantized.size(), f16.size());
    for (size_t window = 0; window < f16.size(); ++window) {
      EXPECT_NEAR(quantized[window] / f16[window], 1, 0.04)
          << "type " << static_cast<int>(type) << ", window " << window;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, QuantizedStreamGolden,
                         ::testing::Values("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"), test_name);

}  // namespace
}  // namespace sain::testing
