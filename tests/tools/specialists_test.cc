// `sain specialists`, on real weights: what users do with packages.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/temporary_folder.h"
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

constexpr const char* kSpecialist = "qwen2.5-coder-0.5b-instruct";
constexpr const char* kWorse = "tinycoder";  // it knows nothing of the kind

class Specialists : public RealModelTest {
 protected:
  void SetUp() override {
    RealModelTest::SetUp();
    for (const char* model : {kSpecialist, kWorse})
      ASSERT_TRUE(router::resolve_model(model)) << "the tests need `sain models fetch " << model << "`";
    fs::copy(fs::path(SAIN_SOURCE_DIR) / "tests/tools/packages/python", package_);
  }

  /// The package as another version, with other weights.
  void change(const std::string& version, const std::string& model) {
    std::ifstream in(package_ / "package.toml");
    std::string text{std::istreambuf_iterator<char>(in), {}};
    text.replace(text.find(version_), version_.size(), version);
    text.replace(text.find(model_), model_.size(), model);
    std::ofstream(package_ / "package.toml") << text;
    version_ = version, model_ = model;
  }

  ProcessResult sain(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {SAIN_PROGRAM, "specialists"});
    return Subprocess(arguments, {.environment = environment_}).wait();
  }
  ProcessResult install() {
    EXPECT_EQ(sain({"seal", package_}).exit_code, 0);
    return sain({"install", package_, "--json"});
  }
  json list() { return json_of(sain({"list", "--json"}))["specialists"]; }

  testing::TemporaryFolder folder_;
  const fs::path package_ = folder_ / "package";
  std::string version_ = "1.0.0", model_ = kSpecialist;
  std::vector<std::pair<std::string, std::string>> environment_ = {{"SAIN_DATA", folder_ / "data"}};
};

// R5, R10: what is installed has reached its score, beside the assistant's. R22: an update that answers less is
// refused. R29: the old version is a command away.
TEST_F(Specialists, ArriveMeasuredAreUpdatedIfNoWorseAndRolledBack) {
  EXPECT_EQ(list(), json::array());
  const json first = json_of(install());
  EXPECT_EQ(first["version"], "1.0.0");
  EXPECT_GT(first["score"].get<double>(), 0.7);
  EXPECT_GT(first["score"], first["assistant_score"]) << "a specialist is better at it than the assistant";
  EXPECT_GT(first["memory_bytes"].get<uint64_t>(), uint64_t{400} << 20) << "weights of 390 MiB, and a KV cache";
  EXPECT_LT(first["memory_bytes"].get<uint64_t>(), uint64_t{600} << 20);
  EXPECT_EQ(list()[0]["score"], first["score"]);

  change("1.1.0", kWorse);
  const ProcessResult worse = install();
  EXPECT_EQ(worse.exit_code, 1);
  EXPECT_THAT(worse.err, HasSubstr("python 1.1.0: answers "));
  EXPECT_THAT(worse.err, HasSubstr("questions rightly, version 1.0.0 "));
  EXPECT_EQ(list()[0]["version"], "1.0.0");
  EXPECT_EQ(list()[0]["versions"], json::array({"1.0.0"}));

  EXPECT_EQ(sain({"install", package_, "--force"}).exit_code, 0);
  EXPECT_EQ(list()[0]["version"], "1.1.0");
  EXPECT_THAT(sain({"rollback", "python"}).out, HasSubstr("python 1.0.0 is active"));
  EXPECT_EQ(sain({"remove", "python", "--version", "1.1.0"}).exit_code, 0);
  EXPECT_THAT(sain({"verify"}).out, HasSubstr("python 1.0.0: as expected"));
  EXPECT_EQ(sain({"remove", "python"}).exit_code, 0);
  EXPECT_EQ(list(), json::array());
}

// R29: a program that runs takes up what is installed beside it.
TEST_F(Specialists, JoinAConversationThatGoesOn) {
  const fs::path fifo = folder_ / "requests";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  Subprocess chat({"sh", "-c", std::string("exec ") + SAIN_PROGRAM + " chat --json < " + fifo.string()},
                  {.environment = environment_});
  const int requests = open(fifo.c_str(), O_WRONLY);
  ASSERT_GE(requests, 0);
  const auto send = [&](const std::string& line) {
    ASSERT_EQ(write(requests, (line + "\n").data(), line.size() + 1), static_cast<ssize_t>(line.size() + 1));
  };
  const auto n_answers = [&] {
    size_t n = 0;
    for (size_t at = 0; (at = chat.out().find("\"event\":\"done\"", at)) != std::string::npos; ++at) ++n;
    return n;
  };
  const auto answer_to = [&](const std::string& line) {
    const size_t before = n_answers(), begin = chat.out().size();
    send(line);
    while (n_answers() == before && chat.pump()) {
    }
    return chat.out().substr(begin);
  };
  EXPECT_THAT(answer_to("@python which keyword defines a function?"), HasSubstr("@python names nobody"));
  const ProcessResult installed = install();
  ASSERT_EQ(installed.exit_code, 0) << installed.err;
  while (chat.err().find("the specialists are now") == std::string::npos && chat.pump()) {
  }
  EXPECT_THAT(answer_to("@python which keyword defines a function?"), HasSubstr("\"by\":\"python\""));
  EXPECT_THAT(answer_to("python says IndentationError, why"), HasSubstr("\"specialist\":\"python\""));
  ASSERT_EQ(sain({"remove", "python"}).exit_code, 0);
  close(requests);
  EXPECT_EQ(chat.wait().exit_code, 0);
}

TEST_F(Specialists, BadPackagesAreRefusedByNameOfWhatIsWrong) {
  EXPECT_THAT(sain({"check", package_}).err, HasSubstr("SHA256SUMS: there is no such file"));
  EXPECT_EQ(sain({"seal", package_}).exit_code, 0);
  EXPECT_EQ(sain({"check", package_}).exit_code, 0);
  std::ofstream(package_ / "questions.toml", std::ios::app) << "#";
  const ProcessResult changed = sain({"install", package_});
  EXPECT_EQ(changed.exit_code, 1);
  EXPECT_THAT(changed.err, HasSubstr("questions.toml: expected SHA-256 "));
  change("1.0.0", "no-such-model.gguf");
  EXPECT_THAT(sain({"seal", package_}).err, HasSubstr("no-such-model.gguf"));
  change("one", kSpecialist);
  const ProcessResult wrong = sain({"check", package_});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("package.toml:3: version: expected "));
  EXPECT_EQ(sain({"rollback", "python"}).exit_code, 1);
  EXPECT_THAT(sain({"remove", "python"}).err, HasSubstr("python is not installed"));
  EXPECT_FALSE(fs::exists(folder_ / "data/specialists/python/1.0.0"));
}

TEST_F(Specialists, SignaturesAreAskedForWhereKeysAreTrusted) {
  ASSERT_EQ(sain({"keygen", folder_ / "ann"}).exit_code, 0);
  EXPECT_THAT(sain({"trust", folder_ / "ann.pub"}).out, HasSubstr("ann is trusted"));
  const ProcessResult refused = install();
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("expected a signature by ann"));
  EXPECT_EQ(sain({"seal", package_, "--key", folder_ / "ann.key"}).exit_code, 0);
  EXPECT_THAT(sain({"check", package_}).out, HasSubstr("signed by ann"));
  EXPECT_THAT(sain({"trust", "ann", "--remove"}).out, HasSubstr("Packages of anybody"));
}

}  // namespace
}  // namespace sain::test
