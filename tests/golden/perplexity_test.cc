#include <cmath>
#include <span>

#include "engine/perplexity.h"
#include "tests/golden/golden.h"

namespace sain::testing {
namespace {

using formats::Token;

class PerplexityGolden : public GoldenTest {};

/// exp of the mean of the first chunks' negative log-likelihoods, each from its token `first` on.
double reference_perplexity(const nlohmann::json& token_nll, size_t n_chunks, size_t first) {
  double sum = 0;
  size_t n = 0;
  for (size_t chunk = 0; chunk < n_chunks; ++chunk) {
    for (size_t i = first; i < token_nll.at(chunk).size(); ++i, ++n) sum += token_nll.at(chunk).at(i).get<double>();
  }
  return std::exp(sum / static_cast<double>(n));
}

// A quarter of the reference's chunks, which takes a quarter of the time; `sain eval ppl` on the whole text is in the
// README.
TEST_P(PerplexityGolden, WithinHalfAPercentOfTheFp32Reference) {
  constexpr size_t kContext = 512, kChunks = 4;
  const auto golden = golden_json(GetParam(), "perplexity");
  const auto tokens = golden["token_ids"].get<std::vector<Token>>();
  const auto& token_nll = golden["runs"]["512"]["token_nll"];
  engine::Session session = exact_session(kContext);
  const auto result = engine::perplexity(session, std::span(tokens).first(kChunks * kContext), {.context = kContext});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_NEAR(result->ppl_all / reference_perplexity(token_nll, kChunks, 0), 1, 5e-3);
  EXPECT_NEAR(result->ppl_half / reference_perplexity(token_nll, kChunks, kContext / 2), 1, 5e-3);
  RecordProperty("ppl_all", std::to_string(result->ppl_all));
}

INSTANTIATE_TEST_SUITE_P(Models, PerplexityGolden, kReferenceModels, test_name);

}  // namespace
}  // namespace sain::testing
