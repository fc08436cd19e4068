// The blocks of GGUF's quantized types, byte for byte as in a file (little-endian, no padding).
//
// A row of n elements is n / kElements blocks. Types of 32 elements hold element i < 16 in the low half of qs[i] and
// element i + 16 in its high half. Types ending in _K, and IQ4_XS, hold 256 elements in sub-blocks with scales of
// their own. f16 fields keep their bits: half_to_float() in kernels/half.h reads them. The structs are packed, hence of
// alignment 1: a pointer into a file may be cast to them.
#pragma once

#include <stdint.h>

namespace sain::kernels {

/// x = d * (q - 8)
struct [[gnu::packed]] BlockQ4_0 {
  static constexpr int kElements = 32;
  uint16_t d;      // f16
  uint8_t qs[16];  // 4-bit q
};

/// x = d * q + m
struct [[gnu::packed]] BlockQ4_1 {
  static constexpr int kElements = 32;
  uint16_t d, m;   // f16
  uint8_t qs[16];  // 4-bit q
};

/// x = d * (q - 16)
struct [[gnu::packed]] BlockQ5_0 {
  static constexpr int kElements = 32;
  uint16_t d;      // f16
  uint8_t qh[4];   // bit i % 8 of qh[i / 8]: bit 4 of element i
  uint8_t qs[16];  // bits 0..3
};

/// x = d * q + m
struct [[gnu::packed]] BlockQ5_1 {
  static constexpr int kElements = 32;
  uint16_t d, m;   // f16
  uint8_t qh[4];   // as in Q5_0
  uint8_t qs[16];  // bits 0..3
};

/// x = d * q
struct [[gnu::packed]] BlockQ8_0 {
  static constexpr int kElements = 32;
  uint16_t d;  // f16
  int8_t qs[32];
};

/// 16 sub-blocks of 16: x = (d * scale) * q - (dmin * min)
struct [[gnu::packed]] BlockQ2_K {
  static constexpr int kElements = 256;
  uint8_t scales[16];  // sub-block s: scale in bits 0..3, min in bits 4..7
  uint8_t qs[64];      // element 128 * h + 32 * p + i: bits 2p, 2p + 1 of qs[32 * h + i]
  uint16_t d, dmin;    // f16
};

/// 16 sub-blocks of 16: x = (d * (scale - 32)) * (q - 4)
struct [[gnu::packed]] BlockQ3_K {
  static constexpr int kElements = 256;
  uint8_t hmask[32];   // element 32 * b + i: bit b of hmask[i] is bit 2 of q
  uint8_t qs[64];      // bits 0 and 1 of q, ordered as in Q2_K
  uint8_t scales[12];  // 6-bit: bits 0..3 of scale s in half s / 8 of scales[s % 8], bits 4 and 5 in bits
                       // 2 * (s / 4) and up of scales[8 + s % 4]
  uint16_t d;          // f16
};

/// 8 sub-blocks of 32: x = (d * scale) * q - (dmin * min)
struct [[gnu::packed]] BlockQ4_K {
  static constexpr int kElements = 256;
  uint16_t d, dmin;    // f16
  uint8_t scales[12];  // 6-bit: scale s < 4 in bits 0..5 of [s], min s < 4 of [4 + s]; for s >= 4 bits 0..3 in the low
                       // (scale) and high (min) half of [4 + s], bits 4 and 5 in bits 6 and 7 of [s - 4] and [s]
  uint8_t qs[128];     // element 64 * c + i, i < 32: low half of qs[32 * c + i]; element 64 * c + 32 + i: high half
};

/// 8 sub-blocks of 32: x = (d * scale) * q - (dmin * min)
struct [[gnu::packed]] BlockQ5_K {
  static constexpr int kElements = 256;
  uint16_t d, dmin;    // f16
  uint8_t scales[12];  // as in Q4_K
  uint8_t qh[32];      // element 32 * s + i: bit s of qh[i] is bit 4 of q
  uint8_t qs[128];     // bits 0..3, ordered as in Q4_K
};

/// 16 sub-blocks of 16: x = (d * scale) * (q - 32)
struct [[gnu::packed]] BlockQ6_K {
  static constexpr int kElements = 256;
  uint8_t ql[128];    // element 128 * h + 64 * n + i, i < 64: bits 0..3 in half n of ql[64 * h + i]
  uint8_t qh[64];     // element 128 * h + 32 * p + i, i < 32: bits 4 and 5 in bits 2p, 2p + 1 of qh[32 * h + i]
  int8_t scales[16];  //
  uint16_t d;         // f16
};

/// x = d * kIq4Values[q]
struct [[gnu::packed]] BlockIQ4_NL {
  static constexpr int kElements = 32;
  uint16_t d;      // f16
  uint8_t qs[16];  // 4-bit q
};

/// 8 sub-blocks of 32: x = (d * (scale - 32)) * kIq4Values[q]
struct [[gnu::packed]] BlockIQ4_XS {
  static constexpr int kElements = 256;
  uint16_t d;           // f16
  uint16_t scales_h;    // bits 2s, 2s + 1: bits 4 and 5 of scale s
  uint8_t scales_l[4];  // half s % 2 of scales_l[s / 2]: bits 0..3 of scale s
  uint8_t qs[128];      // sub-block s: 16 bytes ordered as in IQ4_NL
};

/// x = 2^(e - 128) * kMxfp4Values[q], the microscaling format of the Open Compute Project with doubled values
struct [[gnu::packed]] BlockMXFP4 {
  static constexpr int kElements = 32;
  uint8_t e;       // e8m0 exponent
  uint8_t qs[16];  // 4-bit q: sign, two bits of exponent, one of mantissa
};

/// The 16 levels of the non-linear 4-bit types.
inline constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// Twice the 16 values of e2m1.
inline constexpr int8_t kMxfp4Values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22);
static_assert(sizeof(BlockQ5_1) == 24 && sizeof(BlockQ8_0) == 34 && sizeof(BlockQ2_K) == 84);
static_assert(sizeof(BlockQ3_K) == 110 && sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176);
static_assert(sizeof(BlockQ6_K) == 210 && sizeof(BlockIQ4_NL) == 18 && sizeof(BlockIQ4_XS) == 136);
static_assert(sizeof(BlockMXFP4) == 17 && alignof(BlockQ4_0) == 1 && alignof(BlockQ6_K) == 1);

}  // namespace sain::kernels
