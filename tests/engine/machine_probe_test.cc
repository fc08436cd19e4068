#include "engine/machine_probe.h"

#include <gtest/gtest.h>

namespace sain::engine {
namespace {

TEST(MachineProbe, MeasuresSomething) {
  ThreadPool pool(2);
  const auto speed = measure_machine(pool, kernels::detect_isa());
  ASSERT_TRUE(speed) << speed.error().message;
  EXPECT_GT(speed->read_gbs, 0);
  EXPECT_GT(speed->int8_gops, 0);
}

TEST(MachineProbe, AStopRequestEndsIt) {
  ThreadPool pool(1);
  std::stop_source stop;
  stop.request_stop();
  const auto speed = measure_machine(pool, kernels::Isa::kScalar, stop.get_token());
  ASSERT_FALSE(speed);
  EXPECT_EQ(speed.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace sain::engine
