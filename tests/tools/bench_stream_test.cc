// bench/stream: what it measures; drawing needs a library that is not installed for the tests.
#include "tests/support/temporary_folder.h"
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;

TEST(BenchStream, ReadsTheTextWithAndWithoutSinks) {
  const testing::TemporaryFolder folder;
  const std::string model = (folder / "m.gguf").string();
  ASSERT_EQ(run_sain({"make-model", model, "--preset", "tiny"}).exit_code, 0);
  const std::string text = folder.write("text.txt", std::string(500, 'a')).string();
  const json result = json_of(run_program({"python3", std::string(SAIN_SOURCE_DIR) + "/bench/stream", "measure", "-m",
                                           model, "-f", text, "--window", "32", "--tokens", "300", "--stretch", "100",
                                           "--oracle", "50", "-t", "1", "--sain", SAIN_PROGRAM}));
  EXPECT_EQ(result["model"], "m.gguf");
  EXPECT_EQ(result["text"], "text.txt");
  const json &sinks = result["runs"]["sinks"], &no_sinks = result["runs"]["no_sinks"];
  EXPECT_EQ(sinks["sinks"], 4);
  EXPECT_EQ(no_sinks["sinks"], 0);
  for (const json* run : {&sinks, &no_sinks}) {
    EXPECT_EQ((*run)["window"], 32);
    ASSERT_EQ((*run)["stretches"].size(), 3u);
    for (const json& stretch : (*run)["stretches"]) {
      EXPECT_EQ(stretch["tokens"], 100);
      EXPECT_EQ(stretch.contains("oracle_perplexity"), run == &sinks);
    }
  }
}

}  // namespace
}  // namespace sain::test
