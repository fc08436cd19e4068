// The random numbers that choose tokens, one a token.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>

#include "formats/result.h"

namespace sain::engine {

/// Numbers in [0, 1) of 53 bits, each from one step of a generator whose output C++ fixes. They can be known before it
/// is their turn, by whoever chooses tokens ahead of time.
class Draws {
 public:
  static constexpr size_t kMostAhead = 64;

  explicit Draws(uint64_t seed) : random_(seed) {}

  double take() {
    const double number = peek(0);
    first_ = (first_ + 1) % kMostAhead;
    --n_known_;
    return number;
  }

  /// What take() will give after `i` other ones, i < kMostAhead.
  double peek(size_t i) {
    SAIN_CHECK(i < kMostAhead);
    for (; n_known_ <= i; ++n_known_) {
      known_[(first_ + n_known_) % kMostAhead] = static_cast<double>(random_() >> 11) * 0x1p-53;
    }
    return known_[(first_ + i) % kMostAhead];
  }

 private:
  std::mt19937_64 random_;
  std::array<double, kMostAhead> known_ = {};  // a ring: n_known_ from first_ on
  size_t first_ = 0, n_known_ = 0;
};

}  // namespace sain::engine
