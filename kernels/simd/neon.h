// Vectors of 4 floats (NEON of 64-bit ARM), with the names of avx2.h. Only files named neon.cc include this.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __ARM_FEATURE_DOTPROD
#include <arm_neon.h>

namespace sain::kernels {
namespace {

struct Neon {
  using F = float32x4_t;
  static constexpr size_t kLanes = 4;

  static F zero() { return vdupq_n_f32(0); }
  static F set1(float x) { return vdupq_n_f32(x); }
  static F load(const float* x) { return vld1q_f32(x); }
  static void store(float* out, F x) { vst1q_f32(out, x); }

  /// The first n < kLanes elements; the others are 0, or not written.
  static F load_first(const float* x, size_t n) {
    float padded[kLanes] = {};
    for (size_t i = 0; i < n; ++i) padded[i] = x[i];
    return load(padded);
  }
  static void store_first(float* out, F x, size_t n) {
    float padded[kLanes];
    store(padded, x);
    for (size_t i = 0; i < n; ++i) out[i] = padded[i];
  }

  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }           // a * b + c
  static F fnma(F a, F b, F c) { return vfmsq_f32(c, a, b); }          // c - a * b
  static F max(F a, F b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }  // b where either is NaN
  static F min(F a, F b) { return vbslq_f32(vcltq_f32(a, b), a, b); }  // likewise
  static F round(F x) { return vrndnq_f32(x); }

  /// 2^n for whole n from -127 (where it is 0) to 128 (infinity).
  static F power_of_2(F n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
  }

  // Sums in double.
  using D = float64x2_t;
  static D zero_d() { return vdupq_n_f64(0); }
  static D add_d(D a, D b) { return vaddq_f64(a, b); }
  static void add_squares(F x, D& low, D& high) {
    const D x_low = vcvt_f64_f32(vget_low_f32(x)), x_high = vcvt_high_f64_f32(x);
    low = vfmaq_f64(low, x_low, x_low);
    high = vfmaq_f64(high, x_high, x_high);
  }
  static void add_to(F x, D& low, D& high) {
    low = vaddq_f64(low, vcvt_f64_f32(vget_low_f32(x)));
    high = vaddq_f64(high, vcvt_high_f64_f32(x));
  }
  static double sum_d(D x) { return vaddvq_f64(x); }

  // Pairs of neighbours.
  static F even_twice(F x) { return vtrn1q_f32(x, x); }  // x0 x0 x2 x2
  static F odd_twice(F x) { return vtrn2q_f32(x, x); }   // x1 x1 x3 x3
  static F swap_pairs(F x) { return vrev64q_f32(x); }    // x1 x0 x3 x2
  static F sub_add(F a, F b) {                           // a0 - b0, a1 + b1, ...
    const uint32x4_t signs = vreinterpretq_u32_u64(vdupq_n_u64(0x80000000));
    return vaddq_f32(a, vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(b), signs)));
  }
  /// The even (odd) elements of low and high, in order.
  static F evens(F low, F high) { return vuzp1q_f32(low, high); }
  static F odds(F low, F high) { return vuzp2q_f32(low, high); }

  /// x where it is finite.
  static F finite_or(F x, F otherwise) { return vbslq_f32(vcaltq_f32(x, set1(__builtin_inff())), x, otherwise); }
  static bool any_less(F a, F b) { return vmaxvq_u32(vcltq_f32(a, b)) != 0; }
  static bool any_equal(F a, F b) { return vmaxvq_u32(vceqq_f32(a, b)) != 0; }

  static float sum(F x) { return vaddvq_f32(x); }
  static float max_lane(F x) { return vmaxvq_f32(x); }

  /// The sums of four vectors, as four floats.
  static void store_sums(float* out, F a, F b, F c, F d) { store(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d))); }

  /// rows[i][j] and rows[j][i] change places.
  static void transpose(F (&rows)[kLanes]) {
    const auto of_doubles = [](float64x2_t x) { return vreinterpretq_f32_f64(x); };
    const float64x2_t even01 = vreinterpretq_f64_f32(vtrn1q_f32(rows[0], rows[1]));
    const float64x2_t odd01 = vreinterpretq_f64_f32(vtrn2q_f32(rows[0], rows[1]));
    const float64x2_t even23 = vreinterpretq_f64_f32(vtrn1q_f32(rows[2], rows[3]));
    const float64x2_t odd23 = vreinterpretq_f64_f32(vtrn2q_f32(rows[2], rows[3]));
    rows[0] = of_doubles(vtrn1q_f64(even01, even23));
    rows[1] = of_doubles(vtrn1q_f64(odd01, odd23));
    rows[2] = of_doubles(vtrn2q_f64(even01, even23));
    rows[3] = of_doubles(vtrn2q_f64(odd01, odd23));
  }

  // Elements of other types.
  static F load_f16(const uint16_t* x) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x))); }
  static F load_first_f16(const uint16_t* x, size_t n) {
    uint16_t padded[kLanes] = {};
    for (size_t i = 0; i < n; ++i) padded[i] = x[i];
    return load_f16(padded);
  }
  static F load_i8(const int8_t* x) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(four_bytes(x))))));
  }
  /// The low (shift 0) or high (4) halves of the first bytes at x, each less 8.
  static F load_nibbles(const uint8_t* x, int shift) {
    const uint8x8_t bytes = vreinterpret_u8_u32(four_bytes(x));
    const uint8x8_t nibbles = shift == 0 ? vand_u8(bytes, vdup_n_u8(15)) : vshr_n_u8(bytes, 4);
    const int8x8_t less_8 = vreinterpret_s8_u8(vsub_u8(nibbles, vdup_n_u8(8)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(less_8))));
  }
  static F set1_f16(uint16_t x) { return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(x))); }

 private:
  static uint32x2_t four_bytes(const void* x) {
    uint32_t four;
    __builtin_memcpy(&four, x, 4);
    return vdup_n_u32(four);
  }
};

}  // namespace
}  // namespace sain::kernels
#endif
