// bench/growth: what it measures; drawing needs a library that is not installed for the tests.
#include "tests/support/temporary_folder.h"
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class BenchGrowth : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = (folder_ / "m.gguf").string();
    ASSERT_EQ(run_sain({"make-model", model_, "--preset", "tiny"}).exit_code, 0);
  }

  std::string script(const std::string& name, const std::string& body) {
    const std::filesystem::path path = folder_.write(name, "#!/bin/sh\n" + body);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path.string();
  }

  ProcessResult measure(std::vector<std::string> arguments) {
    const std::string program = std::string(SAIN_SOURCE_DIR) + "/bench/growth";
    std::vector<std::string> command = {"python3", program,     "measure", "-m",       model_, "-t",
                                        "1",       "--prompts", "8,16",    "--depths", "0,24", "--sweep-threads",
                                        "1",       "-n",        "2",       "--reps",   "1"};
    command.insert(command.end(), {"--sain", SAIN_PROGRAM});
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run_program(command);
  }

  testing::TemporaryFolder folder_;
  std::string model_;
};

/// (x, what) of a contender's points in a sweep, in the order of the output.
std::vector<std::pair<int, std::string>> points(const json& result, const std::string& who, const std::string& sweep) {
  std::vector<std::pair<int, std::string>> found;
  for (const json& point : result["points"]) {
    EXPECT_GT(point["tokens_per_second"], 0);
    if (point["contender"] == who && point["sweep"] == sweep) found.emplace_back(point["x"], point["what"]);
  }
  return found;
}

TEST_F(BenchGrowth, SweepsPromptContextAndThreads) {
  const json result = json_of(measure({}));
  using Points = std::vector<std::pair<int, std::string>>;
  EXPECT_EQ(points(result, "sain", "prompt"), (Points{{8, "prefill"}, {16, "prefill"}}));
  EXPECT_EQ(points(result, "sain", "context"), (Points{{0, "decode"}, {24, "decode"}}));
  EXPECT_EQ(points(result, "sain", "threads"), (Points{{1, "prefill"}, {1, "decode"}}));
}

TEST_F(BenchGrowth, APeerThatKnowsNoDepthIsLeftOutThereAlone) {
  const std::string peer = script("llama-bench",
                                  "case \"$*\" in *' -d '*) echo 'unknown argument: -d' >&2; exit 1 ;; esac\n"
                                  "echo "
                                  "'[{\"n_prompt\":8,\"n_threads\":1,\"samples_ts\":[5.0]},{\"n_prompt\":0,\"n_"
                                  "threads\":1,\"samples_ts\":[4.0]}]'\n");
  const ProcessResult run = measure({"--peer", "it=" + peer});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("growth: context: it: exit code 1: unknown argument: -d"));
  const json result = json::parse(run.out);
  EXPECT_TRUE(points(result, "it", "context").empty());
  EXPECT_EQ(points(result, "it", "threads").size(), 2u);
  EXPECT_EQ(points(result, "sain", "context").size(), 2u);
}

}  // namespace
}  // namespace sain::test
