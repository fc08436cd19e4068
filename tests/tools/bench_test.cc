// sain bench on a tiny model: what it prints, never how fast.
#include <set>

#include "tests/support/temporary_folder.h"
#include "tests/tools/program.h"
#include "tools/bench/benchmark.h"

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class Bench : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(run_sain({"make-model", model(), "--preset", "tiny", "--context", "256"}).exit_code, 0);
  }

  std::string model() const { return (folder_ / "tiny.gguf").string(); }

  ProcessResult bench(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"bench", "-m", model(), "--reps", "2"});
    return run_sain(std::move(arguments));
  }

  testing::TemporaryFolder folder_;
};

void expect_spread(const json& spread) {
  ASSERT_TRUE(spread.is_object()) << spread;
  EXPECT_GT(spread["min"].get<double>(), 0);
  EXPECT_LE(spread["min"].get<double>(), spread["median"].get<double>());
  EXPECT_LE(spread["median"].get<double>(), spread["max"].get<double>());
}

TEST_F(Bench, OneRowIsAnObject) {
  const json row = json_of(bench({"-p", "16", "-n", "4", "-b", "1", "-t", "2", "--json"}));
  for (const char* speed : {"prefill_tps", "decode_tps", "mixed_tps"}) expect_spread(row[speed]);
  for (const char* number :
       {"bandwidth_gbs", "bandwidth_measured_gbs", "int8_gops", "int8_measured_gops", "rss_bytes"}) {
    EXPECT_GT(row[number].get<double>(), 0) << number;
  }
  EXPECT_EQ(row["model"], model());
  EXPECT_EQ(row["threads"], 2);
  EXPECT_EQ(row["prompt"], 16);
  EXPECT_EQ(row["decode"], 4);
  EXPECT_EQ(row["reps"], 2);
  // All but the embedding: two layers of q and output, k and v, gate, up and down, the output matrix, norms of f32.
  const size_t elements = 2 * (2 * 256 * 256 + 2 * 128 * 256 + 3 * 512 * 256) + 512 * 256;
  EXPECT_EQ(row["weight_bytes_per_step"], elements / 32 * 18 + 4 * 256 * sizeof(float));
  EXPECT_NEAR(row["bandwidth_gbs"].get<double>(),
              row["weight_bytes_per_step"].get<double>() * row["decode_tps"]["median"].get<double>() / 1e9, 1e-6);
}

TEST_F(Bench, ASweepIsAnArrayOfEveryCombination) {
  const json rows = json_of(bench({"-p", "8,16", "-n", "2,3", "--depth", "0,40", "-t", "1,2", "--json"}));
  ASSERT_EQ(rows.size(), 16u);
  std::set<std::string> seen;
  for (const json& row : rows) {
    expect_spread(row["decode_tps"]);
    seen.insert(json{row["threads"], row["prompt"], row["decode"], row["depth"]}.dump());
  }
  EXPECT_EQ(seen.size(), 16u);
  EXPECT_TRUE(seen.contains("[2,16,3,40]"));
}

TEST_F(Bench, WhatIsNotAskedForIsNull) {
  const json no_decode = json_of(bench({"-p", "16", "-n", "0", "--json"}));
  expect_spread(no_decode["prefill_tps"]);
  for (const char* key : {"decode_tps", "mixed_tps", "bandwidth_gbs"}) EXPECT_TRUE(no_decode[key].is_null()) << key;
  const json no_prefill = json_of(bench({"-p", "0", "-n", "3", "-b", "4", "--json"}));
  expect_spread(no_prefill["decode_tps"]);
  for (const char* key : {"prefill_tps", "mixed_tps", "int8_gops"}) EXPECT_TRUE(no_prefill[key].is_null()) << key;
  EXPECT_EQ(no_prefill["batch"], 4);
}

TEST_F(Bench, TheTableHasALineForEachMeasurement) {
  const ProcessResult result = bench({"-p", "16", "-n", "4", "--depth", "0,32", "-t", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("TOKENS/S"), HasSubstr("OF BANDWIDTH"), HasSubstr("OF INT8 PEAK"),
                                HasSubstr("prefill 16"), HasSubstr("decode 4 "), HasSubstr("decode 4 at 32"),
                                HasSubstr("mixed 16+4"), HasSubstr("the machine with 1 thread: ")));
}

TEST_F(Bench, RefusesWhatCannotBeMeasured) {
  ProcessResult result = bench({"-p", "0", "-n", "0"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("-p 0 and -n 0"));
  result = bench({"-p", "16", "-n", "64", "--depth", "200"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err,
              HasSubstr("-p 16 -n 64 --depth 200 -b 1 need a context of 264 tokens, and the model has 256"));
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"-p", "x"}, {"-p", "1,-2"}, {"-t", "0"}, {"-b", "0"}, {"--reps", "0"}, {"-p", ""}}) {
    EXPECT_EQ(bench(arguments).exit_code, 2) << arguments[0] << " " << arguments[1];
  }
  EXPECT_EQ(run_sain({"bench"}).exit_code, 2);
  EXPECT_EQ(run_sain({"bench", "-m", "/no/such.gguf"}).exit_code, 1);
}

TEST(BenchSpread, IsTheMedianAndTheEnds) {
  EXPECT_EQ(tools::spread_of({3}).median, 3);
  EXPECT_EQ(tools::spread_of({3, 1}).median, 2);
  const tools::Spread spread = tools::spread_of({5, 1, 9, 2});
  EXPECT_EQ(spread.median, 3.5);
  EXPECT_EQ(spread.min, 1);
  EXPECT_EQ(spread.max, 9);
}

TEST(BenchCase, NeedsRoomForTheLongestPart) {
  EXPECT_EQ((tools::BenchCase{.n_prompt = 8, .n_decode = 3, .depth = 5, .n_batch = 2}.context_length()), 14u);
  EXPECT_EQ((tools::BenchCase{.n_prompt = 8, .n_decode = 3, .depth = 50, .n_batch = 2}.context_length()), 56u);
}

}  // namespace
}  // namespace sain::test
