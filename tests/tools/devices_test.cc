// `sain devices`: for people, for scripts, and where Vulkan does not work.
#include "tests/support/temporary_folder.h"
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// What a driver leaks is not ours to find, where a sanitizer looks.
const SubprocessOptions kDriver = {.environment = {{"ASAN_OPTIONS", "detect_leaks=0"}}};

TEST(Devices, ListsTheProcessorAndWhatVulkanFinds) {
  const ProcessResult result = run_sain({"devices", "--json"}, kDriver);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const json list = json_of(result);
  EXPECT_EQ(list["devices"][0]["id"], "cpu");
  EXPECT_GT(list["devices"][0]["memory_bytes"], 0);
  EXPECT_EQ(list["devices"].size() == 1, !list["note"].get<std::string>().empty());
  for (size_t i = 1; i < list["devices"].size(); ++i) {
    const json& device = list["devices"][i];
    EXPECT_EQ(device["id"], "vulkan:" + std::to_string(i - 1));
    EXPECT_NE(device["name"], "");
    EXPECT_GT(device["memory_bytes"], 0);
    EXPECT_LE(device["available_bytes"], device["memory_bytes"]);
  }
  EXPECT_THAT(run_sain({"devices"}, kDriver).out, StartsWith("cpu "));
}

// A driver that does not load is one line, and the processor is there.
TEST(Devices, SaysWhyThereIsNoGpu) {
  const ProcessResult result = run_sain(
      {"devices"}, {.environment = {{"VK_ICD_FILENAMES", "/nowhere.json"}, {"VK_DRIVER_FILES", "/nowhere.json"}}});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, StartsWith("cpu "));
  EXPECT_THAT(result.out, ::testing::Not(HasSubstr("vulkan:")));
  EXPECT_THAT(result.err, HasSubstr("sain devices: no GPU: vulkan: "));
}

TEST(Devices, AModelGivesTheSameAnswerOnEach) {
  const testing::TemporaryFolder folder;
  const std::string model = (folder / "tiny.gguf").string();
  ASSERT_EQ(run_sain({"make-model", model, "--preset", "tiny", "--layers", "2"}).exit_code, 0);
  SubprocessOptions options = kDriver;
  options.environment.push_back({"SAIN_CACHE", folder.path().string()});
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"run", "-m", model, "--tokens", "5,6,7,8", "-n", "6", "--json"});
    return run_sain(more, options);
  };
  const json expected = json_of(run({"--exact"}))["tokens"];
  EXPECT_EQ(expected.size(), 6u);
  const json devices = json_of(run_sain({"devices", "--json"}, kDriver))["devices"];
  for (const json& device : devices) {
    const ProcessResult result = run({"--device", device["id"].get<std::string>()});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(json_of(result)["tokens"], expected) << device["name"];
  }
  if (devices.size() > 1) {
    EXPECT_EQ(json_of(run({"--device", "vulkan:0,0"}))["tokens"], expected);
    const ProcessResult partly = run({"--device", "vulkan", "--gpu-layers", "1"});
    EXPECT_EQ(json_of(partly)["tokens"], expected);
    EXPECT_THAT(partly.err, HasSubstr("computes 1 of the 2 layers, the CPU the others"));
    const ProcessResult nothing = run({"--device", "vulkan", "--gpu-layers", "0"});
    EXPECT_EQ(json_of(nothing)["tokens"].size(), expected.size());
  }
  const ProcessResult missing = run({"--device", "vulkan:99"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.err, HasSubstr("vulkan: "));
}

TEST(Devices, HasHelp) {
  EXPECT_THAT(run_sain({"devices", "--help"}).out, HasSubstr("Example:\n  sain devices"));
  EXPECT_EQ(run_sain({"devices", "--nonsense"}).exit_code, 2);
}

}  // namespace
}  // namespace sain::test
