// `sain tokenize` and `sain detokenize` on a real vocabulary.
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Tokenize : public RealModelTest {
 protected:
  static ProcessResult run(std::vector<std::string> arguments, std::string input = {}) {
    arguments.insert(arguments.begin() + 1, {"-m", kModel});
    return run_sain(std::move(arguments), {.input = std::move(input)});
  }
};

TEST_F(Tokenize, GivesTheReferenceTokens) {
  const json tokenizer = golden("smollm2-135m-instruct.tokenizer.json");
  for (const json& c : tokenizer["cases"]) {
    const std::string name = c["name"], text = c["text"];
    if (name != "chinese" && name != "special_chatml" && name != "empty" && name != "crlf") continue;
    EXPECT_EQ(json_of(run({"tokenize", "--json"}, text))["tokens"], c["ids"]) << name;
    EXPECT_EQ(json_of(run({"tokenize", "--json", "--special"}, text))["tokens"], c["ids_parse_special"]) << name;
    EXPECT_EQ(json_of(run({"detokenize", "--json", "--tokens", joined(c["ids"])}))["text"], text) << name;
  }
}

TEST_F(Tokenize, ReadsAnArgumentAFileOrStandardInput) {
  const TemporaryFile file("text.txt", "Hello, world!");
  const json tokens = {19556, 28, 905, 17};
  EXPECT_EQ(json_of(run({"tokenize", "Hello, world!", "--json"}))["tokens"], tokens);
  EXPECT_EQ(json_of(run({"tokenize", "-f", file.path(), "--json"}))["tokens"], tokens);
  EXPECT_EQ(json_of(run({"tokenize", "-f", "-", "--json"}, "Hello, world!"))["tokens"], tokens);
  EXPECT_EQ(json_of(run({"tokenize", "", "--json"}, "not read"))["tokens"], json::array());
}

TEST_F(Tokenize, ShowsEachTokensText) {
  const ProcessResult result = run({"tokenize", "Hello, world!\n"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("   19556  'Hello'\n"), HasSubstr("     905  ' world'\n"), HasSubstr("'\\n'")));
  EXPECT_EQ(result.err, "");
}

TEST_F(Tokenize, DetokenizeGivesExactlyTheBytes) {
  EXPECT_EQ(run({"detokenize", "--tokens", "19556,28,905,17"}).out, "Hello, world!");
  EXPECT_EQ(run({"detokenize"}, "[19556, 28]\n905 17\n").out, "Hello, world!");
  EXPECT_EQ(run({"detokenize"}, "").out, "");
  EXPECT_EQ(run({"detokenize", "--tokens", "1,19556,2"}).out, "Hello");
  EXPECT_EQ(run({"detokenize", "--tokens", "1,19556,2", "--special"}).out, "<|im_start|>Hello<|im_end|>");
}

TEST_F(Tokenize, BrokenUtf8IsRepairedInJsonOnly) {
  const json bytes = json_of(run({"tokenize", "--json", "\u4F60"}))["tokens"];
  ASSERT_GT(bytes.size(), 1u);
  EXPECT_THAT(std::string("\u4F60"), StartsWith(run({"detokenize", "--tokens", bytes[0].dump()}).out));
  EXPECT_EQ(json_of(run({"detokenize", "--json", "--tokens", bytes[0].dump()}))["text"], "\uFFFD");
}

TEST_F(Tokenize, WrongUsage) {
  EXPECT_EQ(run({"detokenize", "--tokens", "1,x"}).exit_code, 2);
  const ProcessResult beyond = run({"detokenize", "--tokens", "49152"});
  EXPECT_EQ(beyond.exit_code, 2);
  EXPECT_THAT(beyond.err, HasSubstr("expected ids from 0 to 49151, found 49152"));
  EXPECT_EQ(run({"detokenize", "--tokens", "-1"}).exit_code, 2);
  EXPECT_EQ(run({"tokenize"}, "\xFF").exit_code, 2);
  EXPECT_EQ(run({"tokenize", "text", "-f", "file"}).exit_code, 2);
  EXPECT_EQ(run({"tokenize", "-f", "no such file"}).exit_code, 1);
  EXPECT_EQ(run_sain({"tokenize", "text"}).exit_code, 2);  // no model
  EXPECT_EQ(run_sain({"tokenize", "-m", "no such model", "text"}).exit_code, 1);
}

}  // namespace
}  // namespace sain::test
