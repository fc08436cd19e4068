// `sain status`, beside a program that publishes what the test says.
#include "tests/tools/program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>

#include "router/monitoring/serving_metrics.h"
#include "router/monitoring/status_server.h"
#include "tests/support/temporary_folder.h"
#include "tools/terminal/status_view.h"

namespace sain::test {
namespace {

using nlohmann::json;
using router::StatusReport;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

StatusReport busy_report() {
  StatusReport report;
  report.program = "sain chat";
  report.pid = getpid();
  report.started = std::time(nullptr) - 3700;
  report.budget_bytes = 8'000'000'000;
  report.models = {{"/models/tiny.gguf", "leased", {"assistant"}, 98'000'000, 94'000'000, 1, 135, 1},
                   {"/models/big.gguf", "loading", {"coding", "writing"}, 491'000'000, 0, 0, 0, 0.45}};
  report.memory = {{"weights:assistant", 98'000'000}, {"kv", 94'000'000}};
  report.device = {"a GPU", 4'000'000'000, 520'000'000, {{"weights:coding", 491'000'000}}};
  report.rss_bytes = 212'000'000, report.peak_rss_bytes = 300'000'000;
  report.requests = 12;
  report.answers = {{"assistant", 8}, {"coding", 3}};
  report.fallbacks = 2, report.cancelled = 1;
  report.stages = {{"route", {12, 2.13, 3.5, 4}}, {"load", {}}, {"first_token", {11, 800, 2500, 9999}}};
  report.prompt_tokens = 3210, report.decode_tokens = 1000, report.decode_tps = 41.25;
  report.energy = {std::nullopt, "no counter", 47, 99};
  report.prefetch = {3, 2, 1};
  report.conversations = 1;
  return report;
}

class StatusCommand : public ::testing::Test {
 protected:
  void SetUp() override { setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1); }
  void TearDown() override { unsetenv("XDG_RUNTIME_DIR"); }

  void publish(std::string status) {
    auto server = router::StatusServer::start(
        {.status = [status] { return status; }, .metrics = [] { return std::string("sain_conversations 1\n"); }});
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<router::StatusServer> server_;
};

TEST_F(StatusCommand, WithoutProgramsItSaysSo) {
  const ProcessResult plain = run_sain({"status"});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_EQ(plain.out, "No SAIN program is running.\n");
  EXPECT_EQ(run_sain({"status", "--json"}).out, "[]\n");
  const ProcessResult metrics = run_sain({"status", "--metrics"});
  EXPECT_EQ(metrics.exit_code, 0);
  EXPECT_EQ(metrics.out, "");
  const ProcessResult one = run_sain({"status", "--pid", "1"});
  EXPECT_EQ(one.exit_code, 1);
  EXPECT_THAT(one.err, HasSubstr("no SAIN program is running as process 1"));
}

TEST_F(StatusCommand, ShowsARunningProgram) {
  const std::string published = router::to_json(busy_report());
  publish(published);
  const ProcessResult plain = run_sain({"status"});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_THAT(plain.out, AllOf(HasSubstr("sain chat, process " + std::to_string(getpid()) + ", for 1 h 1 min"),
                               HasSubstr("tiny.gguf"), HasSubstr("41.2 a second"), Not(HasSubstr("\033"))));
  const json programs = json_of(run_sain({"status", "--json"}));
  ASSERT_EQ(programs.size(), 1u);
  EXPECT_EQ(programs[0], json::parse(published));
  EXPECT_EQ(run_sain({"status", "--metrics", "--pid", std::to_string(getpid())}).out, "sain_conversations 1\n");
}

TEST_F(StatusCommand, SeveralProgramsHaveNoMetricsTogether) {
  publish(router::to_json(busy_report()));
  // A second one, by another name for the first: the program looks at names.
  std::filesystem::create_symlink(server_->socket(), folder_ / "sain/1.sock");
  const ProcessResult result = run_sain({"status", "--metrics"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--pid says which: 1 "));
  EXPECT_EQ(json_of(run_sain({"status", "--json"})).size(), 2u);
}

TEST_F(StatusCommand, AProgramThatTalksNonsenseIsAnError) {
  publish("nonsense\033[2J");
  const ProcessResult result = run_sain({"status", "--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("a status report"));
  EXPECT_THAT(run_sain({"status"}).out, AllOf(HasSubstr("a status report"), Not(HasSubstr("\033"))));
}

TEST_F(StatusCommand, OnATerminalItIsLiveUntilQ) {
  publish(router::to_json(busy_report()));
  int terminal = -1;
  winsize size{.ws_row = 40, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};
  const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    execl(SAIN_PROGRAM, SAIN_PROGRAM, "status", nullptr);
    _exit(127);
  }
  std::string shown;
  const auto read_until = [&](const std::string& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (shown.find(wanted) == std::string::npos && std::chrono::steady_clock::now() < deadline) {
      pollfd polled{terminal, POLLIN, 0};
      char buffer[4096];
      if (poll(&polled, 1, 1000) <= 0) continue;
      const ssize_t n = read(terminal, buffer, sizeof buffer);
      if (n <= 0) break;
      shown.append(buffer, static_cast<size_t>(n));
    }
    return shown.find(wanted) != std::string::npos;
  };
  EXPECT_TRUE(read_until("q leaves")) << shown;
  EXPECT_THAT(shown, AllOf(HasSubstr("\033[?1049h"), HasSubstr("tiny.gguf")));
  shown.clear();
  EXPECT_TRUE(read_until("q leaves")) << "it is drawn again";
  EXPECT_EQ(write(terminal, "q", 1), 1);
  EXPECT_TRUE(read_until("\033[?1049l")) << shown;
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  close(terminal);
}

TEST(StatusView, ShowsWhatMatters) {
  const StatusReport report = busy_report();
  const std::string text = tools::status_text(report, report.started + 75);
  for (const char* part :
       {"for 1 min 15 s; 1 conversation\n", "192 MB counted, of 8.00 GB; the kernel says 212 MB", "at most 300 MB",
        "12, 2 fallbacks, 1 cancelled, 0 errors; answers: assistant 8, coding 3", "47.0 s, 47.0 ms a token", "45 %",
        "coding, writing", "energy    unknown: no counter", "3 begun, 2 used, 1 dropped", "weights:assistant 98.0 MB",
        "device    491 MB counted, of 4.00 GB; a GPU says 520 MB\n", "weights:coding 491 MB"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, ::testing::ContainsRegex("route +12 +2.13 ms +3.50 ms +4.00 ms"));
  EXPECT_THAT(text, ::testing::ContainsRegex("first_token +11 +800 ms +2.50 s +10.0 s"));
  EXPECT_THAT(text, Not(HasSubstr("load  ")));  // a stage that never was
}

TEST(StatusView, AReportThatIsEmptyOrHostileDoesNoHarm) {
  EXPECT_THAT(tools::status_text({}, 0),
              AllOf(HasSubstr("process 0, for 0 s; 0 conversations"), Not(HasSubstr("device"))));
  StatusReport report = busy_report();
  report.program = "\033]0;x\007";
  report.energy.joules = 500;
  const std::string text = tools::status_text(report, 0);
  EXPECT_THAT(text, AllOf(Not(HasSubstr("\033")), HasSubstr("500 J, 0.5 J a token")));
}

}  // namespace
}  // namespace sain::test
