// An exponential that gives the same bits on every machine; a libm's may differ in the last place.
#pragma once

#include <bit>
#include <cstdint>

namespace sain::engine {

/// e^x for x <= 0 (0 below about -87, and for -inf); relative error below 3e-7. Only IEEE additions and products, in
/// a form that compilers vectorise.
///
/// x = n ln2 + r with |r| <= ln2 / 2; e^r is its Taylor series to r^7 (remainder r^8 / 8! < 6e-9); 2^n is the
/// exponent field of a float.
inline float exp_nonpositive(float x) {
  constexpr float kLowest = -87.0f;      // e^x is normal above it
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f;  // 10 bits, so that n * kLn2High is exact
  constexpr float kLn2Low = -2.12194440e-4f;
  const float clamped = x > kLowest ? x : kLowest;
  const float n = (clamped * kLog2E + kRound) - kRound;
  const float r = (clamped - n * kLn2High) - n * kLn2Low;
  float power = 1.0f / 5040;
  power = power * r + 1.0f / 720;
  power = power * r + 1.0f / 120;
  power = power * r + 1.0f / 24;
  power = power * r + 1.0f / 6;
  power = power * r + 0.5f;
  power = power * r + 1.0f;
  power = power * r + 1.0f;
  const float scale = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return x > kLowest ? power * scale : 0.0f;
}

}  // namespace sain::engine
