// `sain embed` on the real encoder.
#include <cmath>
#include <string>

#include "tests/tools/program.h"

namespace sain::test {
namespace {

using ::testing::HasSubstr;

constexpr const char* kEncoder = "all-minilm-l6-v2";

TEST(EmbedCommand, JsonHasTokensAndUnitVectors) {
  const nlohmann::json json = json_of(run_sain({"embed", "-m", kEncoder, "--json", "a", ""}));
  EXPECT_EQ(json["dimension"], 384);
  ASSERT_EQ(json["embeddings"].size(), 2u);
  EXPECT_EQ(json["embeddings"][0]["tokens"], nlohmann::json({101, 1037, 102}));
  EXPECT_EQ(json["embeddings"][1]["tokens"], nlohmann::json({101, 102}));
  double squares = 0;
  for (const auto& x : json["embeddings"][0]["embedding"]) squares += x.get<double>() * x.get<double>();
  EXPECT_NEAR(squares, 1, 1e-5);
}

TEST(EmbedCommand, PrintsHowAlikeTextsAre) {
  const ProcessResult result = run_sain({"embed", "-m", kEncoder, "good morning", "hello", "carburettor"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  double c[3][3];
  const char* rest = result.out.c_str();
  for (auto& row : c) {
    for (double& value : row) {
      char* end = nullptr;
      value = std::strtod(rest, &end);
      rest = end;
    }
  }
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(c[i][i], 1, 1e-3);
  EXPECT_EQ(c[0][1], c[1][0]);
  EXPECT_GT(c[0][1], c[0][2]);
}

TEST(EmbedCommand, FailuresSayWhy) {
  ProcessResult result = run_sain({"embed", "-m", "smollm2-135m-instruct", "a"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("general.architecture: expected bert, found llama"));
  result = run_sain({"embed", "-m", kEncoder});
  EXPECT_EQ(result.exit_code, 2);
  result = run_sain({"embed", "-m", kEncoder, "\xff"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("TEXT: expected UTF-8"));
}

}  // namespace
}  // namespace sain::test
