// `sain logits` and `sain eval` on real weights.
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Logits : public RealModelTest {};
class Eval : public RealModelTest {
 protected:
  const std::string text_ = std::string(SAIN_SOURCE_DIR) + "/tests/golden/data/opticks_excerpt.txt";
};

TEST_F(Logits, AgreeWithTheReference) {
  const json prompt = golden("smollm2-135m-instruct.logits.json")["prompts"][0];
  const json answer = json_of(
      run_sain({"logits", "-m", kModel, "--tokens", joined(prompt["prompt_ids"]), "--top", "3", "--exact", "--json"}));
  ASSERT_EQ(answer["top"].size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(answer["top"][i]["token"], prompt["top20"][i][0]);
    EXPECT_NEAR(answer["top"][i]["logit"].get<double>(), prompt["top20"][i][1].get<double>(), 2e-2);
  }
}

TEST_F(Logits, TableShowsTheTextOfTheTokens) {
  const ProcessResult result = run_sain({"logits", "-m", kModel, "--tokens", "504,3575,282,4649,314", "--top", "5"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("TOKEN"));
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 6);
}

TEST_F(Logits, TopIsNoMoreThanTheVocabulary) {
  const json answer = json_of(run_sain({"logits", "-m", kModel, "--tokens", "1", "--top", "1000000", "--json"}));
  EXPECT_EQ(answer["top"].size(), 49152u);
}

TEST_F(Logits, RefusesIdsOutsideTheVocabulary) {
  const ProcessResult result = run_sain({"logits", "-m", kModel, "--tokens", "1,49152"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("49152"));
  EXPECT_EQ(run_sain({"logits", "-m", kModel, "--tokens", "1", "--top", "0"}).exit_code, 2);
}

TEST_F(Eval, PerplexityAgreesWithTheReference) {
  const json run = golden("smollm2-135m-instruct.perplexity.json")["runs"]["512"];
  double nll = 0;
  for (const json& token_nll : run["token_nll"][0]) nll += token_nll.get<double>();
  const json answer = json_of(
      run_sain({"eval", "ppl", "-m", kModel, "-f", text_, "--ctx", "512", "--chunks", "1", "--exact", "--json"}));
  EXPECT_EQ(answer["tokens"], 511);
  EXPECT_EQ(answer["chunks"], 1);
  const double expected = std::exp(nll / 511);
  EXPECT_NEAR(answer["perplexity"].get<double>(), expected, 1e-3 * expected);
}

TEST_F(Eval, AModelDoesNotDivergeFromItself) {
  const json answer = json_of(run_sain({"eval", "kld", "-m", kModel, "--reference", kModel, "-f", text_, "--ctx", "64",
                                        "--chunks", "2", "--exact", "--json"}));
  EXPECT_EQ(answer["mean_kld"], 0.0);
  EXPECT_EQ(answer["max_kld"], 0.0);
  EXPECT_EQ(answer["top1_agreement"], 1.0);
  EXPECT_EQ(answer["tokens"], 128);
}

TEST_F(Eval, DifferentVocabulariesCannotBeCompared) {
  const auto other = router::resolve_model("gemma-3-270m");
  ASSERT_TRUE(other) << other.error().message;
  const ProcessResult result =
      run_sain({"eval", "kld", "-m", kModel, "--reference", "gemma-3-270m", "-f", text_, "--ctx", "64"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("vocabularies differ"));
}

TEST_F(Eval, SaysWhatIsWrongWithTheText) {
  const TemporaryFile empty("empty.txt", "");
  ProcessResult result = run_sain({"eval", "ppl", "-m", kModel, "-f", empty.path()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("at least the 512 tokens"));
  const TemporaryFile broken("broken.txt", "abc\x80");
  result = run_sain({"eval", "ppl", "-m", kModel, "-f", broken.path()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("0x80 at offset 3"));
  result = run_sain({"eval", "ppl", "-m", kModel, "-f", "/no/such/text"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(run_sain({"eval", "ppl", "-m", kModel, "-f", text_, "--ctx", "3"}).exit_code, 2);
  EXPECT_EQ(run_sain({"eval", "ppl", "-m", kModel, "-f", text_, "--ctx", "100000"}).exit_code, 2);
}

}  // namespace
}  // namespace sain::test
