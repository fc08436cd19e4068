// bench/compare, with programs that answer as sain and llama-bench do.
#include "tests/support/temporary_folder.h"
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class BenchCompare : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = folder_.write("m.gguf", "").string();
    text_ = folder_.write("text.txt", "").string();
    // 100 tokens/s of prefill, and 1, 2, 3, ... of decode.
    sain_ = script("sain",
                   "echo \"$*\" >> \"$0.log\"\n"
                   "n=$(wc -l < \"$0.log\")\n"
                   "case $1 in\n"
                   "bench) echo '{\"prefill_tps\":{\"median\":100},\"decode_tps\":{\"median\":'$n'}}' ;;\n"
                   "eval) echo '{\"perplexity\":9,\"perplexity_second_half\":8.5}' ;;\n"
                   "esac\n");
  }

  std::string script(const std::string& name, const std::string& body) {
    const std::filesystem::path path = folder_.write(name, "#!/bin/sh\n" + body);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path.string();
  }

  /// A llama-bench of 50 and 4 tokens/s.
  std::string llama_bench() {
    return script("llama-bench",
                  "echo \"$*\" >> \"$0.log\"\n"
                  "echo '[{\"n_prompt\":64,\"n_gen\":0,\"samples_ts\":[50.0]},'\n"
                  "echo '{\"n_prompt\":0,\"n_gen\":8,\"samples_ts\":[4.0]}]'\n");
  }

  ProcessResult compare(std::vector<std::string> arguments) {
    const std::string program = std::string(SAIN_SOURCE_DIR) + "/bench/compare";
    std::vector<std::string> command = {"python3", program, "-m", model_, "-p", "64", "-n", "8", "--sain", sain_};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run_program(command);
  }

  std::string log(const std::string& name) const { return testing::read_whole_file(folder_ / (name + ".log")); }

  testing::TemporaryFolder folder_;
  std::string model_, text_, sain_;
};

TEST_F(BenchCompare, GivesRatiosOfMedians) {
  const json result = json_of(compare({"--reps", "3", "--peer", "it=" + llama_bench() + " -rtr 1", "--json"}));
  const json& ours = result["contenders"][0];
  EXPECT_EQ(ours["name"], "sain");
  EXPECT_EQ(ours["decode_tps"], (json{{"median", 2}, {"min", 1}, {"max", 3}, {"samples", {1, 2, 3}}}));
  const json& peer = result["contenders"][1];
  EXPECT_EQ(peer["name"], "it");
  EXPECT_EQ(peer["prefill_ratio"], 2.0);
  EXPECT_EQ(peer["decode_ratio"], 0.5);
  EXPECT_TRUE(peer["perplexity"].is_null());
  EXPECT_THAT(log("llama-bench"), HasSubstr("-rtr 1 -m " + model_ + " -p 64 -n 8 -t 2 -r 1 -o json\n"));
  EXPECT_THAT(log("sain"), HasSubstr("bench -m " + model_ + " -p 64 -n 8 -t 2 --reps 1 --json\n"));
}

TEST_F(BenchCompare, PerplexityComesFromTheProgramBesideAndItsOwnSpelling) {
  script("llama-perplexity",
         "case \"$*\" in *'-rtr 1'*) echo 'unknown argument: 1' >&2; exit 1 ;; esac\n"
         "echo 'Final estimate: PPL over 2 chunks for n_ctx=512 = 8.75 +/- 0.1' >&2\n");
  const ProcessResult result =
      compare({"--reps", "1", "--peer", llama_bench() + " -fa 1 -rtr 1", "--ppl", text_, "--ppl-chunks", "2"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("PERPLEXITY"), HasSubstr("8.5000"), HasSubstr("8.7500"),
                                HasSubstr("llama-bench -fa 1 -rtr 1"), HasSubstr("2.00x")));
  EXPECT_THAT(log("sain"), HasSubstr("eval ppl -m " + model_ + " -f " + text_ + " --ctx 512 --chunks 2 -t 2 --json\n"));
}

TEST_F(BenchCompare, PerplexityIsTheLastRunningValueWhereTheSummaryIsLost) {
  script("llama-perplexity", "printf '[1]9.5000,[2]8.2500,\\n'\n");
  const json result = json_of(compare({"--reps", "1", "--peer", llama_bench(), "--ppl", text_, "--json"}));
  EXPECT_EQ(result["contenders"][1]["perplexity"], 8.25);
}

TEST_F(BenchCompare, AFailureIsOneLineAndTheRestGoesOn) {
  const std::string broken = script("broken", "echo 'loading' >&2; echo 'unknown model architecture' >&2; exit 3\n");
  const ProcessResult result =
      compare({"--reps", "2", "--peer", "bad=" + broken, "--peer", "/no/llama-bench", "--peer", llama_bench()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, AllOf(HasSubstr("bad failed: bench: exit code 3: unknown model architecture\n"),
                                HasSubstr("/no/llama-bench: No such file or directory"), HasSubstr("2.00x")));
}

TEST_F(BenchCompare, RefusesWrongUsage) {
  EXPECT_EQ(compare({"--reps", "0"}).exit_code, 2);
  EXPECT_EQ(compare({"-p", "0", "-n", "0"}).exit_code, 2);
  EXPECT_EQ(compare({"--peer", ""}).exit_code, 2);
  EXPECT_EQ(compare({"--ppl", "/no/text"}).exit_code, 2);
}

}  // namespace
}  // namespace sain::test
