// Half precision (IEEE 754 binary16) to and from float, in integer arithmetic: exact on every machine.
#pragma once

#include <stdint.h>
#include <string.h>

namespace sain::kernels {

/// Exact for every bit pattern: subnormals, infinities, and NaNs with their payload.
static inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = half & 0x7fffu;
  uint32_t bits;
  if (magnitude >= 0x7c00u) {
    bits = 0x7f800000u | (magnitude & 0x3ffu) << 13;
  } else if (magnitude >= 0x0400u) {
    bits = (magnitude << 13) + ((127u - 15u) << 23);
  } else {
    // A subnormal half is a whole number of 2^-24.
    const float value = static_cast<float>(magnitude) * 5.9604644775390625e-08f;
    memcpy(&bits, &value, sizeof bits);
  }
  bits |= sign;
  float out;
  memcpy(&out, &bits, sizeof out);
  return out;
}

/// Rounds to nearest, ties to even; what is too large becomes infinity, a NaN stays one.
static inline uint16_t float_to_half(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65520 and more
  if (magnitude < 0x38800000u) {
    // Below 2^-14: adding 0.5 leaves the mantissa in units of 2^-24, rounded by the addition itself.
    float shifted;
    memcpy(&shifted, &magnitude, sizeof shifted);
    shifted += 0.5f;
    uint32_t shifted_bits;
    memcpy(&shifted_bits, &shifted, sizeof shifted_bits);
    return static_cast<uint16_t>(sign | (shifted_bits - 0x3f000000u));
  }
  const uint32_t odd = magnitude >> 13 & 1u;
  return static_cast<uint16_t>(sign | ((magnitude + 0xfffu + odd - ((127u - 15u) << 23)) >> 13));
}

}  // namespace sain::kernels
