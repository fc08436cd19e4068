// f16 (IEEE 754 binary16) and bf16 to f32 and back, in integer code that every machine runs alike.
//
// Everything is `static`: a file compiled for one instruction set must not lend its copy to the others.
#pragma once

#include <stdint.h>

namespace sain::kernels {

static inline float float_from_bits(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

static inline uint32_t bits_of_float(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// Exact for every f16: subnormals, infinities, NaN with its payload. Free of branches, so that loops vectorise.
static inline float half_to_float(uint16_t half) {
  constexpr uint32_t kRebias = (127 - 15) << 23;  // between the exponents of f16 and f32
  const uint32_t magnitude = half & 0x7fffu;
  // A subnormal is magnitude * 2^-24, and 2^-24 is the last bit of 0.5f.
  const uint32_t subnormal = bits_of_float(float_from_bits(0x3f000000u | magnitude) - 0.5f);
  uint32_t bits = (magnitude << 13) + kRebias;
  bits += magnitude >= 0x7c00u ? kRebias : 0u;  // infinity and NaN have the largest exponent in both
  bits = magnitude < 0x0400u ? subnormal : bits;
  return float_from_bits(bits | (half & 0x8000u) << 16);
}

/// Rounds to nearest, ties to even; beyond the range to infinity. A NaN becomes quiet and keeps its upper payload.
static inline uint16_t float_to_half(float value) {
  constexpr uint32_t kRebias = (127 - 15) << 23;
  const uint32_t bits = bits_of_float(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  uint32_t half;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u | (magnitude >> 13 & 0x3ffu);
  } else if (magnitude >= 0x477ff000u) {  // 65520, the middle between the largest f16 and what would follow
    half = 0x7c00u;
  } else if (magnitude < 0x38800000u) {  // 2^-14: below it, adding 0.5f rounds to multiples of 2^-24
    half = bits_of_float(float_from_bits(magnitude) + 0.5f) - 0x3f000000u;
  } else {
    half = (magnitude - kRebias + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  }
  return static_cast<uint16_t>(half | (bits >> 16 & 0x8000u));
}

static inline float bf16_to_float(uint16_t bf16) {
  return float_from_bits(static_cast<uint32_t>(bf16) << 16);
}

/// Rounds to nearest, ties to even. A NaN becomes quiet and keeps its upper payload.
static inline uint16_t float_to_bf16(float value) {
  const uint32_t bits = bits_of_float(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/// Half of the e8m0 value `exponent`: 2^(exponent - 128), subnormal below 2.
static inline float e8m0_half_to_float(uint8_t exponent) {
  const uint32_t e = exponent;
  return float_from_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23);
}

}  // namespace sain::kernels
