// `sain run --prompt-cache` on real weights: a prompt is computed once.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "tests/tools/program.h"

namespace sain::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class PromptCache : public RealModelTest {
 protected:
  ProcessResult run(const std::string& prompt, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"run", "-m",    router::resolve_model(kModel)->string(), "-p", prompt, "-n",
                                          "8",   "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_sain(arguments, {.environment = {{"SAIN_CACHE", folder_.path().string()}}});
  }

  /// The length of the prompt less what was reused.
  static int n_new(const json& answer) {
    return static_cast<int>(answer["prompt_tokens"].size()) - answer["timings"]["reused_tokens"].get<int>();
  }

  std::vector<fs::path> snapshots() const {
    std::vector<fs::path> files;
    if (!fs::exists(folder_ / "prefixes")) return files;
    for (const auto& file : fs::directory_iterator(folder_ / "prefixes")) files.push_back(file.path());
    return files;
  }

  static std::string long_prompt(const std::string& end) {
    std::string text;
    for (int i = 1; i <= 60; ++i) text += "Sentence number " + std::to_string(i) + " says little. ";
    return text + end;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(PromptCache, OnlyTheLastTokenIsComputedAgain) {
  const json first = json_of(run(long_prompt("Why?"), {"--prompt-cache", "--exact"}));
  EXPECT_EQ(first["timings"]["reused_tokens"], 0);
  EXPECT_EQ(snapshots().size(), 1u);
  const json second = json_of(run(long_prompt("Why?"), {"--prompt-cache", "--exact"}));
  EXPECT_EQ(n_new(second), 1);
  EXPECT_EQ(second["timings"]["prefill_tokens"], 1);
  EXPECT_EQ(second["tokens"], first["tokens"]);
  EXPECT_EQ(snapshots().size(), 1u);
}

TEST_F(PromptCache, PromptsShareWhatTheyBeginWith) {
  json_of(run(long_prompt("Why?"), {"--prompt-cache"}));
  const json other = json_of(run(long_prompt("How many sentences are there?"), {"--prompt-cache"}));
  EXPECT_GT(n_new(other), 1);
  EXPECT_LT(n_new(other), 20);
  EXPECT_EQ(snapshots().size(), 2u);
  EXPECT_EQ(json_of(run("Why?", {"--prompt-cache", "--kv", "q8"}))["timings"]["reused_tokens"], 0);
}

TEST_F(PromptCache, WithoutTheOptionNothingIsReadOrWritten) {
  EXPECT_EQ(json_of(run(long_prompt("Why?")))["timings"]["reused_tokens"], 0);
  EXPECT_TRUE(snapshots().empty());
  json_of(run(long_prompt("Why?"), {"--prompt-cache"}));
  EXPECT_EQ(json_of(run(long_prompt("Why?")))["timings"]["reused_tokens"], 0);
}

TEST_F(PromptCache, ADamagedSnapshotIsAWarning) {
  const json first = json_of(run(long_prompt("Why?"), {"--prompt-cache"}));
  ASSERT_EQ(snapshots().size(), 1u);
  fs::resize_file(snapshots()[0], fs::file_size(snapshots()[0]) / 2);
  const ProcessResult result = run(long_prompt("Why?"), {"--prompt-cache"});
  EXPECT_THAT(result.err, HasSubstr("sain: warning: " + (folder_ / "prefixes").string()));
  const json second = json_of(result);
  EXPECT_EQ(second["timings"]["reused_tokens"], 0);
  EXPECT_EQ(second["tokens"], first["tokens"]);
  EXPECT_EQ(n_new(json_of(run(long_prompt("Why?"), {"--prompt-cache"}))), 1);  // it has been written anew
}

}  // namespace
}  // namespace sain::test
