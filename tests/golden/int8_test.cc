// What 8-bit activations cost, with every kernel that this machine runs.
#include <algorithm>

#include "engine/kl_divergence.h"
#include "tests/golden/golden.h"

namespace sain::testing {
namespace {

using formats::Token;

class Int8Golden : public GoldenTest {
 protected:
  /// Calls check(model) with the model loaded for each instruction set; scalar ones are in tests/kernels, and slow.
  template <class F>
  void for_each_isa(F&& check) {
    for (const kernels::Isa isa : kernels::kIsas) {
      if (isa == kernels::Isa::kScalar || kernels::detect_isa(isa) != isa) continue;
      SCOPED_TRACE(kernels::isa_name(isa));
      const auto loaded = engine::Model::load({.path = model->file().path(), .isa = isa});
      ASSERT_TRUE(loaded) << loaded.error().message;
      check(*loaded);
    }
  }

  engine::Session fast_session(const engine::Model& of, uint32_t context_length) {
    auto session = engine::Session::create(of, pool, {.context_length = context_length});
    EXPECT_TRUE(session) << session.error().message;
    return *std::move(session);
  }
};

TEST_P(Int8Golden, DivergesLittleFromFp32Activations) {
  constexpr size_t kContext = 256;
  const auto golden = golden_json(GetParam(), "perplexity");
  const auto tokens = golden["token_ids"].get<std::vector<Token>>();
  engine::Session reference = exact_session(kContext);
  for_each_isa([&](const engine::Model& fast) {
    engine::Session session = fast_session(fast, kContext);
    const auto result =
        engine::kl_divergence(reference, session, std::span(tokens).first(2 * kContext), {.context = kContext});
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_GT(result->mean_kld, 0);
    EXPECT_LT(result->mean_kld, 2e-3);
    RecordProperty("mean_kld", std::to_string(result->mean_kld));
  });
}

TEST_P(Int8Golden, GreedyAnswersEqualTheReferenceUpToTheFirstNarrowMargin) {
  constexpr double kNarrow = 0.7;
  const auto golden = golden_json(GetParam(), "greedy");
  for_each_isa([&](const engine::Model& fast) {
    engine::Session session = fast_session(fast, 512);
    size_t n_compared = 0;
    for (const auto& c : golden["cases"]) {
      auto expected = c["output_ids"].get<std::vector<Token>>();
      const auto margins = c["margins"].get<std::vector<double>>();
      size_t n = 0;
      while (n < expected.size() && margins[n] >= kNarrow) ++n;
      NullSink sink;
      session.reset();
      const auto prompt = c["prompt_ids"].get<std::vector<Token>>();
      const auto generation = session.generate(prompt, {.max_tokens = 48}, {}, sink);
      ASSERT_TRUE(generation) << generation.error().message;
      auto found = generation->tokens;
      found.resize(std::min(n, found.size()));
      expected.resize(n);
      EXPECT_EQ(found, expected) << c["name"];
      n_compared += n;
    }
    EXPECT_GT(n_compared, 0u);
  });
}

INSTANTIATE_TEST_SUITE_P(Models, Int8Golden, kReferenceModels, test_name);

}  // namespace
}  // namespace sain::testing
