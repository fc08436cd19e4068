// Whether something takes linear time, without a limit in seconds that a slow or busy machine would miss.
#pragma once

#include <cstddef>
#include <ctime>

namespace sain::testing {

/// Whether `work(8 * n)` takes less than 32 times the processor time of `work(n)`: linear work takes 8 times as much,
/// quadratic 64. One of three attempts is enough, since others use the machine too.
template <class Work>
bool takes_linear_time(Work work, size_t n) {
  constexpr std::clock_t kNoise = CLOCKS_PER_SEC / 500;
  const auto time = [&work](size_t size) {
    const std::clock_t start = std::clock();
    work(size);
    return std::clock() - start;
  };
  for (int attempt = 0; attempt < 3; ++attempt) {
    const std::clock_t few = time(n);
    if (time(8 * n) < 32 * few + kNoise) return true;
  }
  return false;
}

}  // namespace sain::testing
