// Reproducible test data: the seed is part of the failure message through SCOPED_TRACE at the caller.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace sain::testing {

/// n numbers, normally distributed with the given spread.
inline std::vector<float> random_floats(size_t n, uint64_t seed, float spread = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> out(n);
  for (float& x : out) x = normal(random);
  return out;
}

}  // namespace sain::testing
