// e^x in single precision: one formula for every version.
//
// x = n ln2 + r with n whole and |r| <= ln2 / 2; e^r = 1 + r + r^2 (c0 + ... + c4 r^4), a minimax fit whose relative
// error is 3.1e-9; 2^n is a float's exponent field. With the roundings the relative error is at most 8.7e-8 (measured
// over every float), which is less than 1.5 units in the last place. Below -87.68 the result is 0, above 88.37
// infinity; NaN stays NaN. A version that fuses multiplies and adds may differ in the last place.
//
// Everything is `static`: a file compiled for one instruction set must not lend its copy to the others.
#pragma once

#include <stdint.h>

#include "kernels/half.h"

namespace sain::kernels {

inline constexpr float kExpLowest = -88.0f;   // e^x is 0 here already, by an exponent field of 0
inline constexpr float kExpHighest = 89.0f;   // and infinity here, by one of 255
inline constexpr float kExpRound = 12582912;  // 1.5 * 2^23: adding it rounds to a whole number
inline constexpr float kExpLog2E = 1.44269504f;
inline constexpr float kExpLn2High = 0.693359375f;  // 10 bits, so that n * kExpLn2High is exact
inline constexpr float kExpLn2Low = -2.12194440e-4f;
inline constexpr float kExpPolynomial[5] = {0.499999934f, 0.166665204f, 0.0416683908f, 0.00836874518f, 0.00138145393f};

static inline float exp_f32(float x) {
  if (x != x) return x;
  x = x > kExpLowest ? x : kExpLowest;
  x = x < kExpHighest ? x : kExpHighest;
  const float n = (x * kExpLog2E + kExpRound) - kExpRound;
  const float r = (x - n * kExpLn2High) - n * kExpLn2Low;
  float power = kExpPolynomial[4];
  for (int i = 3; i >= 0; --i) power = power * r + kExpPolynomial[i];
  power = (power * r) * r + r + 1.0f;
  return power * float_from_bits(static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23);
}

/// The same for a vector; S is a struct of this folder. With kAtMost0 nothing is done for x > 0.
enum class ExpDomain { kAll, kAtMost0 };

template <class S, ExpDomain kDomain = ExpDomain::kAll>
static inline typename S::F exp_f32(typename S::F x) {
  using F = typename S::F;
  x = S::max(S::set1(kExpLowest), x);  // the second operand where either is NaN
  if constexpr (kDomain == ExpDomain::kAll) x = S::min(S::set1(kExpHighest), x);
  const F n = S::round(S::mul(x, S::set1(kExpLog2E)));
  const F r = S::fnma(n, S::set1(kExpLn2Low), S::fnma(n, S::set1(kExpLn2High), x));
  F power = S::set1(kExpPolynomial[4]);
  for (int i = 3; i >= 0; --i) power = S::fma(power, r, S::set1(kExpPolynomial[i]));
  power = S::add(S::fma(S::mul(power, r), r, r), S::set1(1.0f));
  return S::mul(power, S::power_of_2(n));
}

}  // namespace sain::kernels
