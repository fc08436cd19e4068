// `sain privacy`: kinds, places and the decision, for people and for scripts.
#include "tests/tools/program.h"

namespace sain::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Privacy, SaysWhatIsPersonal) {
  const ProcessResult result = run_sain({"privacy", "Write to anna@example.org"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(StartsWith("stays local: 1 email\n"), HasSubstr("9-25     anna@example.org\n")));
  EXPECT_EQ(run_sain({"privacy", "Sort a list"}).out, "may leave: nothing personal\n");
}

TEST(Privacy, GivesJsonForEachLine) {
  const ProcessResult result = run_sain({"privacy", "--json"}, {.input = "a@example.org\n\nSort a list"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, R"({"decision":"local","findings":[{"kind":"email","begin":0,"end":13}]})"
                        "\n"
                        R"({"decision":"cloud","findings":[]})"
                        "\n"
                        R"({"decision":"cloud","findings":[]})"
                        "\n");
  const ProcessResult two_lines =
      run_sain({"privacy", "--json", "--null"}, {.input = std::string("a@example.org\nx\0", 16)});
  EXPECT_EQ(json_of(two_lines)["findings"].size(), 1u);
}

TEST(Privacy, StrictFindsMore) {
  EXPECT_EQ(json_of(run_sain({"privacy", "--json", "Natalia sold clips"}))["decision"], "cloud");
  EXPECT_EQ(json_of(run_sain({"privacy", "--json", "--level", "strict", "Natalia sold clips"}))["decision"], "local");
}

TEST(Privacy, RedactsText) {
  EXPECT_EQ(run_sain({"privacy", "--redact", "Write to anna@example.org\x1b[2J"}).out, "Write to [email][2J\n");
}

TEST(Privacy, WrongUsageIsRefused) {
  EXPECT_EQ(run_sain({"privacy", "--level", "off", "x"}).exit_code, 2);
  EXPECT_EQ(run_sain({"privacy", "--level", "x", "x"}).exit_code, 2);
  EXPECT_EQ(run_sain({"privacy", "--json", "--redact", "x"}).exit_code, 2);
  EXPECT_THAT(run_sain({"privacy", "--help"}).out,
              AllOf(HasSubstr("Examples:\n  sain privacy"), Not(HasSubstr("off"))));
}

}  // namespace
}  // namespace sain::test
