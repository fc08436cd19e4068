#include <cmath>

#include "engine/perplexity.h"
#include "tests/golden/golden.h"

namespace sain::testing {
namespace {

using formats::Token;

class PerplexityGolden : public GoldenTest {};

TEST_P(PerplexityGolden, WithinHalfAPercentOfTheFp32Reference) {
  const auto golden = golden_json(GetParam(), "perplexity");
  const auto tokens = golden["token_ids"].get<std::vector<Token>>();
  const auto& run = golden["runs"]["512"];
  engine::Session session = exact_session(512);
  const auto result = engine::perplexity(session, tokens, {.context = 512});
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_NEAR(result->ppl_all / run["ppl_all"].get<double>(), 1, 5e-3);
  EXPECT_NEAR(result->ppl_half / run["ppl_half"].get<double>(), 1, 5e-3);
  RecordProperty("ppl_all", std::to_string(result->ppl_all));
}

INSTANTIATE_TEST_SUITE_P(Models, PerplexityGolden, kReferenceModels, test_name);

}  // namespace
}  // namespace sain::testing
