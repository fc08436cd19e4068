// sain make-model, and what the other commands make of its models.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <thread>

#include "formats/gguf.h"
#include "formats/tokenizer.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/program.h"
#include "tools/make_model/model_spec.h"

namespace sain::test {
namespace {

using formats::GgufFile;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class MakeModel : public ::testing::Test {
 protected:
  /// Makes a tiny model and returns its path.
  std::string make(const std::string& name, std::vector<std::string> arguments = {}) {
    const std::string path = (folder_ / name).string();
    arguments.insert(arguments.begin(), {"make-model", path, "--preset", "tiny"});
    const ProcessResult result = run_sain(std::move(arguments));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return path;
  }

  /// What make-model says of arguments that it refuses.
  std::string refused(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"make-model", (folder_ / "refused.gguf").string()});
    const ProcessResult result = run_sain(std::move(arguments));
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "refused.gguf"));
    return result.err;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(MakeModel, BytesDependOnTheSeedAlone) {
  const auto bytes = [&](std::vector<std::string> arguments) {
    return testing::read_whole_file(make("m.gguf", std::move(arguments)));
  };
  const std::string once = bytes({"--seed", "3", "-t", "1"});
  EXPECT_EQ(once, bytes({"--seed", "3", "-t", "2"}));
  // The names in the metadata hold the seed; the tensors at the end must differ too.
  const std::string other = bytes({"--seed", "4"});
  ASSERT_EQ(once.size(), other.size());
  EXPECT_NE(once.substr(once.size() - 1000), other.substr(once.size() - 1000));
}

TEST_F(MakeModel, EveryTypeRuns) {
  for (const tools::WeightType& type : tools::weight_types()) {
    const std::string path = make("m.gguf", {"--type", std::string(type.name)});
    const json answer =
        json_of(run_sain({"run", "-m", path, "--raw", "--tokens", "1,2,3", "-n", "4", "--ignore-eos", "--json"}));
    EXPECT_EQ(answer["tokens"].size(), 4u) << type.name;
    const json logits = json_of(run_sain({"logits", "-m", path, "--tokens", "5,300", "--top", "512", "--json"}));
    ASSERT_EQ(logits["top"].size(), 512u);
    const double highest = logits["top"][0]["logit"], lowest = logits["top"][511]["logit"];
    // 512 draws of deviation about 1, so some 3 up and down; NaN fails both.
    EXPECT_GT(highest, 1.5) << type.name;
    EXPECT_LT(highest, 8) << type.name;
    EXPECT_LT(lowest, -1.5) << type.name;
  }
}

TEST_F(MakeModel, EveryArchitectureRuns) {
  for (const std::string arch : {"llama", "qwen2", "qwen3", "gemma3"}) {
    for (const bool tied : {false, true}) {
      std::vector<std::string> arguments = {"--arch", arch};
      if (tied) arguments.push_back("--tied");
      const std::string path = make("m.gguf", arguments);
      const json answer =
          json_of(run_sain({"run", "-m", path, "--raw", "-p", "Hello there", "-n", "4", "--ignore-eos", "--json"}));
      EXPECT_EQ(answer["tokens"].size(), 4u) << arch;
      const auto file = GgufFile::open(path);
      ASSERT_TRUE(file) << file.error().message;
      EXPECT_EQ(file->find_tensor("output.weight") == nullptr, tied || arch == "gemma3") << arch;
    }
  }
}

TEST_F(MakeModel, PerplexityIsFinite) {
  const std::string path = make("m.gguf", {"--type", "q4_k_m"});
  const json answer = json_of(run_sain({"eval", "ppl", "-m", path, "-f",
                                        std::string(SAIN_SOURCE_DIR) + "/tests/golden/data/opticks_excerpt.txt",
                                        "--ctx", "64", "--chunks", "2", "--json"}));
  // Random logits of deviation about 1 over 512 tokens: some exp(1/2) * 512.
  EXPECT_GT(answer["perplexity"].get<double>(), 400);
  EXPECT_LT(answer["perplexity"].get<double>(), 2500);
}

TEST_F(MakeModel, TextGoesThroughTheTokenizerUnharmed) {
  for (const char* vocab : {"257", "1000", "70000"}) {
    const auto file = GgufFile::open(make("m.gguf", {"--vocab", vocab, "--layers", "1"}));
    ASSERT_TRUE(file) << file.error().message;
    const auto tokenizer = formats::Tokenizer::from_metadata(file->metadata());
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    EXPECT_TRUE(tokenizer->warnings().empty()) << vocab;
    const std::string text = "Na\xc3\xafve \xe2\x82\xac\n\t\x01 the end";
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, formats::SpecialTokens::kAsText)), text) << vocab;
  }
}

TEST_F(MakeModel, AMixGivesSomeMatricesMoreBits) {
  const auto types = [&](std::vector<std::string> dimensions) {
    dimensions.insert(dimensions.end(), {"--type", "q4_k_m", "--layers", "16"});
    const auto file = GgufFile::open(make("m.gguf", dimensions));
    EXPECT_TRUE(file) << file.error().message;
    return [names = [&] {
      std::map<std::string, std::string> map;
      for (const auto& tensor : file->tensors()) map[std::string(tensor.name)] = dtype_info(tensor.dtype).name;
      return map;
    }()](const std::string& name) { return names.at(name + ".weight"); };
  };
  const auto wide = types({});
  EXPECT_EQ(wide("output"), "Q6_K");
  EXPECT_EQ(wide("token_embd"), "Q4_K");
  EXPECT_EQ(wide("blk.3.attn_q"), "Q4_K");
  for (const int layer : {0, 1, 4, 7, 10, 13, 14, 15}) {
    EXPECT_EQ(wide(fmt::format("blk.{}.attn_v", layer)), "Q6_K") << layer;
    EXPECT_EQ(wide(fmt::format("blk.{}.ffn_down", layer)), "Q6_K") << layer;
  }
  for (const int layer : {2, 3, 5, 6, 8, 9, 11, 12}) {
    EXPECT_EQ(wide(fmt::format("blk.{}.ffn_down", layer)), "Q4_K") << layer;
  }
  const auto narrow = types({"--width", "192", "--heads", "3", "--kv-heads", "1"});
  EXPECT_EQ(narrow("blk.2.attn_q"), "Q5_0");
  EXPECT_EQ(narrow("blk.0.attn_v"), "Q8_0");
  EXPECT_EQ(narrow("blk.0.ffn_down"), "Q6_K");
  EXPECT_EQ(narrow("output"), "Q8_0");
}

TEST_F(MakeModel, JsonSaysWhatWasMade) {
  const std::string path = (folder_ / "m.gguf").string();
  const json answer = json_of(run_sain({"make-model", path, "--preset", "tiny", "--layers", "1", "--json"}));
  EXPECT_EQ(answer["file"], path);
  EXPECT_EQ(answer["bytes"], std::filesystem::file_size(path));
  EXPECT_EQ(answer["layers"], 1);
  EXPECT_EQ(answer["width"], 256);
  EXPECT_EQ(answer["type"], "q4_0");
  EXPECT_EQ(answer["tied"], false);
}

TEST_F(MakeModel, AnAdapterRunsWithItsModel) {
  for (const std::string arch :
       {"llama", "qwen2"}) {  // gemma3's random embedding says the same token again in any case
    const std::string model = make("m.gguf", {"--arch", arch}), path = (folder_ / "a.gguf").string();
    const json made = json_of(run_sain({"make-model", path, "--adapter-of", model, "--rank", "3", "--json"}));
    EXPECT_EQ(made["rank"], 3);
    EXPECT_EQ(made["type"], "f16");
    EXPECT_EQ(made["bytes"], std::filesystem::file_size(path));
    const std::vector<std::string> plain = {"run", "-m", model,          "--tokens", "1,2,3",
                                            "-n",  "8",  "--ignore-eos", "--json"};
    std::vector<std::string> adapted = plain;
    adapted.insert(adapted.end(), {"--adapter", path});
    EXPECT_NE(json_of(run_sain(adapted))["tokens"], json_of(run_sain(plain))["tokens"]) << arch;
    const auto divergence = [&](const std::string& scale) {
      const std::string text = SAIN_SOURCE_DIR "/tests/golden/data/opticks_excerpt.txt";
      return json_of(run_sain({"eval", "kld", "-m", model, "--reference", model, "-f", text, "--ctx", "64", "--chunks",
                               "1", "--exact", "--adapter", path, "--adapter-scale", scale, "--json"}))["mean_kld"]
          .get<double>();
    };
    EXPECT_EQ(divergence("0"), 0);
    EXPECT_GT(divergence("1"), 1e-4);
  }
}

TEST_F(MakeModel, RefusalsNameTheFlagAndTheValue) {
  const std::string model = make("m.gguf");
  EXPECT_THAT(refused({"--adapter-of", model, "--type", "q4_0"}),
              HasSubstr("--type: expected one of f32, f16, bf16 for an adapter, found 'q4_0'"));
  EXPECT_THAT(refused({"--adapter-of", model, "--preset", "tiny"}), HasSubstr("--adapter-of"));
  EXPECT_THAT(refused({"--adapter-of", model, "--rank", "0"}), HasSubstr("--rank"));
  EXPECT_THAT(refused({"--preset", "tiny", "--rank", "4"}), HasSubstr("--adapter-of"));

  EXPECT_THAT(refused({}), HasSubstr("--layers is missing: give --preset, or every dimension"));
  EXPECT_THAT(refused({"--preset", "7b"}), AllOf(HasSubstr("--preset: expected one of tiny, 1b, 5b"), HasSubstr("7b")));
  EXPECT_THAT(refused({"--preset", "tiny", "--type", "q4_2"}), AllOf(HasSubstr("--type: "), HasSubstr("'q4_2'")));
  EXPECT_THAT(refused({"--preset", "tiny", "--arch", "gpt9"}), AllOf(HasSubstr("--arch: "), HasSubstr("'gpt9'")));
  EXPECT_THAT(refused({"--preset", "tiny", "--width", "100"}),
              HasSubstr("--width: expected a multiple of 32, the block of q4_0, found 100"));
  EXPECT_THAT(refused({"--preset", "tiny", "--ff", "544", "--type", "q6_k"}),
              HasSubstr("--ff: expected a multiple of 256, the block of q6_k, found 544"));
  EXPECT_THAT(refused({"--preset", "tiny", "--heads", "3"}),
              HasSubstr("--heads: expected a divisor of --width 256 where --head-dim is not given, found 3"));
  EXPECT_THAT(refused({"--preset", "tiny", "--kv-heads", "3"}),
              HasSubstr("--kv-heads: expected a divisor of the 4 heads, found 3"));
  EXPECT_THAT(refused({"--preset", "tiny", "--head-dim", "33", "--type", "f16"}),
              HasSubstr("--head-dim: expected an even number, found 33"));
  EXPECT_THAT(refused({"--preset", "tiny", "--vocab", "256"}),
              HasSubstr("--vocab: expected 257 to 1048576, found 256"));
  EXPECT_THAT(refused({"--preset", "tiny", "--layers", "2000"}), HasSubstr("--layers: expected 1 to 1024, found 2000"));
  EXPECT_THAT(refused({"--preset", "tiny", "--layers", "0"}), HasSubstr("--layers"));
  EXPECT_THAT(refused({"--preset", "tiny", "--seed", "-1"}), HasSubstr("--seed"));
  EXPECT_EQ(run_sain({"make-model"}).exit_code, 2);
}

TEST_F(MakeModel, AFolderThatIsNotThereIsNamed) {
  const ProcessResult result = run_sain({"make-model", (folder_ / "no/m.gguf").string(), "--preset", "tiny"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("no/m.gguf: cannot create"));
}

/// Whether a process writes a file into a folder; it has no name there before it is whole.
bool writes_into(pid_t pid, const std::filesystem::path& folder) {
  std::error_code gone;
  for (const auto& fd : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", gone))
    if (std::filesystem::read_symlink(fd, gone).string().starts_with(folder.string())) return true;
  return false;
}

TEST_F(MakeModel, AnInterruptLeavesNoFile) {
  // 20 GB: the signal comes long before the end.
  Subprocess process({SAIN_PROGRAM, "make-model", (folder_ / "m.gguf").string(), "--preset", "5b", "--type", "f32"});
  // Bounded, so that a program that never begins fails the test instead of hanging it.
  for (int i = 0; i < 6000 && !writes_into(process.pid(), folder_.path()); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  process.send_signal(SIGINT);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

}  // namespace
}  // namespace sain::test
