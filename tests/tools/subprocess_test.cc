#include "tests/support/subprocess.h"

#include <gtest/gtest.h>

namespace sain::test {
namespace {

TEST(Subprocess, CollectsBothStreamsAndTheExitCode) {
  const ProcessResult result = run_program({"sh", "-c", "printf out; printf err >&2; exit 3"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.out, "out");
  EXPECT_EQ(result.err, "err");
}

TEST(Subprocess, PassesArgumentsAndEnvironmentUntouched) {
  const ProcessResult result = run_program({"sh", "-c", "printf '%s|%s' \"$1\" \"$SAIN_TEST\"", "sh", "a b \"$x\" *"},
                                           {.environment = {{"SAIN_TEST", "1 2"}}});
  EXPECT_EQ(result.out, "a b \"$x\" *|1 2");
}

TEST(Subprocess, FeedsInputLargerThanAPipe) {
  const std::string text(1 << 20, 'x');
  EXPECT_EQ(run_program({"cat"}, {.input = text}).out, text);
  EXPECT_EQ(run_program({"true"}, {.input = text}).exit_code, 0);  // does not read it
}

TEST(Subprocess, ReportsSignals) {
  Subprocess process({"sh", "-c", "echo ready; exec sleep 1000"});
  while (process.out().empty() && process.pump()) {
  }
  process.send_signal(SIGTERM);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.signal, SIGTERM);
  EXPECT_EQ(result.exit_code, -1);
  EXPECT_EQ(result.out, "ready\n");
}

TEST(Subprocess, AProgramThatDoesNotExistIsAnError) {
  EXPECT_THROW(run_program({"/no/such/program"}), std::system_error);
}

}  // namespace
}  // namespace sain::test
