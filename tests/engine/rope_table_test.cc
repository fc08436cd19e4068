#include "engine/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sain::engine {
namespace {

RopeConfig plain() {
  RopeConfig config;
  config.rotary_dim = 8;
  config.base = 10000;
  config.original_context = 4096;
  return config;
}

std::vector<float> angles(const RopeConfig& config, uint64_t position, RopeKind kind = RopeKind::kGlobal,
                          std::vector<float> factors = {}) {
  std::vector<float> out(config.rotary_dim);
  RopeTable(config, kind, factors).fill(position, out.data());
  return out;
}

void expect_pair(const std::vector<float>& table, size_t pair, long double angle, double magnitude = 1) {
  EXPECT_NEAR(table[2 * pair], magnitude * static_cast<double>(std::cos(angle)), 1e-6);
  EXPECT_NEAR(table[2 * pair + 1], magnitude * static_cast<double>(std::sin(angle)), 1e-6);
}

TEST(RopeTableTest, PlainFrequencies) {
  const auto table = angles(plain(), 3);
  for (size_t i = 0; i < 4; ++i) expect_pair(table, i, 3 * std::pow(10000.0L, -2.0L * i / 8));
}

// A frequency is off by some 2^-53 of itself, so an angle of 10 million by some 1e-9; floats are off by 2^-25.
TEST(RopeTableTest, ExactAtTenMillion) {
  for (const float base : {10000.0f, 100000.0f, 1e6f}) {
    RopeConfig config = plain();
    config.rotary_dim = 128;
    config.base = base;
    for (const uint64_t position : {9'999'999, 10'000'000, 10'000'001}) {
      const auto table = angles(config, position);
      for (size_t i = 0; i < 64; ++i) {
        const long double angle = position * std::pow(static_cast<long double>(base), -2.0L * i / 128);
        EXPECT_NEAR(table[2 * i], static_cast<double>(std::cos(angle)), 4e-8) << "pair " << i;
        EXPECT_NEAR(table[2 * i + 1], static_cast<double>(std::sin(angle)), 4e-8) << "pair " << i;
      }
    }
  }
}

TEST(RopeTableTest, LinearDividesGlobalPositionsOnly) {
  RopeConfig config = plain();
  config.scaling = RopeConfig::Scaling::kLinear;
  config.factor = 8;
  config.local_base = 100;
  const auto global = angles(config, 80), local = angles(config, 80, RopeKind::kLocal);
  for (size_t i = 0; i < 4; ++i) {
    expect_pair(global, i, 10 * std::pow(10000.0L, -2.0L * i / 8));
    expect_pair(local, i, 80 * std::pow(100.0L, -2.0L * i / 8));
  }
}

TEST(RopeTableTest, FactorsDivideFrequencies) {
  const auto table = angles(plain(), 5, RopeKind::kGlobal, {1, 2, 4, 8});
  for (size_t i = 0; i < 4; ++i) {
    expect_pair(table, i, 5 * std::pow(10000.0L, -2.0L * i / 8) / std::pow(2.0L, i));
  }
}

// Values worked out by hand from arXiv 2309.00071, 3.2: with 128 rotary dimensions, base 10000 and 4096 positions
// the pairs that turn 32 times and once are 20.94.. and 45.03..., so the ramp runs from pair 20 to pair 46.
TEST(RopeTableTest, YarnInterpolatesByParts) {
  RopeConfig config = plain();
  config.rotary_dim = 128;
  config.scaling = RopeConfig::Scaling::kYarn;
  config.factor = 4;
  const auto table = angles(config, 7);
  const double magnitude = 1 + 0.1 * std::log(4.0);
  const auto frequency = [](size_t i) { return std::pow(10000.0L, -2.0L * i / 128); };
  expect_pair(table, 0, 7 * frequency(0), magnitude);
  expect_pair(table, 20, 7 * frequency(20), magnitude);
  expect_pair(table, 33, 7 * frequency(33) * (0.5L + 0.5L / 4), magnitude);  // half-way along the ramp
  expect_pair(table, 46, 7 * frequency(46) / 4, magnitude);
  expect_pair(table, 63, 7 * frequency(63) / 4, magnitude);
}

}  // namespace
}  // namespace sain::engine
