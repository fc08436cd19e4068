// sain inspect, run as a program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/subprocess.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_gguf.h"

namespace sain::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Inspect : public ::testing::Test {
 protected:
  void SetUp() override {
    formats::GgufWriter writer = testing::tiny_llama();
    writer.set("test.bytes", std::vector<std::string>{"\xff", "ok"});
    path_ = *writer.write(folder_ / "tiny.gguf");
  }

  test::ProcessResult inspect(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "inspect");
    return test::run_sain(std::move(arguments));
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path path_;
};

TEST_F(Inspect, ShowsMetadataTensorsAndTotals) {
  const auto result = inspect({path_.string()});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, IsEmpty());
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("GGUF version 3"), HasSubstr("11 tensors"), HasSubstr("string[300] ['t0', 't1', "),
                    HasSubstr("llama.attention.layer_norm_rms_epsilon  1e-05"), HasSubstr("256 x 2 x 3 x 2"),
                    HasSubstr("BITS/WEIGHT")));
  EXPECT_THAT(result.out, ::testing::ContainsRegex("token_embd.weight +Q8_0 +64 x 300 +20.4 kB"));
  EXPECT_THAT(result.out, ::testing::ContainsRegex("Q4_K +1 +3072 +1.73 kB +4.50"));
}

TEST_F(Inspect, JsonKeepsTheContract) {
  const auto result = inspect({path_.string(), "--json"});
  ASSERT_EQ(result.exit_code, 0);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["version"], 3);
  EXPECT_EQ(json["metadata"]["general.architecture"], "llama");
  EXPECT_EQ(json["metadata"]["llama.attention.layer_norm_rms_epsilon"].dump(), "1e-05");
  EXPECT_EQ(json["metadata"]["test.u64"], uint64_t{1} << 63);
  EXPECT_EQ(json["metadata"]["tokenizer.ggml.tokens"].size(), 300u);
  EXPECT_EQ(json["metadata"]["test.nested"].dump(), "[[1,2],[],[3]]");
  EXPECT_EQ(json["metadata"]["test.bools"].dump(), "[true,false,true]");
  EXPECT_EQ(json["metadata"]["test.bytes"][0], "\xef\xbf\xbd");
  ASSERT_EQ(json["tensors"].size(), 11u);
  EXPECT_EQ(json["tensors"][0].dump(), R"({"bytes":20400,"name":"token_embd.weight","shape":[64,300],"type":"Q8_0"})");
}

TEST_F(Inspect, ReportsWhatIsWrongOnStderr) {
  const auto damaged = inspect({folder_.write("bad.gguf", "GGUF").string()});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_THAT(damaged.out, IsEmpty());
  EXPECT_THAT(damaged.err, AllOf(HasSubstr("sain inspect: "), HasSubstr("bad.gguf: version: the file ends here")));
  EXPECT_EQ(inspect({}).exit_code, 2);
  EXPECT_EQ(inspect({(folder_ / "missing.gguf").string()}).exit_code, 1);
}

}  // namespace
}  // namespace sain::tools
